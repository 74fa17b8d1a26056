"""Settings of the logic chain: of one prompt, and of the measurements over a whole set."""

from dataclasses import dataclass

from core.ablation.whole_set import Filter
from core.chain.study import NeuronSearch
from core.prompts.arithmetic import OPERATIONS, Prompt, make_prompts
from core.types import Head, Neuron
from pages.shared.settings import Settings, in_link, link


@dataclass(frozen=True)
class ChainSettings(NeuronSearch, Settings, links={"prompt": link("chain_prompt"), "k": link("k")}):
    """One prompt; without heads the one whose ablation lowers the answer most is taken."""


@dataclass(frozen=True)
class RouteSettings(Settings):
    """A head's way to a neuron in one run; `at` is the position that is looked at more closely."""

    ids: tuple[int, ...]
    head: Head
    neuron: Neuron
    at: int | None = None


@dataclass(frozen=True)
class DeepSetSettings(Settings):
    """Deep neurons over a set of prompts."""

    operations: tuple[str, ...] = in_link("set_operations", ("+", "-"))
    digits: tuple[int, ...] = in_link("set_digits", (1,))
    count: int = in_link("set_count", 100)
    heads: tuple[Head, ...] = ()

    def prompts(self) -> list[Prompt]:
        """The prompts of the set."""
        return make_prompts(self.operations, self.digits, count=self.count)


def numbers_of(text: str) -> tuple[int, ...]:
    """The whole numbers in a text, separated by spaces or commas."""
    return tuple(int(word) for word in text.replace(",", " ").split() if word.isdecimal())


@dataclass(frozen=True)
class ShallowSet:
    """Prompts of the shallow filter, and the paper's table about them."""

    operations: tuple[str, ...]
    digits: tuple[int, ...] = (1,)
    table: int | None = None


#: Prompts of the shallow filter, by what a person chooses: those of a table, or all.
SHALLOW_SETS: dict[str, ShallowSet] = {
    "+ and − (table 8)": ShallowSet(("+", "-"), table=8),
    "/ (table 17)": ShallowSet(("/",), table=17),
    "all four operations": ShallowSet(OPERATIONS),
    "− of two digits (table 21)": ShallowSet(("-",), (2,), table=21),
}


def text_of(numbers: tuple[int, ...]) -> str:
    """The same as they are typed."""
    return " ".join(map(str, numbers))


@dataclass(frozen=True)
class ShallowSetSettings(Settings):
    """The filter for shallow neurons over a set; some widgets' defaults depend on the model.

    `concepts` are a person's own token ids, which count in place of the list.
    """

    last: int = in_link("shallow_last")
    top: int = in_link("shallow_top")
    more_than: tuple[int, ...] = in_link("shallow_M", read=numbers_of, write=text_of)
    draws: int = in_link("shallow_draws")
    counted: str = in_link("shallow_list")
    signs: str = in_link("shallow_signs")
    prompt_set: str = in_link("shallow_set", next(iter(SHALLOW_SETS)))
    count: int = in_link("shallow_count", 50)
    concepts: tuple[int, ...] | None = None

    def filter(self) -> Filter:
        """Which neurons are ablated."""
        concepts = self.counted if self.concepts is None else self.concepts
        return Filter(self.last + 1, self.top, concepts, self.more_than, self.draws, self.signs)

    def prompts(self) -> list[Prompt]:
        """The prompts: `count` of every operation of the set."""
        chosen = SHALLOW_SETS[self.prompt_set]
        return make_prompts(chosen.operations, chosen.digits, count=self.count)
