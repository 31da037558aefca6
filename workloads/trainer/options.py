"""Everything that a run can be told: frozen dataclasses, from which the command line and its help are made.

No torch here, so that `--help` and a wrong option answer at once.
"""

import argparse
import os
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Never

from workloads.data.tokens import Recipe, Tokenizer
from workloads.parallelism import Parallelism, Schedule
from workloads.trainer.choices import Device, Precision, Recompute
from workloads.trainer.sizes import SIZES
from workloads.trainer.state import ExitCode


def option(default: Any, text: str) -> Any:
    """A field with its help."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model."""

    model: str = option("tiny", f"its size: {', '.join(SIZES)} (workloads/trainer/sizes.py)")
    context: int = option(0, "tokens per sequence; 0: what the size says")
    tied: bool = option(False, "use the embedding as head too; not with --tensor or --pipeline")
    dropout: float = option(0.0, "share of a layer's output that is dropped")
    lora_rank: int = option(0, "train adapters of this rank beside frozen weights; 0: train the weights")
    lora_alpha: float = option(16.0, "adapters count alpha / rank")
    start_from: str = option("", "folder of a checkpoint whose weights to start from (fine-tuning), not its position")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which text, and how it becomes batches."""

    corpus: str = option("reference", "reference, python, packages, a text file, or a folder of text files")
    data: str = option("", "folder of the token files, made when they are not there; empty: `data` in --directory")
    tokenizer: Tokenizer = option(Tokenizer.BPE, "bpe, trained on the text, or bytes")
    vocabulary: int = option(1024, "tokens of the bpe tokenizer")
    validation_share: float = option(0.05, "share of the text that is kept for validation")
    batch: int = option(12, "sequences per step in the whole run, whatever the number of processes")
    micro_batch: int = option(4, "sequences that a process computes at once, at most; more accumulate gradients")

    @property
    def recipe(self) -> Recipe:
        """What the token files are made from."""
        return Recipe(
            corpus=self.corpus,
            tokenizer=self.tokenizer,
            vocabulary=self.vocabulary,
            validation_share=self.validation_share,
        )


@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """How it learns: AdamW, a linear warm-up, then half a cosine."""

    steps: int = option(100, "optimizer steps of the whole run, over all attempts")
    learning_rate: float = option(3e-3, "at its highest")
    final_share: float = option(0.1, "share of the learning rate that is left at the end")
    warmup: int = option(10, "steps until the learning rate is at its highest")
    weight_decay: float = option(0.1, "of matrices; norms are not decayed")
    beta1: float = option(0.9, "AdamW's memory of gradients")
    beta2: float = option(0.95, "AdamW's memory of their squares")
    clip: float = option(1.0, "highest norm of the gradients of the whole model; 0: no limit")
    seed: int = option(1, "of first weights, data order and dropout")


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """On what, in which numbers, and what to trade memory for."""

    device: Device = option(Device.AUTO, "auto (a GPU when there is one), cpu or cuda")
    precision: Precision = option(Precision.FP32, "fp32, bf16, or float8 (bf16 with float8 products; needs torchao)")
    recompute: Recompute = option(Recompute.NOTHING, "activations computed again in the backward: nothing, cheap, all")
    offload: bool = option(False, "keep weights and optimizer state in the host's memory (GPUs, sharded runs)")
    compile: bool = option(False, "compile the layers: slow start, fast steps")
    deterministic: bool = option(False, "refuse operations that are not repeatable on GPUs (CPUs always repeat)")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What is written, shown and watched."""

    directory: str = option("", "of checkpoints and metrics.jsonl; empty: $SLIPWAY_CHECKPOINTS, or runs/<model>")
    checkpoint_every: int = option(0, "steps between checkpoints; 0: Young-Daly from their cost and --mtbf-hours")
    mtbf_hours: float = option(3.0, "mean time between failures of the whole run")
    keep: int = option(3, "complete checkpoints that stay")
    evaluate_every: int = option(0, "steps between validations; 0: once, at the end")
    evaluation_batches: int = option(4, "batches of a validation; 0: none")
    metrics_port: int = option(0, "of the Prometheus endpoint; 0: none")
    grace_seconds: float = option(30.0, "from SIGTERM to SIGKILL; a checkpoint is written in between")
    hang_seconds: float = option(600.0, "without a finished step until the process ends itself; 0: never")
    profile: bool = option(False, "write a trace of steps 3 to 5 of each process into the directory (torch.profiler)")


@dataclass(frozen=True, kw_only=True)
class Options:
    """A whole run."""

    model: ModelOptions = field(default_factory=ModelOptions)
    data: DataOptions = field(default_factory=DataOptions)
    learning: LearningOptions = field(default_factory=LearningOptions)
    parallelism: Parallelism = field(default_factory=Parallelism)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    run: RunOptions = field(default_factory=RunOptions)

    @property
    def directory(self) -> Path:
        """Where the run writes."""
        return Path(self.run.directory or os.environ.get("SLIPWAY_CHECKPOINTS") or f"runs/{self.model.model}")

    @property
    def data_directory(self) -> Path:
        """Where the token files are."""
        return Path(self.data.data) if self.data.data else self.directory / "data"


SECTIONS = {
    "model": ModelOptions,
    "data": DataOptions,
    "learning": LearningOptions,
    "parallelism": Parallelism,
    "compute": ComputeOptions,
    "run": RunOptions,
}
PARALLELISM_HELP = {
    "replicas": "copies that average gradients (DDP; HSDP with --shards); -1: what is left",
    "shards": "processes over which FSDP2 cuts weights and optimizer state; -1: what is left",
    "tensor": "processes over which each matrix is cut; all on one node",
    "pipeline": "stages into which the layers are cut",
    "schedule": "order of a pipeline's micro-batches: 1F1B or GPipe",
}


class _Parser(argparse.ArgumentParser):
    """Ends with the exit code that restart policies know as "do not try again"."""

    def error(self, message: str) -> Never:
        self.exit(ExitCode.REFUSED, f"error: {message}\n`--help` lists the options\n")


def parser(description: str) -> argparse.ArgumentParser:
    """The command line of `Options`; ``description`` goes above the list."""
    made = _Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    for name, section in SECTIONS.items():
        group = made.add_argument_group(name, (section.__doc__ or "").splitlines()[0])
        for each in fields(section):
            _add(group, each)
    return made


def parse(arguments: list[str], description: str) -> Options:
    """Options of a command line; a word that is wrong ends the process with one clear line."""
    found = vars(parser(description).parse_args(arguments))
    return Options(
        **{name: section(**{each.name: found[each.name] for each in fields(section)}) for name, section in SECTIONS.items()}
    )


def _add(group: "argparse._ArgumentGroup", each: "Field[Any]") -> None:
    flag = f"--{each.name.replace('_', '-')}"
    if each.default is MISSING:
        raise TypeError(f"option {each.name} has no default")
    text = each.metadata.get("help") or PARALLELISM_HELP[each.name]
    shown = f"{text} (default: {each.default})" if each.default != "" else text
    if isinstance(each.default, bool):
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=each.default, help=shown)
        return
    kind = type(each.default)
    convert = partial(_member, kind) if issubclass(kind, StrEnum) else kind
    group.add_argument(flag, type=convert, default=each.default, help=shown, metavar=_METAVARS.get(kind, "NAME"))


_METAVARS = {int: "N", float: "X", str: "TEXT"}


def _member(kind: type[StrEnum], word: str) -> StrEnum:
    try:
        return kind(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(kind)}") from None


__all__ = ["Options", "Schedule", "parse", "parser"]
