"""Floating-point operations of training, and what a device could do at most: the two halves of MFU.

MFU, model FLOPs utilization, is the FLOPs that the model needs per second over the device's peak at the *named*
precision (Chowdhery et al., PaLM, arXiv:2204.02311, appendix B). Work done again for activation checkpointing does not
count. No MFU is given where the matrix products run in FP8 and the rest does not: no single peak belongs to such a run
(torchtitan does the same).
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Dense peak of one accelerator in FLOP/s by precision (without structured sparsity), with its source."""

    bf16: float
    fp32: float
    source: str


TERA = 1e12
PEAKS: dict[str, Peak] = {
    # Matched as a part of torch.cuda.get_device_name(), the longer name first. float32 is TF32 on tensor cores.
    "A100": Peak(bf16=312 * TERA, fp32=156 * TERA, source="NVIDIA A100 datasheet, 2021"),
    "H100 PCIe": Peak(bf16=756 * TERA, fp32=378 * TERA, source="NVIDIA H100 datasheet, halved: it states sparse peaks"),
    "H100 NVL": Peak(bf16=835 * TERA, fp32=417.5 * TERA, source="NVIDIA H100 NVL datasheet, halved: sparse peaks"),
    "H100": Peak(bf16=989 * TERA, fp32=494.5 * TERA, source="NVIDIA H100 SXM datasheet, halved: sparse peaks"),
    "H200": Peak(bf16=989 * TERA, fp32=494.5 * TERA, source="NVIDIA H200 datasheet, halved: sparse peaks"),
}


def peak_flops(device_name: str, precision: str) -> float:
    """FLOP/s of the device at "bf16", "fp16" (the same) or "fp32"; 0 where it is not in the table, as for a CPU.

    A device that is not known gets no MFU rather than a guessed one.
    """
    for name in sorted(PEAKS, key=len, reverse=True):
        if name.lower() in device_name.lower():
            peak = PEAKS[name]
            return {"bf16": peak.bf16, "fp16": peak.bf16, "fp32": peak.fp32}.get(precision, 0.0)
    return 0.0


def training_flops_per_token(*, parameters: int, embedding: int, layers: int, width: int, context: int) -> float:
    """FLOPs of one token, forward and backward, of a dense transformer: 6 (N - E) + 12 L W T.

    Source: PaLM, arXiv:2204.02311, appendix B: every parameter is one multiply and one add forward and twice that
    backward (6 N), and attention over the context adds 12 L H Q T with H Q = W, as if it were not causal: the usual
    convention, also torchtitan's and nanoGPT's. A causal kernel that skips the masked half computes half of that term.

    Args:
        parameters: all of them.
        embedding: those of the input embedding, which is a look-up; 0 when it is tied to the output layer, where the
            same weights are multiplied once.
        layers: transformer blocks.
        width: of the model: heads x head size.
        context: tokens per sequence.
    """
    return 6.0 * (parameters - embedding) + 12.0 * layers * width * context


def mfu(*, tokens_per_second: float, flops_per_token: float, peak: float, devices: int) -> float | None:
    """Between 0 and 1; None where the peak or the model's FLOPs are not known."""
    if peak <= 0 or flops_per_token <= 0 or devices < 1:
        return None
    return tokens_per_second * flops_per_token / (peak * devices)
