"""A replay of part of a captured run: later layers run again for many rows at once, each from its own layer.

A row of the batch is one variant of the run, such as one with a head ablated. What lies below the layer where
the variant begins to differ is the same as in the captured run, so a row joins the batch there, and all rows
share the passes through the layers above. (The idea is that of penzai's `isolate_submodel`: the inputs of a
sub-model are captured once, and the sub-model is run again.)

Inside an `intervene` block everything is of the intervened model. Gradients flow through `Replay.run` where they
are enabled; callers that need none disable them.

8-bit models quantise activations by the rows of a batch, so there a row must run alone to be exact
(`rows_that_fit`). In half precision the size of a batch changes the last bits of a result.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from core.forward.masks import attention_mask
from core.forward.record import first
from core.hooks import InputHook, OutputHook, own_hooks
from core.model.load import LoadedModel, full_memory_told

#: Tokens of a batch that fills the processor and stays in its caches.
ROW_TOKENS = {"cpu": 2048, "cuda": 16384}

#: Logits that are held at once.
_LOGITS = 2**25

#: What a layer is called with besides the residual stream (mask, positions): the same for any number of rows.
Arguments = tuple[tuple, dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """A row of a replayed batch: it begins as row `source` of the captured run at the input of `layer`.

    At the number of layers nothing is left to run: the row is the captured run itself.
    """

    source: int
    layer: int


@dataclass(frozen=True)
class Hooks:
    """What is done to the inputs and outputs of modules while one layer runs (as in `own_hooks`)."""

    before: Sequence[tuple[nn.Module, InputHook]] = ()
    after: Sequence[tuple[nn.Module, OutputHook]] = ()


def _no_hooks(layer: int, new: range) -> Hooks:
    return Hooks()


@dataclass(frozen=True)
class Replay:
    """Residual streams of a run, and what is needed to run its layers again.

    Attributes:
        lm: the model whose layers run. It may differ from the captured one from the rows' layers on.
        arguments: of each layer.
        inputs: the residual stream [1, pos, d_model] where each row begins.
    """

    lm: LoadedModel
    arguments: Sequence[Arguments]
    inputs: Mapping[Row, Tensor]

    @classmethod
    def capture(
        cls,
        lm: LoadedModel,
        ids: Int[Tensor, "row pos"],
        inputs: Mapping[str, Any],
        hooks: Hooks | None = None,
        n_logits: int = 0,
    ) -> tuple["Replay", Float[Tensor, "row read vocab"]]:
        """Runs the model once and keeps the input of every layer (8-bit: one row at a time).

        Args:
            lm: the model.
            ids: tokens of each row.
            inputs: positions and a mask of a batch of one, as from `causal_inputs` or `PrefixTree.inputs`.
            hooks: what else is noted; nothing may be changed.
            n_logits: logits of the last so many positions are returned; 0: of all.

        Returns:
            The replay and the run's logits.
        """
        hooks = hooks or Hooks()
        kept: list[list[Tensor]] = [[] for _ in range(lm.n_layers + 1)]
        arguments: dict[int, Arguments] = {}
        calls = []
        for number, layer in enumerate(lm.modules.layers):

            def note(args: tuple, kwargs: dict, n: int = number) -> None:
                kept[n].append(args[0])
                arguments[n] = (args[1:], kwargs)

            calls.append((layer, note))
        end = (lm.modules.layers[-1], lambda output: kept[-1].append(first(output)))
        with torch.no_grad(), own_hooks(hooks.before, [*hooks.after, end], calls):
            batches = ids.split(1 if lm.precision == "int8" else len(ids))
            logits = [lm.run(some, logits_to_keep=n_logits, **inputs) for some in batches]
        streams = [torch.cat(parts) if len(parts) > 1 else parts[0] for parts in kept]
        replay = cls(lm, [arguments[n] for n in range(lm.n_layers)], _by_row(streams))
        return replay, torch.cat(logits) if len(logits) > 1 else logits[0]

    @classmethod
    def of_stream(
        cls, lm: LoadedModel, layer: int, stream: Float[Tensor, "row pos d_model"], arguments: Sequence[Arguments]
    ) -> "Replay":
        """Begins at the input of one layer, which is known."""
        return cls(lm, arguments, {Row(source, layer): x for source, x in enumerate(stream.split(1))})

    @classmethod
    def of_tokens(cls, lm: LoadedModel, ids: Int[Tensor, "row pos"], arguments: Sequence[Arguments]) -> "Replay":
        """Begins at the embeddings of tokens."""
        return cls.of_stream(lm, 0, lm.modules.embed(ids.to(lm.device)), arguments)

    def run(
        self,
        rows: Sequence[Row] | None = None,
        hooks: Callable[[int, range], Hooks] = _no_hooks,
        end: int | None = None,
    ) -> Float[Tensor, "row pos d_model"]:
        """The residual stream of each row at the input of layer `end`, or after the last layer.

        Args:
            rows: in order of layer; None: every row that was kept.
            hooks: from a layer and the numbers of the rows that join there, what is done while that layer runs.
                Rows before these are in the batch already, so it holds as many rows as the range's end says.
            end: the first layer that does not run; None: all run.

        Raises:
            ValueError: for no rows, or rows in another order.
        """
        chosen = list(self.inputs) if rows is None else rows
        stop = self.lm.n_layers if end is None else end
        begins = [row.layer for row in chosen]
        if not begins or begins != sorted(begins) or begins[-1] > stop:
            raise ValueError("Rows of a replay must be in order of layer, and none may begin after its end.")
        x = self.inputs[chosen[0]][:0]  # (row, pos, d_model), no rows yet
        with self.lm.lock, full_memory_told():
            for layer in range(begins[0], stop + 1):
                new = range(len(x), len(x) + begins.count(layer))
                if new:
                    x = torch.cat([x, *(self.inputs[chosen[row]] for row in new)])
                if layer < stop:
                    args, kwargs = self.arguments[layer]
                    wanted = hooks(layer, new)
                    with own_hooks(wanted.before, wanted.after):
                        x = first(self.lm.modules.layers[layer](x, *args, **kwargs))
        return x

    def moved_to(self, layer: int) -> "Replay":
        """The same rows at the input of a later layer."""
        return self.of_stream(self.lm, layer, self.run(end=layer), self.arguments)

    def keeping(self, rows: Collection[Row]) -> "Replay":
        """The inputs where some rows begin, and no others: one stream a row, whatever the number of layers."""
        kept: dict[Row, Tensor] = {}
        here = self
        for layer in sorted({row.layer for row in rows}):
            here = here.moved_to(layer)
            kept |= {row: here.inputs[row].clone() for row in rows if row.layer == layer and row not in kept}
        return replace(self, inputs=kept)


def _by_row(streams: Sequence[Tensor]) -> dict[Row, Tensor]:
    return {Row(source, layer): x for layer, stream in enumerate(streams) for source, x in enumerate(stream.split(1))}


def read_logits(lm: LoadedModel, stream: Float[Tensor, "*read d_model"]) -> Float[Tensor, "*read vocab"]:
    """Next-token logits from outputs of the last layer."""
    with lm.lock, full_memory_told():
        return lm.modules.logits(stream)


def causal_inputs(lm: LoadedModel, n_tokens: int) -> dict[str, Any]:
    """Positions and mask of a batch of one, which serve any number of rows."""
    position = torch.arange(n_tokens)
    return {
        "position_ids": position[None].to(lm.device),
        "attention_mask": attention_mask(lm, position[:, None] >= position, position),
    }


def layer_arguments(lm: LoadedModel, n_tokens: int) -> list[Arguments]:
    """What each layer is called with besides the residual stream, for rows of so many tokens."""
    ids = torch.zeros(1, n_tokens, dtype=torch.long, device=lm.device)
    return list(Replay.capture(lm, ids, causal_inputs(lm, n_tokens), n_logits=1)[0].arguments)


def rows_that_fit(lm: LoadedModel, n_tokens: int, n_reads: int = 0, exact: bool = True) -> int:
    """How many rows run together comfortably.

    Args:
        lm: the model.
        n_tokens: of each row.
        n_reads: at how many positions of each row logits are read.
        exact: whether each row must come out as if it ran alone; 8-bit rows then do.
    """
    if exact and lm.precision == "int8":
        return 1
    rows = ROW_TOKENS[lm.device.type] // n_tokens
    return max(1, min(rows, _LOGITS // (n_reads * lm.n_vocab)) if n_reads else rows)
