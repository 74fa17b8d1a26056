"""The unembedding: the final norm and the output matrix, which turn the residual stream into next-token logits.

`p(. | y) = softmax(W_U norm(y))`. The CNA paper freezes the final norm's scale to that
of the original run's final layer output, so that importances of different
vectors add up in one space; a logit lens lets every vector have its own scale.

The output matrix stays as the model stores it. It is converted to float32 in blocks of the
vocabulary, one at a time: the whole would be 2.1 GB for Llama-3-8B.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.model.load import LoadedModel

#: Numbers of the output matrix that are in float32 at once. Twice as many take four times as long on few rows: they
#: leave a CPU's caches, and the allocator maps each block anew.
BLOCK = 2**22


@dataclass(frozen=True)
class Unembedding:
    """The final norm and output matrix of a model; products with them are float32.

    For LayerNorm models the mean of y is subtracted and the bias added; the frozen scale
    is then that run's final variance (*choice*).

    Attributes:
        stored: W_U as the model holds it, not a copy.
        matrix_bias: what is added to the logits; None in most models.
        weight: g, the final norm's weight.
        bias: the final norm's bias; None for RMSNorm.
        eps: what the norm adds to the scale.
        centered: whether the norm takes the mean off first (LayerNorm).
        cap: c where the model (Gemma 2) gives `c tanh(x / c)` for a logit x; None for none.
        block: numbers of W_U that are in float32 at once.
    """

    stored: Tensor
    matrix_bias: Float[Tensor, " vocab"] | None
    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"] | None
    eps: float
    centered: bool
    block: int
    cap: float | None = None

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LoadedModel) -> "Unembedding":
        """Reads the final norm and the output matrix of a loaded model; takes no memory and no time."""
        norm, out = lm.modules.final_norm, lm.modules.unembedding
        return cls(
            stored=out.weight.detach(),
            matrix_bias=None if out.bias is None else out.bias.float(),
            weight=lm.modules.gain(norm),
            bias=None if getattr(norm, "bias", None) is None else norm.bias.float(),
            eps=float(getattr(norm, "variance_epsilon", getattr(norm, "eps", 1e-6))),
            centered=lm.architecture.norm == "layer",
            block=BLOCK,
            cap=lm.modules.logit_cap,
        )

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.stored.device

    def blocks(self) -> Iterator[tuple[slice, Float[Tensor, "token d_model"]]]:
        """W_U in float32, one block of tokens after another, each with its place in the vocabulary."""
        size = max(1, self.block // self.stored.shape[1])
        for start in range(0, len(self.stored), size):
            place = slice(start, min(start + size, len(self.stored)))
            yield place, self.stored[place].float()

    def rows(self, tokens: Sequence[int] | Tensor) -> Float[Tensor, "token d_model"]:
        """Some tokens' rows of W_U in float32; the others are not converted."""
        return self.stored[torch.as_tensor(tokens, device=self.device)].float()

    def product(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """`W_U x` for vectors that are ready for it, on the model's device."""
        flat = x.to(self.device).flatten(0, -2) if x.ndim > 1 else x.to(self.device)[None]
        out = torch.empty(len(flat), len(self.stored), device=self.device)
        for place, block in self.blocks():
            out[:, place] = flat @ block.T
        return out.unflatten(0, x.shape[:-1]) if x.ndim > 1 else out[0]

    def mean_rows(self, p: Float[Tensor, "row vocab"]) -> Float[Tensor, "row d_model"]:
        """`p W_U`: the mean of the tokens' rows, weighted by each row of p."""
        out = torch.zeros(len(p), self.stored.shape[1], device=self.device)
        for place, block in self.blocks():
            out += p[:, place].to(self.device, torch.float32) @ block
        return out

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

    def pulled_back(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        """Rows of W_U, or means of them, such that their product with a raw x is that with `direction(x)`."""
        scaled = rows * self.weight
        return scaled - scaled.mean(-1, keepdim=True) if self.centered else scaled

    def log_probabilities(
        self, y: Float[Tensor, "*batch d_model"], scale: Float[Tensor, "*scale"]
    ) -> Float[Tensor, "*batch vocab"]:
        """Log p(. | y) with a given scale of the norm."""
        logits = self.uncapped(y, scale)
        return torch.log_softmax(logits if self.cap is None else self.cap * torch.tanh(logits / self.cap), -1).cpu()

    def uncapped(
        self, y: Float[Tensor, "*batch d_model"], scale: Float[Tensor, "*scale"]
    ) -> Float[Tensor, "*batch vocab"]:
        """Logits before a soft-cap with a given scale of the norm, on the model's device: what vectors add up in."""
        logits = self.product(self.normalised(y.to(self.device), scale.to(self.device)))
        return logits if self.matrix_bias is None else logits + self.matrix_bias

    def lens(self, y: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """Log p(. | y) with y's own scale: the logit lens."""
        return self.log_probabilities(y, self.scale(y))

    def _center(self, y: Tensor) -> Tensor:
        y = y.to(self.weight.device)
        return y - y.mean(-1, keepdim=True) if self.centered else y
