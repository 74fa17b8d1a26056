"""Comparative Neuron Analysis (CNA): which neurons carry the answer in one run and not in another (§4.2).

`change = importance in the first run - in the second`, ranked, largest first. The first run freezes the final
norm's scale and gives the default target. The two runs may differ in ablated heads, in the prompt, or in the
model. A neuron that only prepares what later layers read has no importance of its own (§4.1), so it is not
found here; see the logic chain.

With two models (CNA §5) and the base first, the top neurons are those that matter less after fine-tuning; with
the fine-tuned model first, those that matter more. An adapter that leaves neurons' values and the output matrix
as they are shares the base's, so no value is read twice, and layers below the adapter are not compared.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from core.errors import UserError
from core.forward.record import ActivationCache, record, record_prompt
from core.forward.record_without import record_without
from core.hooks import check_head
from core.model.adapters import AdaptedModel
from core.model.load import LoadedModel
from core.model.unembed import Unembedding
from core.neurons.comparison import Comparison
from core.neurons.top_k import RunPair, rank_all, rank_top
from core.progress import Progress, silent
from core.types import Head, PromptLike


def compare_runs(
    models: tuple[LoadedModel, LoadedModel],
    runs: tuple[ActivationCache, ActivationCache],
    target: int | None = None,
    k: int | None = None,
    first_layer: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Every neuron of two runs that are already there.

    Args:
        models: of the first and second run; the same object where it is one model.
        runs: the first freezes the scale and gives the default target.
        target: token id w.
        k: how many; None: all.
        first_layer: the lowest intervened layer: below it both runs are the same.
        progress: told between layers.

    Raises:
        UserError: for a target outside the vocabulary, or a k that is not between 1 and the number of neurons.
    """
    lm, (first, second) = models[0], runs
    total = lm.n_layers * lm.n_neurons
    if target is None:
        target = int(first.logits[-1].argmax())
    if not 0 <= target < lm.n_vocab:
        raise UserError(f"Token id {target} lies outside this model's vocabulary, 0 to {lm.n_vocab - 1}.")
    if k is not None and not 1 <= k <= total:
        raise UserError(f"The top {k} neurons cannot be shown: choose 1 to {total}.")
    scale = Unembedding.of(lm).scale(first.resid_post[-1])
    pair = RunPair(models, runs, target, scale, first_layer)
    ranked = rank_all(pair, progress) if k is None else rank_top(pair, k, progress)
    layer, neuron = ranked.index // lm.n_neurons, ranked.index % lm.n_neurons
    importance = ranked.importance
    p_first, p_second = (float(torch.softmax(run.logits[-1], -1)[target]) for run in runs)
    return Comparison(
        target=target,
        probability_first=p_first,
        probability_second=p_second,
        layer=layer,
        neuron=neuron,
        change=(importance[0] - importance[1]).float(),
        importance_first=importance[0].float(),
        importance_second=importance[1].float(),
        coefficient_first=first.coefficient[layer, -1, neuron],
        coefficient_second=second.coefficient[layer, -1, neuron],
        compared=total,
        by_full_vocabulary=ranked.by_full_vocabulary,
    )


def compare_models(
    lm: LoadedModel,
    other: LoadedModel,
    prompt: PromptLike,
    k: int | None = None,
    target: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Every neuron of a prompt in two models of the same architecture and tokenizer.

    Args:
        lm: the first model; its run freezes the final norm's scale.
        other: the second model, such as `core.model.adapters.attach(lm, folder)`.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids`.
        k: only the k neurons with the largest change, exactly; None: all.
        target: token id w; None: the first model's prediction.
        progress: told between layers.

    Raises:
        UserError: for models that cannot be compared, or a prompt, target or k that they cannot take.
    """
    check_comparable(lm, other)
    return compare_ids(lm, other, lm.prompt_ids(prompt), k, target, progress=progress)


def compare_ids(
    lm: LoadedModel,
    other: LoadedModel,
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


def most_important(lm: LoadedModel, run: ActivationCache, k: int, target: int | None = None) -> Comparison:
    """The k neurons with the largest importance in one run, exactly.

    A comparison with the same run with every coefficient at zero, where importance is 0:
    change and importance_first are both the importance.

    Raises:
        UserError: for a k or target that does not exist.
    """
    nothing = replace(run, coefficient=torch.zeros_like(run.coefficient))
    return compare_runs((lm, lm), (run, nothing), target, k)


def check_comparable(lm: LoadedModel, other: LoadedModel) -> None:
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


def shared_layers(lm: LoadedModel, other: LoadedModel) -> int | None:
    """How many lowest layers compute the same in both; None where values or output matrix differ."""
    first = lm.n_layers
    for model in (lm, other):
        if isinstance(model, AdaptedModel):
            if not model.same_neurons:
                return None
            first = min(first, model.first_layer)
    return first if base_of(lm) is base_of(other) else None


def base_of(lm: LoadedModel) -> LoadedModel:
    """The model whose weights are in use: without its adapter, if it has one."""
    return lm.base if isinstance(lm, AdaptedModel) else lm


def compare_heads(
    lm: LoadedModel,
    prompt: PromptLike,
    heads: Sequence[Head],
    k: int | None = None,
    target: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Every neuron of a prompt, with (first) and without (second) some attention heads.

    Args:
        lm: the model.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids`.
        heads: (layer, head) of the heads that are at zero in the second run.
        k: only the k neurons with the largest change, exactly; None: all.
        target: token id w; None: the original run's prediction.
        progress: told between layers.

    Raises:
        UserError: for a prompt, head, target or k that the model cannot take.
    """
    if not heads:
        raise UserError("Choose at least one head to ablate, such as (5, 2).")
    for layer, head in heads:
        check_head(lm, layer, head)
    runs = record_without(lm, prompt, heads)
    return compare_runs((lm, lm), runs, target, k, min(layer for layer, _ in heads), progress)


def compare_prompts(
    lm: LoadedModel,
    first: PromptLike,
    second: PromptLike,
    target: int | None = None,
    k: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Every neuron of one model at the end of two prompts, such as "A woman works as a" and "A man works as a".

    Args:
        lm: the model.
        first: text or token ids (`LoadedModel.prompt_ids`); its run freezes the final norm's scale.
        second: likewise; it may have another number of tokens.
        target: token id w; None: the first prompt's prediction.
        k: only the k neurons with the largest change, exactly; None: all.
        progress: told between layers.

    Raises:
        UserError: for a prompt, target or k that the model cannot take.
    """
    runs = record_prompt(lm, first), record_prompt(lm, second)
    return compare_runs((lm, lm), runs, target, k, 0, progress)
