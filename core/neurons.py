"""Which neurons carry the answer? Neurons and layers of one run, or compared between two runs.

Comparative Neuron Analysis (CNA §4.2): `change = importance in the first run - in the
second`, ranked, largest first. A neuron that only prepares what later layers read has no
importance of its own (§4.1), so it is not found here; see the logic chain.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.compare_runs import compare_runs
from core.comparison import Comparison
from core.errors import UserError
from core.hooks import ScaleHead, check_head, intervene
from core.increase import LayerIncrease, layer_increase
from core.model_comparison import compare_models
from core.progress import Progress, silent
from core.record import record

if TYPE_CHECKING:
    from core.model import LoadedModel

__all__ = ["Comparison", "LayerIncrease", "compare_heads", "compare_models", "compare_prompts", "compare_runs",
           "layer_increase"]  # fmt: skip


def compare_heads(
    lm: "LoadedModel",
    prompt: str,
    heads: Sequence[tuple[int, int]],
    k: int | None = None,
    target: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Every neuron of a prompt, with (first) and without (second) some attention heads.

    Args:
        lm: the model.
        prompt: text.
        heads: (layer, head) of the heads that are at zero in the second run.
        k: only the k neurons with the largest change, exactly; None: all.
        target: token id w; None: the original run's prediction.
        progress: told between layers.

    Raises:
        UserError: for a prompt, head, target or k that the model cannot take.
    """
    if not heads:
        raise UserError("Choose at least one head to turn off, such as (5, 2).")
    for layer, head in heads:
        check_head(lm, layer, head)
    ids = lm.encode(prompt)
    first = record(lm, ids)
    with intervene(lm, *(ScaleHead(layer, head, 0.0) for layer, head in sorted(set(map(tuple, heads))))):
        second = record(lm, ids)
    return compare_runs((lm, lm), (first, second), target, k, min(layer for layer, _ in heads), progress)


def compare_prompts(
    lm: "LoadedModel",
    first: str,
    second: str,
    target: int | None = None,
    k: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Every neuron of one model at the end of two prompts, such as "A woman works as a" and "A man works as a".

    Args:
        lm: the model.
        first: text; its run freezes the final norm's scale.
        second: text; it may have another number of tokens.
        target: token id w; None: the first prompt's prediction.
        k: only the k neurons with the largest change, exactly; None: all.
        progress: told between layers.

    Raises:
        UserError: for a prompt, target or k that the model cannot take.
    """
    runs = record(lm, lm.encode(first)), record(lm, lm.encode(second))
    return compare_runs((lm, lm), runs, target, k, 0, progress)
