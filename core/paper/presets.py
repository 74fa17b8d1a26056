"""Settings of the papers' measurements by table: what is asked, of which prompts, without which heads (CNA and CMA).

    preset = preset("arithmetic_heads", "Table 1")
    sweep_accuracy(lm, make_prompts(**preset.settings["sweep"]))

A preset's settings stand by question, and within it by the name that the page's settings have for them; where a
question is one function of `core`, these are its arguments. What the paper leaves open is left out here too, or taken
as `note` says. Layers, heads and neurons are those of the paper's model.
"""

from core.errors import UserError
from core.paper.chain_presets import CHAIN
from core.paper.edit_presets import TUNED, gender
from core.paper.flow_presets import FLOW
from core.paper.head_presets import HEADS
from core.paper.preset import Page, Preset

PRESETS: tuple[Preset, ...] = (*HEADS, *CHAIN, *FLOW, *TUNED, gender())


def presets_of(page: Page) -> tuple[Preset, ...]:
    """The presets of one page, in order."""
    return tuple(one for one in PRESETS if one.page == page)


def preset(page: Page, name: str) -> Preset:
    """One preset.

    Raises:
        UserError: for a name that there is not.
    """
    found = {one.name: one for one in presets_of(page)}
    if name not in found:
        raise UserError(f"{page} has no preset {name!r}: use one of {', '.join(map(repr, found))}.")
    return found[name]
