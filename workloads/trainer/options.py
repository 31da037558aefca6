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


def told(text: str) -> dict[str, str]:
    """What `--help` says of a field."""
    return {"help": text}


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model."""

    model: str = field(default="tiny", metadata=told(f"its size: {', '.join(SIZES)} (workloads/trainer/sizes.py)"))
    context: int = field(default=0, metadata=told("tokens per sequence; 0: what the size says"))
    tied: bool = field(default=False, metadata=told("use the embedding as head too; not with --tensor or --pipeline"))
    dropout: float = field(default=0.0, metadata=told("share of a layer's output that is dropped"))
    lora_rank: int = field(
        default=0, metadata=told("train adapters of this rank beside frozen weights; 0: train the weights")
    )
    lora_alpha: float = field(default=16.0, metadata=told("adapters count alpha / rank"))
    start_from: str = field(
        default="", metadata=told("folder of a checkpoint whose weights to start from (fine-tuning), not its position")
    )


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which text, and how it becomes batches."""

    corpus: str = field(
        default="reference", metadata=told("reference, python, packages, a text file, or a folder of text files")
    )
    data: str = field(
        default="",
        metadata=told("folder of the token files, made when they are not there; empty: `data` in --directory"),
    )
    tokenizer: Tokenizer = field(default=Tokenizer.BPE, metadata=told("bpe is trained on the text"))
    tokenizer_file: str = field(default="", metadata=told("tokenizer.json of the model that is fine-tuned"))
    vocabulary: int = field(default=1024, metadata=told("tokens of the bpe tokenizer"))
    validation_share: float = field(default=0.05, metadata=told("share of the text that is kept for validation"))
    batch: int = field(
        default=12, metadata=told("sequences per step in the whole run, whatever the number of processes")
    )
    micro_batch: int = field(
        default=4, metadata=told("sequences that a process computes at once, at most; more accumulate gradients")
    )

    @property
    def recipe(self) -> Recipe:
        """What the token files are made from."""
        return Recipe(
            corpus=self.corpus,
            tokenizer=self.tokenizer,
            vocabulary=self.vocabulary,
            tokenizer_file=self.tokenizer_file,
            validation_share=self.validation_share,
        )


@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """How it learns: AdamW, a linear warm-up, then half a cosine."""

    steps: int = field(default=100, metadata=told("optimizer steps of the whole run, over all attempts"))
    learning_rate: float = field(default=3e-3, metadata=told("at its highest"))
    final_share: float = field(default=0.1, metadata=told("share of the learning rate that is left at the end"))
    warmup: int = field(default=10, metadata=told("steps until the learning rate is at its highest"))
    weight_decay: float = field(default=0.1, metadata=told("of matrices; norms are not decayed"))
    beta1: float = field(default=0.9, metadata=told("AdamW's memory of gradients"))
    beta2: float = field(default=0.95, metadata=told("AdamW's memory of their squares"))
    clip: float = field(default=1.0, metadata=told("highest norm of the gradients of the whole model; 0: no limit"))
    seed: int = field(default=1, metadata=told("of first weights, data order and dropout"))


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """On what, in which numbers, and what to trade memory for."""

    device: Device = field(default=Device.AUTO, metadata=told("auto: a GPU when there is one"))
    precision: Precision = field(
        default=Precision.FP32, metadata=told("float8 is bf16 with float8 products; it needs a GPU and torchao")
    )
    recompute: Recompute = field(
        default=Recompute.NOTHING, metadata=told("activation checkpointing: what is computed again in the backward")
    )
    offload: bool = field(
        default=False, metadata=told("keep weights and optimizer state in the host's memory (GPUs, sharded runs)")
    )
    compile: bool = field(default=False, metadata=told("compile the layers: slow start, fast steps"))
    deterministic: bool = field(
        default=False, metadata=told("refuse operations that are not repeatable on GPUs (CPUs always repeat)")
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What is written, shown and watched."""

    directory: str = field(
        default="", metadata=told("of checkpoints and metrics.jsonl; empty: $SLIPWAY_CHECKPOINTS, or runs/<model>")
    )
    checkpoint_every: int = field(
        default=0, metadata=told("steps between checkpoints; 0: Young-Daly from their cost and --mtbf-hours")
    )
    mtbf_hours: float = field(default=3.0, metadata=told("mean time between failures of the whole run"))
    keep: int = field(default=3, metadata=told("complete checkpoints that stay"))
    evaluate_every: int = field(default=0, metadata=told("steps between validations; 0: once, at the end"))
    evaluation_batches: int = field(default=4, metadata=told("batches of a validation; 0: none"))
    metrics_port: int = field(default=0, metadata=told("of the Prometheus endpoint; 0: none"))
    grace_seconds: float = field(
        default=0.0,
        metadata=told(
            "from SIGTERM to SIGKILL, for a last checkpoint; 0: as torchrun, $TORCH_ELASTIC_SHUTDOWN_TIMEOUT or 30"
        ),
    )
    hang_seconds: float = field(
        default=600.0, metadata=told("without a finished step until the process ends itself; 0: never")
    )


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
    def grace_seconds(self) -> float:
        """From SIGTERM until torchrun kills this process, by its own rule where the run says nothing."""
        return self.run.grace_seconds or float(os.environ.get("TORCH_ELASTIC_SHUTDOWN_TIMEOUT") or 30)

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
    "schedule": "order of a pipeline's micro-batches",
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
        **{
            name: section(**{each.name: found[each.name] for each in fields(section)})
            for name, section in SECTIONS.items()
        }
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
    if issubclass(kind, StrEnum):
        group.add_argument(flag, type=partial(_member, kind), default=each.default, help=shown, metavar="|".join(kind))
        return
    group.add_argument(flag, type=kind, default=each.default, help=shown, metavar=_METAVARS[kind])


_METAVARS = {int: "N", float: "X", str: "TEXT"}


def _member(kind: type[StrEnum], word: str) -> StrEnum:
    try:
        return kind(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(kind)}") from None


__all__ = ["Options", "Schedule", "parse", "parser"]
