"""Settings of the logic chain: of one prompt, and of the measurements over a whole set."""

from dataclasses import dataclass

from core.ablation.study import MaskKeepSet, ShallowSet
from core.chain.study import NeuronSearch
from core.types import Head, Neuron
from pages.shared.settings import Settings, link


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


_DEEP = {"operations": link("set_operations"), "digits": link("set_digits"), "count": link("set_count")}


@dataclass(frozen=True)
class DeepSetSettings(MaskKeepSet, Settings, links=_DEEP):
    """Deep neurons over a set of prompts."""


def numbers_of(text: str) -> tuple[int, ...]:
    """The whole numbers in a text, separated by spaces or commas."""
    return tuple(int(word) for word in text.replace(",", " ").split() if word.isdecimal())


def text_of(numbers: tuple[int, ...]) -> str:
    """The same as they are typed."""
    return " ".join(map(str, numbers))


_SHALLOW = {
    "last": link("shallow_last"),
    "top": link("shallow_top"),
    "more_than": link("shallow_M", read=numbers_of, write=text_of),
    "draws": link("shallow_draws"),
    "counted": link("shallow_list"),
    "signs": link("shallow_signs"),
    "prompt_set": link("shallow_set"),
    "count": link("shallow_count"),
}


@dataclass(frozen=True)
class ShallowSetSettings(ShallowSet, Settings, links=_SHALLOW):
    """The filter for shallow neurons over a set; some widgets' defaults depend on the model."""
