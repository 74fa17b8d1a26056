"""How much is measured for a model's findings; the defaults take some minutes on one core for a bundled model."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from core.prompts.arithmetic import OPERATIONS, Operation, Prompt, make_prompts
from core.reading import strict
from core.vocabulary.concepts import EVERY_FORM

AtLeastOne = Annotated[int, Field(ge=1)]

#: An interval needs two prompts.
AtLeastTwo = Annotated[int, Field(ge=2)]


@strict
@dataclass(frozen=True)
class FindingsSettings:
    """What is asked, and of how many prompts.

    Attributes:
        operations: all questions about single operations are asked of each.
        digits: of the prompts of the head sweeps.
        prompts: of each head sweep; all there are, where these are fewer.
        mask_prompts: one-digit prompts of each mask and keep.
        ks: how many neurons are masked or kept.
        filter_layers: the layers whose neurons the vocabulary filter looks at; one filter for each.
        filter_top: how many of a value's top tokens are looked at.
        filter_concepts: the list of concept tokens.
        filter_sizes: about how many neurons a filter keeps; M follows from it, so that both models' sets compare.
        filter_prompts: of each operation, half of them of one digit and half of two.
        filter_draws: random sets of as many neurons.
        pairs: of each kind of causal mediation.
        first: the first operand of the one sum.
        second: its second operand.
        seed: of everything drawn.
    """

    operations: Annotated[tuple[Operation, ...], Field(min_length=1)] = OPERATIONS
    digits: Annotated[tuple[AtLeastOne, ...], Field(min_length=1)] = (1, 2)
    prompts: AtLeastTwo = 200
    mask_prompts: AtLeastTwo = 100
    ks: Annotated[tuple[AtLeastOne, ...], Field(min_length=1)] = (99, 10)
    filter_layers: tuple[tuple[int, ...], ...] = ((0, 1, 2), (1,))
    filter_top: AtLeastOne = 100
    filter_concepts: str = EVERY_FORM
    filter_sizes: tuple[AtLeastOne, ...] = (50, 100, 200)
    filter_prompts: AtLeastTwo = 80
    filter_draws: AtLeastOne = 20
    pairs: AtLeastTwo = 60
    first: int = 3
    second: int = 5
    seed: int = 0

    def asked(self, operation: Operation, digits: int, count: int) -> list[Prompt]:
        """Prompts in signs, "3 + 5 =", the first operand within its number of digits, the same for every model."""
        return make_prompts([operation], [digits], count=count, seed=self.seed, pool="within digits")
