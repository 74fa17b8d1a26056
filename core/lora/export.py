"""Export of a pruned model as a folder that transformers loads without this package.

The ablated neurons are zero in the weights: their values, their keys and biases. An
adapter is merged. Smaller files need narrower FFNs; the supported architectures have one
width for all layers, so the width is that of the layer that keeps most, and the other
layers are padded with zero neurons. The folder is written beside its place and moved in
whole (`core.writing`), so a failed export can be repeated.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from core.errors import UserError
from core.forward.generate import continue_greedily
from core.forward.neuron_sets import NeuronSet, scaled_neurons
from core.lora.prune import kept_set
from core.lora.prune_train import Pruned
from core.model.adapters import AdaptedModel, weight_sharing_copy
from core.model.architectures import Modules
from core.model.linear_maps import LinearMap, out_in
from core.model.load import LoadedModel, load_model
from core.model.source import weight_files
from core.progress import Progress, silent
from core.prompts.signed_arithmetic import cases, negative_data
from core.writing import check_new, new_folder

_TWO_DIGIT, _ONE_DIGIT = 30, 10  # prompts that check an export


@dataclass(frozen=True)
class Exported:
    """A pruned model on disk.

    Attributes:
        folder: what transformers loads.
        n_neurons: its FFN neurons per layer.
        bytes: of its weights.
    """

    folder: Path
    n_neurons: int
    bytes: int


@dataclass(frozen=True)
class PrunedExportCheck:
    """Whether an exported model answers like the live one.

    Attributes:
        prompts: the prompts that both answered.
        live: answers of the model in the app, with the neurons ablated.
        exported: answers of the folder.
        largest: the largest difference of a logit at the prompts' last positions.
    """

    prompts: list[str]
    live: list[str]
    exported: list[str]
    largest: float

    @property
    def same(self) -> int:
        """How many answers are the same."""
        return sum(a == b for a, b in zip(self.live, self.exported, strict=True))


def export_pruned(lm: LoadedModel, off: NeuronSet, folder: str | Path, smaller: bool = False) -> Exported:
    """Writes a model without some neurons.

    Args:
        lm: the model; an adapter on it is merged.
        off: the neurons to ablate, such as `core.lora.prune.kept_set`.
        folder: a new or empty folder.
        smaller: whether to make the FFNs narrower rather than to write zeros.

    Raises:
        UserError: for 8-bit weights, a folder that holds something or cannot be written, a full disk, too little
            memory, or FFNs that cannot get narrower. Nothing is left behind.
    """
    place = check_new(folder)
    off.check(lm)
    masks = [off.mask(layer, lm.n_neurons) for layer in range(lm.n_layers)]
    width = max(int((~mask).sum()) for mask in masks) if smaller else lm.n_neurons
    _check(lm, off, smaller and width >= lm.n_neurons)
    model = _own_copy(lm)
    modules = Modules(model, lm.architecture)
    for layer, mask in enumerate(masks):
        _zero(modules, layer, mask)
        if smaller:
            _narrow(modules, layer, _padded(mask, max(width, 1)))
    if smaller:
        name = "n_inner" if hasattr(model.config, "n_inner") else "intermediate_size"
        setattr(model.config, name, max(width, 1))
    with new_folder(place) as making:
        model.save_pretrained(making)
        lm.tokenizer.save_pretrained(making)
    return Exported(place, max(width, 1), sum(file.stat().st_size for file in weight_files(place)))


def check_pruned_export(
    lm: LoadedModel, off: NeuronSet, folder: str | Path, prompts: Sequence[str], progress: Progress = silent
) -> PrunedExportCheck:
    """Loads an exported folder and asks it and the live model the same prompts.

    Args:
        lm: the model that was exported.
        off: the ablated neurons.
        folder: the export.
        prompts: text.
        progress: called after every prompt.

    Raises:
        UserError: for no prompts, or ones that the model cannot take.
    """
    if not prompts:
        raise UserError("There is no prompt to check with. Choose at least one.")
    other = load_model(folder, lm.precision)
    live, exported, largest = [], [], 0.0
    for number, prompt in enumerate(prompts):
        with scaled_neurons(lm, off):
            live.append(_answer(lm, prompt))
            ours = lm.logits(lm.encode(prompt))[-1]
        exported.append(_answer(other, prompt))
        theirs = other.logits(other.encode(prompt))[-1]
        largest = max(largest, float((ours - theirs).abs().max()))
        progress(number + 1, len(prompts))
    return PrunedExportCheck(list(prompts), live, exported, largest)


def export_and_check(
    pruned: Pruned, lm: LoadedModel, folder: str | Path, smaller: bool = False, progress: Progress = silent
) -> tuple[Exported, PrunedExportCheck]:
    """Exports a pruned model with its adapter merged, and asks it and the live one the same arithmetic.

    Raises:
        UserError: as `export_pruned` does.
    """
    off = kept_set(lm, pruned.kept, pruned.from_layer)
    written = export_pruned(pruned.model, off, folder, smaller)
    prompts = [p.text for p in negative_data().test[:_TWO_DIGIT]]
    prompts += [p.text for p in cases(1)[::33][:_ONE_DIGIT]]
    return written, check_pruned_export(pruned.model, off, written.folder, prompts, progress)


def _answer(lm: LoadedModel, prompt: str) -> str:
    return lm.decode([i for i in continue_greedily(lm, prompt) if i not in lm.ends])


def _check(lm: LoadedModel, off: NeuronSet, same_width: bool) -> None:
    if lm.precision == "int8":
        raise UserError("8-bit weights cannot be exported. Load the model as fp16 or fp32 and prune that one.")
    if off.factor != 0.0:
        raise UserError("Only neurons that are ablated (factor 0) can be exported, not scaled ones.")
    if same_width:
        whole = next(i for i in range(lm.n_layers) if not off.mask(i, lm.n_neurons).any())
        raise UserError(
            f"The export would not be smaller: layer {whole} keeps all {lm.n_neurons} neurons, and this architecture "
            "has one FFN width for all layers. Choose deep layers from layer 0 on, or export with zeros."
        )
    size = sum(p.numel() * p.element_size() for p in lm.model.parameters())
    if size * 1.1 > psutil.virtual_memory().available:
        raise UserError(
            f"The export needs a copy of the weights, {size / 2**30:.1f} GB, and there is not that much free memory."
        )


def _own_copy(lm: LoadedModel) -> Any:
    """The model with tensors of its own, on the CPU, its adapter merged."""
    if isinstance(lm, AdaptedModel):
        return copy.deepcopy(weight_sharing_copy(lm.peft)).cpu().merge_and_unload()
    return copy.deepcopy(weight_sharing_copy(lm.model)).cpu()


@torch.no_grad()
def _zero(modules: Modules, layer: int, mask: Tensor) -> None:
    values = modules.neuron_output(layer)
    out_in(values, values.weight)[:, mask] = 0.0
    for keys in modules.neuron_input(layer):
        rows = keys.of(mask.nonzero()[:, 0].tolist())
        out_in(keys.module, keys.module.weight)[rows] = 0.0
        if keys.module.bias is not None:
            keys.module.bias[rows] = 0.0


def _padded(mask: Tensor, width: int) -> Tensor:
    """The neurons that stay, padded to `width` with ablated ones."""
    stay, gone = (~mask).nonzero()[:, 0], mask.nonzero()[:, 0]
    return torch.cat([stay, gone[: width - len(stay)]]).sort().values


def _narrow(modules: Modules, layer: int, stay: Tensor) -> None:
    values = modules.neuron_output(layer)
    rows: dict[LinearMap, list[int]] = {}
    for keys in modules.neuron_input(layer):
        rows.setdefault(keys.module, []).extend(keys.of(stay.tolist()))
    values.weight = _parameter(values, out_in(values, values.weight)[:, stay])
    for module, some in rows.items():
        module.weight = _parameter(module, out_in(module, module.weight)[some])
        if module.bias is not None:
            module.bias = nn.Parameter(module.bias.detach()[some].clone(), requires_grad=False)


def _parameter(module: LinearMap, matrix: Tensor) -> nn.Parameter:
    """A matrix [out, in] as a linear map keeps it."""
    return nn.Parameter(out_in(module, matrix.detach()).clone().contiguous(), requires_grad=False)
