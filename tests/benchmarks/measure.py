"""What every benchmark prints: the machine, the figures, and their ratio to a baseline of the same run."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

GIB = 1024**3


def machine() -> str:
    """Processor, cores and memory, without the machine's name."""
    text = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    cores = len(os.sched_getaffinity(0))
    processor = models[0] if models else platform.machine()
    return f"{processor}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of ``work``."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def report(title: str, figures: dict[str, str], *, ratio: str, target: str) -> None:
    """Print one benchmark's block."""
    width = max(map(len, figures))
    lines = [f"\n== {title}", f"   {machine()}", *(f"   {name:<{width}}  {value}" for name, value in figures.items())]
    print("\n".join([*lines, f"   ratio: {ratio}", f"   target: {target}"]))  # noqa: T201 (a benchmark's output)
