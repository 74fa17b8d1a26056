"""Norms with a frozen scale: what a norm makes of one part of its input.

`norm(x) = g * x * rsqrt(s + eps) + bias` is linear in x once s, the mean square (LayerNorm:
variance) of the run's own input, is held fixed; then every writer's part can be looked at alone.
Misleads where a part is so large that without it the scale would be another.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from core.model.load import LoadedModel


def frozen_scale(lm: LoadedModel, norm: Any, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch"]:
    """`rsqrt(s + eps)` of a norm that reads x, float32 on the CPU."""
    x = x.float().cpu()
    if lm.architecture.norm == "layer":
        x = x - x.mean(-1, keepdim=True)
    eps = float(getattr(norm, "variance_epsilon", getattr(norm, "eps", 1e-6)))
    return torch.rsqrt(x.square().mean(-1) + eps)


def before_norm(lm: LoadedModel, norm: Any, keys: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
    """The keys as the residual stream meets them: `x . result = (g * x) . key`, without scale and bias.

    LayerNorm centres x; to centre the result instead gives the same inner product.
    """
    result = keys * lm.modules.gain(norm).to(keys.device)
    return result - result.mean(-1, keepdim=True) if lm.architecture.norm == "layer" else result
