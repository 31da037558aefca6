"""``slipway toolchain``."""

from typing import Annotated

import typer

from cli import terminal
from cli.exits import Exit
from local.toolchain.report import environment_status, list_tools
from local.toolchain.toolchain import clean as remove
from local.toolchain.toolchain import ensure
from local.toolchain.workloads import environment

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="What the local environment runs: the engine, a control plane, controllers, and Python for the workloads.",
)
_HELP = {"help_option_names": ["-h", "--help"]}
_MEGABYTE = 1_000_000


@app.command("list", context_settings=_HELP)
def list_(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False) -> None:
    """Show each executable, its version, and where it comes from; exit status 4 when one is missing.

    \b
    Examples:
      slipway toolchain list
      slipway toolchain list --json | jq '.tools[] | select(.ready | not).name'
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    tools = [*list_tools(), environment_status()]
    if as_json:
        terminal.print_json(
            {"ready": all(tool.ready for tool in tools), "tools": [tool.model_dump() for tool in tools]}
        )
    else:
        made = terminal.table("executable", "version", "from", "size")
        for tool in tools:
            size = f"{tool.size_bytes / _MEGABYTE:,.1f} MB" if tool.size_bytes else ""
            made.add_row(tool.name, tool.version, tool.origin or "missing", size)
        out = terminal.output()
        out.print(made)
        for directory in sorted({str(tool.path.parent) for tool in tools if tool.path}):
            out.print(f"  in {directory}", style="dim", soft_wrap=True)
    if not all(tool.ready for tool in tools):
        raise typer.Exit(Exit.NO_TOOLCHAIN)


@app.command(context_settings=_HELP)
def build() -> None:
    """Make what is missing: download it where that is possible, else build it with Go (30 minutes on two cores, once).

    The Python environment of the workloads is made with uv from uv.lock (6 GB of disk).

    An interrupted build goes on where it was; two builds at once wait for each other.

    \b
    Example:
      slipway toolchain build
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console = terminal.messages()
    toolchain = ensure(console=console)
    console.print(f"the toolchain is complete: {terminal.counted(len(toolchain.tools), 'executable')}")
    console.print(f"Python for the workloads: {environment()}", soft_wrap=True)


@app.command(context_settings=_HELP)
def clean(
    *, everything: Annotated[bool, typer.Option("--all", help="Also the executables of the present pins.")] = False
) -> None:
    """Remove executables that no pin names any more.

    \b
    Examples:
      slipway toolchain clean
      slipway toolchain clean --all
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    removed = remove(everything=everything)
    for path in removed:
        terminal.output().print(f"removed {path}", soft_wrap=True)
    if not removed:
        terminal.output().print("there was nothing to remove")
