"""The queue of one team's namespace."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components import tokens
from components.kubernetes import queue_objects as objects
from components.kubernetes.objects import ClusterObject
from components.ordering import after, ready


@dataclass(frozen=True, kw_only=True)
class TeamQueueArgs:
    """The namespace ``team``; ``ready`` is what its queue needs: the namespace itself, and the ClusterQueue."""

    team: str
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()


class TeamQueue(pulumi.ComponentResource):
    """The LocalQueue ``default`` of a namespace: jobs that name no queue get this one."""

    queue: pulumi.Output[str]
    ready: pulumi.Output[str]
    """Resolves once the queue takes jobs; those made before would start past it."""

    def __init__(self, name: str, args: TeamQueueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(tokens.of(self), name, None, opts)
        made = ClusterObject(
            f"{name}-queue",
            objects.local_queue(args.team),
            pulumi.ResourceOptions(
                parent=self,
                depends_on=after(*args.ready),
                # Its ClusterQueue cannot be changed (v1beta2), and its name is taken until it is gone.
                replace_on_changes=["spec.clusterQueue"],
                delete_before_replace=True,
            ),
        )
        self.queue = pulumi.Output.from_input(objects.LOCAL_QUEUE)
        self.ready = ready(self.queue, made)
        self.register_outputs({"queue": self.queue, "ready": self.ready})
