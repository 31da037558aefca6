"""What a pod gives back when it has ended, and when; its containers are looked at in tests/simulation/conformance."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from local.cluster.kube import Document
from local.cluster.process_node import network, report
from local.cluster.process_node import worker as worker_module
from local.cluster.process_node.agent import Agent, namespaces_problem
from local.cluster.process_node.cgroups import Group
from local.cluster.process_node.network import client
from local.cluster.process_node.network.links import LinkError, Plan
from local.cluster.process_node.network.rendezvous import Joined, Welcome
from local.cluster.process_node.poster import StatusPoster
from local.cluster.process_node.seams import Attachment, NodeError, NodeSettings, PodNetwork, PodRef
from local.cluster.process_node.worker import PodWorker

SECONDS = 60.0
"""How long anything may take on a busy machine."""


def settings(directory: Path) -> NodeSettings:
    none = directory / "none"
    return NodeSettings(
        node="n", cluster="c", server="https://127.0.0.1:1", authority=none, certificate=none, key=none,
        kubelet_port=0, directory=directory, cluster_directory=directory,
    )  # fmt: skip


def document(uid: str, *, phase: str = "Pending", image: str = "busybox", **spec: Any) -> Document:
    return {
        "metadata": {"namespace": "default", "name": uid, "uid": uid},
        "spec": {"containers": [{"name": "main", "image": image}], **spec},
        "status": {"phase": phase, "startTime": "2026-01-01T00:00:00Z", "podIP": "100.100.1.7"},
    }


class Cluster:
    """API server and pod network that write down, in order, what they are asked; no pod can be attached."""

    def __init__(self, directory: Path) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.statuses: list[Document] = []
        self.changed = asyncio.Event()
        self.node: Any = SimpleNamespace(
            settings=settings(directory),
            kube=self,
            events=SimpleNamespace(pod=lambda *_, **__: None),
            network=self,
            cgroups=SimpleNamespace(
                create=lambda _, limits: Group(limits), remove=lambda pod: self._called("groups", pod)
            ),
            services=dict,
            allocatable={},
        )

    def _called(self, what: str, value: Any) -> None:
        self.calls.append((what, value))
        self.changed.set()

    async def request(self, method: str, path: str, body: Document, content_type: str) -> Document:
        self.statuses.append(body["status"])
        self._called("status", body["status"]["phase"])
        return {}

    async def delete(self, path: str, *, uid: str, grace_seconds: int) -> bool:
        self._called("delete", uid)
        return True

    async def attach(self, pod: PodRef) -> Attachment:
        raise NodeError("no address is free")

    async def detach(self, uid: str) -> None:
        self._called("detach", uid)

    async def keep(self, uids: Collection[str]) -> None:
        self._called("keep", tuple(sorted(uids)))

    async def until(self, *wanted: tuple[str, Any]) -> None:
        async with asyncio.timeout(SECONDS):
            while not set(wanted) <= set(self.calls):
                self.changed.clear()
                await self.changed.wait()


def run(tmp_path: Path, story: Callable[[Cluster], Any]) -> Cluster:
    """Tell a story, end the workers that it made, and return what was asked for."""

    async def told() -> Cluster:
        cluster = Cluster(tmp_path)
        made = await story(cluster)
        if isinstance(made, PodWorker):
            made.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await made.task
        return cluster

    return asyncio.run(told())


def test_the_terminal_phase_is_known_before_the_address_is_free_for_another_pod(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> PodWorker:
        worker = PodWorker(cluster.node, document("a", activeDeadlineSeconds=0))
        await cluster.until(("detach", "a"))
        return worker

    calls = run(tmp_path, story).calls
    assert calls.index(("status", "Failed")) < calls.index(("detach", "a")), "or a Service leads to a stranger"
    assert ("delete", "a") not in calls, "whoever made the pod reads its status and its logs"


def test_a_pod_that_runs_to_its_end_is_in_its_last_phase_once_its_sandbox_is_gone(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> PodWorker:
        if problem := await namespaces_problem():
            pytest.skip(problem)
        pod = document("a", hostNetwork=True, restartPolicy="Never")
        pod["spec"]["containers"][0]["command"] = ["sh", "-c", "echo last words"]
        worker = PodWorker(cluster.node, pod)
        await cluster.until(("detach", "a"))
        log = worker.context.log_path("main", 0).read_text()
        assert log.endswith("F last words\n"), "what it wrote is there before anything is given back"
        return worker

    statuses = run(tmp_path, story).statuses
    assert statuses[-1]["phase"] == "Succeeded"
    for status in statuses:
        sandbox = next(item["status"] for item in status["conditions"] if item["type"] == "PodReadyToStartContainers")
        assert (status["phase"] == "Succeeded") <= (sandbox == "False"), "a terminal phase says that all is released"


def test_a_pod_that_others_end_by_its_phase_is_ended_and_keeps_that_phase(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> PodWorker:
        worker = PodWorker(cluster.node, document("a"))
        await cluster.until(("status", "Pending"))
        worker.update(document("a", phase="Failed"))
        await cluster.until(("detach", "a"))
        return worker

    calls = run(tmp_path, story).calls
    before = calls[: calls.index(("detach", "a"))]
    assert ("status", "Failed") in before, "its sandbox is gone, which only this node knows"
    assert ("status", "Pending") not in before[before.index(("status", "Failed")) :], "nothing leads back from there"
    assert ("groups", "a") in before


def test_a_pod_whose_end_its_agent_did_not_live_to_report_needs_no_address_for_it(tmp_path: Path) -> None:
    ended = {"name": "main", "state": {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T00:00:02Z"}}}

    async def story(cluster: Cluster) -> PodWorker:
        pod = document("a", phase="Running", restartPolicy="Never")
        pod["status"]["containerStatuses"] = [ended]
        worker = PodWorker(cluster.node, pod)
        await cluster.until(("detach", "a"))
        return worker

    statuses = [value for what, value in run(tmp_path, story).calls if what == "status"]
    assert statuses[-1] == "Succeeded", "no address is free, and none is asked for"


def test_a_finished_pod_that_an_agent_finds_gives_its_address_back_and_keeps_its_phase(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> PodWorker:
        # Evicted: its containers' policy alone would have them run again.
        worker = PodWorker(cluster.node, document("a", phase="Failed"))
        await cluster.until(("detach", "a"))
        worker.update(document("a", phase="Failed"))
        await asyncio.sleep(0)
        return worker

    found = [what for what, _ in run(tmp_path, story).calls]
    assert "detach" in found
    assert "status" not in found


def test_an_api_server_that_was_away_is_told_the_last_phase_before_the_pod_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_FLUSH_SECONDS", 0.01)
    post = Cluster.request

    async def away(cluster: Cluster, method: str, path: str, body: Document, content_type: str) -> Document:
        if ("detach", "a") in cluster.calls:
            return await post(cluster, method, path, body, content_type)
        raise httpx2.ConnectError("away")

    async def story(cluster: Cluster) -> None:
        monkeypatch.setattr(Cluster, "request", away)
        pod = document("a", activeDeadlineSeconds=0)
        worker = PodWorker(cluster.node, pod)
        await cluster.until(("detach", "a"))
        monkeypatch.setattr(report, "_FLUSH_SECONDS", SECONDS)
        worker.update({**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "2026-01-01T00:00:01Z"}})
        await asyncio.wait_for(worker.task, SECONDS)

    calls = run(tmp_path, story).calls
    assert ("status", "Failed") in calls[: calls.index(("delete", "a"))], "or its Job never learns how it ended"


def test_a_status_is_posted_again_after_an_answer_that_is_no_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, answers = Cluster.request, [ValueError("Expecting value")]

    async def cut(cluster: Cluster, method: str, path: str, body: Document, content_type: str) -> Document:
        if answers:
            raise answers.pop()
        return await post(cluster, method, path, body, content_type)

    async def story(cluster: Cluster) -> PodWorker:
        monkeypatch.setattr(Cluster, "request", cut)
        worker = PodWorker(cluster.node, document("a", activeDeadlineSeconds=0))
        await cluster.until(("status", "Failed"))
        return worker

    run(tmp_path, story)


def test_an_agent_that_ends_as_a_status_is_posted_waits_for_nothing_more() -> None:
    async def story() -> None:
        kube: Any = None
        poster = StatusPoster(kube, "default", "a", "a")
        poster.post({"phase": "Running"})
        flushing = asyncio.create_task(poster.flush(SECONDS))
        await asyncio.sleep(0.01)
        poster._idle.set()
        flushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flushing

    asyncio.run(story())


def test_one_look_at_the_limits_that_fails_is_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_WATCH_SECONDS", 0.01)
    looks: list[int] = []

    async def story(cluster: Cluster) -> None:
        worker = PodWorker(cluster.node, document("a", phase="Failed"))

        async def fails() -> None:
            looks.append(len(looks))
            raise KeyError("token")

        monkeypatch.setattr(worker, "_kill_for_memory", fails)
        watch = asyncio.create_task(worker._watch())
        async with asyncio.timeout(SECONDS):
            while len(looks) < 2:  # noqa: ASYNC110 - nobody is told of a look
                await asyncio.sleep(0.01)
        for task in (watch, worker.task):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    run(tmp_path, story)


@pytest.mark.parametrize("forced", [False, True])
def test_the_deletion_of_a_finished_pod_gives_nothing_back_a_second_time(tmp_path: Path, *, forced: bool) -> None:
    async def story(cluster: Cluster) -> None:
        pod = document("a", phase="Succeeded")
        worker = PodWorker(cluster.node, pod)
        worker.context.logs.mkdir(parents=True)
        await cluster.until(("detach", "a"))
        assert worker.context.logs.exists(), "logs stay until the pod is deleted"
        if forced:
            worker.forget()
        else:
            worker.update({**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "2026-01-01T00:00:01Z"}})
        await asyncio.wait_for(worker.task, SECONDS)
        assert not worker.context.logs.exists()

    calls = run(tmp_path, story).calls
    assert [item for item in calls if item[0] != "groups"] == [("detach", "a")] + ([] if forced else [("delete", "a")])


def test_an_agent_that_starts_reserves_no_address_for_finished_pods(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        agent = Agent(settings(tmp_path))
        pods = [
            document("running", phase="Running", image="slipway.invalid/simulated/app:1"),
            document("failed", phase="Failed"),
            document("succeeded", phase="Succeeded"),
        ]
        synced = asyncio.Event()
        synced.set()
        items = {f"default/{item['metadata']['name']}": item for item in pods}
        informer: Any = SimpleNamespace(synced=synced, items=items)
        none: Any = SimpleNamespace(synced=synced, items={})
        follow = asyncio.create_task(agent._follow(cluster.node, informer, none, none))
        agent._changed.set()
        await cluster.until(("detach", "failed"), ("detach", "succeeded"))
        agent._stopping.set()
        await asyncio.wait_for(follow, SECONDS)
        await agent._end_workers()

    calls = run(tmp_path, story).calls
    assert calls[0] == ("keep", ("running",)), "before any pod asks for an address"


def test_an_agent_whose_watch_fails_ends_so_that_another_one_starts(tmp_path: Path) -> None:
    async def fails() -> None:
        raise KeyError("resourceVersion")

    async def story() -> None:
        agent = Agent(settings(tmp_path))
        agent._in_background("watch of pods", fails())
        await asyncio.wait_for(agent._stopping.wait(), SECONDS)

    asyncio.run(story())


@contextlib.asynccontextmanager
async def made_up_network(directory: Path, patch: pytest.MonkeyPatch, off: Callable[[str], None]) -> AsyncIterator[Any]:
    """A node's network without a kernel; ``off`` is told each address that is taken off the bridge."""
    ours, theirs = socket.socketpair()
    welcome = Welcome(
        plan=Plan(pods="100.100.0.0/16", services="172.20.0.0/16"), block="100.100.1.0/24", name_server=""
    )
    joined = Joined(connection=ours, welcome=welcome, network=os.open(os.devnull, os.O_RDONLY), user=None)
    patch.setattr(client, "join", lambda *_: joined)
    patch.setattr(client, "new_network_namespace", lambda: os.open(os.devnull, os.O_RDONLY))
    patch.setattr(client, "plug", lambda *_: None)
    patch.setattr(client, "unplug", lambda _, address: off(address))
    made: PodNetwork = await network.connect(settings(directory))
    async with asyncio.timeout(SECONDS):
        while await made.problem():  # noqa: ASYNC110 - a network tells nobody that it is there
            await asyncio.sleep(0.01)
    try:
        yield made
    finally:
        await made.close()
        theirs.close()


def ref(number: int) -> PodRef:
    return PodRef(namespace="default", name=f"pod-{number}", uid=f"uid-{number}")


def test_a_second_release_leaves_the_address_to_the_pod_that_has_it_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    async def story() -> None:
        async with made_up_network(tmp_path, monkeypatch, removed.append) as made:
            first = (await made.attach(ref(0))).ip
            for number in range(1, 254):
                await made.attach(ref(number))
            with pytest.raises(NodeError, match="all 254"):
                await made.attach(ref(254))
            await made.detach("uid-0")
            assert (await made.attach(ref(254))).ip == first, "a pod that has ended makes room on a full node"
            await made.detach("uid-0")
            assert removed == [first], "the second owner stays connected"
            with pytest.raises(NodeError, match="all 254"):
                await made.attach(ref(255))

    asyncio.run(story())


def test_an_address_is_free_also_when_the_kernel_refuses_to_disconnect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: str) -> None:
        raise LinkError(address)

    async def story() -> None:
        async with made_up_network(tmp_path, monkeypatch, refuse) as made:
            namespace = (await made.attach(ref(0))).netns
            await made.detach("uid-0")
            assert not namespace.exists(), "a namespace that nobody holds ends with its devices"
            found = {(await made.attach(ref(number))).ip for number in range(1, 255)}
            assert len(found) == 254

    asyncio.run(story())
