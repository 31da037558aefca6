"""The ``slipway`` command. Each verb is a module of this package; this one only lists and calls them."""

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from cli import terminal
from cli.errors import UserError, show, show_one
from cli.exits import Exit, epilog
from cli.lazy import LazyGroup, stand_in

VERBS: Final = {
    "init": ("cli.init", "Ask about a new environment and write its settings file."),
    "schema": ("cli.schema", "Print the JSON Schema of the settings files, for editors."),
    "plan": ("cli.plan", "Show what a stack is made of, without an account: seconds, Python only."),
    "policy": ("cli.policy", "Hold the rules against a plan, a preview, an export or manifests; explain the rules."),
    "cost": ("cli.cost", "Say what an environment costs, before it is built; compare it with its budget."),
    "up": ("cli.up", "Create or update an environment and wait until it is ready."),
    "preview": ("cli.preview", "Ask the engine what `up` would change; with --refresh also what has drifted."),
    "refresh": ("cli.refresh", "Compare the state with the cloud and name every property that has drifted."),
    "drift": ("cli.drift_report", "Report what was changed behind Pulumi's back: how bad it is, and what to do."),
    "rehearse": ("cli.rehearse", "Play an environment's life through on a simulated account, with faults."),
    "destroy": ("cli.destroy", "Delete everything that the environment made, and check that nothing is left."),
    "status": ("cli.status", "Say what is ready: nodes, accelerators, volumes, training runs."),
    "train": ("cli.train", "Submit training runs to an environment, watch them, stop them."),
    "recover": ("cli.recover", "Put a stack right after a crash: lock, pending operations, orphans."),
    "kube-token": ("cli.kube_token", "Print a Kubernetes credential; kubeconfigs call this by themselves."),
    "local": ("cli.local", "The simulated cloud and its control plane on this machine."),
    "toolchain": ("cli.toolchain", "The executables behind the local environment."),
}


class _Verbs(LazyGroup):
    modules = {name: module for name, (module, _) in VERBS.items()}  # noqa: RUF012 (ClassVar in the base)


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=epilog(),
)


def _version(wanted: bool) -> None:  # noqa: FBT001 (Typer calls it with the option's value)
    if wanted:
        from importlib.metadata import version

        typer.echo(f"slipway {version('slipway')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """GPU clusters, training and inference from one typed Pulumi program.

    \b
    Try it without a cloud account:
      slipway plan local       what would be built, in seconds
      slipway up local         build it on a simulated AWS
      slipway status local     what is ready
      slipway destroy local    take it away

    Every command explains itself with examples: `slipway up --help`.
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)


for _name, (_, _summary) in VERBS.items():
    app.command(_name, short_help=_summary)(stand_in(_summary))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; every error ends here, as one clear message."""
    console = terminal.messages()
    try:
        answer = app(args=list(arguments) or ["--help"], prog_name="slipway", standalone_mode=False)
    except typer.Abort:
        return show(KeyboardInterrupt(), console)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the one place that turns any error into words)
        if isinstance(error, BrokenPipeError):
            # `slipway plan | head`: nobody listens any more, which is no failure of ours.
            sys.stderr.close()
            return Exit.OK
        if type(error).__name__ == "NoArgsIsHelpError":
            # The help itself was printed.
            return Exit.USAGE
        usage = _usage(error)
        if usage is None:
            return show(error, console)
        show_one(usage, console)
        return usage.status
    return answer if isinstance(answer, int) else Exit.OK


def _usage(error: BaseException) -> UserError | None:
    """Typer's complaints about the command line. Its classes are private, so they are known by what they offer."""
    describe = getattr(error, "format_message", None)
    if describe is None:
        return None
    context = getattr(error, "ctx", None)
    path = str(getattr(context, "command_path", "slipway"))
    message = str(describe()).rstrip(".")
    return UserError(message or "no command was given", fix=f"see `{path} --help`", status=Exit.USAGE)


def main() -> None:
    """Entry point of the ``slipway`` command."""
    sys.exit(int(run(sys.argv[1:])))


if __name__ == "__main__":
    main()
