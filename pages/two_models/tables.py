"""Tidy tables of what was measured of both bundled models; every row names its model."""

import math
from collections.abc import Callable, Iterable

import pandas as pd

from core.findings.figures import Figure
from core.findings.record import Findings
from core.findings.shallow import ShallowFilter
from core.findings.side_by_side import SideBySide

#: The larger set of neurons is tested against what CNA names with this head.
WHICH = "top head"
SIZES = {1: ("",), 2: (", smaller set", ", larger set"), 3: (", smallest set", ", middle set", ", largest set")}
#: The kinds of pair in words.
TASKS = {"other operands": "arithmetic", "number retrieval": "number retrieval", "facts": "facts"}
_POINT = ["question", "model", "value", "low", "high", "n"]


def _points(both: SideBySide, figures: Callable[[Findings], Iterable[tuple[str, Figure | None, int]]]) -> pd.DataFrame:
    """Columns: question, model, value, low, high (NaN where there is none), n."""
    rows = [
        (question, made, figure.value, figure.estimate.low, figure.estimate.high, n)
        for made, found in both.each.items()
        for question, figure, n in figures(found)
        if figure is not None
    ]
    return pd.DataFrame(rows, columns=_POINT)


def one_sum_heads(both: SideBySide) -> pd.DataFrame:
    """Columns: model, layer, head, name, decrease, of the one sum."""
    frames = [
        _matrix(found.one_sum.decrease).assign(model=made)
        for made, found in both.each.items()
        if found.one_sum is not None
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def heads(both: SideBySide, operation: str, digits: int) -> pd.DataFrame:
    """Columns: model, layer, head, name, decrease, low, high, over many prompts."""
    frames = []
    for made, found in both.each.items():
        mine = found.heads_of(operation, digits)
        if mine is not None:
            frame = _matrix(mine.decrease).assign(model=made)
            ends = [_matrix(matrix)["decrease"] for matrix in (mine.low, mine.high)]
            frames.append(frame.assign(low=ends[0], high=ends[1]))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _matrix(values: Iterable[Iterable[float]]) -> pd.DataFrame:
    rows = [
        (layer, head, f"{layer}_{head}", value) for layer, row in enumerate(values) for head, value in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=["layer", "head", "name", "decrease"])


def neurons(both: SideBySide) -> pd.DataFrame:
    """The one sum's neurons: columns model, rank (from 1), name, layer, change, importance, tokens, label."""
    rows = [
        (made, rank, n.name, n.layer, n.change, n.importance, " ".join(n.tokens), f"{n.name}: {' '.join(n.tokens[:3])}")
        for made, found in both.each.items()
        if found.one_sum is not None
        for rank, n in enumerate(found.one_sum.neurons, start=1)
    ]
    return pd.DataFrame(rows, columns=["model", "rank", "name", "layer", "change", "importance", "tokens", "label"])


def neuron_sets(both: SideBySide, operation: str) -> pd.DataFrame:
    """Mask and keep with the neurons of the top head, as points."""
    k = max(both.shaped.settings.ks)

    def figures(found: Findings) -> Iterable[tuple[str, Figure | None, int]]:
        mine = found.neuron_set_of(operation, WHICH, k)
        if mine is not None:
            yield f"lost without the top {k} neurons (mask)", mine.mask, mine.cases
            yield "lost with only these (keep)", mine.keep, mine.cases

    return _points(both, figures)


def flow(both: SideBySide) -> pd.DataFrame:
    """Columns: model, half, where, value, low, high, of the FFNs' effect on arithmetic."""
    rows = []
    for made, found in both.each.items():
        mine = found.mediation_of("other operands")
        if mine is None:
            continue
        half = -(-found.model.shape[0] // 2)
        early, late = f"layers 0 to {half - 1}", f"layers {half} to {found.model.shape[0] - 1}"
        for layers, where, figure in (
            (early, "operands", mine.early_asked),
            (early, "last position", mine.early_last),
            (late, "operands", mine.late_asked),
            (late, "last position", mine.late_last),
        ):
            rows.append((made, layers, where, figure.value, figure.estimate.low, figure.estimate.high))
    return pd.DataFrame(rows, columns=["model", "half", "where", "value", "low", "high"])


def importance(both: SideBySide) -> pd.DataFrame:
    """The relative importance of the late FFNs at the last position by kind of pair, as points."""

    def figures(found: Findings) -> Iterable[tuple[str, Figure | None, int]]:
        for one in found.mediation:
            yield f"late FFNs at the last position: {TASKS[one.task]}", one.late_importance, one.pairs

    return _points(both, figures)


def sets_by_size(found: Findings) -> list[tuple[str, ShallowFilter]]:
    """The filters of a model by their layers and which of the asked sizes they have."""
    named = []
    for layers in dict.fromkeys(one.layers for one in found.filters):
        mine = sorted((one for one in found.filters if one.layers == layers), key=lambda one: one.neurons)
        words = f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]} to {layers[-1]}"
        sizes = SIZES.get(len(mine), tuple(f", set {n}" for n in range(1, len(mine) + 1)))
        named += [(words + size, one) for size, one in zip(sizes, mine, strict=True)]
    return named


def filters(both: SideBySide) -> pd.DataFrame:
    """By how much more accuracy falls than without as many random neurons, as points."""
    return _points(both, lambda found: [(name, one.excess, one.prompts) for name, one in sets_by_size(found)])


def filter_table(both: SideBySide) -> pd.DataFrame:
    """One row per model and filter: what it keeps, what that costs, and what random neurons cost."""
    rows = [
        (
            made,
            name,
            one.more_than,
            f"{one.neurons} of {one.of}",
            round(one.by_chance, 2),
            one.decrease.percent(1),
            one.random.percent(1),
            round(one.p_value, 3),
        )
        for made, found in both.each.items()
        for name, one in sets_by_size(found)
    ]
    columns = ["model", "set", "M", "neurons", "by chance", "decrease", "random ones (95% of sets)", "p"]
    return pd.DataFrame(rows, columns=columns)


def adapters(both: SideBySide) -> pd.DataFrame:
    """Accuracy with an adapter on each layer, as points."""
    layers = sorted({one.layer for found in both.each.values() for one in found.adapters if one.finished})

    def figures(found: Findings) -> Iterable[tuple[str, Figure | None, int]]:
        for layer in layers:
            for one in found.adapters:
                if one.layer == layer and one.finished:
                    yield f"adapter on layer {layer}", one.accuracy, one.prompts

    frame = _points(both, figures)
    order = [f"adapter on layer {layer}" for layer in layers]
    return frame.sort_values("question", key=lambda c: c.map(order.index), kind="stable", ignore_index=True)


def skew(both: SideBySide) -> pd.DataFrame:
    """Columns: model, words, nats, low, high, times (as likely after the own gender), professions."""
    rows = [
        (made, words, f.value, f.estimate.low, f.estimate.high, math.exp(f.value), found.skew.professions)
        for made, found in both.each.items()
        if found.skew is not None
        for words, f in (("all", found.skew.total), ("women's", found.skew.woman), ("men's", found.skew.man))
    ]
    return pd.DataFrame(rows, columns=["model", "words", "nats", "low", "high", "times", "professions"])


def accuracy(both: SideBySide) -> pd.DataFrame:
    """One row per group of prompts, one column per model."""
    rows = [
        (one.name, made, f"{one.share.percent(1)} of {one.cases:,}")
        for made, found in both.each.items()
        for one in found.accuracy
    ]
    frame = pd.DataFrame(rows, columns=["prompts", "model", "right"])
    order = list(dict.fromkeys(frame["prompts"]))
    wide = frame.pivot_table(index="prompts", columns="model", values="right", aggfunc="first").reindex(order)
    return wide[[made for made in both.each if made in wide]].fillna("not asked")
