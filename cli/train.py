"""``slipway train``: runs of people, on an environment that is up."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import terminal
from cli.errors import UserError
from cli.exits import Exit
from cli.status_view import runs_table
from cli.train_access import Found, Platform, all_runs, connect, find_run
from cli.train_logs import follow as follow_log
from cli.train_logs import write_log
from cli.train_spec import Wishes, profile_of, wanted_spec
from cli.train_stop import Stopped, refuse_finished, remove
from cli.train_stop import resume as resume_run
from cli.train_stop import stop as stop_run
from cli.train_submit import Manifest, as_yaml, check, objects, submit
from cli.training import ORIGIN_LABEL, SUBMITTED, TrainingState, training_state
from workloads.specs import TrainingSpec

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Environment = Annotated[
    str, typer.Option("--env", "-e", help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")
]
Kubeconfig = Annotated[
    Path | None, typer.Option(help="Your own kubeconfig instead of the one that the stack exports (the deployer's).")
]
Run = Annotated[str, typer.Argument(help="A run: its whole name, what it is called, or how it begins.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.callback()
def train() -> None:
    """Submit training runs to an environment that is up, watch them and stop them.

    Runs of the settings (`training`) belong to the stack; runs submitted here belong to whoever submits them, and
    `slipway status` shows both.

    \b
    Examples:
      slipway train submit --recipe debug --team research --pool cpu --follow
      slipway train list
      slipway train logs debug -f
      slipway train stop debug

    \b
    Exit status:
      0  done; with --follow: the run has completed
      1  the run has failed, or was stopped while it was followed
      2  wrong arguments, or a run that cannot work; nothing was made
      3  the environment is not up, or does not answer
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)


@app.command("submit")
def submit_run(
    *,
    env: Environment = "local",
    recipe: Annotated[str | None, typer.Option(help="A run from workloads/recipes.py, for example debug.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A YAML file with the keys of a `training` entry.")
    ] = None,
    team: Annotated[str | None, typer.Option(help="Whose run it is: its namespace, queue and limits.")] = None,
    pool: Annotated[str | None, typer.Option(help="Where it runs.")] = None,
    storage: Annotated[str | None, typer.Option(help="File system for checkpoints; unset: the team's first.")] = None,
    name: Annotated[str | None, typer.Option(help="What it is called; runs of one name share checkpoints.")] = None,
    image: Annotated[str | None, typer.Option(help="Another image than the recipe's.")] = None,
    queue: Annotated[str | None, typer.Option(help="A queue of the team; unset: its default.")] = None,
    priority: Annotated[str | None, typer.Option(help="One of the environment's `queueing.priorities`.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Recipes debug, elastic, lora_finetune, mpi.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Every recipe.")] = None,
    size: Annotated[str | None, typer.Option(help="Size of the model; every recipe but debug.")] = None,
    base: Annotated[str | None, typer.Option(help="Recipe lora_finetune: the model's directory in the pod.")] = None,
    kubeconfig: Kubeconfig = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the objects as YAML and make nothing.")] = False,
    only_check: Annotated[
        bool, typer.Option("--check", help="Have the API server and its webhooks judge them; make nothing.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its log until it has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Start a run from a recipe or a file, checked before anything is made.

    The checks are those of the settings: sizes, parallelism, quota, storage, names; each mistake is told with what is
    allowed and what to do. The environment must be up; its settings say what teams and pools there are.

    \b
    Examples:
      slipway train submit --recipe debug --team research --pool cpu --follow
      slipway train submit -e prod --recipe fsdp_4x8 --team research --pool training --steps 5000
      slipway train submit -e prod --file run.yaml --check
      slipway train submit --recipe debug --team research --pool cpu --dry-run | less
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    platform = connect(env, kubeconfig)
    options: dict[str, Any] = {"nodes": nodes, "steps": steps, "size": size, "base": base}
    wishes = Wishes(
        recipe=recipe,
        file=file,
        team=team,
        pool=pool,
        storage=storage,
        name=name,
        image=image,
        queue=queue,
        priority=priority,
        options=options,
    )
    spec, made = _wanted(platform, wishes)
    if dry_run or only_check:
        _show(platform, spec, made, only_check=only_check and not dry_run)
        return
    submit(platform, made)
    _print_submitted(spec, made, as_json=as_json)
    if follow:
        _follow(platform, find_run(platform.runs([spec.namespace]), spec.run, [spec.namespace]), node=0, tail=None)


def _wanted(platform: Platform, wishes: Wishes) -> tuple[TrainingSpec, list[Manifest]]:
    """The run, and what makes it."""
    spec = wanted_spec(wishes, platform.stack.settings, platform.stack.file)
    exported = {item.name: item.profile for item in platform.outputs.clusters[0].pools}
    return spec, objects(spec, profile_of(spec.pool, exported))


def _show(platform: Platform, spec: TrainingSpec, made: list[Manifest], *, only_check: bool) -> None:
    """Make nothing: print the objects, or what the API server says of them."""
    if not only_check:
        sys.stdout.write(as_yaml(made))
        return
    check(platform, made)
    terminal.messages().print(f"{spec.run}: accepted by the API server; nothing was made", soft_wrap=True)


def _print_submitted(spec: TrainingSpec, made: list[Manifest], *, as_json: bool) -> None:
    if as_json:
        kinds = [{"kind": item["kind"], "name": item["metadata"]["name"]} for item in made]
        terminal.print_json({"run": spec.run, "namespace": spec.namespace, "objects": kinds})
    else:
        shape = f"{spec.nodes} nodes x {spec.processes} processes"
        terminal.messages().print(f"submitted {spec.run} to {spec.namespace}: {shape}", soft_wrap=True)


@app.command("list")
def list_runs(*, env: Environment = "local", kubeconfig: Kubeconfig = None, as_json: Json = False) -> None:
    """List the runs of every team, of the stack and submitted ones, with where they stand.

    \b
    Examples:
      slipway train list
      slipway train list -e prod --json | jq '.runs[] | select(.phase == "Queued")'
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    platform = connect(env, kubeconfig)
    view = platform.runs()
    labels = {item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in (*view.jobs, *view.trainjobs)}
    states = [
        training_state(run, view, submitted=labels[run.run].get(ORIGIN_LABEL) == SUBMITTED) for run in all_runs(view)
    ]
    if as_json:
        terminal.print_json({"environment": env, "runs": [state.to_json() for state in states]})
        return
    out = terminal.output()
    if not states:
        out.print("no runs yet: `slipway train submit --help`")
        return
    out.print(runs_table(states))
    for state in states:
        for reason in state.reasons:
            out.print(f"  {state.run}: {reason}", style="yellow", soft_wrap=True)


@app.command()
def logs(
    run: Run,
    *,
    env: Environment = "local",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    previous: Annotated[bool, typer.Option("--previous", help="Of the container that ran before in this pod.")] = False,
    rank: Annotated[int | None, typer.Option(min=0, help="Of the node on which this rank runs.")] = None,
    node: Annotated[
        int | None, typer.Option(min=0, help="Of this node; unset: 0, where rank 0 shows progress.")
    ] = None,
    tail: Annotated[int | None, typer.Option(min=1, help="Only so many of its last lines.")] = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show what a run writes: all ranks of a node write into one log.

    With --follow it waits while the run queues, says what for, and goes on through restarts to the run's end.

    \b
    Examples:
      slipway train logs debug -f
      slipway train logs pretrain --rank 17 --tail 50
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    if rank is not None and node is not None:
        raise UserError(
            "--rank and --node both say which pod", allowed="one of them", fix="leave one out", status=Exit.USAGE
        )
    platform, found = _found(env, run, kubeconfig)
    number = node or 0 if rank is None else _node_of(found, rank)
    if not 0 <= number < found.export.nodes:
        raise UserError(
            "the run has no such node",
            value=str(number),
            allowed=f"0 to {found.export.nodes - 1}",
            fix="choose one of them",
            status=Exit.USAGE,
        )
    if follow:
        _follow(platform, found, node=number, tail=tail)
    else:
        write_log(platform, found, node=number, previous=previous, tail=tail)


@app.command()
def stop(
    run: Run,
    *,
    env: Environment = "local",
    delete: Annotated[bool, typer.Option("--delete", help="Take it away instead of keeping it for `resume`.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
) -> None:
    """Stop a run: its processes get SIGTERM and two minutes to save a checkpoint; `resume` lets it go on.

    \b
    Examples:
      slipway train stop debug
      slipway train stop debug --delete --yes
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    platform, found = _found(env, run, kubeconfig)
    if not delete:
        refuse_finished(platform, found)
    _confirm(found, delete=delete, yes=yes)
    left = remove(platform, found) if delete else stop_run(platform, found)
    _tell(found, left, delete=delete, as_json=as_json)


@app.command()
def resume(run: Run, *, env: Environment = "local", kubeconfig: Kubeconfig = None) -> None:
    """Let a stopped run queue again; it goes on from its last checkpoint.

    \b
    Example:
      slipway train resume debug
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    platform, found = _found(env, run, kubeconfig)
    resume_run(platform, found)
    terminal.messages().print(f"{found.export.run} may go on: `slipway train logs {found.export.run} -f`")


def _found(env: str, run: str, kubeconfig: Path | None) -> tuple[Platform, Found]:
    platform = connect(env, kubeconfig)
    return platform, find_run(platform.runs(), run, platform.namespaces)


def _node_of(found: Found, rank: int) -> int:
    return rank // max(1, found.export.processes // max(1, found.export.nodes))


def _follow(platform: Platform, found: Found, *, node: int, tail: int | None) -> None:
    """Follow the log, and end as the run did."""
    console = terminal.messages()
    state: TrainingState = follow_log(platform, found, console, node=node, tail=tail)
    reasons = f": {'; '.join(state.reasons)}" if state.reasons else ""
    console.print(f"{state.run} is {state.phase}{reasons}", style="bold", soft_wrap=True)
    if state.phase != "Complete":
        raise typer.Exit(Exit.FAILED)


def _confirm(found: Found, *, delete: bool, yes: bool) -> None:
    if yes:
        return
    verb = "Delete" if delete else "Stop"
    if not terminal.is_interactive():
        raise UserError(
            f"nobody is there to say whether to {verb.lower()} it",
            value=found.export.run,
            fix="add --yes",
            status=Exit.USAGE,
        )
    if not typer.confirm(f"{verb} {found.export.run} ({found.export.nodes} nodes)?"):
        raise typer.Abort


def _tell(found: Found, left: Stopped, *, delete: bool, as_json: bool) -> None:
    run = found.export.run
    if as_json:
        terminal.print_json(
            {"run": run, "deleted": delete, "ended": left.ended, "checkpoints": left.checkpoints, "step": left.step}
        )
        return
    out = terminal.output()
    out.print(f"{'deleted' if delete else 'stopped'} {run}" + ("" if left.ended else "; its pods still end"))
    if left.checkpoints is None:
        out.print("it kept no checkpoints", style="yellow")
    else:
        step = "" if left.step is None else f"/step-{left.step:08d}"
        out.print(f"last checkpoint: {left.checkpoints}{step}", soft_wrap=True)
    if not delete:
        out.print(f"`slipway train resume {run}` lets it go on", style="dim")
