"""What should someone know who finds an edited model? A model card that lists every edit."""

import json
from typing import TYPE_CHECKING

from core.edit_set import kind_of, name_of

if TYPE_CHECKING:
    from core.recipe import Recipe

_TABLE = 1000


def model_card(recipe: "Recipe") -> str:
    """A README.md in Markdown: where the weights come from, what was changed, and the note."""
    model, title = recipe.model, _line(recipe.title) or "Edited model"
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    if "/" in model.name and not model.name.startswith((".", "/", "~")) and model.name.count("/") == 1:
        lines.append(f"base_model: {json.dumps(model.name)}")
    lines += ["tags:", "- abacus", "- edited-weights", "---", "", f"# {title}", ""]
    n = len(recipe.edits)
    lines.append(
        f"`{model.name}` with {n:,} {'head or neuron' if n == 1 else 'heads and neurons'} scaled in the weights, "
        f"written by Abacus {recipe.app_version}. A factor of 0 turns a head or neuron off; 1 would change nothing."
    )
    if recipe.note:
        lines += ["", recipe.note]
    revision = f", revision `{model.revision}`" if model.revision else ""
    lines += [
        "", "## Edits", "",
        "Layers and indices from 0. A neuron is a column of the FFN output map, a head a slice of columns of the "
        "attention output map.", "", "| kind | layer_index | factor |", "|---|---|---|",
        *(f"| {kind_of(e)} | {name_of(e)} | {e.factor:g} |" for e in recipe.edits[:_TABLE]),
    ]  # fmt: skip
    if n > _TABLE:
        lines += ["", f"The other {n - _TABLE:,} stand in `recipe.json`."]
    lines += [
        "", "## Origin", "",
        f"- Original: `{model.name}`{revision}, fingerprint `{model.fingerprint}`, edited as {model.precision}",
        "- `recipe.json` beside this file repeats the edit on the original in Abacus.",
        "- The licence of the original model applies.", "",
        "Edits act on everything that a head or neuron takes part in. Nothing but what the note says was measured "
        "about this model; the same means that reduce a bias can amplify it.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.split())
