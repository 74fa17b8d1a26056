"""The largest tensor that a computation makes: what decides its memory, whatever machine it runs on."""

from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LargestTensor(TorchDispatchMode):
    """Records the size of the largest tensor made while the block runs; views of a model's weights are not made."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self._weights = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
        self.bytes = 0
        self.made_by = ""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Runs an operation and looks at what it made."""
        out = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.untyped_storage().data_ptr() not in self._weights:
                size = leaf.untyped_storage().nbytes()
                if size > self.bytes:
                    self.bytes, self.made_by = size, f"{function} {tuple(leaf.shape)} {leaf.dtype}"
        return out
