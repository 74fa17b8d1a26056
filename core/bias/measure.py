"""Gender bias: how much more likely a model makes a profession after one gender than after the other.

CNA §6.2, tables 22 and 23: bias(profession) = log p(profession | its own gender) - log p(profession | the other),
over all tokens of the profession, averaged over prompts. Which gender is a profession's own is the paper's list,
not the model's opinion, so a bias may be negative. The *total* is the mean over professions; it hides an edit that
flips the sign of one group's bias, so the mean *size* (absolute value) of the bias is reported beside it
(*choice*). Any two groups of words may take the genders' place.
"""

from dataclasses import dataclass
from functools import cache

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from core import paper
from core.errors import UserError
from core.forward.scoring import Continuation, continuation, log_probabilities
from core.model.load import LoadedModel
from core.progress import Progress, silent

SLOT = "<gend>"


MOST_WORDS, MOST_PROMPTS = 200, 40


@dataclass(frozen=True)
class BiasWords:
    """The groups, professions and prompts of a bias measurement.

    Attributes:
        groups: what replaces a prompt's `<gend>`, such as ("woman", "man").
        professions: the words of the first and of the second group.
        prompts: texts with `<gend>`, which a profession follows.
    """

    groups: tuple[str, str]
    professions: tuple[tuple[str, ...], tuple[str, ...]]
    prompts: tuple[str, ...]

    @property
    def words(self) -> list[tuple[str, int]]:
        """Every profession with the number of its own group, the first group's first."""
        return [(word, group) for group in (0, 1) for word in self.professions[group]]

    def check(self) -> None:
        """Raises `UserError` for words or prompts that nothing can be measured with."""
        if not all(name.strip() for name in self.groups) or self.groups[0].strip() == self.groups[1].strip():
            raise UserError("Name two different groups, such as woman and man.")
        if not all(self.professions):
            raise UserError("Each group needs at least one word that follows it more often, such as nurse.")
        if len(self.words) > MOST_WORDS or len(self.prompts) > MOST_PROMPTS:
            raise UserError(f"At most {MOST_WORDS} words and {MOST_PROMPTS} prompts are measured at a time.")
        if twice := set(self.professions[0]) & set(self.professions[1]):
            raise UserError(f"{min(twice)!r} is in both groups. Keep it in one.")
        if not self.prompts:
            raise UserError(f"Write at least one prompt with {SLOT} where the group's name goes.")
        if without := [prompt for prompt in self.prompts if SLOT not in prompt]:
            raise UserError(f"The prompt {without[0][:60]!r} has no {SLOT}: write it where the group's name goes.")


@cache
def paper_words() -> BiasWords:
    """The 32 professions and 8 prompts of the paper (tables 22 and 23)."""
    prompts, professions = paper.table(22)["rows"], paper.table(23)["rows"]
    return BiasWords(
        ("woman", "man"),
        (tuple(professions["woman"]), tuple(professions["man"])),
        tuple(row[0] for row in prompts.values()),
    )


@dataclass(frozen=True)
class LeftOut:
    """A word or prompt that the model cannot take, and why."""

    text: str
    reason: str


def known_words(lm: LoadedModel, words: BiasWords) -> tuple[BiasWords, list[LeftOut]]:
    """The words and prompts that the model can take, and those that had to be left out.

    Raises:
        UserError: for a group's name that the model does not know, or when too little is left to measure.
    """
    words.check()
    left: list[LeftOut] = []
    prompts = []
    for prompt in words.prompts:
        try:
            for name in words.groups:
                lm.encode(prompt.replace(SLOT, name))
            prompts.append(prompt)
        except UserError as error:
            left.append(LeftOut(prompt, str(error)))
    if not prompts:
        raise UserError(f"The model can take none of the prompts. {left[0].reason}")
    kept: list[list[str]] = [[], []]
    for word, group in words.words:
        try:
            continuation(lm, prompts[0].replace(SLOT, words.groups[0]), word)
            kept[group].append(word)
        except UserError as error:
            left.append(LeftOut(word, str(error)))
    if not (kept[0] and kept[1]):
        raise UserError(f"The model knows no word of one of the groups. {left[-1].reason}")
    return BiasWords(words.groups, (tuple(kept[0]), tuple(kept[1])), tuple(prompts)), left


@dataclass(frozen=True)
class Bias:
    """Log-probabilities of professions after both groups.

    Attributes:
        words: what was measured.
        log_p: of each profession after each group in each prompt (nats).
    """

    words: BiasWords
    log_p: Float[Tensor, "group profession prompt"]

    @property
    def each(self) -> Float[Tensor, " profession"]:
        """Bias of each profession, in the order of `words.words` (nats)."""
        n = len(self.words.professions[0])
        towards_first = (self.log_p[0] - self.log_p[1]).double().mean(-1)
        towards_first[n:] *= -1
        return towards_first.float()

    @property
    def total(self) -> float:
        """Mean bias of all professions (nats)."""
        return float(self.each.double().mean())

    @property
    def by_group(self) -> tuple[float, float]:
        """Mean bias of each group's professions (nats)."""
        n, each = len(self.words.professions[0]), self.each.double()
        return float(each[:n].mean()), float(each[n:].mean())

    @property
    def size(self) -> float:
        """Mean absolute value of the bias (nats)."""
        return float(self.each.double().abs().mean())

    def to_frame(self) -> pd.DataFrame:
        """One row per profession: profession, group, bias, and its mean log-probability after its own and the other."""
        rows = []
        for i, ((word, group), bias) in enumerate(zip(self.words.words, self.each.tolist(), strict=True)):
            own, other = (float(self.log_p[g, i].double().mean()) for g in (group, 1 - group))
            rows.append((word, self.words.groups[group], bias, own, other))
        return pd.DataFrame(rows, columns=["profession", "group", "bias", "log_p_own", "log_p_other"])


def measure_bias(lm: LoadedModel, words: BiasWords, progress: Progress = silent) -> Bias:
    """Measures every profession after both groups in every prompt; in an `intervene` block, of the edited model.

    Raises:
        UserError: for words or prompts that the model cannot take (see `known_words`).
    """
    words.check()
    continuations: list[Continuation] = [
        continuation(lm, prompt.replace(SLOT, group), word)
        for group in words.groups
        for word, _ in words.words
        for prompt in words.prompts
    ]
    found = log_probabilities(lm, continuations, progress)
    return Bias(words, found.view(2, len(words.words), len(words.prompts)))
