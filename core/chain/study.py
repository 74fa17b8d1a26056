"""The neurons that carry the answer to one prompt (CNA §4.2), from settings: what a run without the pages keeps.

The page on the logic chain shows more of the same prompt; `look_inside` makes that from the kept comparison.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import pandas as pd
from pydantic import Field

from core.chain.case import LogicCase, logic_case, top_head
from core.errors import UserError
from core.forward.read_at import read_at
from core.heads.study import check_position
from core.hooks import check_head
from core.kept.chunks import Chunks, not_kept
from core.model.load import LoadedModel
from core.neurons.compare import compare_heads
from core.neurons.comparison import Comparison
from core.progress import Progress, part, silent
from core.reading import strict
from core.types import Head
from core.vocabulary.neuron_tokens import tokens_of


@strict
@dataclass(frozen=True)
class NeuronSearch:
    """One prompt and the heads that are ablated in a second run.

    Attributes:
        prompt: text.
        k: how many neurons.
        heads: (layer, head); without heads the one whose ablation lowers the answer most is taken.
        position: of the token after which the model is read; None: at the end.
    """

    prompt: str = "3+5="
    k: Annotated[int, Field(ge=1)] = 99
    heads: tuple[Head, ...] = ()
    position: Annotated[int, Field(ge=0)] | None = None

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for a prompt, head or number of neurons that the model does not have."""
        for head in self.heads:
            check_head(lm, *head)
        check_position(lm, self.prompt, self.position)
        if self.k > lm.n_layers * lm.n_neurons:
            raise UserError(
                f"The top {self.k} neurons cannot be shown: choose 1 to {lm.n_layers * lm.n_neurons:,} of them."
            )

    def run(self, lm: LoadedModel, progress: Progress = silent, chunks: Chunks = not_kept) -> "FoundNeurons":
        """Finds the heads, if none are given, and the neurons."""
        prompt = read_at(lm, self.prompt, self.position)
        heads = list(self.heads) or [chunks("top head", lambda: top_head(lm, prompt, part(progress, 0, 2)))]
        compare = part(progress, 1, 2)
        found = chunks("neurons", lambda: compare_heads(lm, prompt, heads, self.k, progress=compare))
        progress(2, 2)
        tokens = tokens_of(lm, found.pairs, found.coefficient_first.tolist())
        return FoundNeurons(heads, found, tokens)


@dataclass(frozen=True)
class FoundNeurons:
    """The neurons whose importance changes most.

    Attributes:
        heads: (layer, head) of the ablated heads.
        neurons: in order of their change.
        tokens: top tokens of each of them, by the sign of its coefficient.
    """

    heads: list[Head]
    neurons: Comparison
    tokens: list[list[str]]

    def tables(self) -> dict[str, pd.DataFrame]:
        """One row per neuron, with what it promotes."""
        promotes = [" ".join(tokens) for tokens in self.tokens]
        return {"neurons": self.neurons.to_frame().assign(target=self.neurons.target, promotes=promotes)}


def look_inside(
    lm: LoadedModel, settings: NeuronSearch, progress: Progress = silent, found: FoundNeurons | None = None
) -> LogicCase:
    """Everything that the page shows of the prompt.

    Args:
        lm: the model.
        settings: the prompt, heads and number of neurons.
        progress: told often.
        found: the neurons, where they were found before.
    """
    prompt = read_at(lm, settings.prompt, settings.position)
    if found is None:
        return logic_case(lm, prompt, settings.heads, settings.k, progress=progress)
    case = logic_case(lm, prompt, found.heads, settings.k, progress=progress, known=found.neurons)
    return replace(case, from_sweep=not settings.heads)
