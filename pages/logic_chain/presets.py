"""The page's presets: tables 4 to 8, 15 to 17 and 19 to 21, and the notebook's neuron."""

from typing import Any

from streamlit.delta_generator import DeltaGenerator

from core.ablation.study import SHALLOW_SETS
from core.model.load import LoadedModel
from core.neurons.roles import ORDERS
from core.paper.models import LLAMA, model_of
from pages.logic_chain.settings import ChainSettings, DeepSetSettings, ShallowSetSettings
from pages.shared.neuron_card import CARD
from pages.shared.papers import preset_menu
from pages.shared.settings import Widget


def _set_of(prompts: tuple[tuple[str, ...], tuple[int, ...]]) -> str:
    """The name of the set with these operations and digits."""
    return next(name for name, chosen in SHALLOW_SETS.items() if (chosen.operations, chosen.digits) == prompts)


WIDGETS = {
    "chain": ChainSettings.widgets(),
    "route": {"neuron": Widget(CARD), "position": Widget("route_at")},
    "deep set": DeepSetSettings.widgets(),
    "shallow set": ShallowSetSettings.widgets() | {"prompts": Widget("shallow_set", _set_of)},
}
#: The paper's order of neurons is by change.
SHOWS = {"chain": {"neuron_order": ORDERS[1]}}


def chain_presets(lm: LoadedModel, place: DeltaGenerator) -> None:
    """Draws the menu."""

    def takes(question: str, name: str, value: Any) -> bool:
        most = {"k": lm.n_layers * lm.n_neurons, "last": lm.n_layers - 2, "top": lm.n_vocab}
        if question == "route":  # a neuron of another model is another neuron
            return model_of(lm) == LLAMA
        return name not in most or value <= most[name]

    preset_menu(lm, place, "logic_chain", WIDGETS, SHOWS, takes)
