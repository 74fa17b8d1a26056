"""Side effects of an edit: on arithmetic, on plain sentences, and on prompts about other things.

Accuracy: greedy exact match of whole answers, which no digit may follow. Plain sentences: mean log-probability per
token. Other prompts: how far the next-token distribution moves (KL from the original, nats), and how often the top-1
token changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.edits.effects import OutputShift, output_shift
from core.errors import UserError
from core.forward.answers import Question, are_right, question
from core.forward.scoring import Continuation, log_probabilities, next_token_logits, whole_text
from core.model.load import LoadedModel
from core.prompts.arithmetic import OPERATIONS, make_prompts

#: Plain sentences about neither numbers nor gender, in words that most models know.
NEUTRAL = (
    "The old dog slept behind the house.",
    "The small mouse walked across the garden.",
    "The farmer worked slowly.",
    "The teacher laughed quietly.",
    "In winter there is often snow.",
    "In April there is often rain.",
    "On Monday the student studied history.",
    "This table is made of wood.",
    "This ring is made of gold.",
    "There are many frogs near the river.",
    "There are many ducks near the lake.",
    "We found some apples in the kitchen.",
    "The doctor felt hope because the child slept.",
    "Every morning the young baker sang.",
    "They opened it before the queen arrived.",
    "Anna bought a new bicycle.",
    "Peter lost a heavy key.",
    "The horse waited outside the castle.",
)


#: Prompts about other things than professions.
OTHER = (
    "3 + 5 =",
    "9 - 2 =",
    "6 * 7 =",
    "56 / 8 =",
    "34 + 28 =",
    "The sum of 34 and 28 is",
    "seven times two is",
    "The capital of France is",
    "The capital of Japan is",
    "The language of Spain is",
    "The color of snow is",
    "The opposite of hot is",
    "Paul has 3 pens and 5 cups. How many pens does Paul have?",
)


@dataclass(frozen=True)
class SideEffectPrompts:
    """What an edit should leave alone, as tokens.

    `left_out` are the sentences and prompts that the model cannot take.
    """

    operations: tuple[str, ...]
    questions: tuple[Question, ...]
    sentences: tuple[Continuation, ...]
    others: tuple[tuple[int, ...], ...]
    left_out: tuple[str, ...]

    @classmethod
    def of(
        cls,
        lm: LoadedModel,
        digits: Sequence[int] = (1, 2),
        count: int | None = 50,
        seed: int = 0,
        sentences: Sequence[str] = NEUTRAL,
        others: Sequence[str] = OTHER,
        pool: str = "inverse tables",
    ) -> "SideEffectPrompts":
        """Tokenises arithmetic, sentences and prompts; what the model cannot take is left out and listed.

        Args:
            lm: the model.
            digits: of the arithmetic.
            count: prompts for each operation and number of digits; None: all there are.
            seed: order and choice.
            sentences: plain ones.
            others: prompts about other things.
            pool: the operands of - and /, as of `make_prompts`.

        Raises:
            UserError: for digits or a count that make no prompts.
        """
        prompts = make_prompts(digits=digits, count=count, seed=seed, pool=pool)
        left: list[str] = []
        kept: list[tuple[str, Question]] = []
        texts: list[Continuation] = []
        ids: list[tuple[int, ...]] = []
        for prompt in prompts:
            with noting(left, prompt.text):
                kept.append((prompt.operation, question(lm, prompt)))
        for sentence in sentences:
            with noting(left, sentence):
                texts.append(whole_text(lm, sentence))
        for other in others:
            with noting(left, other):
                ids.append(tuple(lm.encode(other)))
        operations, questions = [o for o, _ in kept], [q for _, q in kept]
        return cls(tuple(operations), tuple(questions), tuple(texts), tuple(ids), tuple(left))


class noting:  # noqa: N801 - reads as a clause at the place of use
    """A context in which a text that the model cannot take is noted, and work continues."""

    def __init__(self, into: list[str], text: str):
        self._into, self._text = into, text

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        """Notes the text and suppresses a `UserError`."""
        if isinstance(error, UserError):
            self._into.append(self._text)
            return True
        return False


@dataclass(frozen=True)
class SideEffectScores:
    """How a model does on side-effect prompts; NaN where there are none of a kind.

    Attributes:
        accuracy: share of right answers, by operation and under "all".
        neutral: mean log-probability per token of the plain sentences (nats).
        others: next-token logits after the other prompts.
        asked: how many prompts each accuracy is measured on.
    """

    accuracy: dict[str, float]
    neutral: float
    others: Float[Tensor, "prompt vocab"]
    asked: dict[str, int]

    def moved_from(self, original: "SideEffectScores") -> OutputShift:
        """How far the other prompts' next-token distributions have moved from the original's."""
        if not len(self.others):
            return OutputShift(float("nan"), float("nan"), float("nan"))
        return output_shift(original.others, self.others)


def side_effect_scores(lm: LoadedModel, prompts: SideEffectPrompts) -> SideEffectScores:
    """Measures the side-effect prompts; in an `intervene` block: with the edited model."""
    right = are_right(lm, prompts.questions)
    accuracy, asked = {"all": _share(right)}, {"all": len(right)}
    for operation in OPERATIONS:
        some = [r for r, o in zip(right, prompts.operations, strict=True) if o == operation]
        accuracy[operation], asked[operation] = _share(some), len(some)
    n_tokens = sum(len(sentence.answer) for sentence in prompts.sentences)
    total = float(log_probabilities(lm, prompts.sentences).double().sum()) if n_tokens else float("nan")
    others = next_token_logits(lm, prompts.others) if prompts.others else torch.zeros(0, lm.n_vocab)
    return SideEffectScores(accuracy, total / n_tokens if n_tokens else float("nan"), others, asked)


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right) if right else float("nan")
