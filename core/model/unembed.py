"""The unembedding: the final norm and the output matrix, which turn the residual stream into next-token logits.

`p(. | y) = softmax(W_U norm(y))`. The CNA paper freezes the final norm's scale to that
of the original run's final layer output, so that importances of different
vectors add up in one space; a logit lens lets every vector have its own scale.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.model.load import LoadedModel


@dataclass(frozen=True)
class Unembedding:
    """The final norm and output matrix of a model, in float32.

    For LayerNorm models the mean of y is subtracted and the bias added; the frozen scale
    is then that run's final variance (*choice*).

    Attributes:
        matrix: W_U.
        matrix_bias: what is added to the logits; None in most models.
        weight: g, the final norm's weight.
        bias: the final norm's bias; None for RMSNorm.
        eps: what the norm adds to the scale.
        centered: whether the norm takes the mean off first (LayerNorm).
    """

    matrix: Float[Tensor, "vocab d_model"]
    matrix_bias: Float[Tensor, " vocab"] | None
    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"] | None
    eps: float
    centered: bool

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LoadedModel) -> "Unembedding":
        """Reads the final norm and the output matrix of a loaded model."""
        norm, out = lm.modules.final_norm, lm.modules.unembedding
        return cls(
            matrix=out.weight.float(),
            matrix_bias=None if out.bias is None else out.bias.float(),
            weight=norm.weight.float(),
            bias=None if getattr(norm, "bias", None) is None else norm.bias.float(),
            eps=float(getattr(norm, "variance_epsilon", getattr(norm, "eps", 1e-6))),
            centered=lm.architecture.norm == "layer",
        )

    def scale(self, y: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch"]:
        """Mean square (RMSNorm) or variance (LayerNorm) of residual stream vectors."""
        return self._center(y).square().mean(-1)

    def normalised(
        self, y: Float[Tensor, "*batch d_model"], scale: Float[Tensor, "*scale"]
    ) -> Float[Tensor, "*batch d_model"]:
        """The final norm, with the given scale in place of y's own."""
        out = self._center(y) * torch.rsqrt(scale + self.eps)[..., None] * self.weight
        return out if self.bias is None else out + self.bias

    def direction(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """What adding x does before the output matrix, up to the norm's scale: `g * x` (LayerNorm: centred)."""
        return self._center(x) * self.weight

    def log_probabilities(
        self, y: Float[Tensor, "*batch d_model"], scale: Float[Tensor, "*scale"]
    ) -> Float[Tensor, "*batch vocab"]:
        """Log p(. | y) with a given scale of the norm."""
        device = self.matrix.device
        logits = self.normalised(y.to(device), scale.to(device)) @ self.matrix.T
        if self.matrix_bias is not None:
            logits = logits + self.matrix_bias
        return torch.log_softmax(logits, -1).cpu()

    def lens(self, y: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """Log p(. | y) with y's own scale: the logit lens."""
        return self.log_probabilities(y, self.scale(y))

    def _center(self, y: Tensor) -> Tensor:
        y = y.to(self.weight.device)
        return y - y.mean(-1, keepdim=True) if self.centered else y
