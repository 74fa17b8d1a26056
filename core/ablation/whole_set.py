"""The logic chain over a whole set of prompts: tables 5, 6, 8, 15 to 17 of the CNA paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.ablation.cases import TOP_KS, comparing_heads, remembered
from core.ablation.mask_keep import MaskKeep, mask_and_keep
from core.ablation.root import RootAblation, ablate_root
from core.ablation.shallow import ShallowAblation, ablate_shallow
from core.hooks import check_head
from core.kept.chunks import Chunks, not_kept, within
from core.model.load import LoadedModel
from core.progress import Progress, part, silent
from core.prompts.arithmetic import Prompt
from core.types import Head
from core.vocabulary.shallow import shallow_counts

#: The row of a table that tells what the other neurons' coefficients lose without the root.
ROOT_ROW = "root ablated: coefficient"


@dataclass(frozen=True)
class DeepSet:
    """What masking, keeping and ablating the root do over a set; each right answer token has its own top neurons."""

    mask_keep: MaskKeep
    root: RootAblation

    def to_frame(self) -> pd.DataFrame:
        """One row per measure and k: measure (mask, keep, coefficient, `ROOT_ROW`), k, decrease, median, cases."""
        tables = [self.mask_keep.to_frame(), self.root.to_frame().assign(measure=ROOT_ROW)]
        return pd.concat(tables, ignore_index=True)


def measure_deep_set(
    lm: LoadedModel,
    heads: Sequence[Head],
    prompts: Sequence[Prompt],
    ks: Sequence[int] = TOP_KS,
    progress: Progress = silent,
    chunks: Chunks = not_kept,
) -> DeepSet:
    """Masks and keeps each right answer token's top neurons, and ablates the lowest of them; ranks them once.

    Args:
        lm: the model.
        heads: (layer, head) of the heads that are ablated in the second run of each case.
        prompts: the set.
        ks: how many of the ranked neurons.
        progress: is told after every case; when it raises `Stopped`, what is measured is returned.
        chunks: keeps each batch of cases.

    Raises:
        UserError: for no prompts, a head that does not exist, or a word that the model does not know.
    """
    for head in heads:
        check_head(lm, *head)
    lowest, most = min(layer for layer, _ in heads), min(max(ks), lm.n_layers * lm.n_neurons)
    once = remembered(comparing_heads(lm, heads, most))
    masked = mask_and_keep(lm, prompts, once, lowest, ks, part(progress, 0, 4, 3), within(chunks, "mask"))
    return DeepSet(masked, ablate_root(lm, prompts, once, ks, part(progress, 3, 4), within(chunks, "root")))


@dataclass(frozen=True)
class Filter:
    """The zero-shot filter for shallow neurons (CNA §4.4).

    Attributes:
        layers: of the neurons, from 0: so many.
        top: how many of a value's top tokens are looked at.
        concepts: token ids that count, or a list's name; None: numbers and operators.
        more_than: values of M, the count above which a neuron is kept.
        draws: random sets of as many neurons, for each M.
        signs: whether a value counts as it is, or its negative too.
    """

    layers: int
    top: int
    concepts: tuple[int, ...] | str | None
    more_than: tuple[int, ...]
    draws: int
    signs: str = "both"


def measure_shallow_set(
    lm: LoadedModel,
    prompts: Sequence[Prompt],
    chosen: Filter,
    progress: Progress = silent,
    chunks: Chunks = not_kept,
) -> ShallowAblation:
    """Finds shallow neurons by their weights and ablates them, and as many random ones.

    Args:
        lm: the model.
        prompts: what is asked.
        chosen: which neurons.
        progress: is told often; a `Stopped` after the count leaves what is measured.
        chunks: keeps the answers without each set; the count is kept by `core.disk_cache`.

    Raises:
        UserError: for no prompts, layers or M that cannot be taken, or a word that the model does not know.
    """
    counting = part(progress, 0, 2)
    counts = shallow_counts(lm, range(chosen.layers), chosen.top, chosen.concepts, chosen.signs, counting)
    return ablate_shallow(
        lm, prompts, counts, chosen.more_than, chosen.draws, progress=part(progress, 1, 2), chunks=chunks
    )
