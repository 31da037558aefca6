"""What a run is made of, from its options: text, model, optimizer, and what a checkpoint must know of them."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict_loader import load

from workloads.data.corpus import CorpusError
from workloads.data.tokens import Prepared, prepare
from workloads.trainer.adapters import adapt
from workloads.trainer.checkpoint.contents import MODEL
from workloads.trainer.checkpoint.manifest import NAME
from workloads.trainer.checkpoint.resuming import newest_whole, reasons
from workloads.trainer.checkpoint.store import Store
from workloads.trainer.choices import Device, Precision
from workloads.trainer.data import Reader
from workloads.trainer.flops import peak_flops, training_flops_per_token
from workloads.trainer.model import Decoder, initialise
from workloads.trainer.options import LearningOptions, Options
from workloads.trainer.parallel import World, spread
from workloads.trainer.precision import fsdp_policy, offload_policy, to_float8, unavailable
from workloads.trainer.side import Side
from workloads.trainer.sizes import SIZES, Size
from workloads.trainer.state import ExitCode, Interval, ServiceOptions, TrainerError, TrainState
from workloads.trainer.steps import Pipelined, Steps, Whole, summed_loss


def device_of(options: Options) -> torch.device:
    """The kind of device that this run computes on, ready for repeatable numbers.

    Raises:
        TrainerError: it is not there, or cannot compute in the precision asked for.
    """
    wanted = options.compute.device
    if wanted is Device.CUDA and not torch.cuda.is_available():
        raise TrainerError("--device cuda: torch finds no GPU here; use --device cpu or auto", ExitCode.REFUSED)
    device = torch.device("cuda" if wanted is not Device.CPU and torch.cuda.is_available() else "cpu")
    if reason := unavailable(options.compute.precision, device):
        raise TrainerError(reason, ExitCode.REFUSED)
    if options.compute.offload and device.type == "cpu":
        raise TrainerError("--offload: everything is in the host's memory already on a CPU", ExitCode.REFUSED)
    if device.type == "cpu" or options.compute.deterministic:
        # Read by cuBLAS at its start (NVIDIA cuBLAS, "Results reproducibility").
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(mode=True)
        # Filling memory that nobody has written to would help to find bugs in kernels, at the price of time.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of the module
    # fp32 products in TF32: the peak that MFU compares with at --precision fp32.
    torch.set_float32_matmul_precision("high")
    return device


def text_of(options: Options, world: World) -> Prepared:
    """The token files: process 0 makes them once; on folders that nodes do not share, each node makes the same.

    Raises:
        TrainerError: there is no such text, or the nodes' files differ.
    """
    first = [_prepared(options) if world.rank == 0 else None]
    dist.broadcast_object_list(first, src=0)
    own = first[0] if isinstance(first[0], TrainerError) else _prepared(options)
    outcomes = [own] * world.size
    dist.all_gather_object(outcomes, own)
    for each in outcomes:
        if isinstance(each, TrainerError):
            raise each
    prepared = [each for each in outcomes if isinstance(each, Prepared)]
    if len({each.digest for each in prepared}) > 1:
        raise TrainerError(
            f"the nodes made different token files in {options.data_directory}: their images differ. "
            f"Put --data on a shared volume, or run one image",
            ExitCode.REFUSED,
        )
    return prepared[world.rank]


def _prepared(options: Options) -> Prepared | TrainerError:
    """The token files, or why there are none: told to the other processes, which would wait for ever."""
    try:
        return prepare(options.data_directory, options.data.recipe)
    except (CorpusError, OSError) as error:
        return TrainerError(str(error), ExitCode.REFUSED)


def size_of(options: Options) -> Size:
    """The shape of the model."""
    size = SIZES[options.model.model]()
    return replace(size, context=options.model.context) if options.model.context else size


def model_of(options: Options, world: World, prepared: Prepared) -> Decoder:
    """This process's stage of the model, whole and on the CPU, with its first weights.

    Raises:
        TrainerError: the weights to start from are not there, all damaged, or of another model.
    """
    size = size_of(options)
    model = Decoder(
        size,
        prepared.vocabulary,
        tied=options.model.tied,
        dropout=options.model.dropout,
        layers=world.layers(size.layers),
    )
    initialise(model, options.learning.seed)
    if options.model.start_from:
        read_weights(model, Path(options.model.start_from))
    if options.model.lora_rank:
        adapt(model, rank=options.model.lora_rank, alpha=options.model.lora_alpha, seed=options.learning.seed)
    for layer in model.blocks():
        layer.recompute = options.compute.recompute
    return model


def read_weights(model: Decoder, folder: Path) -> None:
    """Fill ``model`` from a checkpoint, or from the newest whole one of a run's folder, however that run was spread.

    Collective: all ranks read the same one. What is skipped as damaged is printed.

    Raises:
        TrainerError: there is no whole one, or it is another model's.
    """
    side = Side()
    published = [folder] if (folder / NAME).exists() else Store(directory=folder, keep=1).published()
    chosen, skipped = newest_whole(published, side)
    if chosen is None:
        why = f"no whole checkpoint there ({reasons(skipped)})" if skipped else "no checkpoint there"
        raise TrainerError(f"--start-from {folder}: {why}", ExitCode.REFUSED)
    if side.first:
        for each in skipped:
            sys.stdout.write(f"--start-from {folder}: skipped {each.path.name}: {each.reason}\n")
    wanted = {MODEL + name: parameter.detach() for name, parameter in model.named_parameters()}
    try:
        reader = FileSystemReader(chosen)
        stored = reader.read_metadata().state_dict_metadata
        for name, tensor in wanted.items():
            if getattr(stored.get(name), "size", None) != tensor.size():
                raise TrainerError(
                    f"--start-from {chosen}: it has no {name} of shape {list(tensor.size())}; "
                    f"give --model, --context and the vocabulary that it was trained with",
                    ExitCode.REFUSED,
                )
        load(dict(wanted), storage_reader=reader, no_dist=True)
    except OSError as error:
        raise TrainerError(f"--start-from {chosen}: {error}", ExitCode.REFUSED) from error


def steps_of(options: Options, world: World, model: Decoder) -> tuple[nn.Module, Steps]:
    """Spread ``model`` over the processes; what is to be saved, and how to compute with it."""
    compute = options.compute
    if compute.precision is Precision.FLOAT8:
        to_float8(model)
    mixed, offload = fsdp_policy(compute.precision), offload_policy(offload=compute.offload)
    whole = spread(model, world, mixed=mixed, offload=offload, compiled=compute.compile)
    # Fused, the fp32 copy of the logits is never written: the largest tensor of a step.
    fused = compute.compile and world.parallelism.tensor == 1
    loss = torch.compile(summed_loss) if fused else summed_loss
    if world.parallelism.pipeline == 1:
        return whole, Whole(whole, world, compute.precision, micro_batch=options.data.micro_batch, loss=loss)
    share = options.data.batch // world.parallelism.data
    return whole, Pipelined(whole, world, share=share, micro_batch=options.data.micro_batch, loss=loss)


def optimizer_of(options: LearningOptions, model: nn.Module, world: World) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves norms alone (Loshchilov and Hutter, arXiv:1711.05101)."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [each for each in trained if each.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [each for each in trained if each.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=options.learning_rate,
        betas=(options.beta1, options.beta2),
        fused=world.device.type == "cuda",
    )


def reader_of(tokens: np.ndarray, options: Options, *, shuffle: bool = True) -> Reader:
    """The sequences of a token file.

    Raises:
        TrainerError: the text is shorter than one sequence.
    """
    try:
        return Reader(tokens, context=size_of(options).context, seed=options.learning.seed, shuffle=shuffle)
    except ValueError as error:
        raise TrainerError(f"--corpus {options.data.corpus}: {error}", ExitCode.REFUSED) from error


def state_of(
    options: Options, world: World, text: Prepared, live: tuple[nn.Module, torch.optim.Optimizer, Reader]
) -> TrainState:
    """What a checkpoint holds, and what it must fit."""
    model, optimizer, reader = live
    shape = world.parallelism
    return TrainState(
        models=[model],
        optimizers=[optimizer],
        identity={
            "model": options.model.model,
            "context": size_of(options).context,
            "vocabulary": text.vocabulary,
            "tied": options.model.tied,
            "lora_rank": options.model.lora_rank,
            "text": text.digest,
        },
        layout={"replicas": shape.replicas, "shards": shape.shards, "tensor": shape.tensor, "pipeline": shape.pipeline},
        seed=options.learning.seed,
        data=reader,
    )


def service_options(options: Options, world: World, prepared: Prepared) -> ServiceOptions:
    """What watches over the run."""
    run, compute, size = options.run, options.compute, size_of(options)
    embedding = 0 if options.model.tied else prepared.vocabulary * size.width
    flops = training_flops_per_token(
        parameters=size.parameters(prepared.vocabulary, tied=options.model.tied),
        embedding=embedding,
        layers=size.layers,
        width=size.heads * size.head,
        context=size.context,
    )
    name = torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else ""
    return ServiceOptions(
        directory=options.directory,
        run=os.environ.get("SLIPWAY_RUN", options.directory.name),
        total_steps=options.learning.steps,
        keep=run.keep,
        interval=Interval(steps=run.checkpoint_every or None, mtbf_hours=run.mtbf_hours),
        grace_seconds=options.grace_seconds,
        metrics_port=run.metrics_port,
        # Adapters leave out the gradients of frozen weights: the formula does not fit, so no MFU is given.
        flops_per_token=0.0 if options.model.lora_rank else flops,
        peak_flops=peak_flops(name, compute.precision),
        precision=compute.precision,
        hang_seconds=run.hang_seconds,
    )
