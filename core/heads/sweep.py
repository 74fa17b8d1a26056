"""Head sweeps: the probability of a token with each attention head ablated, one at a time (CNA §3.2).

A large decrease says that the answer needs the head here, not that the head computes
it: ablating a head that only carries the operands has the same effect. Heads that can
stand in for each other show small decreases one at a time.
"""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.errors import UserError
from core.forward.ablate_heads import Read, ablate_each_head
from core.forward.prefix_tree import PrefixTree, trees_for
from core.forward.scoring import answer_ids
from core.kept.chunks import Chunks, not_kept
from core.metrics import PROBABILITY, Metric, MetricLike, as_metric
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, part, silent
from core.statistics.intervals import Estimate, estimate, means, paired_decrease
from core.types import PromptLike


@dataclass
class SweptReads:
    """What was read of each token: probability, metric, and which token is the top-1.

    NaN (tokens -1) where a sweep was stopped first.
    """

    tokens: Tensor  # (read)
    baseline: Tensor  # (read)
    probability: Tensor  # (read, layer, head)
    best_baseline: Tensor  # (read), token ids
    best: Tensor  # (read, layer, head), token ids
    value_baseline: Tensor  # (read)
    value: Tensor  # (read, layer, head)

    @classmethod
    def empty(cls, lm: LoadedModel, n: int) -> "SweptReads":
        """Of n reads, none of which is measured."""
        shape = (n, lm.n_layers, lm.n_heads)
        return cls(
            torch.full((n,), -1),
            torch.full((n,), torch.nan),
            torch.full(shape, torch.nan),
            torch.full((n,), -1, dtype=torch.int32),
            torch.full(shape, -1, dtype=torch.int32),
            torch.full((n,), torch.nan),
            torch.full(shape, torch.nan),
        )

    def put(self, rows: list[int], measured: "SweptReads") -> None:
        """Takes over some reads that were measured by themselves."""
        for each in fields(self):
            getattr(self, each.name)[rows] = getattr(measured, each.name)


#: A place that is read, and the token whose probability is read there; None: the most likely one.
TokenRead = tuple[Read, int | None]


def sweep_reads(
    lm: LoadedModel,
    sequences: list[list[int]],
    reads: list[TokenRead],
    progress: Progress,
    metric: Metric = PROBABILITY,
    chunks: Chunks = not_kept,
) -> SweptReads:
    """Reads probability and metric of a token at each read, with each head ablated; each prefix tree is a chunk."""
    out = SweptReads.empty(lm, len(reads))
    trees = trees_for(lm, sequences)
    random.Random(0).shuffle(trees)  # so that what is measured before a Stop is a random sample
    of_sequence: dict[int, list[int]] = {}
    for number, (read, _) in enumerate(reads):
        of_sequence.setdefault(read.sequence, []).append(number)
    with suppress(Stopped):  # what is measured stays; the rest is NaN
        for number, tree in enumerate(trees):
            mine = [i for member in tree.members for i in of_sequence[member]]
            tell = part(progress, number, len(trees))
            work = partial(_sweep_tree, lm, tree, [reads[i] for i in mine], metric, tell)
            out.put(mine, chunks(f"tree {number}", work))
            tell(lm.n_layers * lm.n_heads, lm.n_layers * lm.n_heads)
    return out


def _sweep_tree(
    lm: LoadedModel, tree: PrefixTree, reads: list[TokenRead], metric: Metric, progress: Progress
) -> SweptReads:
    out = SweptReads.empty(lm, len(reads))
    done, total = 0, lm.n_layers * lm.n_heads
    for heads, logits in ablate_each_head(lm, tree, [read for read, _ in reads]):
        if not heads:
            _note_baseline(out, [token for _, token in reads], logits[0], metric)
            continue
        layer, head = (torch.tensor(x) for x in zip(*heads, strict=True))
        tokens = out.tokens.to(logits.device).expand(len(heads), -1)  # (head, read)
        out.probability[:, layer, head] = PROBABILITY(logits, tokens).T.cpu()
        value = out.probability[:, layer, head] if metric is PROBABILITY else metric(logits, tokens).T.cpu()
        out.value[:, layer, head] = value
        out.best[:, layer, head] = logits.argmax(-1).T.int().cpu()
        done += len(heads)
        if done < total:  # the whole tree is told when it is kept
            progress(done, total)
    return out


def _note_baseline(out: SweptReads, wanted: list[int | None], logits: Tensor, metric: Metric) -> None:
    best = logits.argmax(-1)
    tokens = torch.tensor(
        [int(best[i]) if token is None else token for i, token in enumerate(wanted)], device=logits.device
    )
    out.tokens[:] = tokens.cpu()
    out.baseline[:] = PROBABILITY(logits, tokens).cpu()
    out.value_baseline[:] = metric(logits, tokens).cpu()
    out.best_baseline[:] = best.int().cpu()


@dataclass(frozen=True)
class HeadSweep:
    """Target probability with each head set to zero, one at a time.

    Attributes:
        prompts: the texts.
        targets: the token id whose probability is read, for each prompt; -1 for prompts
            that a stopped sweep did not measure.
        baseline: probability with no head ablated.
        probability: with each head ablated; NaN for prompts that a stopped sweep did not measure.
        metric: what else was measured (or the probability again).
        value_baseline: the metric with no head ablated.
        value: with each head ablated; NaN like `probability`.
    """

    prompts: list[str]
    targets: list[int]
    baseline: Float[Tensor, " prompt"]
    probability: Float[Tensor, "prompt layer head"]
    metric: Metric
    value_baseline: Float[Tensor, " prompt"]
    value: Float[Tensor, "prompt layer head"]

    @property
    def measured(self) -> Bool[Tensor, " prompt"]:
        """Which prompts were measured before a Stop."""
        return ~self.probability.isnan().flatten(1).any(1)

    @property
    def decrease(self) -> Float[Tensor, "layer head"]:
        """Relative decrease of the mean probability over the prompts that were measured."""
        done = self.measured
        original = self.baseline[done].mean()
        return (original - self.probability[done].mean(0)) / original

    def value_decrease(self, layer: int, head: int) -> Estimate:
        """Decrease of the metric's mean without one head, with its interval over the measured prompts.

        Relative where the metric is a share, else a difference in the metric's unit.
        """
        done = self.measured
        original, without = self.value_baseline[done], self.value[done, layer, head]
        if self.metric.is_share:
            return paired_decrease(original, without)
        return estimate(means(original - without), len(original))

    def to_frame(self) -> pd.DataFrame:
        """One row per prompt and head.

        Columns: prompt, target, layer, head, baseline, probability, decrease (relative, of the probability), metric,
        value_baseline, value.
        """
        n_prompts, n_layers, n_heads = self.probability.shape
        index = pd.MultiIndex.from_product(
            [range(n_prompts), range(n_layers), range(n_heads)], names=["number", "layer", "head"]
        )
        frame = pd.DataFrame({"probability": self.probability.flatten().numpy()}, index=index).reset_index()
        frame["prompt"] = [self.prompts[i] for i in frame["number"]]
        frame["target"] = [self.targets[i] for i in frame["number"]]
        frame["baseline"] = self.baseline.numpy()[frame["number"]]
        frame["decrease"] = (frame["baseline"] - frame["probability"]) / frame["baseline"]
        frame["metric"] = self.metric.name
        frame["value_baseline"] = self.value_baseline.numpy()[frame["number"]]
        frame["value"] = self.value.flatten().numpy()
        return frame[_COLUMNS]


_COLUMNS = [
    "prompt",
    "target",
    "layer",
    "head",
    "baseline",
    "probability",
    "decrease",
    "metric",
    "value_baseline",
    "value",
]


def sweep_heads(
    lm: LoadedModel,
    prompts: Sequence[PromptLike],
    targets: Sequence[int] | None = None,
    metric: MetricLike = "probability",
    progress: Progress = silent,
    chunks: Chunks = not_kept,
) -> HeadSweep:
    """Sets each head to zero, one at a time, and reads each prompt's target probability and a metric.

    Args:
        lm: the model.
        prompts: texts or token ids, read as of `LoadedModel.prompt_ids`.
        targets: a token id for each prompt; None: each prompt's own prediction with no head ablated.
        metric: one of `core.metrics.METRICS` by name, or a callable of logits (*batch, vocab) and targets (*batch).
        progress: called after every batch of heads; when it raises `Stopped`, what is
            measured so far is returned.
        chunks: keeps each prefix tree of the prompts.

    Raises:
        UserError: for no prompts, a prompt or target that the model cannot take, or another metric.
    """
    chosen = as_metric(metric)
    if not prompts:
        raise UserError("There is no prompt to sweep. Type one such as 3+5=")
    if targets is not None and len(targets) != len(prompts):
        raise UserError(f"{len(prompts)} prompts need as many targets, not {len(targets)}.")
    if targets is not None and not all(0 <= t < lm.n_vocab for t in targets):
        raise UserError(f"A target lies outside this model's vocabulary, 0 to {lm.n_vocab - 1}.")
    sequences = answer_ids(lm, prompts)
    reads = [(Read(i, len(s) - 1), targets[i] if targets is not None else None) for i, s in enumerate(sequences)]
    swept = sweep_reads(lm, sequences, reads, progress, chosen, chunks)
    return HeadSweep(
        [lm.prompt_text(p) for p in prompts],
        swept.tokens.tolist(),
        swept.baseline,
        swept.probability,
        chosen,
        swept.value_baseline,
        swept.value,
    )
