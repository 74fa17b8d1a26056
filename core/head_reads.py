"""What probability has a token at each place, and is it the likeliest, with each head off?"""

import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.heads_off import Read, each_head_off, trees_for
from core.progress import Progress, Stopped

if TYPE_CHECKING:
    from core.model import LoadedModel


@dataclass
class Swept:
    """What was read; not a number, or -1, where a stopped sweep did not come."""

    tokens: Tensor  # (read)
    baseline: Tensor  # (read)
    probability: Tensor  # (read, layer, head)
    best_baseline: Tensor  # (read), bool
    best: Tensor  # (read, layer, head), bool


def sweep_reads(
    lm: "LoadedModel",
    sequences: list[list[int]],
    reads: list[tuple[Read, int | None]],
    progress: Progress,
) -> Swept:
    """Reads the probability of a token (None: the likeliest) at each read, with each head off."""
    n, shape = len(reads), (len(reads), lm.n_layers, lm.n_heads)
    out = Swept(
        torch.full((n,), -1), torch.full((n,), torch.nan), torch.full(shape, torch.nan),
        torch.zeros(n, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool),
    )  # fmt: skip
    trees = trees_for(lm, sequences)
    random.Random(0).shuffle(trees)  # so that what a Stop leaves is a fair part
    of_sequence: dict[int, list[int]] = {}
    for number, (read, _) in enumerate(reads):
        of_sequence.setdefault(read.sequence, []).append(number)
    total = len(trees) * lm.n_layers * lm.n_heads
    done = 0
    with suppress(Stopped):  # what is measured stays; the rest is not a number
        for tree in trees:
            mine = [number for member in tree.members for number in of_sequence[member]]
            for heads, logits in each_head_off(lm, tree, [reads[i][0] for i in mine]):
                if not heads:
                    _note_baseline(out, mine, [reads[i][1] for i in mine], logits[0])
                    continue
                layer, head = (torch.tensor(x) for x in zip(*heads, strict=True))
                rows = torch.tensor(mine)
                tokens = out.tokens[rows].to(logits.device)  # (read)
                chances = torch.softmax(logits, -1)  # (head, read, vocab)
                picked = chances.gather(-1, tokens[None, :, None].expand(len(heads), -1, -1))[..., 0]
                right = logits.argmax(-1) == tokens
                out.probability[rows[:, None], layer, head] = picked.T.cpu()
                out.best[rows[:, None], layer, head] = right.T.cpu()
                done += len(heads)
                progress(done, total)
    return out


def _note_baseline(out: Swept, rows: list[int], wanted: list[int | None], logits: Tensor) -> None:
    best = logits.argmax(-1)
    tokens = torch.tensor(
        [int(best[i]) if token is None else token for i, token in enumerate(wanted)], device=logits.device
    )
    chances = torch.softmax(logits, -1).gather(-1, tokens[:, None])[:, 0]
    out.tokens[rows] = tokens.cpu()
    out.baseline[rows] = chances.cpu()
    out.best_baseline[rows] = (best == tokens).cpu()
