"""Which heads does the model do its arithmetic with? Switch each off by itself (CNA §3.2).

A large decrease says that the answer needs the head here, not that the head computes
it: a head that only carries the operands is missed just as much. Heads that can stand
in for each other show small decreases one at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.head_reads import sweep_reads
from core.heads_off import Read
from core.progress import Progress, silent

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
    swept = sweep_reads(lm, sequences, reads, progress)
    return HeadSweep(list(prompts), swept.tokens.tolist(), swept.baseline, swept.probability)
