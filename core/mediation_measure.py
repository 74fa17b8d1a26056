"""What do both results' probabilities become, with one value copied at a time, for many pairs at once?"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.effects import Effects, effect
from core.mediation_pairs import Pair
from core.patching import PairRuns, Place, each_patched, pairs_at_once
from core.progress import Progress, Stopped, silent

if TYPE_CHECKING:
    from core.model import LoadedModel


@torch.no_grad()
def measure(
    lm: "LoadedModel",
    pairs: Sequence[Pair],
    places_of: Callable[[int], list[Place]],
    progress: Progress = silent,
) -> list[Effects | None]:
    """Effects [place] of each pair; None where a stopped measurement did not come.

    Args:
        lm: the model; inside an `intervene` block the intervened one.
        pairs: prompts and results.
        places_of: from the number of tokens to the places, in order of layer.
        progress: told after every batch; after `Stopped`, what is measured so far is returned.
    """
    lengths: dict[int, list[int]] = {}
    for number, pair in enumerate(pairs):
        lengths.setdefault(len(pair.base_ids), []).append(number)
    places = {length: places_of(length) for length in lengths}
    chunks = []
    for length, members in lengths.items():
        step = pairs_at_once(lm, length, len(places[length]))
        chunks += [(length, members[i : i + step]) for i in range(0, len(members), step)]
    random.Random(0).shuffle(chunks)  # so that what a Stop leaves is a fair part
    total = sum(len(places[length]) * len(members) for length, members in chunks)
    done = 0
    out: list[Effects | None] = [None] * len(pairs)
    with suppress(Stopped):
        for length, members in chunks:
            found = _chunk(lm, [pairs[i] for i in members], places[length], lambda n, d=done: progress(d + n, total))  # type: ignore[misc]
            done += len(places[length]) * len(members)
            for number, effects in zip(members, found, strict=True):
                out[number] = effects
    return out


def _chunk(lm: "LoadedModel", pairs: list[Pair], places: list[Place], told: Callable[[int], None]) -> list[Effects]:
    """Effects [place] of pairs with the same number of tokens."""
    n_tokens = len(pairs[0].base_ids)
    sites = tuple(dict.fromkeys(place.site for place in places))
    runs = PairRuns(lm, [list(p.base_ids) for p in pairs], [list(p.alternative_ids) for p in pairs], sites)
    clean = torch.log_softmax(runs.logits.double(), -1)  # (pair, run, vocab)
    best = clean.argmax(-1).tolist()
    given = [(p.base_result, p.alternative_result) for p in pairs]
    results = [[b if g is None else g for g, b in zip(*both, strict=True)] for both in zip(given, best, strict=True)]
    asked = torch.tensor(results, device=clean.device)  # (pair, result)
    clean = clean.gather(-1, asked[:, None].expand(-1, 2, -1)).cpu()  # (pair, run, result)
    rows = [(pair, place) for place in places for pair in range(len(pairs))]
    which = torch.tensor([pair for pair, _ in rows], device=asked.device)
    patched, prediction = [], []
    for start, logits in each_patched(lm, runs, rows, n_tokens):
        log_p = torch.log_softmax(logits.double(), -1)
        patched.append(log_p.gather(-1, asked[which[start : start + len(logits)]]).cpu())
        prediction.append(logits.argmax(-1).cpu())
        told(start + len(logits))
    all_patched = torch.cat(patched).view(len(places), len(pairs), 2)
    all_predictions = torch.cat(prediction).view(len(places), len(pairs))
    return [
        _effects(results[i], best[i], clean[i], all_patched[:, i], all_predictions[:, i]) for i in range(len(pairs))
    ]


def _effects(results: list[int], best: list[int], clean: Tensor, patched: Tensor, prediction: Tensor) -> Effects:
    ratio, log_ratio = effect(clean, patched, results[0] == results[1])
    return Effects(
        base_result=results[0], alternative_result=results[1], clean=clean.float(), patched=patched.float(),
        prediction=prediction, base_prediction=best[0], alternative_prediction=best[1],
        effect=ratio.float(), log_effect=log_ratio.float(),
    )  # fmt: skip
