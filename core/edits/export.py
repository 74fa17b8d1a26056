"""Export of an edited model as a transformers folder with changed weights and a model card.

Scaling a coefficient is the same as scaling the neuron's column of the FFN output map, and scaling a head the same
as scaling its columns of the attention output map (CNA §3.2), up to rounding of the weights' precision. The loaded
model is not touched: changed matrices are copies. The folder is written beside its place and moved in whole
(`core.writing`).

8-bit weights cannot be written: the edit is made in the 16-bit weights of the same source. The model card lists
every edit, so that whoever comes across the folder knows what was changed.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from core.edits.edit_set import kind_of, name_of, place_of
from core.edits.recipe import Recipe
from core.errors import UserError
from core.forward.scoring import next_token_logits
from core.hooks import Edit, intervene
from core.model.architectures import Modules
from core.model.hub import hub_id_of
from core.model.linear_maps import out_in
from core.model.load import LoadedModel, full_memory_told, load_model
from core.model.source import locate
from core.progress import Progress, silent
from core.writing import check_new, new_folder

_TABLE = 1000


def model_card(recipe: Recipe) -> str:
    """A README.md in Markdown: where the weights come from, what was changed, and the note."""
    model, title = recipe.model, _line(recipe.title) or "Edited model"
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    if model.revision is not None:
        lines.append(f"base_model: {json.dumps(hub_id_of(model.name, model.revision))}")
    lines += ["tags:", "- abacus", "- edited-weights", "---", "", f"# {title}", ""]
    n = len(recipe.edits)
    lines.append(
        f"`{model.name}` with {n:,} {'head or neuron' if n == 1 else 'heads and neurons'} scaled in the weights, "
        f"written by Abacus {recipe.app_version}. A factor of 0 ablates a head or neuron; 1 would change nothing."
    )
    if recipe.note:
        lines += ["", recipe.note]
    revision = f", revision `{model.revision}`" if model.revision else ""
    lines += [
        "",
        "## Edits",
        "",
        "Layers and indices from 0. A neuron is a column of the FFN output map, a head a slice of columns of the "
        "attention output map.",
        "",
        "| kind | layer_index | factor |",
        "|---|---|---|",
        *(f"| {kind_of(e)} | {name_of(e)} | {e.factor:g} |" for e in recipe.edits[:_TABLE]),
    ]
    if n > _TABLE:
        lines += ["", f"The other {n - _TABLE:,} are in `recipe.json`."]
    lines += [
        "",
        "## Origin",
        "",
        f"- Original: `{model.name}`{revision}, fingerprint `{model.fingerprint}`, edited as {model.precision}",
        "- `recipe.json` beside this file repeats the edit on the original in Abacus.",
        "- The licence of the original model applies.",
        "",
        "Edits act on everything that a head or neuron takes part in. Nothing but what the note says was measured "
        "about this model; the same means that reduce a bias can amplify it.",
        "",
    ]
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.split())


LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")


@dataclass(frozen=True)
class EditedExportCheck:
    """An exported folder beside the live edit, over some prompts.

    Attributes:
        prompts: how many.
        same_top: how many have the same top-1 next token.
        largest: the largest difference of a log-probability of an original top token (nats).
        precision: of the folder as loaded.
    """

    prompts: int
    same_top: int
    largest: float
    precision: str


def export_edited(lm: LoadedModel, edits: Sequence[Edit], folder: str | Path, title: str = "", note: str = "") -> Path:
    """Writes the edited model, its tokenizer, a model card and the recipe into a new folder.

    Args:
        lm: the model.
        edits: heads and neurons with factors.
        folder: where; it must not exist, or be empty.
        title: for the card and the recipe.
        note: for the card and the recipe.

    Returns:
        The folder's path.

    Raises:
        UserError: for no edits, edits that the model cannot take, a folder that holds something, a factor too large
            for the weights' precision, a full disk, or an 8-bit model whose source is not at hand. Nothing is left
            behind.
    """
    if not edits:
        raise UserError("There is nothing to export: switch at least one edit on.")
    recipe = Recipe.of(lm, edits, title, note)
    target = check_new(folder)
    model = lm.model if lm.precision != "int8" else _sixteen_bit(lm)
    state = {**model.state_dict(), **edited_matrices(model, lm, edits)}
    if any(".base_layer." in name for name in state):
        raise UserError("This model carries an adapter, whose weights are files of their own. Export its base model.")
    with new_folder(target) as making:
        model.save_pretrained(making, state_dict=state)
        lm.tokenizer.save_pretrained(making)
        (making / "README.md").write_text(model_card(recipe), encoding="utf-8")
        (making / "recipe.json").write_text(recipe.to_json(), encoding="utf-8")
        _copy_licence(lm, making)
    return target


def edited_matrices(model: Any, lm: LoadedModel, edits: Sequence[Edit]) -> dict[str, Tensor]:
    """Copies of the output maps that the edits change, with their columns scaled, by their names in the state dict.

    Args:
        model: the transformers model whose weights are copied, of the same architecture as `lm`.
        lm: the model, which says where heads and neurons are.
        edits: several of one head or neuron multiply.

    Raises:
        UserError: for a factor that makes a weight infinite.
    """
    modules = Modules(model, lm.architecture)
    names = {id(module): name for name, module in model.named_modules()}
    out: dict[str, Tensor] = {}
    for edit in edits:
        kind, layer, index = place_of(edit)
        width = lm.d_head if kind == "head" else 1
        module: Any = modules.head_output(layer) if kind == "head" else modules.neuron_output(layer)
        name = f"{names[id(module)]}.weight"
        if name not in out:
            out[name] = module.weight.detach().clone()
        where = slice(index * width, (index + 1) * width)
        columns = out_in(module, out[name])[:, where]  # a view
        scaled = torch.zeros_like(columns) if edit.factor == 0 else (columns.float() * edit.factor).to(columns.dtype)
        if not bool(scaled.isfinite().all()):
            raise UserError(
                f"With the factor {edit.factor} the weights leave the range of {columns.dtype}. "
                "Choose a smaller factor, or load the model as fp32."
            )
        columns[:] = scaled
    return out


def check_edited_export(
    lm: LoadedModel, edits: Sequence[Edit], folder: str | Path, prompts: Sequence[str], progress: Progress = silent
) -> EditedExportCheck:
    """Loads an exported folder and compares it with the live edit on the same prompts.

    8-bit models are compared with the folder loaded as 8-bit too, so that only the export differs.

    Raises:
        UserError: when there is no memory for a second model, or for prompts that the model cannot take.
    """
    sequences = [lm.encode(prompt) for prompt in prompts]
    with intervene(lm, *edits):
        live = torch.log_softmax(next_token_logits(lm, sequences, progress), -1)
    copy = load_model(folder, precision=lm.precision)
    written = torch.log_softmax(next_token_logits(copy, sequences), -1)
    best = live.argmax(-1, keepdim=True)
    difference = (live - written).gather(-1, best).abs()
    same = int((written.argmax(-1, keepdim=True) == best).sum())
    return EditedExportCheck(len(sequences), same, float(difference.max()), copy.precision)


def _sixteen_bit(lm: LoadedModel) -> Any:
    """The weights that an 8-bit model was made from, on the CPU."""
    try:
        where = locate(lm.name).fetched()
        where.check_memory("fp16", torch.device("cpu"))
        same = where.fingerprint() == lm.fingerprint
    except UserError as error:
        raise UserError(
            f"8-bit weights cannot be written, and the 16-bit weights of {lm.name} are not at hand: {error} "
            "Load the model as fp16 and export it then."
        ) from error
    if not same:
        raise UserError(
            f"8-bit weights cannot be written, and the files of {lm.name} have changed since it was loaded. "
            "Load the model as fp16 and export it then."
        )
    dtype = torch.bfloat16 if where.stored == "bf16" else torch.float16
    with full_memory_told():
        return AutoModelForCausalLM.from_pretrained(
            str(where.folder), dtype=dtype, use_safetensors=True, trust_remote_code=False
        )


def _copy_licence(lm: LoadedModel, folder: Path) -> None:
    """Copies the original's licence files, where they are at hand."""
    source = Path(lm.model.config._name_or_path or "")
    for pattern in LICENCES:
        for file in source.glob(pattern) if source.is_dir() else ():
            if file.is_file():
                shutil.copy(file, folder / file.name)
