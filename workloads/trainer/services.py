"""What watches over a training loop, behind one call per step: checkpoints, metrics, guards, progress, SIGTERM."""

import math
import os
import signal
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any, Self

from workloads.trainer.checkpoint.cadence import Cadence
from workloads.trainer.checkpoint.capacity import size
from workloads.trainer.checkpoint.checkpointer import Checkpointer
from workloads.trainer.checkpoint.saving import Saved
from workloads.trainer.checkpoint.store import Store
from workloads.trainer.guards import GuardEvent, SpikeGuard, StragglerGuard, Watchdog, nonfinite
from workloads.trainer.journal import Attempt, Journal, begin_attempt
from workloads.trainer.metrics import Metrics
from workloads.trainer.probe import Probe
from workloads.trainer.progress import ProgressView
from workloads.trainer.side import Side
from workloads.trainer.state import ExitCode, Position, ServiceOptions, StepReport, TrainerError, TrainState

SAVE_ALLOWANCE = 3.0
"""A save that the loop waits for may take so many times the watchdog's limit."""


class Services:
    """See `state.py` for how the loop calls it. Use it as a context manager; every method is collective.

    Attributes:
        exit_code: how the process should end once the loop is left.
    """

    def __init__(self, options: ServiceOptions, state: TrainState) -> None:
        self.options = options
        self.exit_code = ExitCode.DONE
        self._side = Side()
        self._attempt = self._begin_attempt()
        self._journal = Journal(
            options.directory if self._side.first else None, run=options.run, attempt=self._attempt.number
        )
        self._metrics = Metrics(options, attempt=self._attempt, world=self._side.world)
        self._progress = ProgressView(options.total_steps)
        self._spikes = SpikeGuard(score=options.spike_score)
        self._stragglers = StragglerGuard(ratio=options.straggler_ratio, hosts=self._side.hosts())
        self._watchdog = Watchdog(options.hang_seconds, rank=self._side.rank)
        self._probe = Probe(next(state.models[0].parameters()).device)
        self._state = state
        self._checkpointer = self._make_checkpointer(state)
        self._signalled: float | None = None
        self._told_grace = False
        self._stop_serving = self._serve()

    @classmethod
    def open(cls, options: ServiceOptions, state: TrainState) -> Self:
        """Services that watch from now on."""
        services = cls(options, state)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, services._on_sigterm)
        services._watchdog.start()
        return services

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        # After a crash of our own the other ranks may be anywhere: the watchdog stays, in case a save never ends.
        if error is None or isinstance(error, TrainerError):
            self._watchdog.beat("finishing the last checkpoint", allowance=SAVE_ALLOWANCE)
            if self._checkpointer is not None:
                self._note_save(self._checkpointer.close())
            self._watchdog.stop()
        self._journal.close()
        self._stop_serving()

    def resume(self) -> Position | None:
        """Go on from the newest whole checkpoint; None: the run starts.

        Raises:
            TrainerError: no room for checkpoints, another model's checkpoint, or only damaged ones.
        """
        layout = dict(self._state.layout)
        self._journal.write(
            "start",
            0,
            world_size=self._side.world,
            layout=layout,
            seed=self._state.seed,
            precision=self.options.precision or None,
            peak_flops=self.options.peak_flops or None,
        )
        position = None
        if self._checkpointer is not None:
            expected = self._checkpointer.check_capacity()
            self._say(f"a checkpoint takes about {size(expected)}; {self.options.keep} are kept")
            if (found := self._checkpointer.resume()) is not None:
                position, known = found
                self._metrics.resumed(position, known)
                self._tell_resume(position)
        self._watchdog.beat("computing the first step", allowance=Watchdog.FIRST)
        if self._side.first:
            self._progress.start(position.step if position is not None else 0)
        return position

    def after_step(self, report: StepReport) -> bool:
        """One optimizer step is done. False: SIGTERM was received, the state is on disk, the loop should end.

        Raises:
            TrainerError: loss or gradients are not finite; nothing was saved since.
        """
        self._watchdog.beat(f"computing step {report.step + 1}")
        bad = nonfinite(report)
        rows = self._side.exchange(self._row(report, bad))
        stops, dues, bads, own_seconds, waits, losses = zip(*rows, strict=True)
        if any(bads):
            self._end_diverged(report, bad, bads)
        known = [loss for loss in losses if not math.isnan(loss)]
        report = replace(report, loss=known[0] if known else None, data_wait_seconds=statistics.fmean(waits))
        self._show(report, own_seconds)
        if max(stops) > 0:
            self._stop(report.step, since_signal=max(stops) - 1)
            return False
        if self._checkpointer is not None:
            self._note_save(self._checkpointer.finished())
            if dues[0]:
                self._save(self._checkpointer, report.step)
        return True

    def finish(self, step: int) -> None:
        """The loop is through: save what it ended with."""
        if self._checkpointer is not None:
            self._watchdog.beat(f"saving step {step}", allowance=SAVE_ALLOWANCE)
            for outcome in self._checkpointer.save(step):
                self._note_save(outcome)
        self._journal.write("end", step, reason="done")

    def evaluated(self, step: int, loss: float) -> None:
        """The mean loss per token on text that training never sees."""
        self._journal.write("evaluation", step, loss=loss)
        self._say(f"validation after step {step}: loss {loss:.4f}")

    def _begin_attempt(self) -> Attempt:
        """Rank 0 counts; all ranks learn the number, or that the run's directory cannot be made."""
        begun: Attempt | TrainerError | None = None
        if self._side.first:
            try:
                begun = begin_attempt(self.options.directory)
            except OSError as error:
                begun = TrainerError(f"--directory cannot be made: {error}", ExitCode.REFUSED)
        agreed: Attempt | TrainerError = self._side.from_first(begun)
        if isinstance(agreed, TrainerError):
            raise agreed
        return agreed

    def _make_checkpointer(self, state: TrainState) -> Checkpointer | None:
        if self.options.directory is None:
            return None
        return Checkpointer(
            store=Store(directory=self.options.directory, keep=self.options.keep),
            side=self._side,
            state=state,
            cadence=Cadence(interval=self.options.interval),
            run=self.options.run,
            extra=self._metrics.carry,
        )

    def _serve(self) -> Any:
        """The endpoint, on the first process of every pod."""
        if self.options.metrics_port == 0 or os.environ.get("LOCAL_RANK", "0") != "0":
            return lambda: None
        try:
            return self._metrics.serve(self.options.metrics_port)
        except OSError as error:
            # Training without its endpoint is worth more than no training.
            self._say(f"no Prometheus endpoint on port {self.options.metrics_port}: {error}", everywhere=True)
            return lambda: None

    def _row(self, report: StepReport, bad: GuardEvent | None) -> Sequence[float]:
        since = 0.0 if self._signalled is None else time.monotonic() - self._signalled + 1
        checkpointer = self._checkpointer
        due = checkpointer is not None and checkpointer.due(report.step)
        own = self._probe.seconds(report.step) if report.own_seconds is None else report.own_seconds
        loss = math.nan if report.loss is None else report.loss
        return (since, float(due), float(bad is not None), own, report.data_wait_seconds, loss)

    def _end_diverged(self, report: StepReport, bad: GuardEvent | None, bads: Sequence[float]) -> None:
        rank = next(rank for rank, flag in enumerate(bads) if flag)
        message = bad.message if bad is not None else f"rank {rank} has a loss or gradient that is not finite"
        self._guard(GuardEvent(guard="nonfinite", step=report.step, message=message, fatal=True))
        self._journal.write("end", report.step, reason="diverged")
        raise TrainerError(
            f"{message}. Resume with a lower learning rate or other data from the last checkpoint.", ExitCode.DIVERGED
        )

    def _show(self, report: StepReport, own_seconds: Sequence[float]) -> None:
        self._journal.write("step", report.step, **self._metrics.step(report))
        if self._side.first:
            typical = self._metrics.step_quantile(50)
            self._progress.step(report, tokens_per_second=self._metrics.tokens_per_second, step_seconds=typical)
        measured = not any(math.isnan(seconds) for seconds in own_seconds)
        lagging = self._stragglers.step(report.step, own_seconds) if measured else []
        for event in [self._spikes.step(report), *lagging]:
            if event is not None:
                self._guard(event)

    def _save(self, checkpointer: Checkpointer, step: int) -> None:
        self._watchdog.beat(f"starting to save step {step}", allowance=SAVE_ALLOWANCE)
        for outcome in checkpointer.save(step) if self.options.wait else checkpointer.start(step):
            self._note_save(outcome)
        self._watchdog.beat(f"computing step {step + 1}")

    def _stop(self, step: int, *, since_signal: float) -> None:
        """SIGTERM: save within what is left of the grace period, if a save fits into it."""
        self.exit_code = ExitCode.STOPPED
        left = self.options.grace_seconds - since_signal
        checkpointer = self._checkpointer
        if checkpointer is None:
            self._journal.write("end", step, reason="stopped")
            return
        self._watchdog.beat(f"saving step {step} before the end", allowance=SAVE_ALLOWANCE)
        needed = checkpointer.cadence.save_seconds or 0.0
        if self._side.from_first(needed > left):
            message = f"{left:.0f} s of the grace period are left, a checkpoint takes {needed:.0f} s: none is written"
            self._guard(GuardEvent(guard="grace", step=step, message=message))
        else:
            for outcome in checkpointer.save(step):
                self._note_save(outcome)
        self._journal.write("end", step, reason="stopped")
        self._say(f"stopped by SIGTERM after step {step}")

    def _note_save(self, outcome: Saved | None) -> None:
        if outcome is None or self._checkpointer is None:
            return
        self._journal.write("checkpoint", outcome.step, **self._metrics.saved(outcome))
        if outcome.path is None:
            message = f"no checkpoint of step {outcome.step}: {outcome.error}. Training goes on; older ones are intact"
            self._guard(GuardEvent(guard="checkpoint", step=outcome.step, message=message))
            return
        self._metrics.interval(self._checkpointer.cadence.seconds)
        self._say(
            f"checkpoint of step {outcome.step}: {size(outcome.bytes)} in {outcome.seconds:.2f} s, "
            f"of which training waited {outcome.stall_seconds:.3f} s"
        )
        self._check_grace(outcome)

    def _check_grace(self, outcome: Saved) -> None:
        """Once: tell that SIGTERM will lose work, while it can still be changed."""
        needed = self._metrics.step_quantile(50) + outcome.seconds
        if self._told_grace or needed <= self.options.grace_seconds:
            return
        self._told_grace = True
        message = (
            f"a step and a checkpoint take {needed:.0f} s, the grace period is {self.options.grace_seconds:.0f} s: "
            "SIGTERM will lose the work since the last checkpoint. Raise --grace-seconds, up to what the pods are given"
        )
        self._guard(GuardEvent(guard="grace", step=outcome.step, message=message))

    def _guard(self, event: GuardEvent) -> None:
        self._metrics.guard(event.guard)
        self._journal.write("guard", event.step, guard=event.guard, message=event.message, fatal=event.fatal)
        self._say(f"guard {event.guard}: {event.message}")

    def _tell_resume(self, position: Position) -> None:
        skipped = [{"path": str(each.path), "reason": each.reason} for each in position.skipped]
        self._journal.write(
            "resume",
            position.step,
            checkpoint=position.checkpoint,
            saved_world_size=position.world_size,
            same_layout=position.same_layout,
            skipped=skipped,
        )
        for each in position.skipped:
            self._say(f"skipped {each.path.name}: {each.reason}")
        self._say(f"attempt {self._attempt.number} goes on from {position.checkpoint.name}")

    def _say(self, text: str, *, everywhere: bool = False) -> None:
        if self._side.first or everywhere:
            self._progress.message(text)

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = self._signalled or time.monotonic()
