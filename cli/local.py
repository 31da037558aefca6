"""``slipway local``."""

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from cli import terminal
from cli.account import open_account
from cli.account_tricks import EnvironmentOption, drift, faults, journal
from cli.errors import UserError
from cli.exits import Exit
from cli.leftovers import leftovers, print_leftovers
from cli.local_kubectl import PASSED_ON, kubeconfig_of, kubectl
from local.cluster.environment import LocalEnvironment
from local.cluster.status import Status
from local.paths import StatePaths
from local.toolchain.toolchain import ensure

_HELP = {"help_option_names": ["-h", "--help"]}
_FOLLOW_SECONDS = 0.5

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="The simulated cloud and its control plane on this machine: one directory, nothing outside it.",
)
app.command(context_settings=_HELP)(journal)
app.command(context_settings=PASSED_ON)(kubectl)
app.add_typer(faults, name="faults")
app.add_typer(drift, name="drift")


@app.command(context_settings=_HELP)
def up(*, env: EnvironmentOption = "local") -> None:
    """Start the simulated account's supervisor; a second time it changes nothing, a dead process is repaired.

    `slipway up` does this by itself.

    \b
    Example:
      slipway local up
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console = terminal.messages()
    ensure(console=console)
    status = LocalEnvironment(env).up(console)
    _print_status(status)
    if not status.ready:
        raise typer.Exit(Exit.NOT_READY)


@app.command(context_settings=_HELP)
def down(
    *,
    discard: Annotated[
        bool, typer.Option("--discard", help="Also when the account is not empty: throw it away with all it holds.")
    ] = False,
    env: EnvironmentOption = "local",
) -> None:
    """Stop every process and remove the environment's directory, once its account is empty.

    What is still in the account is named, and the exit status is 3: nothing of it is hidden by removing the evidence.

    \b
    Examples:
      slipway destroy local --yes && slipway local down
      slipway local down --discard
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    left = leftovers(env)
    if left and not discard:
        print_leftovers(left, terminal.output())
        raise UserError(
            f"the simulated account still holds {terminal.counted(len(left), 'object')}",
            where=str(StatePaths.of(env).account),
            fix=f"run `slipway destroy {env}`, remove what others made, or add --discard",
            status=Exit.NOT_READY,
        )
    told = LocalEnvironment(env).down(terminal.messages())
    # It also lists the account's objects; those were looked at above, and are gone on request.
    remaining = [line for line in told if line.startswith(("process ", "directory "))]
    if left:
        terminal.output().print(f"{terminal.counted(len(left), 'object')} of the simulated account thrown away")
    if remaining:
        raise UserError(
            f"{env} is down, and something would not go: {', '.join(remaining)}",
            where=str(StatePaths.of(env).root),
            fix="end or remove it by hand",
            status=Exit.NOT_READY,
        )
    terminal.output().print(f"{env} is down: no process and no file of it is left")


@app.command(context_settings=_HELP)
def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    env: EnvironmentOption = "local",
) -> None:
    """Show the environment's processes and clusters; exit status 3 when one is missing.

    \b
    Example:
      slipway local status
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    found = LocalEnvironment(env).status()
    if as_json:
        terminal.print_json(found.to_json())
    else:
        _print_status(found)
    if not found.ready:
        raise typer.Exit(Exit.NOT_READY)


def _print_status(found: Status) -> None:
    out = terminal.output()
    word = "running" if found.ready else ("starting or broken" if found.running else "not running")
    out.print(f"{found.environment}: {word} (simulated), state in {found.state_directory}", soft_wrap=True)
    if found.processes:
        made = terminal.table("process", "pid", "ports", "memory", "")
        for process in found.processes:
            ports = ", ".join(f"{name} {port}" for name, port in process.ports.items())
            state = "ready" if process.ready else process.reason or "not ready"
            name = f"{process.cluster}/{process.name}" if process.cluster else process.name
            made.add_row(name, str(process.pid or "-"), ports, f"{process.memory_mib} MiB", state)
        out.print(made)
    for cluster in found.clusters:
        nodes = f"{cluster.nodes_ready}/{cluster.nodes} nodes Ready"
        out.print(f"cluster {cluster.name}: {cluster.status}, {nodes} {cluster.reason}".rstrip(), soft_wrap=True)
    for problem in found.problems:
        out.print(f"problem: {problem}", style="yellow", soft_wrap=True)


@app.command(context_settings=_HELP)
def logs(
    name: Annotated[str | None, typer.Argument(help="Part of a log's name; lists all logs when left out.")] = None,
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines from the end.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what is added.")] = False,
    env: EnvironmentOption = "local",
) -> None:
    """Show logs: of the engine's updates, the supervisor, the control plane's processes.

    \b
    Examples:
      slipway local logs
      slipway local logs supervisor -n 100
      slipway local logs kube-scheduler --follow
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    root = StatePaths.of(env).root
    found = sorted(root.rglob("*.log"), key=lambda path: path.stat().st_mtime)
    matching = [path for path in found if name is None or name in _shown(path, root)]
    if not matching:
        known = ", ".join(sorted({path.stem for path in found}))
        raise UserError(
            "there is no such log", where=str(root), value=name or "", allowed=known or "none yet", fix="choose another"
        )
    if name is None:
        for path in matching:
            terminal.output().print(f"{_shown(path, root)}  {path.stat().st_size:,} bytes", soft_wrap=True)
        return
    _tail(matching[-1], lines, follow=follow)


def _shown(path: Path, root: Path) -> str:
    """A log as ``slipway local status`` calls its process: CLUSTER/PROCESS."""
    return "/".join(part for part in path.relative_to(root).with_suffix("").parts if part not in {"clusters", "logs"})


def _tail(path: Path, lines: int, *, follow: bool) -> None:
    out = terminal.output()
    with path.open(errors="replace") as file:
        for line in file.readlines()[-lines:]:
            out.print(line.rstrip("\n"), markup=False, soft_wrap=True)
        while follow:
            line = file.readline()
            if line:
                out.print(line.rstrip("\n"), markup=False, soft_wrap=True)
            else:
                time.sleep(_FOLLOW_SECONDS)


@app.command("env", context_settings=_HELP)
def env_(*, env: EnvironmentOption = "local") -> None:
    """Print the environment's variables for a shell, so that plain `pulumi` works on it.

    \b
    Example:
      eval "$(slipway local env)" && pulumi preview --stack local
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    with open_account(env):
        for name, value in LocalEnvironment(env).variables().items():
            terminal.output().print(f"export {name}={shlex.quote(value)}", markup=False, soft_wrap=True)


@app.command(context_settings=_HELP)
def kubeconfig(
    cluster: Annotated[str | None, typer.Argument(help="Which, when there are several.", show_default=False)] = None,
    *,
    env: EnvironmentOption = "local",
) -> None:
    """Print the kubeconfig of a simulated cluster.

    \b
    Example:
      eval "$(slipway local env)" && slipway local kubeconfig > local.json && kubectl --kubeconfig local.json get nodes
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    terminal.output().print(kubeconfig_of(env, cluster), markup=False, soft_wrap=True)
