"""First-order scores of every head and neuron: roughly how much each matters, from one forward and one backward pass.

The gradient of the answer's log-probability times the activation (attribution patching): how much the
log-probability would fall if the head or neuron went to zero, were the model linear there. Approximate:
saturation, normalisation and softmax make it wrong where much changes at once. Use it to order work and for a
first look, and follow it with the exact value.
"""

from dataclasses import dataclass

import pandas as pd
import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.hooks import InputHook, own_hooks
from core.model.load import LoadedModel, full_memory_told
from core.types import PromptLike

_SCALE = 2.0**10  # keeps half-precision gradients away from zero


@dataclass(frozen=True)
class FirstOrder:
    """Approximate decrease of log p(target), nats, when a head or neuron is at zero at every position.

    Attributes:
        target: the token id w.
        log_probability: log p(w) of the run.
        heads: by layer and head.
        neurons: by layer and neuron.
    """

    target: int
    log_probability: float
    heads: Float[Tensor, "layer head"]
    neurons: Float[Tensor, "layer neuron"]

    def to_frame(self) -> pd.DataFrame:
        """One row per head or neuron: kind, layer, index, score (nats), largest first."""
        parts = []
        for kind, scores in (("head", self.heads), ("neuron", self.neurons)):
            layer, index = torch.meshgrid(*(torch.arange(n) for n in scores.shape), indexing="ij")
            columns = {"layer": layer.flatten().numpy(), "index": index.flatten().numpy()}
            parts.append(pd.DataFrame({"kind": kind, **columns, "score": scores.flatten().numpy()}))
        return pd.concat(parts).sort_values("score", ascending=False, kind="stable", ignore_index=True)


def first_order(lm: LoadedModel, prompt: PromptLike, target: int | None = None) -> FirstOrder:
    """Scores every head and every neuron at once; approximate.

    Inside an `intervene` block: of the intervened model.

    Args:
        lm: the model.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids`.
        target: token id w; None: the model's own prediction.

    Raises:
        UserError: for a prompt or target that the model cannot take.
    """
    batch = lm.tensor(lm.prompt_ids(prompt))
    probes: dict[str, list[tuple[Tensor, Tensor]]] = {"heads": [], "neurons": []}

    def probing(kind: str) -> InputHook:
        def probe(value: Tensor) -> Tensor:
            nothing = torch.zeros_like(value, requires_grad=True)
            probes[kind].append((value.detach(), nothing))
            return value + nothing

        return probe

    layers = range(lm.n_layers)
    before = [(lm.modules.head_output(i), probing("heads")) for i in layers]
    before += [(lm.modules.neuron_output(i), probing("neurons")) for i in layers]
    with torch.enable_grad(), full_memory_told():
        with own_hooks(before=before):
            logs = torch.log_softmax(lm.run(batch)[0, -1].float(), -1)
        target = int(logs.argmax()) if target is None else target
        if not 0 <= target < lm.n_vocab:
            raise UserError(f"Token id {target} lies outside this model's vocabulary, 0 to {lm.n_vocab - 1}.")
        slopes = torch.autograd.grad(_SCALE * logs[target], [p for kind in probes.values() for _, p in kind])
    products = [
        (value.float() * slope.float() / _SCALE)[0].sum(0).cpu()
        for (value, _), slope in zip([*probes["heads"], *probes["neurons"]], slopes, strict=True)
    ]
    heads = reduce(torch.stack(products[: lm.n_layers]), "layer (head d_head) -> layer head", "sum", head=lm.n_heads)
    return FirstOrder(target, float(logs[target].detach()), heads, torch.stack(products[lm.n_layers :]))
