"""The precision of a model's weights: what can be asked for, and what `auto` means for a checkpoint on a device.

*Choice*: on a GPU `auto` is 16 bits, and bf16 for a checkpoint that is stored as bf16, where the GPU computes in it.
Such a model was trained with the range of 32-bit numbers; in fp16, whose largest number is 65504, the activations
of some (Qwen2) overflow to NaN. Other checkpoints become fp16, whose steps are eight times finer. On a CPU `auto` is
fp32: most CPUs compute no faster in 16 bits, and fp32 holds every 16-bit weight exactly.

4 bits (nf4) are not offered: on a CPU bitsandbytes 0.50 packs them anew at the first run, with scales that are rounded
to bf16, so that what is read of a matrix before and after would differ, and would not be what acts.
"""

from typing import Literal, get_args

import torch

from core.errors import UserError

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]


PRECISIONS: tuple[Precision, ...] = get_args(Precision)


#: What is not a quantised matrix is in 16 bits beside int8.
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.float16}


#: Names of number types in config.json and in the headers of safetensors files.
_STORED = {
    **dict.fromkeys(("float32", "torch.float32", "float", "F32"), "fp32"),
    **dict.fromkeys(("bfloat16", "torch.bfloat16", "BF16"), "bf16"),
    **dict.fromkeys(("float16", "torch.float16", "half", "F16"), "fp16"),
}


def stored_precision(name: object) -> str | None:
    """The precision that a number type's name stands for: fp32, bf16 or fp16; None for any other."""
    return _STORED.get(name) if isinstance(name, str) else None


def choose_device() -> torch.device:
    """The first GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def check_precision(precision: str) -> None:
    """Raises `UserError` for a precision that does not exist."""
    if precision not in PRECISIONS:
        raise UserError(f"Precision {precision!r} does not exist: use one of {', '.join(PRECISIONS)}.")


def choose_precision(precision: str, device: torch.device, stored: str | None) -> str:
    """Resolves `auto`: fp32 on a CPU; on a GPU bf16 for what is stored so, if the GPU has it, and fp16 for the rest.

    Args:
        precision: what is asked for.
        device: where the model will be.
        stored: the checkpoint's own precision (`core.model.source.Source.stored`); None: unknown.

    Raises:
        UserError: for an unknown precision.
    """
    check_precision(precision)
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "fp32"
    # emulated bf16 of older GPUs would be far slower than their fp16
    return "bf16" if stored == "bf16" and torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
