"""The neurons behind a gender bias: CNA between two prompts that differ in the gender only.

CNA §6.2 and table 12: for each profession w, `change = Imp(own gender's prompt) - Imp(the other's)` (§4.2),
averaged over the professions; neurons are ranked by it. Each profession's own gender is the first run (*choice*),
so neurons that raise women's professions after "woman" and neurons that raise men's after "man" both count, and so
does one that lowers the other group's. w is the profession's first token that is not blank (*choice*).

All professions are read from one product with the output matrix: the same numbers as one `compare_prompts` per
profession. Last position only: what neurons do for later tokens, or through later layers, is not seen.
"""

from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from core.bias.measure import SLOT, BiasWords
from core.errors import UserError
from core.forward.record import ActivationCache, record_prompt
from core.model.load import LoadedModel
from core.model.unembed import Unembedding
from core.model.weights import columns_on_device
from core.neurons.importance import exact_importance, sides_of
from core.progress import Progress, silent
from core.vocabulary.neuron_tokens import tokens_of

_NEURONS = 512  # between two looks at whether to stop


@dataclass(frozen=True)
class Located:
    """Every neuron, ranked by its change averaged over professions, largest first.

    Attributes:
        words: the groups and professions that it was averaged over.
        prompt: the text with `<gend>`.
        layer: layer of each neuron.
        neuron: index of each neuron in its layer.
        change: mean change over professions (nats).
        importance: mean importance for each group's professions (first axis) in each group's run (nats).
        coefficient: in each group's run.
    """

    words: BiasWords
    prompt: str
    layer: Int[Tensor, " k"]
    neuron: Int[Tensor, " k"]
    change: Float[Tensor, " k"]
    importance: Float[Tensor, "professions run k"]
    coefficient: Float[Tensor, "run k"]

    def top(self, k: int) -> list[tuple[int, int]]:
        """The first k (layer, neuron)."""
        return list(zip(self.layer[:k].tolist(), self.neuron[:k].tolist(), strict=True))

    def favours(self, i: int) -> int:
        """The number of the group whose run raises its own professions more by the i-th neuron."""
        gain = (
            self.importance[0, 0, i] - self.importance[0, 1, i],
            self.importance[1, 1, i] - self.importance[1, 0, i],
        )
        return int(gain[1] > gain[0])

    def to_frame(self, lm: LoadedModel, k: int = 18, n_tokens: int = 8) -> pd.DataFrame:
        """Table 12: one row per neuron.

        Columns: neuron, change, favours (the group whose run raises its professions more), both importances
        for that group's professions, both coefficients, and the top tokens with the coefficient's sign there.
        """
        first, second = self.words.groups
        rows = []
        favoured = [self.favours(i) for i in range(min(k, len(self.layer)))]
        signs = [float(self.coefficient[group, i]) for i, group in enumerate(favoured)]
        promoted = tokens_of(lm, self.top(k), signs, n_tokens)
        for i, ((layer, neuron), group, tokens) in enumerate(zip(self.top(k), favoured, promoted, strict=True)):
            rows.append(
                (
                    f"{layer}_{neuron}",
                    float(self.change[i]),
                    self.words.groups[group],
                    *(float(self.importance[group, run, i]) for run in (0, 1)),
                    *(float(self.coefficient[run, i]) for run in (0, 1)),
                    tokens,
                )
            )
        columns = [
            "neuron",
            "change",
            "favours",
            f"imp_{first}",
            f"imp_{second}",
            f"coef_{first}",
            f"coef_{second}",
            "top_tokens",
        ]
        return pd.DataFrame(rows, columns=columns)


@torch.no_grad()
def locate(lm: LoadedModel, words: BiasWords, prompt: str | None = None, progress: Progress = silent) -> Located:
    """Ranks every neuron of the model.

    Args:
        lm: the model.
        words: groups and professions that the model knows (`core.bias.measure.known_words`).
        prompt: text with `<gend>`; None: the first prompt.
        progress: called between parts of layers; a `Stopped` is passed on to the caller.

    Raises:
        UserError: for a prompt or words that the model cannot take.
    """
    words.check()
    text = words.prompts[0] if prompt is None else prompt
    if SLOT not in text:
        raise UserError(f"The prompt {text[:60]!r} has no {SLOT}: write it where the group's name goes.")
    prompts = [text.replace(SLOT, group) for group in words.groups]
    runs = [record_prompt(lm, one) for one in prompts]
    targets = [[_first_visible(lm, prompts[g], word) for word in words.professions[g]] for g in (0, 1)]
    importance = _mean_importances(lm, runs, targets, progress)  # (professions, run, layer, neuron)
    sizes = torch.tensor([len(some) for some in targets], dtype=torch.float64)
    gains = torch.stack([importance[0, 0] - importance[0, 1], importance[1, 1] - importance[1, 0]])
    change = ((gains * sizes[:, None, None]).sum(0) / sizes.sum()).flatten()
    order = torch.argsort(change, descending=True, stable=True)
    coefficient = torch.stack([run.coefficient[:, -1].flatten() for run in runs])
    return Located(
        words,
        text,
        order // lm.n_neurons,
        order % lm.n_neurons,
        change[order].float(),
        importance.flatten(2)[:, :, order].float(),
        coefficient[:, order],
    )


def _first_visible(lm: LoadedModel, prompt: str, word: str) -> int:
    joined = lm.encode_joined(prompt, word)
    if joined.shift:
        raise UserError(
            f"The tokenizer joins the end of {prompt[-60:]!r} with {word!r}, so they are not read at the same place as "
            "the other words. End the prompt in another way, or leave the word out."
        )
    return joined.text[lm.first_visible(joined.text)]


def _mean_importances(
    lm: LoadedModel, runs: list[ActivationCache], targets: list[list[int]], progress: Progress
) -> Float[Tensor, "professions run layer neuron"]:
    """Importance averaged over each group's targets, float64 on the CPU.

    The scale of the final norm is that of the group's own run.
    """
    unembedding = Unembedding.of(lm)
    cases = [  # in the order of the result's first two axes: the run of each group, by each group's scale
        sides_of(
            unembedding,
            run.resid_pre[:, -1] + run.attention_out[:, -1],
            run.coefficient[:, -1] * run.ffn_scale[:, -1, None],
            scale,
        )
        for scale in (unembedding.scale(run.resid_post[-1]) for run in runs)
        for run in runs
    ]
    out = torch.zeros(2, 2, lm.n_layers, lm.n_neurons, dtype=torch.float64)
    pieces = [(layer, some) for layer in range(lm.n_layers) for some in torch.arange(lm.n_neurons).split(_NEURONS)]
    for done, (layer, some) in enumerate(pieces):
        values = columns_on_device(lm.modules.neuron_writer(layer), some).T
        sides = [case[layer].of(some) for case in cases]
        rows = torch.arange(len(some), device=lm.device)
        found = exact_importance(unembedding, values, targets[0] + targets[1], [(rows, sides)]).unflatten(0, (2, 2))
        for group, own in enumerate(found.split([len(one) for one in targets], -1)):
            out[group, :, layer, some] = own[group].mean(-1)
        progress(done + 1, len(pieces))
    return out
