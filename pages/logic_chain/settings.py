"""Settings of the logic chain: of one prompt, and of the measurements over a whole set."""

from dataclasses import dataclass

from core.ablation.whole_set import Filter
from core.prompts.arithmetic import Prompt, make_prompts
from core.types import Head, Neuron
from pages.shared.settings import Settings, in_link


@dataclass(frozen=True)
class ChainSettings(Settings):
    """One prompt; without heads the one whose ablation lowers the answer most is taken."""

    prompt: str = in_link("chain_prompt", "3+5=")
    k: int = in_link("k", 99)
    heads: tuple[Head, ...] = ()
    position: int | None = None  # of the token after which the model is read; None: at the end


@dataclass(frozen=True)
class RouteSettings(Settings):
    """A head's way to a neuron in one run; `at` is the position that is looked at more closely."""

    ids: tuple[int, ...]
    head: Head
    neuron: Neuron
    at: int | None = None


@dataclass(frozen=True)
class DeepSetSettings(Settings):
    """Deep neurons over a set of one-digit prompts."""

    operations: tuple[str, ...] = in_link("set_operations", ("+", "-"))
    count: int = in_link("set_count", 100)
    heads: tuple[Head, ...] = ()

    def prompts(self) -> list[Prompt]:
        """The prompts of the set."""
        return make_prompts(self.operations, [1], count=self.count)


def numbers_of(text: str) -> tuple[int, ...]:
    """The whole numbers in a text, separated by spaces or commas."""
    return tuple(int(word) for word in text.replace(",", " ").split() if word.isdecimal())


@dataclass(frozen=True)
class ShallowSetSettings(Settings):
    """The filter for shallow neurons over a set; the widgets' defaults depend on the model."""

    last: int = in_link("shallow_last")
    top: int = in_link("shallow_top")
    more_than: tuple[int, ...] = in_link("shallow_M", read=numbers_of)
    draws: int = in_link("shallow_draws")
    concepts: tuple[int, ...] | None = None
    count: int = 25

    def filter(self) -> Filter:
        """Which neurons are ablated."""
        return Filter(self.last + 1, self.top, self.concepts, self.more_than, self.draws)

    def prompts(self) -> list[Prompt]:
        """The prompts: `count` one-digit ones of every operation."""
        return make_prompts(digits=[1], count=self.count)
