"""Figures of a run: for Prometheus, for metrics.jsonl and for the progress line, from one report per step.

ETTR here is what was measured: seconds of steps that count (those thrown away by a failure do not) over the wall time
since the first attempt began, waiting and restarting included; `workloads/reliability.py` has definition and source.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from workloads.trainer.checkpoint.saving import Saved
from workloads.trainer.flops import mfu
from workloads.trainer.journal import Attempt
from workloads.trainer.state import Position, ServiceOptions, StepReport

WINDOW = 200
STEP_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Collectors:
    """The series that the endpoint shows; all names begin with slipway_training_."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"slipway_training_{name}", text, registry=registry)

        self.step = gauge("step", "Optimizer steps done")
        self.loss = gauge("loss", "Mean loss per token of the last step")
        self.rate = gauge("tokens_per_second", "Tokens per second of the whole run, median of the last steps")
        self.mfu = gauge("mfu_ratio", "Model FLOPs utilization against the named peak; absent where none is named")
        self.p50 = gauge("step_seconds_p50", "Median wall time of the last 200 steps")
        self.p99 = gauge("step_seconds_p99", "99th percentile of the wall time of the last 200 steps")
        self.data_wait = gauge("data_wait_ratio", "Share of the last steps' time that waited for data")
        self.ettr = gauge("ettr_ratio", "Effective training time ratio since the first attempt")
        self.restarts = gauge("restarts", "Attempts before this one")
        self.stall = gauge("checkpoint_stall_seconds", "Time that the last checkpoint kept the loop waiting")
        self.save_seconds = gauge("checkpoint_seconds", "Time from start to publishing of the last checkpoint")
        self.save_bytes = gauge("checkpoint_bytes", "Size of the last checkpoint")
        self.interval = gauge("checkpoint_interval_seconds", "Time between checkpoints that is aimed at")
        self.seconds = Histogram(
            "slipway_training_step_seconds", "Wall time of a step", buckets=STEP_BUCKETS, registry=registry
        )
        self.tokens = Counter("slipway_training_tokens", "Tokens trained by this attempt", registry=registry)
        self.saves = Counter("slipway_training_checkpoints", "Saves by outcome", ["outcome"], registry=registry)
        self.guards = Counter("slipway_training_guard_events", "What guards saw", ["guard"], registry=registry)
        self.about = Gauge("slipway_training_info", "What ran", ["run", "precision", "world_size"], registry=registry)


class Metrics:
    """Counts one attempt.

    Attributes:
        registry: of the endpoint.
        productive_seconds: of all attempts: steps that were not thrown away.
    """

    def __init__(
        self, options: ServiceOptions, *, attempt: Attempt, world: int, now: Callable[[], float] = time.time
    ) -> None:
        self._options = options
        self._attempt = attempt
        self._world = world
        self._now = now
        self._steps: deque[StepReport] = deque(maxlen=WINDOW)
        self.productive_seconds = 0.0
        self.registry = CollectorRegistry()
        self._collectors = Collectors(self.registry)
        self._collectors.restarts.set(attempt.number - 1)
        self._collectors.about.labels(options.run, options.precision, str(world)).set(1)

    def serve(self, port: int) -> Callable[[], None]:
        """Answer Prometheus on `port` until the returned function is called.

        Raises:
            OSError: the port is taken.
        """
        server, thread = start_http_server(port, registry=self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop

    def resumed(self, position: Position, known: Mapping[str, Any]) -> None:
        """The run goes on from a checkpoint; `known` is what `carry` gave when it was saved."""
        self.productive_seconds = float(known.get("productive_seconds", 0.0))
        self._collectors.step.set(position.step)

    def carry(self) -> dict[str, Any]:
        """What the next attempt has to know, kept in the checkpoint: it then excludes what that attempt does again."""
        return {"productive_seconds": self.productive_seconds}

    def step(self, report: StepReport) -> dict[str, Any]:
        """Count a step; returns the fields of its line in metrics.jsonl."""
        self._steps.append(report)
        self.productive_seconds += report.seconds
        p50, p99, data_wait = self.step_quantile(50), self.step_quantile(99), self.data_wait_ratio
        shown = self._collectors
        shown.step.set(report.step)
        shown.tokens.inc(report.tokens)
        shown.seconds.observe(report.seconds)
        shown.rate.set(self.tokens_per_second)
        shown.p50.set(p50)
        shown.p99.set(p99)
        shown.data_wait.set(data_wait)
        if self.ettr is not None:
            shown.ettr.set(self.ettr)
        if report.loss is not None:
            shown.loss.set(report.loss)
        if self.mfu is not None:
            shown.mfu.set(self.mfu)
        return {
            "loss": report.loss,
            "loss_hex": None if report.loss is None else float(report.loss).hex(),
            "tokens": report.tokens,
            "tokens_per_second": report.tokens / report.seconds if report.seconds > 0 else None,
            "seconds": report.seconds,
            "seconds_p50": p50,
            "seconds_p99": p99,
            "data_wait_seconds": report.data_wait_seconds,
            "data_wait_ratio": data_wait,
            "grad_norm": report.grad_norm,
            "learning_rate": report.learning_rate,
            "mfu": self.mfu,
            "precision": self._options.precision or None,
            "ettr": self.ettr,
        }

    def saved(self, outcome: Saved) -> dict[str, Any]:
        """Count a save; returns the fields of its line."""
        shown = self._collectors
        shown.saves.labels("published" if outcome.path is not None else "failed").inc()
        shown.stall.set(outcome.stall_seconds)
        if outcome.path is not None:
            shown.save_seconds.set(outcome.seconds)
            shown.save_bytes.set(outcome.bytes)
        return {
            "path": outcome.path,
            "error": outcome.error or None,
            "bytes": outcome.bytes,
            "seconds": outcome.seconds,
            "stall_seconds": outcome.stall_seconds,
            "removed": list(outcome.removed),
        }

    def guard(self, name: str) -> None:
        """Count what a guard saw."""
        self._collectors.guards.labels(name).inc()

    def interval(self, seconds: float | None) -> None:
        """The interval between checkpoints that is aimed at now."""
        if seconds is not None:
            self._collectors.interval.set(seconds)

    @property
    def tokens_per_second(self) -> float:
        """Median over the last steps; 0 before the first."""
        rates = [report.tokens / report.seconds for report in self._steps if report.seconds > 0]
        return statistics.median(rates) if rates else 0.0

    @property
    def mfu(self) -> float | None:
        """Against the named peak; None where none is named."""
        return mfu(
            tokens_per_second=self.tokens_per_second,
            flops_per_token=self._options.flops_per_token,
            peak=self._options.peak_flops,
            devices=self._world,
        )

    @property
    def data_wait_ratio(self) -> float:
        """Share of the last steps' time, between 0 and 1."""
        total = sum(report.seconds for report in self._steps)
        return sum(report.data_wait_seconds for report in self._steps) / total if total > 0 else 0.0

    @property
    def ettr(self) -> float | None:
        """Productive seconds over the wall time since the first attempt; None before any has passed."""
        wall = self._now() - self._attempt.first_start
        return min(1.0, self.productive_seconds / wall) if wall > 0 else None

    def step_quantile(self, percent: int) -> float:
        """Wall time of the last steps; the nearest rank, so that it is one that occurred."""
        ordered = sorted(report.seconds for report in self._steps)
        if not ordered:
            return 0.0
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
