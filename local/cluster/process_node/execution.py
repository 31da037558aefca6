"""Processes beside a container's own: probes, hooks and ``kubectl exec``."""

from collections.abc import Sequence

from local.cluster.process_node.context import PodContext
from local.cluster.process_node.process import PodProcess, ProcessSpec, StartError
from local.cluster.process_node.records import Record
from local.cluster.process_node.seams import Stdio


async def start_beside(
    context: PodContext, record: Record, words: Sequence[str], stdio: Stdio, *, tty: bool = False
) -> PodProcess:
    """Run ``words`` in the namespaces of ``record``'s process, as its user, with its environment.

    Raises:
        StartError: the container does not run, or the command cannot be executed.
    """
    process, launched = record.process, record.launched
    if process is None or launched is None or context.sandbox is None:
        raise StartError(128, f"container {record.name} is not running")
    environment = {**launched.environment, **({"TERM": "xterm"} if tty else {})}
    return await PodProcess.start(
        ProcessSpec(
            argv=words,
            environment=environment,
            working_directory=launched.working_directory,
            user=launched.user,
            namespaces=context.sandbox.namespaces_of(process.pid),
            cgroup_files=launched.cgroup_files,
            stdio=stdio,
            tty=tty,
        )
    )
