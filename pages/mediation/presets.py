"""The page's presets: the main settings of the paper on causal mediation."""

from streamlit.delta_generator import DeltaGenerator

from core.model.load import LoadedModel
from pages.shared.papers import preset_menu
from pages.shared.settings import Widget

SOURCE, DRAWN = "pair_source", "Drawn pairs"


def _rows(templates: tuple[int, ...] | None) -> list[int]:
    """No row means all."""
    return list(templates or ())


WIDGETS = {
    "pairs": {
        "kind": Widget("pair_kind"),
        "count": Widget("pairs"),
        "operations": Widget("pair_operations"),
        "forms": Widget("pair_forms"),
        "templates": Widget("pair_cma", _rows),
        "template_set": Widget("pair_set"),
        "number_range": Widget("pair_range"),
        "metric": Widget("pair_metric"),
        "sites": Widget("pair_sites"),
    },
    "shown": {"average": Widget("flow_average"), "grouping": Widget("flow_groups")},
}


def mediation_presets(lm: LoadedModel, place: DeltaGenerator) -> None:
    """Draws the menu."""
    preset_menu(lm, place, "causal_mediation", WIDGETS, {"pairs": {SOURCE: DRAWN}})
