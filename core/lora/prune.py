"""The deep FFN neurons to keep: those that CNA finds between base and fine-tuned model (CNA §6.1, table 11).

For every one-digit prompt (negative results included) and every visible token of its answer, after the right tokens
before it, the deep neurons are ranked by how much more important they are in one model than in the
other; the union of each token's top n is kept, all other deep neurons are set to zero.

A case is one such token (`core.ablation.cases`), here also where neither model predicts it.

*Choices*: other prompts may be given, such as two-digit ones from the training set (in a small
model they find what one-digit prompts miss); the target is the right token; both directions of
change count, so that a neuron on which both models rely can be found by a small change either
way; neurons are ranked among the deep ones only; where the union is too large, the neurons that
are at the top of most rankings stay (in a small model the union is soon a large share).
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from core.ablation.cases import CaseSet
from core.errors import UserError
from core.forward.answers import TokenCase
from core.forward.neuron_sets import NeuronSet, only
from core.forward.record import record
from core.model.load import LoadedModel
from core.neurons.compare import check_comparable, compare_runs, shared_layers
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import Prompt
from core.prompts.signed_arithmetic import cases
from core.types import Neuron


@dataclass(frozen=True)
class DeepRankings:
    """Deep neurons by case, in order of their change.

    Attributes:
        from_layer: the first deep layer.
        n_deep: how many deep neurons there are.
        rankings: (layer, neuron) in order, one list per case (an answer token) and direction.
        measured: cases that were compared (before a Stop).
    """

    from_layer: int
    n_deep: int
    rankings: list[list[Neuron]]
    measured: int

    def by_cases(self, n: int) -> list[Neuron]:
        """The union of the rankings' top n, those that are in most of them first, then by layer and index."""
        counts = Counter(pair for ranking in self.rankings for pair in ranking[:n])
        return sorted(counts, key=lambda pair: (-counts[pair], pair))

    def keep(self, n: int, share: float = 1.0) -> list[Neuron]:
        """The union of the rankings' top n; where that is too many, those that are in most rankings.

        Args:
            n: top n of each ranking.
            share: at most this share of the deep neurons.

        Raises:
            UserError: for an n or share that keeps nothing.
        """
        if n < 1 or not 0 < share <= 1:
            raise UserError(
                "Keep the top 1 or more neurons per case, and a share of the deep ones above 0 and up to 1."
            )
        return sorted(self.by_cases(n)[: int(share * self.n_deep)])


def find_to_keep(
    lm: LoadedModel,
    other: LoadedModel,
    from_layer: int,
    most: int = 50,
    prompts: Sequence[Prompt] | None = None,
    progress: Progress = silent,
) -> DeepRankings:
    """Ranks the deep neurons of every case, an answer token, between two models.

    Args:
        lm: the base model.
        other: the fine-tuned model.
        from_layer: deep layers are this one and those above.
        most: how many neurons of each ranking are kept, so the largest n to choose later.
        prompts: whose answer tokens are the cases; None: every one-digit prompt.
        progress: called after every prompt; when it raises `Stopped`, the cases so far are returned.

    Raises:
        UserError: for models that cannot be compared, or a layer or number that does not exist.
    """
    check_comparable(lm, other)
    check_deep(lm, from_layer)
    same = shared_layers(lm, other)
    if same is not None and from_layer < same:
        raise UserError(
            f"Both models compute the same below layer {same}, so nothing can be found there. Choose deep layers "
            f"from {same} on, or an adapter on a lower layer."
        )
    n_deep = (lm.n_layers - from_layer) * lm.n_neurons
    if not 1 <= most <= n_deep:
        raise UserError(f"The top {most} neurons of a case cannot be kept: choose 1 to {n_deep}.")
    found = CaseSet.of(lm, cases(1) if prompts is None else prompts)
    by_prompt = [list(tokens) for _, tokens in groupby(found.tokens, lambda token: token.number)]
    rankings: list[list[Neuron]] = []
    measured = 0
    with suppress(Stopped):
        for tokens in by_prompt:
            rankings += _of_prompt(lm, other, tokens, from_layer, most)
            measured += len(tokens)
            progress(measured, len(found))
    return DeepRankings(from_layer, n_deep, rankings, measured)


def _of_prompt(
    lm: LoadedModel, other: LoadedModel, tokens: Sequence[TokenCase], from_layer: int, most: int
) -> list[list[Neuron]]:
    """Rankings of each answer token of a prompt, in both directions: one run of each model serves them all."""
    ids = list(tokens[-1].ids)
    base, tuned = record(lm, ids), record(other, ids)
    same = shared_layers(lm, other)
    found = []
    for token in tokens:
        for order in ((0, 1), (1, 0)):
            models = (lm, lm) if same is not None else tuple((lm, other)[i] for i in order)
            runs = [(base, tuned)[i].until(len(token.ids) - 1) for i in order]
            c = compare_runs((models[0], models[1]), (runs[0], runs[1]), token.token, most, from_layer)
            found.append(
                [
                    pair
                    for pair, change in zip(c.pairs, c.change.tolist(), strict=True)
                    if pair[0] >= from_layer and change > 0
                ]
            )
    return found


def kept_set(lm: LoadedModel, neurons: Sequence[Neuron], from_layer: int) -> NeuronSet:
    """The set that ablates all other deep neurons: the pruned model that is trained, tested and exported.

    Raises:
        UserError: for neurons or a layer that do not exist.
    """
    check_deep(lm, from_layer)
    chosen = only(neurons, from_layer, lm)
    chosen.check(lm)
    return chosen


def check_deep(lm: LoadedModel, from_layer: int) -> None:
    """Raises `UserError` unless the layer exists."""
    if not 0 <= from_layer < lm.n_layers:
        raise UserError(f"Layer {from_layer} does not exist: this model has layers 0 to {lm.n_layers - 1}.")
