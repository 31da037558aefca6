"""What cannot work, found before any process waits for another: one sentence each, with the value and what would do."""

from collections.abc import Iterator

from workloads.data.tokens import Tokenizer
from workloads.parallelism import Parallelism, problems
from workloads.trainer.choices import Precision
from workloads.trainer.options import Options
from workloads.trainer.sizes import SIZES, Size

LOWEST_VOCABULARY = 257
"""Every byte and the end of a document."""


def wrong_with(options: Options, *, processes: int, processes_per_node: int) -> list[str]:
    """Everything that is wrong with ``options`` in a run of so many processes; empty when nothing."""
    found = [*_values(options), *problems(options.parallelism, processes // processes_per_node, processes_per_node)]
    if found:
        return found
    size, shape = SIZES[options.model.model](), options.parallelism.resolved(processes)
    rules = (_batches, _tensor, _pipeline, _adapters)
    return [problem for rule in rules for problem in rule(options, size, shape)]


def _values(options: Options) -> Iterator[str]:
    model, data, learning, compute, run = options.model, options.data, options.learning, options.compute, options.run
    if model.model not in SIZES:
        yield f"--model {model.model}: no such size; choose one of {', '.join(SIZES)}"
    positive = {"batch": data.batch, "micro-batch": data.micro_batch, "steps": learning.steps, "keep": run.keep}
    yield from (f"--{name} {value}: must be at least 1" for name, value in positive.items() if value < 1)
    above_zero = {"learning-rate": learning.learning_rate, "mtbf-hours": run.mtbf_hours, "lora-alpha": model.lora_alpha}
    yield from (f"--{name} {value}: must be more than 0" for name, value in above_zero.items() if not value > 0)
    from_zero = {
        "context": model.context,
        "lora-rank": model.lora_rank,
        "warmup": learning.warmup,
        "weight-decay": learning.weight_decay,
        "clip": learning.clip,
        "seed": learning.seed,
        "checkpoint-every": run.checkpoint_every,
        "evaluate-every": run.evaluate_every,
        "evaluation-batches": run.evaluation_batches,
        "grace-seconds": run.grace_seconds,
        "hang-seconds": run.hang_seconds,
    }
    yield from (f"--{name} {value}: must not be negative" for name, value in from_zero.items() if not value >= 0)
    below_one = {"dropout": model.dropout, "beta1": learning.beta1, "beta2": learning.beta2}
    yield from (
        f"--{name} {value}: must be from 0 to below 1" for name, value in below_one.items() if not 0 <= value < 1
    )
    if not 0 < data.validation_share < 1:
        yield f"--validation-share {data.validation_share}: must be between 0 and 1"
    if not 0 <= learning.final_share <= 1:
        yield f"--final-share {learning.final_share}: must be from 0 to 1"
    if not 0 <= run.metrics_port < 2**16:
        yield f"--metrics-port {run.metrics_port}: must be 0 (none) or a port up to 65535"
    if data.tokenizer is Tokenizer.BPE and data.vocabulary < LOWEST_VOCABULARY:
        yield f"--vocabulary {data.vocabulary}: must be at least {LOWEST_VOCABULARY} (bytes and end of document)"
    if compute.offload and options.parallelism.shards == 1:
        yield "--offload keeps shards in the host's memory, and --shards is 1: use more shards, or leave it out"


def _batches(options: Options, _size: Size, shape: Parallelism) -> Iterator[str]:
    batch = options.data.batch
    if batch % shape.data:
        multiples = f"{batch // shape.data * shape.data or shape.data} or {(batch // shape.data + 1) * shape.data}"
        yield (
            f"--batch {batch} does not divide among {shape.data} processes that read data "
            f"(replicas {shape.replicas} x shards {shape.shards}): choose {multiples}"
        )
    elif batch // shape.data < shape.pipeline:
        yield (
            f"--batch {batch} gives each of {shape.data} pipelines {batch // shape.data} sequences, fewer than its "
            f"{shape.pipeline} stages, which need a micro-batch each: choose at least {shape.data * shape.pipeline}"
        )


def _tensor(options: Options, size: Size, shape: Parallelism) -> Iterator[str]:
    if shape.tensor == 1:
        return
    context = options.model.context or size.context
    shares = {"query heads": size.heads, "key and value heads": size.kv_heads, "hidden width": size.hidden}
    for what, number in {**shares, "context": context}.items():
        if number % shape.tensor:
            yield f"--tensor {shape.tensor} does not divide the {what} of {options.model.model} ({number})"
    if options.model.tied:
        yield f"--tied with --tensor {shape.tensor}: embedding and head are cut differently; use --no-tied"
    if options.compute.compile:
        # torch 2.15, also with backend aot_eager: the losses are right, and the embedding's gradient is not.
        yield f"--compile with --tensor {shape.tensor} computes wrong gradients in torch 2.15: use --no-compile"
    if options.compute.precision is Precision.FLOAT8:
        yield f"--precision float8 with --tensor {shape.tensor} is not offered: use bf16, or shards only"


def _pipeline(options: Options, size: Size, shape: Parallelism) -> Iterator[str]:
    if shape.pipeline == 1:
        return
    if shape.pipeline > size.layers:
        yield f"--pipeline {shape.pipeline}: {options.model.model} has {size.layers} layers, fewer than stages"
    if options.model.tied:
        yield f"--tied with --pipeline {shape.pipeline}: embedding and head are on different stages; use --no-tied"


def _adapters(options: Options, _size: Size, shape: Parallelism) -> Iterator[str]:
    model, data = options.model, options.data
    if model.start_from and data.tokenizer is Tokenizer.BPE and not data.tokenizer_file:
        yield "--start-from without --tokenizer-file: name the tokenizer.json of that model, beside its checkpoints"
    if not model.lora_rank:
        return
    if not model.start_from:
        yield f"--lora-rank {model.lora_rank} trains beside weights that exist: name a checkpoint with --start-from"
    if shape.tensor > 1:
        yield f"--lora-rank {model.lora_rank} with --tensor {shape.tensor}: adapters are not cut; use shards"
    if options.compute.precision is Precision.FLOAT8:
        yield "--lora-rank with --precision float8 is not offered: use bf16"
