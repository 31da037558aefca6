"""What pods use, in the two forms that a kubelet offers: Prometheus text and the Summary API."""

import datetime as dt
from collections.abc import Iterator, Sequence

from local.cluster.process_node.seams import PodUsage

_NANOSECONDS = 1e9


def metrics(pods: Sequence[PodUsage]) -> str:
    """``/metrics/resource``: the kubelet's resource metrics (stable names of Kubernetes 1.36)."""
    return "".join(f"{line}\n" for line in _metric_lines(pods))


def summary(node: str, pods: Sequence[PodUsage], now: dt.datetime) -> dict[str, object]:
    """``/stats/summary``: ``Summary`` of k8s.io/kubelet/pkg/apis/stats/v1alpha1, as far as it is measured."""
    time = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def of(cpu: int, memory: int) -> dict[str, object]:
        return {
            "cpu": {"time": time, "usageCoreNanoSeconds": cpu},
            "memory": {"time": time, "workingSetBytes": memory},
        }

    listed = [
        {
            "podRef": {"name": item.pod.name, "namespace": item.pod.namespace, "uid": item.pod.uid},
            "containers": [{"name": one.name, **of(one.cpu_nanoseconds, one.memory_bytes)} for one in item.containers],
            **of(_cpu(item), _memory(item)),
        }
        for item in pods
    ]
    total = of(sum(_cpu(item) for item in pods), sum(_memory(item) for item in pods))
    return {"node": {"nodeName": node, **total}, "pods": listed}


def _metric_lines(pods: Sequence[PodUsage]) -> Iterator[str]:
    yield "# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed by the container in core-seconds"
    yield "# TYPE container_cpu_usage_seconds_total counter"
    for item in pods:
        for one in item.containers:
            labels = f'container="{one.name}",{_labels(item)}'
            yield f"container_cpu_usage_seconds_total{{{labels}}} {one.cpu_nanoseconds / _NANOSECONDS:.6f}"
    yield "# HELP container_memory_working_set_bytes Current working set of the container in bytes"
    yield "# TYPE container_memory_working_set_bytes gauge"
    for item in pods:
        for one in item.containers:
            labels = f'container="{one.name}",{_labels(item)}'
            yield f"container_memory_working_set_bytes{{{labels}}} {one.memory_bytes}"
    yield "# HELP pod_cpu_usage_seconds_total Cumulative cpu time consumed by the pod in core-seconds"
    yield "# TYPE pod_cpu_usage_seconds_total counter"
    for item in pods:
        yield f"pod_cpu_usage_seconds_total{{{_labels(item)}}} {_cpu(item) / _NANOSECONDS:.6f}"
    yield "# HELP pod_memory_working_set_bytes Current working set of the pod in bytes"
    yield "# TYPE pod_memory_working_set_bytes gauge"
    for item in pods:
        yield f"pod_memory_working_set_bytes{{{_labels(item)}}} {_memory(item)}"


def _labels(item: PodUsage) -> str:
    return f'namespace="{item.pod.namespace}",pod="{item.pod.name}"'


def _cpu(item: PodUsage) -> int:
    return sum(one.cpu_nanoseconds for one in item.containers)


def _memory(item: PodUsage) -> int:
    return sum(one.memory_bytes for one in item.containers)
