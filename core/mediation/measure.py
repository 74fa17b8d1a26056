"""Indirect effects of copied values, at every layer and position, for many pairs of prompts.

Causal mediation (CMA, arXiv 2305.15054): one value of the alternative prompt's run is copied into the base prompt's
run, and the probabilities of both results are read again. A large effect says that the value differs between the
two prompts and affects the result, not that it was computed there. A copied value is put into a run that it does
not belong to, and modules that can stand in for each other show small effects one at a time.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
import torch
from einops import rearrange
from torch import Tensor

from core.errors import UserError
from core.forward.patching import PairRuns, Place, Site, each_patched, layers_of, pairs_that_fit
from core.kept.chunks import Chunks, not_kept
from core.mediation.effect import INDIRECT_EFFECT, PatchEffects, effect
from core.mediation.pairs import PromptPair, check_differ, typed_pair
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.metrics import Metric, MetricLike, as_metric
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent
from core.types import PromptLike


@torch.no_grad()
def measure(
    lm: LoadedModel,
    pairs: Sequence[PromptPair],
    places_of: Callable[[int], list[Place]],
    progress: Progress = silent,
    metric: MetricLike = INDIRECT_EFFECT,
    kept: Chunks = not_kept,
) -> list[PatchEffects | None]:
    """Effects [place] of each pair; None for pairs that a stopped measurement left out.

    Args:
        lm: the model; inside an `intervene` block the intervened one.
        pairs: prompts and results.
        places_of: from the number of tokens to the places, in order of layer.
        progress: called after every batch; after `Stopped`, what is measured so far is returned.
        metric: "indirect effect", one of `PROBABILITY_CHANGES`, or a metric of the base's result (`core.metrics`).
        kept: keeps the effects of each batch of pairs.
    """
    is_change = isinstance(metric, str) and metric in PROBABILITY_CHANGES
    chosen = None if metric == INDIRECT_EFFECT or is_change else as_metric(metric)
    lengths: dict[int, list[int]] = {}
    for number, pair in enumerate(pairs):
        lengths.setdefault(len(pair.base_ids), []).append(number)
    places = {length: places_of(length) for length in lengths}
    chunks = []
    for length, members in lengths.items():
        step = pairs_that_fit(lm, length, len(places[length]))
        chunks += [(length, members[i : i + step]) for i in range(0, len(members), step)]
    random.Random(0).shuffle(chunks)  # so that what is measured before a Stop is a random sample
    total = sum(len(places[length]) * len(members) for length, members in chunks)
    done = 0
    out: list[PatchEffects | None] = [None] * len(pairs)
    with suppress(Stopped):
        for chunk, (length, members) in enumerate(chunks):
            tell = partial(_tell, progress, done, total)
            work = partial(_chunk, lm, [pairs[i] for i in members], places[length], tell, chosen)
            found = kept(f"pairs {chunk}", work)
            done += len(places[length]) * len(members)
            for number, effects in zip(members, found, strict=True):
                out[number] = effects.measured_by(str(metric)) if is_change else effects
    return out


def _tell(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _chunk(
    lm: LoadedModel,
    pairs: list[PromptPair],
    places: list[Place],
    report: Callable[[int], None],
    metric: Metric | None,
) -> list[PatchEffects]:
    """Effects [place] of pairs with the same number of tokens."""
    n_tokens = len(pairs[0].base_ids)
    sites = tuple(dict.fromkeys(place.site for place in places))
    runs = PairRuns(lm, [list(p.base_ids) for p in pairs], [list(p.alternative_ids) for p in pairs], sites)
    clean = torch.log_softmax(runs.logits.double(), -1)  # (pair, run, vocab)
    best = clean.argmax(-1).tolist()
    given = [(p.base_result, p.alternative_result) for p in pairs]
    results = [[b if g is None else g for g, b in zip(*both, strict=True)] for both in zip(given, best, strict=True)]
    result_ids = torch.tensor(results, device=clean.device)  # (pair, result)
    clean = clean.gather(-1, result_ids[:, None].expand(-1, 2, -1)).cpu()  # (pair, run, result)
    rows = [(pair, place) for place in places for pair in range(len(pairs))]
    which = torch.tensor([pair for pair, _ in rows], device=result_ids.device)
    patched, prediction, values = [], [], []
    for start, logits in each_patched(lm, runs, rows, n_tokens):
        log_p = torch.log_softmax(logits.double(), -1)
        wanted = result_ids[which[start : start + len(logits)]]
        patched.append(log_p.gather(-1, wanted).cpu())
        if metric is not None:
            values.append(metric(logits.double(), wanted[:, 0], wanted[:, 1]).float().cpu())
        prediction.append(logits.argmax(-1).cpu())
        report(start + len(logits))
    all_patched = rearrange(torch.cat(patched), "(place pair) answer -> place pair answer", place=len(places))
    all_predictions = rearrange(torch.cat(prediction), "(place pair) -> place pair", place=len(places))
    found = [
        _effects(results[i], best[i], clean[i], all_patched[:, i], all_predictions[:, i]) for i in range(len(pairs))
    ]
    if metric is None:
        return found
    both = result_ids[:, None].expand(-1, 2, -1)
    value_clean = metric(runs.logits.double(), both[..., 0], both[..., 1]).float().cpu()  # (pair, run)
    value_patched = rearrange(torch.cat(values), "(place pair) -> place pair", place=len(places))
    return [
        replace(
            effects, metric=metric.name, unit=metric.unit, value_clean=value_clean[i], value_patched=value_patched[:, i]
        )
        for i, effects in enumerate(found)
    ]


def _effects(results: list[int], best: list[int], clean: Tensor, patched: Tensor, prediction: Tensor) -> PatchEffects:
    one_result = results[0] == results[1]
    ratio, log_ratio = effect(clean, patched, one_result)
    total = effect(clean, clean[1], one_result)[0]
    return PatchEffects(
        base_result=results[0],
        alternative_result=results[1],
        clean=clean.float(),
        patched=patched.float(),
        prediction=prediction,
        base_prediction=best[0],
        alternative_prediction=best[1],
        effect=ratio.float(),
        log_effect=log_ratio.float(),
        metric=INDIRECT_EFFECT,
        unit="",
        value_clean=torch.stack([torch.zeros_like(total), total]).float(),
        value_patched=ratio.float(),
    )


#: Sites with one value at each layer and position; the embedding has one layer.
LAYER_SITES: tuple[Site, ...] = ("embedding", "ffn", "attention", "residual", "pattern")


@dataclass(frozen=True)
class IndirectEffects(PatchEffects):
    """Effects of one site at each layer and position [layer, pos].

    Attributes:
        site: one of `LAYER_SITES`; the embedding has the layer 0 only, and attention weights ("pattern") are those of
            all heads with which the position reads the positions up to it.
        tokens: the base prompt's tokens as text.
        alternative_tokens: the alternative's.
    """

    site: Site
    tokens: list[str]
    alternative_tokens: list[str]

    def to_frame(self) -> pd.DataFrame:
        """One row per layer and position, with P and P* of both results."""
        n_layers, n_pos = self.effect.shape
        index = pd.MultiIndex.from_product([range(n_layers), range(n_pos)], names=["layer", "position"])
        frame = pd.DataFrame({"token": self.tokens * n_layers}, index=index).reset_index()
        return frame.join(super().to_frame())


@dataclass(frozen=True)
class Mediation:
    """Effects of many pairs.

    Attributes:
        pairs: the pairs that were measured (before a Stop, if there was one).
        asked: how many pairs there were to measure.
        effects: for each site, the effects of each pair.
    """

    pairs: list[PromptPair]
    asked: int
    effects: dict[Site, list[IndirectEffects]]


def mediate(
    lm: LoadedModel,
    pairs: Sequence[PromptPair],
    sites: Sequence[Site] = ("ffn", "attention"),
    progress: Progress = silent,
    metric: MetricLike = INDIRECT_EFFECT,
    chunks: Chunks = not_kept,
) -> Mediation:
    """Copies the value of every layer and position, one at a time, for every pair.

    Args:
        lm: the model.
        pairs: from `draw_pairs` or `typed_pair`.
        sites: of `LAYER_SITES`.
        progress: called after every batch; after `Stopped`, the pairs measured so far are returned.
        metric: "indirect effect", one of `PROBABILITY_CHANGES`, or a metric of the base's result (`core.metrics`).
        chunks: keeps the effects of each batch of pairs.

    Raises:
        UserError: for no pairs, no site, two prompts that are the same, another site or another metric.
        Stopped: when no pair was measured yet.
    """
    if not pairs:
        raise UserError("There is no pair of prompts to measure.")
    check_sites(sites)
    check_differ(pairs)

    def places(n_tokens: int) -> list[Place]:
        return [Place(site, layer, pos) for layer, site in _rows_of(lm, sites) for pos in range(n_tokens)]

    found = measure(lm, pairs, places, progress, metric, chunks)
    done = [(pair, effects) for pair, effects in zip(pairs, found, strict=True) if effects is not None]
    if not done:
        raise Stopped
    out = {site: [_of_site(lm, pair, effects, sites, site) for pair, effects in done] for site in sites}
    return Mediation([pair for pair, _ in done], len(pairs), out)


def check_sites(sites: Sequence[Site]) -> None:
    """Raises `UserError` for no site, one twice, or one without a value at each layer and position."""
    if not sites or len(set(sites)) < len(sites):
        raise UserError("Choose at least one site, each once.")
    if unknown := [site for site in sites if site not in LAYER_SITES]:
        raise UserError(f"Site {unknown[0]!r} does not exist here: use one of {', '.join(LAYER_SITES)}.")


def _rows_of(lm: LoadedModel, sites: Sequence[Site]) -> list[tuple[int, Site]]:
    """(layer, site) in order of layer; each has one place per position."""
    return [(layer, site) for layer in range(lm.n_layers) for site in sites if layer in layers_of(lm, site)]


def _of_site(
    lm: LoadedModel, pair: PromptPair, found: PatchEffects, sites: Sequence[Site], site: Site
) -> IndirectEffects:
    mine = [number for number, (_, other) in enumerate(_rows_of(lm, sites)) if other == site]

    def part(flat: Tensor) -> Tensor:
        return flat.unflatten(0, (-1, len(pair.base_ids)))[mine]

    return IndirectEffects(
        **_reshaped(found, part),
        site=site,
        tokens=[lm.token(i) for i in pair.base_ids],
        alternative_tokens=[lm.token(i) for i in pair.alternative_ids],
    )


def _reshaped(found: PatchEffects, part: Callable[[Tensor], Tensor]) -> dict:
    by_place = ("patched", "prediction", "effect", "log_effect", "value_patched")
    return {name: part(value) if name in by_place else value for name, value in vars(found).items()}


def indirect_effects(
    lm: LoadedModel,
    base: PromptLike,
    alternative: PromptLike,
    site: Site = "ffn",
    base_result: int | str | None = None,
    alternative_result: int | str | None = None,
    progress: Progress = silent,
    metric: MetricLike = INDIRECT_EFFECT,
) -> IndirectEffects:
    """Indirect effect of each layer and position of one pair of prompts.

    Args:
        lm: the model.
        base: the prompt whose run is changed: text, which is extended by the blanks that the model predicts before its
            answer, or token ids, which are taken as they are (`core.mediation.pairs.typed_pair`).
        alternative: the prompt that values are copied from, likewise; as many tokens as the base.
        site: ffn or attention (their output, added to the residual stream), residual (the whole
            stream after the layer), embedding, or pattern (attention weights).
        base_result: r, a token id or the text of one token; None: the base run's own prediction.
        alternative_result: r', likewise for the alternative run.
        progress: called after every batch.
        metric: "indirect effect", one of `PROBABILITY_CHANGES`, or a metric of the base's result: then `change` is its
            change. `effect` is always IE.

    Raises:
        UserError: for prompts or results that the model cannot take, prompts that are the same or have
            different numbers of tokens, another site or another metric.
    """
    pair = typed_pair(lm, base, alternative, base_result, alternative_result)
    return mediate(lm, [pair], [site], progress, metric).effects[site][0]
