"""Gets an engine ready for a stack: the local one with everything behind it, or the user's own for real accounts."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.engine import Engine
from cli.errors import UserError
from cli.exits import Exit
from cli.placeholders import refuse_placeholders
from cli.project import PROJECT, Stack
from local.cluster.environment import LocalEnvironment
from local.paths import StatePaths
from local.toolchain.toolchain import Toolchain, ensure

_PULUMI: Final = "pulumi"


def started(stack: Stack, console: Console) -> Engine:
    """An engine whose stack exists. Simulated: makes the toolchain and brings the environment up first."""
    refuse_placeholders(stack)
    engine = _local_started(stack, console) if stack.simulated else _real(stack)
    _create_stack(engine, stack)
    return engine


def existing(stack: Stack) -> Engine:
    """An engine to ask questions with; starts and makes nothing.

    Raises:
        UserError: the simulated environment is not there.
    """
    if not stack.simulated:
        return _real(stack)
    environment = LocalEnvironment(stack.name)
    if not StatePaths.of(stack.name).account.exists():
        raise UserError(
            "the simulated environment is not there",
            where=str(StatePaths.of(stack.name).root),
            fix=f"run `slipway up {stack.name}`",
            status=Exit.NOT_READY,
        )
    return _local(stack, Toolchain.load([_PULUMI]), environment.variables())


def _local_started(stack: Stack, console: Console) -> Engine:
    toolchain = ensure(console=console)
    environment = LocalEnvironment(stack.name)
    environment.up(console)
    # The Kubernetes provider leaves a kubeconfig there for every Helm release: it goes when the environment goes.
    scratch = StatePaths.of(stack.name).root / "tmp"
    scratch.mkdir(mode=0o700, exist_ok=True)
    return _local(stack, toolchain, {**environment.variables(), "TMPDIR": str(scratch)})


def _local(stack: Stack, toolchain: Toolchain, variables: Mapping[str, str]) -> Engine:
    return Engine(
        executable=str(toolchain.path(_PULUMI)),
        # A token for Pulumi Cloud, a backend or a profile of the user's own must not decide anything in a simulation.
        environment={**_without_accounts(os.environ), **variables},
        directory=stack.directory,
        stack=stack.name,
        logs=StatePaths.of(stack.name).logs,
        simulated=True,
    )


def _real(stack: Stack) -> Engine:
    found = shutil.which(_PULUMI)
    if found is None:
        raise UserError(
            "`pulumi` is not on PATH",
            where="PATH",
            fix="install Pulumi 3.215 or newer from https://www.pulumi.com/docs/install",
            status=Exit.NO_TOOLCHAIN,
        )
    backend = stack.settings.state_backend
    if backend.secrets_provider == "passphrase" and not _has_passphrase():
        raise UserError(
            "the state's secrets are encrypted with a passphrase, and none is set",
            where="environment",
            allowed="PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
            fix="export one of them, or use a key of the cloud as stateBackend.secretsProvider",
            status=Exit.USAGE,
        )
    return Engine(
        executable=found,
        environment={**os.environ, "PULUMI_BACKEND_URL": backend.url},
        directory=stack.directory,
        stack=stack.name,
        logs=StatePaths.of(stack.name).logs,
        simulated=False,
    )


def _has_passphrase() -> bool:
    return any(name in os.environ for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"))


def _without_accounts(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(("AWS_", "PULUMI_"))}


def checkpoint(stack: Stack) -> Path:
    """Where a file backend in the environment's own directory keeps the stack."""
    return StatePaths.of(stack.name).backend / ".pulumi" / "stacks" / PROJECT / f"{stack.name}.json"


def _create_stack(engine: Engine, stack: Stack) -> None:
    if engine.simulated and checkpoint(stack).exists():
        return
    provider = "passphrase" if engine.simulated else stack.settings.state_backend.secrets_provider
    engine.capture("stack", "select", "--create", "--secrets-provider", provider)
