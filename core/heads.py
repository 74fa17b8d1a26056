"""Which heads does the model do its arithmetic with? Switch each off by itself (CNA §3.2).

A large decrease says that the answer needs the head here, not that the head computes
it: a head that only carries the operands is missed just as much. Heads that can stand
in for each other show small decreases one at a time.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.answers import question
from core.arithmetic import Kind, Prompt
from core.errors import UserError
from core.heads_off import Read, each_head_off, trees_for
from core.progress import Progress, Stopped, silent

if TYPE_CHECKING:
    from core.model import LoadedModel


@dataclass(frozen=True)
class HeadSweep:
    """Target probability with each head set to zero, one at a time.

    Attributes:
        prompts: the texts.
        targets: the token id whose probability is read, for each prompt; -1 where a stopped
            sweep did not come.
        baseline: probability with nothing off.
        probability: with each head off; not a number where a stopped sweep did not come.
    """

    prompts: list[str]
    targets: list[int]
    baseline: Float[Tensor, " prompt"]
    probability: Float[Tensor, "prompt layer head"]

    @property
    def decrease(self) -> Float[Tensor, "layer head"]:
        """Relative decrease of the mean probability over the prompts that were measured."""
        done = ~self.probability.isnan().flatten(1).any(1)
        original = self.baseline[done].mean()
        return (original - self.probability[done].mean(0)) / original

    def to_frame(self) -> pd.DataFrame:
        """One row a prompt and head: prompt, target, layer, head, baseline, probability, decrease (relative)."""
        n_prompts, n_layers, n_heads = self.probability.shape
        index = pd.MultiIndex.from_product(
            [range(n_prompts), range(n_layers), range(n_heads)], names=["number", "layer", "head"]
        )
        frame = pd.DataFrame({"probability": self.probability.flatten().numpy()}, index=index).reset_index()
        frame["prompt"] = [self.prompts[i] for i in frame["number"]]
        frame["target"] = [self.targets[i] for i in frame["number"]]
        frame["baseline"] = self.baseline.numpy()[frame["number"]]
        frame["decrease"] = (frame["baseline"] - frame["probability"]) / frame["baseline"]
        return frame[["prompt", "target", "layer", "head", "baseline", "probability", "decrease"]]


def sweep_heads(
    lm: "LoadedModel",
    prompts: Sequence[str],
    targets: Sequence[int] | None = None,
    progress: Progress = silent,
) -> HeadSweep:
    """Sets each head to zero, one at a time, and reads each prompt's target probability.

    Args:
        lm: the model.
        prompts: texts.
        targets: a token id for each prompt; None: each prompt's own prediction with nothing off.
        progress: told after every batch of heads; when it raises `Stopped`, what is
            measured so far is returned.

    Raises:
        UserError: for no prompts, a prompt or target that the model cannot take.
    """
    if not prompts:
        raise UserError("There is no prompt to sweep. Type one such as 3+5=")
    if targets is not None and len(targets) != len(prompts):
        raise UserError(f"{len(prompts)} prompts need as many targets, not {len(targets)}.")
    if targets is not None and not all(0 <= t < lm.n_vocab for t in targets):
        raise UserError(f"A target lies outside this model's vocabulary, 0 to {lm.n_vocab - 1}.")
    sequences = [lm.encode(p) for p in prompts]
    reads = [(Read(i, len(s) - 1), targets[i] if targets is not None else None) for i, s in enumerate(sequences)]
    swept = _sweep(lm, sequences, reads, progress)
    return HeadSweep(list(prompts), swept.tokens.tolist(), swept.baseline, swept.probability)


@dataclass(frozen=True)
class AccuracySweep:
    """Right or wrong answers with each head set to zero, one at a time.

    Attributes:
        prompts: what was asked.
        token_prompt: for each answer token the number of its prompt.
        token_kind: memorize, change-one, or None, for each answer token.
        token_baseline: whether the token is the likeliest with nothing off.
        token_right: the same with each head off.
        probability_baseline: probability of the answer's first token that is not blank (many
            tokenizers begin an answer with a space), with nothing off.
        probability: with each head off.
        measured: which prompts were measured before a Stop.
    """

    prompts: list[Prompt]
    token_prompt: list[int]
    token_kind: list[Kind | None]
    token_baseline: Bool[Tensor, " token"]
    token_right: Bool[Tensor, "token layer head"]
    probability_baseline: Float[Tensor, " prompt"]
    probability: Float[Tensor, "prompt layer head"]
    measured: Bool[Tensor, " prompt"]

    @property
    def baseline(self) -> Bool[Tensor, " prompt"]:
        """Whether the whole answer is right with nothing off."""
        return self._all_tokens(self.token_baseline[:, None, None])[:, 0, 0]

    @property
    def right(self) -> Bool[Tensor, "prompt layer head"]:
        """Whether the whole answer is right with each head off."""
        return self._all_tokens(self.token_right)

    def _all_tokens(self, tokens: Tensor) -> Tensor:
        wrong = torch.zeros(len(self.prompts), *tokens.shape[1:])
        wrong.index_add_(0, torch.tensor(self.token_prompt), (~tokens).float())
        return wrong == 0

    def accuracy(self, chosen: Sequence[int] | None = None) -> tuple[float, Float[Tensor, "layer head"]]:
        """Accuracy with nothing off and with each head off, over all or some measured prompts."""
        keep = self.measured.clone()
        if chosen is not None:
            some = torch.zeros_like(keep)
            some[list(chosen)] = True
            keep &= some
        return float(self.baseline[keep].float().mean()), self.right[keep].float().mean(0)

    def to_frame(self) -> pd.DataFrame:
        """One row an operation, number of digits and head: accuracy, baseline, relative decrease, prompts."""
        rows = []
        groups: dict[tuple[str, int], list[int]] = {}
        for i, p in enumerate(self.prompts):
            if self.measured[i]:
                groups.setdefault((p.operation, p.digits), []).append(i)
        for (operation, digits), members in groups.items():
            original, intervened = self.accuracy(members)
            rows += [
                (operation, digits, layer, head, original, value, relative(original, value), len(members))
                for layer, values in enumerate(intervened.tolist())
                for head, value in enumerate(values)
            ]
        columns = ["operation", "digits", "layer", "head", "baseline", "accuracy", "decrease", "prompts"]
        return pd.DataFrame(rows, columns=columns)

    def kinds_frame(self, layer: int, head: int) -> pd.DataFrame:
        """Digit accuracy of memorize and change-one digits without one head, by operation (table 3)."""
        rows = []
        for i, kind in enumerate(self.token_kind):
            if kind is not None and self.measured[self.token_prompt[i]]:
                prompt = self.prompts[self.token_prompt[i]]
                with_it, without = bool(self.token_baseline[i]), bool(self.token_right[i, layer, head])
                rows.append((prompt.operation, kind, with_it, without))
        frame = pd.DataFrame(rows, columns=["operation", "kind", "baseline", "accuracy"])
        frame = frame.groupby(["operation", "kind"], sort=False).agg(
            baseline=("baseline", "mean"), accuracy=("accuracy", "mean"), digits=("accuracy", "size")
        )
        frame["decrease"] = [relative(o, a) for o, a in zip(frame["baseline"], frame["accuracy"], strict=True)]
        return frame.reset_index()


def relative(original: float, intervened: float) -> float:
    """Relative decrease, (original - intervened) / original; not a number where the original is 0."""
    return (original - intervened) / original if original else float("nan")


def sweep_accuracy(lm: "LoadedModel", prompts: Sequence[Prompt], progress: Progress = silent) -> AccuracySweep:
    """Sets each head to zero, one at a time, and checks every whole answer (greedy exact match).

    Raises:
        UserError: for no prompts, or a word that the model does not know.
    """
    if not prompts:
        raise UserError("There is no prompt to sweep. Choose at least one.")
    questions = [question(lm, p) for p in prompts]
    sequences = [q.ids + q.answer[:-1] for q in questions]
    reads: list[tuple[Read, int | None]] = []
    for i, q in enumerate(questions):
        reads += [(Read(i, len(q.ids) - 1 + j), token) for j, token in enumerate(q.answer)]
    swept = _sweep(lm, sequences, reads, progress)
    token_prompt = [read.sequence for read, _ in reads]
    firsts = [_first_visible(lm, q.answer, token_prompt.index(i)) for i, q in enumerate(questions)]
    return AccuracySweep(
        prompts=list(prompts), token_prompt=token_prompt, token_kind=[k for q in questions for k in q.kinds],
        token_baseline=swept.best_baseline, token_right=swept.best,
        probability_baseline=swept.baseline[firsts], probability=swept.probability[firsts],
        measured=~swept.probability[firsts].isnan().flatten(1).any(1),
    )  # fmt: skip


def _first_visible(lm: "LoadedModel", answer: Sequence[int], start: int) -> int:
    return start + next((i for i, token in enumerate(answer) if lm.token(token).strip()), 0)


@dataclass
class _Swept:
    tokens: Tensor  # (read)
    baseline: Tensor  # (read)
    probability: Tensor  # (read, layer, head)
    best_baseline: Tensor  # (read), bool
    best: Tensor  # (read, layer, head), bool


def _sweep(
    lm: "LoadedModel",
    sequences: list[list[int]],
    reads: list[tuple[Read, int | None]],
    progress: Progress,
) -> _Swept:
    """Reads the probability of a token (None: the likeliest) at each read, with each head off."""
    n, shape = len(reads), (len(reads), lm.n_layers, lm.n_heads)
    out = _Swept(
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
    try:
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
    except Stopped:
        pass  # what is measured stays; the rest is not a number
    return out


def _note_baseline(out: _Swept, rows: list[int], wanted: list[int | None], logits: Tensor) -> None:
    best = logits.argmax(-1)
    tokens = torch.tensor(
        [int(best[i]) if token is None else token for i, token in enumerate(wanted)], device=logits.device
    )
    chances = torch.softmax(logits, -1).gather(-1, tokens[:, None])[:, 0]
    out.tokens[rows] = tokens.cpu()
    out.baseline[rows] = chances.cpu()
    out.best_baseline[rows] = (best == tokens).cpu()
