"""A weight-sharing copy of a model: a second tree of modules over the same tensors.

The copy has modules of its own, so replacing one there (by an adapter) leaves the model alone;
every weight is the same tensor in memory. Nothing may write into the copy's weights: that
would be the model's weights too.
"""

import copy
from collections import OrderedDict
from typing import Any

from torch import nn

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
    """A model of the same class whose modules are new and whose parameters and buffers are the same objects.

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
