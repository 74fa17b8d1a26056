"""A model of the same architecture and tokenizer with freshly initialised weights, as a control.

What such a model shows of prompts comes from its wiring and its tokens, not from what the trained one has learned.
Weights are drawn as transformers draws them before training, from a seed; the trained model's tensors are neither read
nor written. *Choices*: the control is drawn on the trained model's device, so a GPU and a CPU draw other weights for
the same seed; an 8-bit model's control has the same half precision as its other parts and is not quantised.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import AutoModelForCausalLM

from core.errors import UserError
from core.model.load import DTYPES, LoadedModel, full_memory_told, release_memory
from core.model.source import HEADROOM, free_memory

SEED = 0


def check_room(lm: LoadedModel) -> None:
    """Raises `UserError` unless a second model of this size, and a tenth more to run, fits beside the first."""
    size = lm.dtype.itemsize * sum(parameter.numel() for parameter in lm.model.parameters())
    need, free = size * HEADROOM, free_memory(lm.device)
    if need > free:
        where = "GPU" if lm.device.type == "cuda" else "computer"
        raise UserError(
            f"A second model of this size, with random weights, needs about {need / 2**30:.1f} GB beside the first, "
            f"and {free / 2**30:.1f} GB are free on this {where}. Close other programs, load the model in a smaller "
            "precision (fp16 or bf16), or choose a smaller model."
        )


@contextmanager
def random_weights(lm: LoadedModel, seed: int = SEED) -> Iterator[LoadedModel]:
    """A model with random weights while the block runs; afterwards its weights are gone, whoever still holds it.

    Args:
        lm: the trained model, which gives configuration, tokenizer, precision and device.
        seed: of the weights. The state of torch's own random numbers is left as it was.

    Raises:
        UserError: where there is no room for a second model.
    """
    check_room(lm)
    drawn = _drawn(lm, seed)
    try:
        yield drawn
    finally:
        drawn.model.to("meta")
        release_memory()


def _drawn(lm: LoadedModel, seed: int) -> LoadedModel:
    config = copy.deepcopy(lm.model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    devices = [lm.device] if lm.device.type == "cuda" else []
    with torch.random.fork_rng(devices), full_memory_told(), lm.device:
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=lm.dtype, attn_implementation="eager")
    return LoadedModel(
        name=f"{lm.name} with random weights",
        fingerprint=f"{lm.fingerprint}-random-{seed}",
        revision=lm.revision,
        precision=next(name for name, dtype in DTYPES.items() if dtype == lm.dtype),
        model=model.eval().requires_grad_(False),
        tokenizer=lm.tokenizer,
        architecture=lm.architecture,
    )
