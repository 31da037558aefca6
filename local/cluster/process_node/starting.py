"""Starts one container: image, configuration, root file system, limits, process, and its postStart hook."""

import asyncio
import logging
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from local.cluster.kube import Document, KubeError
from local.cluster.process_node import hooks, projections, rootfs
from local.cluster.process_node.cgroups import Limits
from local.cluster.process_node.context import LOG_FILES, LOG_LIMIT_BYTES, PodContext, clock, utc_now
from local.cluster.process_node.environment import ConfigError, Sources, expand, service_variables, variables
from local.cluster.process_node.images import ImageError, ImageProgram, image_id, program
from local.cluster.process_node.network import resolver
from local.cluster.process_node.process import PodProcess, ProcessSpec, StartError
from local.cluster.process_node.records import Record, Running, Terminated, Waiting
from local.cluster.process_node.seams import NodeError
from local.cluster.process_node.security import linux_user, user_of

_LOG = logging.getLogger(__name__)
_CONFIG_RETRY_SECONDS = 10.0
"""A kubelet's ``backOffPeriod`` between syncs of a pod that has an error."""
_TERMINATION_LOG = "/dev/termination-log"


async def start(context: PodContext, record: Record) -> None:
    """Start ``record``'s container; failures end up in its state, and in events."""
    try:
        image = _image(context, record)
        if image is not None:
            await _create(context, record, image)
    except ConfigError as error:
        _wait(context, record, "CreateContainerConfigError", str(error))
    except (KubeError, httpx2.HTTPError) as error:
        _wait(context, record, "CreateContainerConfigError", f"failed to sync configuration: {error}")
    except (NodeError, OSError, ValueError) as error:
        _wait(context, record, "CreateContainerError", str(error))


def _wait(context: PodContext, record: Record, reason: str, message: str) -> None:
    _to_waiting(record, Waiting(reason, message))
    record.retry_at = clock() + _CONFIG_RETRY_SECONDS
    context.event(record, "Failed", f"Error: {message}", warning=True)


def _to_waiting(record: Record, state: Waiting) -> None:
    if isinstance(record.state, Terminated):
        record.last = record.state
    record.state = state


def _image(context: PodContext, record: Record) -> ImageProgram | None:
    name = record.spec.get("image", "")
    try:
        image = program(name)
    except ImageError as error:
        key = f"image {record.name}"
        first = not context.backoff.delay(key)
        context.backoff.used(key, clock())
        record.retry_at = clock() + context.backoff.delay(key)
        if record.spec.get("imagePullPolicy") == "Never":
            message = f'Container image "{name}" is not present with pull policy of Never'
            _to_waiting(record, Waiting("ErrImageNeverPull", message))
            context.event(record, "ErrImageNeverPull", message, warning=True)
        elif first:
            _to_waiting(record, Waiting("ErrImagePull", str(error)))
            context.event(record, "Pulling", f'Pulling image "{name}"')
            context.event(record, "Failed", f'Failed to pull image "{name}": {error}', warning=True)
            context.event(record, "Failed", "Error: ErrImagePull", warning=True)
        else:
            message = f'Back-off pulling image "{name}"'
            _to_waiting(record, Waiting("ImagePullBackOff", f"{message}: ErrImagePull: {error}"))
            context.event(record, "BackOff", message)
            context.event(record, "Failed", "Error: ImagePullBackOff", warning=True)
        return None
    present = f'Container image "{name}" already present on machine and can be accessed by the pod'
    context.event(record, "Pulled", present)
    record.image_id = image_id(name)
    return image


async def _create(context: PodContext, record: Record, image: ImageProgram) -> None:
    ended = record.ended
    restart = record.restart_count + 1 if ended is not None else record.restart_count
    environment_path = await asyncio.to_thread(context.node.environment) if image.python else None
    user = user_of(context.pod, record.spec, image.user)
    environment = await _environment(context, record, image, environment_path)
    directory = context.directory / "containers" / record.name / str(restart)
    shutil.rmtree(directory, ignore_errors=True)
    rootfs.prepare(directory / "root", image)
    message_path = directory / "termination-log"
    message_path.touch()
    message_path.chmod(0o666)
    log = context.log_path(record.name, restart)
    log.parent.mkdir(parents=True, exist_ok=True)
    container_id = f"process://{secrets.token_hex(32)}"
    argv = command(record.spec, image, environment)
    mounts = _mounts(context, record, image, python=environment_path, message=message_path, environment=environment)
    context.event(record, "Created", "Container created")
    assert context.sandbox is not None  # noqa: S101 - the worker makes it before any container
    # Last before the process: whatever fails above leaves no group behind.
    name = f"{context.ref.uid}-{record.name}-{restart}"
    group = context.node.cgroups.create(name, Limits.of(record.spec.get("resources") or {}))
    launched = ProcessSpec(
        argv=argv,
        environment=environment,
        working_directory=record.spec.get("workingDir") or image.working_directory,
        user=user,
        namespaces=context.sandbox.namespaces,
        new=context.sandbox.new,
        root=str(directory / "root"),
        mounts=mounts,
        read_only_root=bool((record.spec.get("securityContext") or {}).get("readOnlyRootFilesystem")),
        cgroup_files=group.files,
        log={"path": str(log), "limit_bytes": LOG_LIMIT_BYTES, "files": LOG_FILES},
    )
    try:
        process = await PodProcess.start(launched)
    except StartError as error:
        group.remove()
        _advance(context, record, restart, container_id)
        _failed(context, record, str(error))
        return
    except BaseException:
        # Cancelled with its pod.
        group.remove()
        raise
    _advance(context, record, restart, container_id)
    context.groups[record.name] = group
    record.process, record.launched = process, launched
    record.user = linux_user(user)
    record.state = Running(utc_now())
    process.exit.add_done_callback(lambda _: context.exited(record))
    context.wake()
    context.event(record, "Started", "Container started")
    await _post_start(context, record)


def _advance(context: PodContext, record: Record, restart: int, container_id: str) -> None:
    if restart != record.restart_count:
        record.last = record.ended
        _drop_older(context, record, restart - 2)
    record.restart_count = restart
    record.container_id = container_id
    record.ready = record.started = False
    record.killed_for = ""


def _drop_older(context: PodContext, record: Record, restart: int) -> None:
    # A kubelet keeps one dead container for each living one (MaxPerPodContainerCount).
    for path in context.log_path(record.name, restart).parent.glob(f"{restart}.log*"):
        path.unlink(missing_ok=True)
    shutil.rmtree(context.directory / "containers" / record.name / str(restart + 1), ignore_errors=True)


def _failed(context: PodContext, record: Record, message: str) -> None:
    text = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        f"unable to start container process: error during container init: {message}"
    )
    now = utc_now()
    record.state = Terminated(
        exit_code=128,
        reason="StartError",
        message=text,
        started=now,
        finished=now,
        container_id=record.container_id,
    )
    context.event(record, "Failed", f"Error: {text}", warning=True)


async def _post_start(context: PodContext, record: Record) -> None:
    hook = (record.spec.get("lifecycle") or {}).get("postStart")
    if not hook:
        return
    try:
        await hooks.run(context, record, hook)
    except (hooks.HookError, OSError) as error:
        _LOG.info("%s: postStart of %s: %s", context.words, record.name, error)
        context.event(record, "FailedPostStartHook", "PostStartHook failed", warning=True)
        from local.cluster.process_node.stopping import stop

        await stop(context, record, hooks.grace_of(context.pod), "FailedPostStartHook")


async def _environment(context: PodContext, record: Record, image: ImageProgram, python: Path | None) -> dict[str, str]:
    defaults = dict(image.environment)
    if python is not None:
        defaults["PATH"] = rootfs.path_variable(python, defaults.get("PATH", "/usr/local/bin:/usr/bin:/bin"))
    defaults["HOSTNAME"] = resolver.hostname(context.pod)
    sources = await _sources(context, record)
    found = variables(record.spec, sources, defaults)
    return {"HOME": "/root" if user_of(context.pod, record.spec, image.user).uid == 0 else "/home/slipway", **found}


async def _sources(context: PodContext, record: Record) -> Sources:
    namespace = context.ref.namespace
    wanted: dict[str, set[str]] = {"configmaps": set(), "secrets": set()}
    for item in record.spec.get("env") or ():
        source: Mapping[str, Any] = item.get("valueFrom") or {}
        for member, plural in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            if member in source:
                wanted[plural].add(source[member]["name"])
    for item in record.spec.get("envFrom") or ():
        for member, plural in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if member in item:
                wanted[plural].add(item[member]["name"])
    data: dict[str, dict[str, Mapping[str, str] | None]] = {"configmaps": {}, "secrets": {}}
    for plural, names in wanted.items():
        for name in sorted(names):
            found = await context.node.kube.get(f"/api/v1/namespaces/{namespace}/{plural}/{name}")
            data[plural][name] = _texts(found, plural)
    services = [
        item
        for item in context.node.services().values()
        if item["metadata"]["namespace"] == namespace
        or (item["metadata"]["namespace"], item["metadata"]["name"]) == ("default", "kubernetes")
    ]
    links = context.pod["spec"].get("enableServiceLinks", True)
    return Sources(
        pod=context.with_addresses(),
        config_maps=data["configmaps"],
        secrets=data["secrets"],
        allocatable=context.node.allocatable,
        services=service_variables(services, links=links),
    )


def _texts(item: Document | None, plural: str) -> dict[str, str] | None:
    if item is None:
        return None
    found = projections.decoded({"kind": "Secret" if plural == "secrets" else "", **item})
    return {name: value.decode(errors="replace") for name, value in found.items()}


def command(container: Document, image: ImageProgram, environment: Mapping[str, str]) -> list[str]:
    """Words of the process.

    Source: kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container: ``command`` replaces
    the image's entrypoint and its command, ``args`` the image's command only.
    """
    own = [expand(word, environment) for word in container.get("command") or ()]
    arguments = [expand(word, environment) for word in container.get("args") or ()]
    if own:
        return own + arguments
    return [*image.entrypoint, *(arguments or image.command)]


def _mounts(
    context: PodContext,
    record: Record,
    image: ImageProgram,
    *,
    python: Path | None,
    message: Path,
    environment: Mapping[str, str],
) -> list[Mapping[str, Any]]:
    volumes = {name: (item.path, item.read_only) for name, item in context.volumes.mounted.items()}
    expanded = {
        mount["mountPath"]: expand(mount["subPathExpr"], environment)
        for mount in record.spec.get("volumeMounts") or ()
        if mount.get("subPathExpr")
    }
    files = {
        "/etc/hosts": context.directory / "etc-hosts",
        "/etc/hostname": context.directory / "hostname",
        "/etc/resolv.conf": context.directory / "resolv.conf",
        (record.spec.get("terminationMessagePath") or _TERMINATION_LOG): message,
    }
    return [
        *rootfs.base_mounts(image, python, context.node.settings.repository),
        {"source": str(context.directory / "shm"), "target": "/dev/shm"},  # noqa: S108 - the container's own
        *rootfs.file_mounts(files),
        *rootfs.volume_mounts(record.spec, volumes, expanded),
    ]
