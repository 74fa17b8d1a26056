"""Everything that happens inside on one prompt, from input to prediction, with and without some heads.

Brings together what the page on the logic chain shows of one prompt: both runs, the
neurons whose importance changes (CNA), what they mean, the shallow neurons and words
that reach them, and the graph of it all. Each part's own module says when it misleads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import torch

from core.chain.build import build_chain
from core.chain.features import Features, find_features
from core.chain.reach import root_below_heads
from core.errors import UserError
from core.forward.record import ActivationCache
from core.forward.record_without import record_without
from core.heads.sweep import sweep_heads
from core.hooks import check_head
from core.model.load import LoadedModel
from core.neurons.bounds import are_prepared, value_extremes
from core.neurons.compare import compare_runs
from core.neurons.comparison import Comparison
from core.progress import Progress, part, silent
from core.types import Head, PromptLike
from core.vocabulary.neuron_tokens import tokens_of


@dataclass(frozen=True)
class LogicCase:
    """One prompt, looked into.

    Attributes:
        prompt: the text.
        heads: (layer, head) of the heads that are ablated in the second run.
        from_sweep: whether the heads are the sweep's top one, and not chosen.
        run: with all heads on.
        off: with the heads off.
        neurons: the comparison, its k neurons in order.
        tokens: top tokens of each of them, by the sign of its coefficient.
        features: shallow neurons and words that reach the root; None where no neuron reads the heads.
        chain: the whole graph; None likewise.
    """

    prompt: str
    heads: list[Head]
    from_sweep: bool
    run: ActivationCache
    off: ActivationCache
    neurons: Comparison
    tokens: list[list[str]]
    features: Features | None
    chain: nx.DiGraph | None


def logic_case(
    lm: LoadedModel,
    prompt: PromptLike,
    heads: Sequence[Head] = (),
    k: int = 99,
    target: int | None = None,
    n_shallow: int = 20,
    progress: Progress = silent,
    known: Comparison | None = None,
) -> LogicCase:
    """Looks into one prompt.

    Args:
        lm: the model.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids`.
        heads: (layer, head) to ablate; none: the one whose absence lowers the prediction's probability most.
        k: how many neurons.
        target: token id w; None: the prediction.
        n_shallow: how many shallow neurons.
        progress: told often; a `Stopped` goes on to the caller.
        known: the comparison of the two runs, where it was measured before.

    Raises:
        UserError: for a prompt, head, k or target that the model cannot take.
    """
    for layer, head in heads:
        check_head(lm, layer, head)
    chosen = list(heads) or [top_head(lm, prompt, part(progress, 0, 4))]
    lowest = min(layer for layer, _ in chosen)
    run, off = record_without(lm, prompt, chosen)
    neurons = known
    if neurons is None:
        value_extremes(lm, range(lowest, lm.n_layers), part(progress, 1, 4))
        neurons = compare_runs((lm, lm), (run, off), target, k, lowest, part(progress, 2, 4))
    tokens = tokens_of(lm, neurons.pairs, neurons.coefficient_first.tolist())
    features, chain = _chain(lm, run, neurons, chosen, n_shallow, part(progress, 3, 4))
    progress(4, 4)
    return LogicCase(lm.prompt_text(prompt), chosen, not heads, run, off, neurons, tokens, features, chain)


#: Multiplications below which a model is looked into within seconds.
_QUICK = 10**11


def is_quick(lm: LoadedModel, heads: Sequence[Head] = ()) -> bool:
    """Whether `logic_case` takes seconds: the model is small, or its values' extremes are on disk already."""
    layers = range(min((layer for layer, _ in heads), default=0), lm.n_layers)
    return len(layers) * lm.n_neurons * lm.n_vocab * lm.d_model < _QUICK or are_prepared(lm, layers)


def attention_weighted(lm: LoadedModel, case: LogicCase, progress: Progress = silent) -> nx.DiGraph:
    """The chain of a case with input edges weighted by the attention that the run paid, instead of the paper's scores.

    Raises:
        UserError: for a case without a chain.
    """
    if case.features is None:
        raise UserError("No neuron of the list reads what these heads write, so there is no chain.")
    features = find_features(
        lm, case.run, case.heads, case.features.root, by="weighted", direct=True, progress=progress
    )
    return build_chain(lm, case.run, case.neurons, case.heads, features, by="weighted")


def top_head(lm: LoadedModel, prompt: PromptLike, progress: Progress = silent) -> Head:
    """The head without which the prediction's probability is lowest."""
    swept = sweep_heads(lm, [prompt], progress=progress)
    probability = swept.probability[0]
    if bool(probability.isnan().any()):
        raise UserError("The sweep over all heads was stopped. Choose heads, or run it to its end.")
    layer, head = divmod(int(probability.argmin()), lm.n_heads)
    return layer, head


def _chain(
    lm: LoadedModel, run: ActivationCache, neurons: Comparison, heads: list[Head], n: int, progress: Progress
) -> tuple[Features | None, nx.DiGraph | None]:
    try:
        root = root_below_heads(lm, heads, neurons.pairs, neurons.importance_first)
    except UserError:  # every neuron lies below the heads: there is no chain to draw
        return None, None
    features = find_features(lm, run, heads, root, n=n, progress=progress)
    if not any(row.kind == "neuron" for row in features.rows):  # no attention layer lies between
        features = find_features(lm, run, heads, root, n=n, direct=True)
    return features, build_chain(lm, run, neurons, heads, features)


def probability_of(run: ActivationCache, token: int) -> float:
    """Probability of a token after the last position."""
    return float(torch.softmax(run.logits[-1], -1)[token])
