"""Settings of the sweep over all heads: a set of arithmetic prompts, or a person's own ones."""

from dataclasses import dataclass

from core.prompts.arithmetic import LAST_TEMPLATE, OPERATIONS, POOLS, Prompt, make_prompts
from core.types import Head
from pages.shared.inputs import lines_of
from pages.shared.settings import Settings, in_link


@dataclass(frozen=True)
class SetSettings(Settings):
    """A sweep over arithmetic prompts."""

    operations: tuple[str, ...] = in_link("operations", tuple(OPERATIONS))
    digits: tuple[int, ...] = in_link("digits", (1, 2))
    forms: tuple[str, ...] = in_link("forms", ("digits",))
    templates: tuple[int, ...] = in_link("templates", (LAST_TEMPLATE,))
    count: int = in_link("count", 25)
    seed: int = in_link("seed", 0)
    pool: str = in_link("pool", POOLS[0])

    def make(self) -> list[Prompt]:
        """The prompts of the set."""
        return make_prompts(**self.to_dict())


@dataclass(frozen=True)
class OwnSettings(Settings):
    """A sweep over prompts that a person typed."""

    prompts: tuple[str, ...] = in_link("own", ("3+5=", "7-2="), read=lines_of, write="\n".join)
    metric: str = in_link("metric", "probability")
    positions: tuple[int | None, ...] = ()  # of the token after which each prompt is read; None: at its end


@dataclass(frozen=True)
class BeforeAfterSettings(Settings):
    """Answers with and without the heads that are picked in the sidebar."""

    heads: tuple[Head, ...]
    prompts: tuple[str, ...] = in_link("questions", tuple("3+5= 9-2= 6*7= 56/8= 34+28= 92-47= 17*5= 96/8=".split()))
    pool: str = in_link("pool", POOLS[0])


@dataclass(frozen=True)
class OneHeadSettings(Settings):
    """One head by digits and kinds; `count` prompts for each operation and number of digits."""

    head: Head
    count: int = 100
    pool: str = in_link("pool", POOLS[0])
