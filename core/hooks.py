"""Interventions: attention heads and FFN neurons scaled while a block of code runs.

`with intervene(lm, ScaleHead(3, 5, 0.0)): lm.logits(ids)` multiplies one head's slice
of the *input* of the attention output map (CNA §3.2), `ScaleNeuron` one entry of the
input of the FFN output map, at every position. The weights are never changed.

The hooks are registered on the shared model but act only in the context (thread) that opened
the block: other sessions that run the model at the same time are not affected. They are removed
however the block ends. A thread started inside the block has a context of its own, and there the
hooks do not act.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from core.errors import UserError
from core.model.load import LoadedModel

_mine: ContextVar[frozenset[object]] = ContextVar("hooks opened in this context", default=frozenset())


@dataclass(frozen=True)
class ScaleHead:
    """Multiplies the output of one attention head by `factor`; 0 ablates it, 1 changes nothing."""

    layer: int
    head: int
    factor: float = 0.0


@dataclass(frozen=True)
class ScaleNeuron:
    """Multiplies the coefficient of one FFN neuron by `factor`; 0 ablates it, 1 changes nothing."""

    layer: int
    neuron: int
    factor: float = 0.0


Edit = ScaleHead | ScaleNeuron


#: Called with the input of a module; returns the new input, or None to leave it.
InputHook = Callable[[Tensor], Tensor | None]


#: Called with the output of a module; returns the new output, or None to leave it.
OutputHook = Callable[[Any], Any]


#: Called with the positional and keyword arguments of a module's call.
CallHook = Callable[[tuple, dict[str, Any]], None]


@contextmanager
def own_hooks(
    before: Sequence[tuple[nn.Module, InputHook]] = (),
    after: Sequence[tuple[nn.Module, OutputHook]] = (),
    calls: Sequence[tuple[nn.Module, CallHook]] = (),
) -> Iterator[None]:
    """Registers hooks that act in this context only, and removes them when the block ends.

    Args:
        before: modules with hooks for their (first positional) input.
        after: modules with hooks for their output.
        calls: modules with hooks for the arguments of their calls.
    """
    me = object()
    token = _mine.set(_mine.get() | {me})
    handles = []
    try:
        for module, hook in before:
            handles.append(module.register_forward_pre_hook(_guard_input(me, hook)))
        for module, output_hook in after:
            handles.append(module.register_forward_hook(_guard_output(me, output_hook)))
        for module, call_hook in calls:
            handles.append(module.register_forward_pre_hook(_guard_call(me, call_hook), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
        _mine.reset(token)


def _guard_input(me: object, hook: InputHook) -> Callable:
    def guarded(_module: nn.Module, args: tuple) -> tuple | None:
        if me not in _mine.get():
            return None
        changed = hook(args[0])
        return None if changed is None else (changed, *args[1:])

    return guarded


def _guard_output(me: object, hook: OutputHook) -> Callable:
    def guarded(_module: nn.Module, _args: tuple, output: Any) -> Any:
        return hook(output) if me in _mine.get() else None

    return guarded


class Scaling:
    """A hook that multiplies slices of a module's input, and remembers whether it ever ran."""

    def __init__(self, slices: list[tuple[slice, float]]):
        self._slices = slices
        self.fired = False

    def __call__(self, value: Tensor) -> Tensor | None:
        """The scaled input, or None where every factor is 1."""
        self.fired = True
        changes = [(where, factor) for where, factor in self._slices if factor != 1.0]
        if not changes:
            return None
        value = value.clone()
        for where, factor in changes:
            if factor == 0.0:
                value[..., where] = 0.0  # also where the value is not finite
            else:
                value[..., where] *= factor
        return value


def _guard_call(me: object, hook: CallHook) -> Callable:
    def guarded(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        if me in _mine.get():
            hook(args, kwargs)

    return guarded


@contextmanager
def intervene(lm: LoadedModel, *edits: Edit) -> Iterator[None]:
    """Scales heads and neurons of `lm` for this context while the block runs.

    Several edits of one head or neuron multiply; blocks can be nested.

    Raises:
        UserError: on entry, for a head or neuron that does not exist or a factor that is
            not finite; on leaving normally, if the model was never run in the block.
    """
    scalings: dict[nn.Module, list[tuple[slice, float]]] = {}
    for edit in edits:
        module, where = _locate(lm, edit)
        scalings.setdefault(module, []).append((where, float(edit.factor)))
    hooks = [(module, Scaling(slices)) for module, slices in scalings.items()]
    with own_hooks(before=hooks):
        yield
    if not all(hook.fired for _, hook in hooks):
        raise UserError(
            "The model was not run inside the intervene block, so the intervention had no effect. Run it inside."
        )


def _locate(lm: LoadedModel, edit: Edit) -> tuple[nn.Module, slice]:
    if not abs(float(edit.factor)) < float("inf"):
        raise UserError(f"The factor {edit.factor} is not finite. Use for example 0 (off), 1 (as is) or 2.")
    if isinstance(edit, ScaleHead):
        check_head(lm, edit.layer, edit.head)
        start = edit.head * lm.d_head
        return lm.modules.head_output(edit.layer), slice(start, start + lm.d_head)
    check_neuron(lm, edit.layer, edit.neuron)
    return lm.modules.neuron_output(edit.layer), slice(edit.neuron, edit.neuron + 1)


def check_head(lm: LoadedModel, layer: int, head: int) -> None:
    """Raises `UserError` unless the head exists."""
    if not (0 <= layer < lm.n_layers and 0 <= head < lm.n_heads):
        raise UserError(
            f"Head {layer}_{head} does not exist: this model has layers 0 to {lm.n_layers - 1} "
            f"and heads 0 to {lm.n_heads - 1}."
        )


def check_neuron(lm: LoadedModel, layer: int, neuron: int) -> None:
    """Raises `UserError` unless the neuron exists."""
    if not (0 <= layer < lm.n_layers and 0 <= neuron < lm.n_neurons):
        raise UserError(
            f"Neuron {layer}_{neuron} does not exist: this model has layers 0 to {lm.n_layers - 1} "
            f"and neurons 0 to {lm.n_neurons - 1}."
        )
