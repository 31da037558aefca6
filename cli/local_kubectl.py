"""``slipway local kubectl``."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.account import open_account
from cli.account_tricks import EnvironmentOption
from cli.errors import UserError
from cli.exits import Exit
from local.cluster.environment import LocalEnvironment, UnknownNameError
from local.toolchain.toolchain import Toolchain

# What follows the command's own options is kubectl's, dashes and all.
PASSED_ON: Final = {
    "help_option_names": ["-h", "--help"],
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
}


def kubectl(
    arguments: Annotated[list[str], typer.Argument(metavar="ARGUMENTS...", help="kubectl's own.")],
    *,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Which, when there are several.")] = None,
    env: EnvironmentOption = "local",
) -> None:
    """Run kubectl on a simulated cluster, as the one who deployed it; it ends with kubectl's exit code.

    \b
    Examples:
      slipway local kubectl get nodes
      slipway local kubectl logs -n research --follow docs-demo-node-0-0-abcde
      slipway local kubectl --env rehearsal --cluster slipway-rehearsal-main get pods -A
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    document = kubeconfig_of(env, cluster)
    program = Toolchain.load(["kubectl"]).path("kubectl")
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        config = Path(folder, "kubeconfig")
        config.write_text(document, encoding="utf-8")
        variables = {**os.environ, **LocalEnvironment(env).variables(), "KUBECONFIG": str(config)}
        code = _run([str(program), *arguments], variables)
    raise typer.Exit(code)


def _run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    with subprocess.Popen(command, env=variables) as child:
        while True:
            # Ctrl-C reaches kubectl too, from the terminal: its end is ours.
            with contextlib.suppress(KeyboardInterrupt):
                return child.wait()


def kubeconfig_of(env: str, cluster: str | None) -> str:
    """The kubeconfig of the environment's cluster of this name, or of its only one.

    Raises:
        UserError: there is no such cluster, or it must be named.
    """
    with open_account(env) as store:
        names = [item.id for item in store.find("eks:Cluster")]
    if cluster is None and len(names) == 1:
        cluster = names[0]
    if cluster not in names:
        raise UserError(
            "which cluster?" if cluster is None and names else "there is no such cluster",
            value=cluster or "",
            allowed=", ".join(names) or "none: run `slipway up` first",
            fix="name one of them",
            status=Exit.USAGE,
        )
    try:
        return LocalEnvironment(env).kubeconfig(cluster)
    except UnknownNameError as error:
        raise UserError(
            "this cluster has no endpoint yet", value=str(error), fix=f"wait for it: `slipway status {env}`"
        ) from error
