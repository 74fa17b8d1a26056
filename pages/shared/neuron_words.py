"""A neuron in words: the tokens it promotes, by the sign of its coefficient.

A neuron with a negative coefficient writes the negative of its value, so it promotes what it would otherwise
suppress. Where a page shows neurons of a run, their coefficients there are remembered as a `Reading`; a neuron that
comes without one is shown with both signs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.chain.case import LogicCase
from core.model.load import LoadedModel
from core.vocabulary.neuron_tokens import both_sides, top_tokens
from core.vocabulary.promoters import Promoters
from pages.shared.resources import kept, model_key
from pages.shared.words import code, three_digits

_READINGS = "readings of neurons"


@dataclass(frozen=True)
class Reading:
    """A neuron's coefficient in a run, and where that was: "after `3+5=`".

    A search among weights knows the sign alone: then `coefficient` is 1.0 or -1.0 and `measured` is False.
    """

    coefficient: float
    where: str
    measured: bool = True

    def in_words(self) -> str:
        """What stands in brackets behind the tokens."""
        if self.measured:
            return f"coefficient {three_digits(self.coefficient)} {self.where}"
        return f"coefficient {'< 0' if self.coefficient < 0 else '> 0'}, {self.where}"


Readings = Callable[[int, int], Reading | None]


def readings_of(lm: LoadedModel, case: LogicCase) -> Readings:
    """Every neuron's coefficient in a run of the logic chain.

    At the last position; a shallow neuron of the chain, where it was found (with the highest score).
    """
    shallow = {}
    for row in sorted(case.features.rows if case.features else [], key=lambda r: r.score):
        if row.kind == "neuron":
            at = f"at `{row.token.strip() or '␣'}` (position {row.position}) of {code(case.prompt)}"
            shallow[row.layer, row.neuron] = Reading(row.coefficient, at)
    deep = set(case.neurons.pairs)

    def read(layer: int, neuron: int) -> Reading | None:
        if (layer, neuron) in shallow and (layer, neuron) not in deep:
            return shallow[layer, neuron]
        if not (0 <= layer < lm.n_layers and 0 <= neuron < lm.n_neurons):
            return None
        return Reading(float(case.run.coefficient[layer, -1, neuron]), f"after {code(case.prompt)}")

    return read


def readings_found(found: Promoters) -> Readings:
    """The sign by which each neuron of a search promotes the word most."""
    signs = {(p.layer, p.neuron): p.sign for p in reversed(found.found)}  # the best of both signs comes first

    def read(layer: int, neuron: int) -> Reading | None:
        sign = signs.get((layer, neuron))
        return None if sign is None else Reading(float(sign), f"as found by {code(found.word)}", measured=False)

    return read


def remember(lm: LoadedModel, layer: int, neuron: int, reading: Reading | None) -> None:
    """Keeps a neuron's reading for this session, for the page that the neuron is taken to; None: as it was."""
    if reading is not None:
        st.session_state.setdefault(_READINGS, {})[(*model_key(lm), layer, neuron)] = reading


def remembered(lm: LoadedModel, layer: int, neuron: int) -> Reading | None:
    """How a neuron was read where it was taken from, if it was."""
    return st.session_state.get(_READINGS, {}).get((*model_key(lm), layer, neuron))


def described(lm: LoadedModel, layer: int, neuron: int, reading: Reading | None = None, k: int = 6) -> str:
    """What a neuron promotes, in Markdown; without a reading also what it suppresses."""
    if reading is not None:
        tokens = kept(lm, top_tokens, layer, neuron, reading.coefficient, k)
        return f"promotes {_listed(tokens)} ({reading.in_words()})"
    promotes, suppresses = kept(lm, both_sides, layer, neuron, k)
    return f"promotes {_listed(promotes)}; suppresses {_listed(suppresses)} (a negative coefficient swaps the two)"


def _listed(tokens: list[str]) -> str:
    return " ".join(code(token) for token in tokens)
