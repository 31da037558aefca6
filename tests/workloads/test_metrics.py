"""Figures, the files and the endpoint that they appear in, and what a person sees."""

import io
import json
import math
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from workloads.trainer import journal
from workloads.trainer.checkpoint.saving import Saved
from workloads.trainer.flops import mfu, peak_flops, training_flops_per_token
from workloads.trainer.journal import Attempt, Journal, begin_attempt
from workloads.trainer.metrics import Metrics
from workloads.trainer.progress import ProgressView
from workloads.trainer.state import Position, ServiceOptions, StepReport


def report(step: int, **changes: Any) -> StepReport:
    fields: dict[str, Any] = {"loss": 2.5, "tokens": 1000, "seconds": 2.0, "data_wait_seconds": 0.5}
    return StepReport(step=step, **fields | changes)


def metrics(now: float = 1000.0, **options: Any) -> Metrics:
    made = ServiceOptions(directory=None, run="r", total_steps=10, **options)
    return Metrics(made, attempt=Attempt(number=3, first_start=900.0), world=4, now=lambda: now)


def value(counted: Metrics, name: str, **labels: str) -> float | None:
    return counted.registry.get_sample_value(f"slipway_training_{name}", labels)


def test_a_steps_line_holds_the_exact_loss_and_what_follows_from_its_time() -> None:
    line = metrics().step(report(1, loss=0.1 + 0.2))
    assert line["loss_hex"] == "0x1.3333333333334p-2", "the bits of 0.1 + 0.2, not 0.3's"
    assert (line["tokens_per_second"], line["data_wait_seconds"], line["mfu"]) == (500, 0.5, None)


def test_the_endpoint_has_rate_quantiles_data_wait_and_restarts() -> None:
    counted = metrics()
    for step in range(1, 101):
        counted.step(report(step, seconds=5.0 if step == 100 else 2.0))
    assert value(counted, "tokens_per_second") == 500, "a median: one slow step does not move it"
    assert value(counted, "step_seconds_p50") == 2.0
    assert value(counted, "step_seconds_p99") == 2.0, "the 99th of 100"
    assert value(counted, "data_wait_ratio") == pytest.approx(50 / 203)
    assert value(counted, "restarts") == 2
    assert value(counted, "tokens_total") == 100_000
    assert value(counted, "info", run="r", precision="", world_size="4") == 1


def test_the_lines_have_the_same_quantiles_and_share_as_the_endpoint() -> None:
    counted = metrics()
    counted.step(report(1, seconds=4.0, data_wait_seconds=1.0))
    line = counted.step(report(2, seconds=2.0, data_wait_seconds=0.5))
    assert (line["seconds_p50"], line["seconds_p99"], line["data_wait_ratio"]) == (2.0, 4.0, 0.25)


def test_mfu_is_the_models_flops_over_the_named_peak_of_all_devices() -> None:
    counted = metrics(flops_per_token=6e9, peak_flops=1e12, precision="bf16")
    line = counted.step(report(1))
    # 500 tokens/s * 6e9 / (4 * 1e12)
    assert (line["mfu"], line["precision"]) == (pytest.approx(0.75), "bf16")


def test_no_mfu_is_guessed_for_a_device_without_a_peak() -> None:
    assert peak_flops("AMD EPYC", "fp32") == 0
    assert mfu(tokens_per_second=1, flops_per_token=1, peak=0, devices=1) is None


def test_peaks_are_found_by_the_longest_name_and_precision() -> None:
    assert peak_flops("NVIDIA H200", "bf16") == 989e12
    assert peak_flops("NVIDIA H100 80GB HBM3", "bf16") == 989e12
    assert peak_flops("NVIDIA H100 PCIe", "bf16") == 756e12
    assert peak_flops("NVIDIA A100-SXM4-80GB", "fp32") == 156e12
    assert peak_flops("NVIDIA H200", "float8") == 0, "no single peak belongs to a mixed run"


def test_flops_per_token_of_gpt_2_small_are_those_of_the_formula() -> None:
    # 124.4 M parameters, 39.4 M of them positions and embeddings: 6 * 85.1 M + 12 * 12 * 768 * 1024.
    found = training_flops_per_token(parameters=124_439_808, embedding=39_383_808, layers=12, width=768, context=1024)
    assert found == 6 * 85_056_000 + 113_246_208


def test_ettr_counts_steps_that_stay_over_wall_time_since_the_first_attempt() -> None:
    counted = metrics(now=1000.0)
    position = Position(step=20, checkpoint=Path("c"), world_size=4, same_layout=True)
    counted.resumed(position, {"productive_seconds": 40.0})
    for step in range(21, 31):
        counted.step(report(step))
    assert counted.ettr == pytest.approx((40 + 20) / 100)
    assert counted.carry() == {"productive_seconds": 60.0}


def test_failed_and_published_saves_are_told_apart() -> None:
    counted = metrics()
    line = counted.saved(Saved(step=5, path=Path("step-00000005"), bytes=10, seconds=2.0, stall_seconds=0.1))
    counted.saved(Saved(step=6, path=None, error="rank 0: full", seconds=1.0))
    assert value(counted, "checkpoints_total", outcome="published") == 1
    assert value(counted, "checkpoints_total", outcome="failed") == 1
    assert value(counted, "checkpoint_seconds") == 2.0, "of the last one that counts"
    assert (line["stall_seconds"], line["error"]) == (0.1, None)


def test_prometheus_reads_the_endpoint() -> None:
    counted = metrics()
    counted.step(report(7))
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = counted.serve(port)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        stop()
    assert "slipway_training_step 7.0" in text
    assert "slipway_training_loss 2.5" in text


def test_every_line_names_event_run_attempt_and_step(tmp_path: Path) -> None:
    written = Journal(tmp_path, run="r", attempt=2, now=lambda: 12.5)
    written.write("step", 7, loss=1.0)
    written.close()
    assert journal.read(tmp_path) == [{"event": "step", "time": 12.5, "run": "r", "attempt": 2, "step": 7, "loss": 1.0}]


def test_a_line_that_a_kill_tore_does_not_swallow_the_next(tmp_path: Path) -> None:
    (tmp_path / journal.NAME).write_text('{"event": "start"}\n{"event": "st')
    written = Journal(tmp_path, run="r", attempt=2)
    written.write("start", 0)
    written.close()
    assert [line["event"] for line in journal.read(tmp_path)] == ["start", "start"]


def test_numbers_that_json_does_not_have_are_null(tmp_path: Path) -> None:
    written = Journal(tmp_path, run="r", attempt=1)
    written.write("step", 1, loss=math.nan, grad_norm=math.inf)
    written.close()
    (line,) = (tmp_path / journal.NAME).read_text().splitlines()
    document = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (document["loss"], document["grad_norm"]) == (None, None)


def test_a_disk_without_room_for_a_line_ends_no_run() -> None:
    # Every write to /dev/full fails with ENOSPC.
    written = Journal(None, run="r", attempt=1)
    written._path = Path("/dev/full")
    written.write("step", 1)
    written.write("step", 2)
    assert written.dropped == 2


def test_attempts_are_counted_and_the_first_start_is_kept(tmp_path: Path) -> None:
    assert begin_attempt(tmp_path, now=lambda: 100.0) == Attempt(number=1, first_start=100.0)
    assert begin_attempt(tmp_path, now=lambda: 200.0) == Attempt(number=2, first_start=100.0)
    (tmp_path / journal.ATTEMPTS).write_text("{torn")
    assert begin_attempt(tmp_path, now=lambda: 300.0) == Attempt(number=1, first_start=300.0)


def test_a_log_gets_the_first_steps_the_last_and_few_between() -> None:
    out, now = io.StringIO(), 0.0
    shown = ProgressView(1000, out=out, clock=lambda: now)
    shown.start(0)
    for step in range(1, 1001):
        now = step * 0.1
        shown.step(report(step), tokens_per_second=12_345, step_seconds=0.1)
    lines = out.getvalue().splitlines()
    assert lines[0] == "step 1/1000  loss 2.5000  12,345 tok/s  ETA 0:01:40"
    assert lines[-1] == "step 1000/1000  loss 2.5000  12,345 tok/s  ETA 0:00:00"
    assert 20 <= len(lines) <= 25, "100 s at one line in five, and the first three"


def test_messages_stand_on_lines_of_their_own_and_brackets_are_no_markup() -> None:
    out = io.StringIO()
    ProgressView(10, out=out).message("guard spike: [bold] is text")
    assert out.getvalue() == "guard spike: [bold] is text\n"


def test_a_terminal_gets_a_live_line_with_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    out = io.StringIO()
    shown = ProgressView(10, out=out)
    shown.start(4)
    shown.step(report(5), tokens_per_second=12_345, step_seconds=60.0)
    shown.stop()
    text = out.getvalue()
    assert "5/10" in text
    assert "ETA 0:05:00" in text
