"""Models with an adapter: each a model of its own over the same weights.

`attach(lm, folder)` loads a PEFT adapter folder and gives a model that every analysis
takes like any other. The base weights are in memory once, and the base model is not
touched: it has its own modules (`weight_sharing_copy`), so its results stay the same bit for bit,
also while the adapted one runs. Interventions act on the model object they are given.

An adapter is not merged: `weight` of a module that carries one is computed when it is
read (the map's effect on unit vectors), so analyses that read weights see what acts.
"""

import copy
import hashlib
import json
import os
import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from core.errors import UserError
from core.model.adapter_files import ABOUT, CONFIG, WEIGHTS, AdapterFolder
from core.model.architectures import Modules
from core.model.linear_maps import n_inputs
from core.model.load import LoadedModel, full_memory_told
from core.writing import explain_write_errors

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
)


def weight_sharing_copy(model: nn.Module) -> Any:
    """A model of the same class: its modules are new, so that they can be replaced, its tensors are the same objects.

    Nothing may write into the copy's weights: that would be the model's weights too.
    Hooks that other contexts have on the model at this moment are not taken over.
    """
    same: dict[int, Any] = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            same[id(tensor)] = tensor
        if "state" in vars(module):  # bitsandbytes keeps 8-bit codes there after the first forward pass
            same[id(vars(module)["state"])] = vars(module)["state"]
        for name in _HOOKS:
            same[id(vars(module)[name])] = OrderedDict()
    return copy.deepcopy(model, same)


@dataclass(eq=False, kw_only=True)
class AdaptedModel(LoadedModel):
    """A model with one adapter, over the weights of its base.

    Attributes:
        base: the model without it.
        peft: the PEFT model, for its own functions.
        first_layer: the lowest layer that the adapter changes; below it both compute the same.
        same_neurons: whether neurons' values and the output matrix are the base's.
    """

    base: LoadedModel
    peft: Any = field(repr=False)
    first_layer: int = field(init=False)
    same_neurons: bool = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(Modules(self.model, self.architecture).embedding, nn.Embedding):
            raise UserError("This adapter changes the token embedding, which is not supported. Use one on layers only.")
        changed = set(_changed(self.model))
        for module in changed:
            if hasattr(module, "base_layer"):
                kind: Any = type(module)
                module.__class__ = _with_true_weight(kind)
        super().__post_init__()
        self.first_layer = next(
            (i for i, layer in enumerate(self.modules.layers) if changed & set(layer.modules())), self.n_layers
        )
        read = {self.modules.neuron_output(i) for i in range(self.n_layers)}
        if self.architecture.ffn_post_norm:
            read |= {self.modules.ffn_end(i) for i in range(self.n_layers)}
        self.same_neurons = not changed & {*read, self.modules.unembedding, self.modules.final_norm}

    def trainable(self) -> dict[str, nn.Parameter]:
        """The adapter's parameters by name, in a fixed order."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}


def attach(lm: LoadedModel, folder: str | Path) -> AdaptedModel:
    """Loads a PEFT adapter folder onto a loaded model.

    Args:
        lm: the base model; it stays as it is.
        folder: holds adapter_config.json and adapter_model.safetensors.

    Raises:
        UserError: for a folder that is not an adapter, one of another model, or a kind that is not supported.
    """
    from peft import PeftModel

    found = AdapterFolder.read(folder)
    found.check_made_for(lm)
    with full_memory_told(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            peft = PeftModel(weight_sharing_copy(lm.model), found.config(), low_cpu_mem_usage=True)
            # weights are put in, not copied into what is there: nothing in the file can write into the base's tensors
            told = peft.load_adapter(str(found.folder), "default", low_cpu_mem_usage=True, torch_device=str(lm.device))
        except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise found.does_not_fit(lm, str(error)) from error
    if wrong := [*told.missing_keys, *told.unexpected_keys]:
        raise found.does_not_fit(lm, f"{wrong[0]} is not in both")
    return _adapted(lm, peft, str(folder), found.digest())


def new_adapter(lm: LoadedModel, config: Any, name: str) -> AdaptedModel:
    """A fresh adapter of a `peft.LoraConfig`, which changes nothing until it is trained.

    Raises:
        UserError: when the configuration names modules that the model does not have.
    """
    from peft import PeftModel

    with full_memory_told(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            peft = PeftModel(weight_sharing_copy(lm.model), config)
        except ValueError as error:
            raise UserError(f"The adapter does not fit {lm.name}: {error}") from error
    return _adapted(lm, peft, name, hashlib.sha256(f"new {id(peft)}".encode()).hexdigest()[:16])


def _adapted(lm: LoadedModel, peft: Any, name: str, digest: str) -> AdaptedModel:
    return AdaptedModel(
        name=f"{lm.name} with {name}",
        fingerprint=f"{lm.fingerprint}+{digest}",
        revision=lm.revision,
        precision=lm.precision,
        model=peft.base_model.model.eval(),
        tokenizer=lm.tokenizer,
        architecture=lm.architecture,
        lock=lm.lock,
        base=lm,
        peft=peft,
    )


def _changed(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that PEFT put in."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import AuxiliaryTrainingWrapper

    return (m for m in model.modules() if isinstance(m, BaseTunerLayer | AuxiliaryTrainingWrapper))


@cache
def _with_true_weight(kind: Any) -> Any:
    """PEFT's layer, as the linear map that it is."""
    return type(kind.__name__, (kind, nn.Linear), {"weight": property(_acting_weight)})


@torch.no_grad()
def _acting_weight(layer: Any) -> Tensor:
    """What the base's map and the adapter do together [out, in]: their output for unit vectors."""
    base = layer.get_base_layer()
    dtype = base.weight.dtype if base.weight.is_floating_point() else torch.float16
    units = torch.eye(n_inputs(base), dtype=dtype, device=base.weight.device)
    out = type(layer).forward(layer, units)  # past the hooks that other blocks may have on it
    return (out if base.bias is None else out - base.bias).T


def save_adapter(model: AdaptedModel, folder: Path, about: dict[str, Any]) -> None:
    """Writes an adapter as a PEFT folder, with what was measured of it beside; each file is moved in whole.

    Raises:
        UserError: for a folder that cannot be written, or a full disk.
    """
    from peft.utils import get_peft_model_state_dict

    with explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    tensors = get_peft_model_state_dict(model.peft, save_embedding_layers=False)
    config = copy.deepcopy(model.peft.peft_config["default"])
    config.inference_mode = True
    with explain_write_errors(folder), tempfile.TemporaryDirectory(dir=folder) as part:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, Path(part) / WEIGHTS)
        config.save_pretrained(part)
        (Path(part) / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
        for name in (WEIGHTS, CONFIG, ABOUT):  # what says that it is there comes last
            os.replace(Path(part) / name, folder / name)
