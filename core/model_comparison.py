"""Which neurons carry the answer in one model and not in the other? Base and fine-tuned, one prompt or many.

CNA §4.2 and §5 with two models: `change = importance in the first model - in the second`,
ranked, largest first. With the base first, the top neurons are those that matter less
after fine-tuning; with the fine-tuned model first, those that matter more. The target
and the final norm's scale are the first model's, unless a target is given. An adapter
that leaves neurons' values and the output matrix as they are shares the base's, so no
value is read twice, and layers below the adapter are not compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from core.adapters import AdaptedModel
from core.compare_runs import compare_runs
from core.comparison import Comparison
from core.errors import UserError
from core.progress import Progress, silent
from core.record import Recording, record

if TYPE_CHECKING:
    from core.model import LoadedModel


def compare_models(
    lm: "LoadedModel",
    other: "LoadedModel",
    prompt: str,
    k: int | None = None,
    target: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Every neuron of a prompt in two models of the same architecture and tokenizer.

    Args:
        lm: the first model; its run freezes the final norm's scale.
        other: the second model, such as `core.adapters.attach(lm, folder)`.
        prompt: text.
        k: only the k neurons with the largest change, exactly; None: all.
        target: token id w; None: the first model's prediction.
        progress: told between layers.

    Raises:
        UserError: for models that cannot be compared, or a prompt, target or k that they cannot take.
    """
    check_comparable(lm, other)
    return compare_ids(lm, other, lm.encode(prompt), k, target, progress=progress)


def compare_models_over(
    lm: "LoadedModel",
    other: "LoadedModel",
    prompts: Sequence[str],
    k: int | None = None,
    progress: Progress = silent,
) -> Iterator[Comparison]:
    """Yields the same for each prompt of a set, in order.

    Raises:
        UserError: for no prompts, and as `compare_models`.
    """
    if not prompts:
        raise UserError("There is no prompt to compare. Choose at least one.")
    check_comparable(lm, other)
    ids = [lm.encode(prompt) for prompt in prompts]
    for number, one in enumerate(ids):
        yield compare_ids(lm, other, one, k)
        progress(number + 1, len(ids))


def compare_ids(
    lm: "LoadedModel",
    other: "LoadedModel",
    ids: Sequence[int],
    k: int | None = None,
    target: int | None = None,
    lowest_layer: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """The same for token ids; neurons below `lowest_layer` are left out by counting as unchanged."""
    runs = record(lm, list(ids)), record(other, list(ids))
    same = shared_layers(lm, other)
    models = (lm, lm) if same is not None else (lm, other)
    return compare_runs(models, runs, target, k, max(same or 0, lowest_layer), progress)


def most_important(lm: "LoadedModel", run: Recording, k: int, target: int | None = None) -> Comparison:
    """The k neurons with the largest importance in one run, exactly.

    A comparison with the same run with every coefficient at zero, where importance is 0:
    change and importance_first are both the importance.

    Raises:
        UserError: for a k or target that does not exist.
    """
    nothing = replace(run, coefficient=torch.zeros_like(run.coefficient))
    return compare_runs((lm, lm), (run, nothing), target, k)


def check_comparable(lm: "LoadedModel", other: "LoadedModel") -> None:
    """Raises `UserError` unless both models have the same neurons and the same tokens."""
    for what in ("n_layers", "n_neurons", "d_model", "n_vocab"):
        one, two = getattr(lm, what), getattr(other, what)
        if one != two:
            raise UserError(
                f"{lm.name} and {other.name} cannot be compared neuron by neuron: {what} is {one} and {two}. "
                "Compare a model with a fine-tuned version of itself."
            )
    if lm.tokenizer is not other.tokenizer and lm.tokenizer.get_vocab() != other.tokenizer.get_vocab():
        raise UserError(f"{lm.name} and {other.name} have different tokens. Compare models with the same tokenizer.")


def shared_layers(lm: "LoadedModel", other: "LoadedModel") -> int | None:
    """How many lowest layers compute the same in both; None where values or output matrix differ."""
    first = lm.n_layers
    for model in (lm, other):
        if isinstance(model, AdaptedModel):
            if not model.same_neurons:
                return None
            first = min(first, model.first_layer)
    return first if base_of(lm) is base_of(other) else None


def base_of(lm: "LoadedModel") -> "LoadedModel":
    """The model whose weights are in use: without its adapter, if it has one."""
    return lm.base if isinstance(lm, AdaptedModel) else lm
