"""Maximally activating prompts: those of a set on which a neuron's coefficient is largest.

The coefficient of one neuron, at the last position and where it is largest in the prompt.
Large says that the keys match there; what the neuron then does to the answer is its
importance (`core.neurons.importance`).
"""

from collections.abc import Sequence
from contextlib import suppress

import pandas as pd
import torch
from torch import Tensor

from core.errors import UserError
from core.forward.prefix_tree import trees_for
from core.forward.scoring import answer_ids
from core.hooks import check_neuron, own_hooks
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import make_prompts
from core.types import PromptLike


@torch.no_grad()
def activating_prompts(
    lm: LoadedModel, prompts: Sequence[PromptLike], layer: int, neuron: int, progress: Progress = silent
) -> pd.DataFrame:
    """The coefficient of a neuron on every prompt, largest magnitude at the last position first.

    Args:
        lm: the model.
        prompts: texts or token ids, read as of `LoadedModel.prompt_ids`.
        layer: of the neuron.
        neuron: its index.
        progress: told after every pass; when it raises `Stopped`, the prompts so far are returned.

    Returns:
        A frame with columns prompt, coefficient (at the last position), largest (the one of
        largest magnitude at any position; the beginning-of-sequence token, which is the same
        in every prompt, is left out), position and token of it. Equal ones in the order given.

    Raises:
        UserError: for no prompts, one the model cannot take, or a neuron that does not exist.
    """
    check_neuron(lm, layer, neuron)
    if not prompts:
        raise UserError("There is no prompt to run. Type one such as 3+5=")
    sequences = answer_ids(lm, prompts)
    trees = trees_for(lm, sequences)
    seen: list[Tensor] = []  # of the tree that runs now: (node)

    def note(value: Tensor) -> None:
        seen.append(value[0, :, neuron].float().cpu())

    rows = []
    with suppress(Stopped), own_hooks(before=[(lm.modules.neuron_output(layer), note)]):
        for number, tree in enumerate(trees):
            inputs = tree.inputs(lm)
            lm.run(inputs.pop("input_ids"), **inputs)
            nodes = seen.pop()
            for index, path in zip(tree.members, tree.paths, strict=True):
                rows.append((index, *_summary(lm, sequences[index], nodes[path])))
            progress(number + 1, len(trees))
    rows.sort(key=lambda row: (-abs(row[1]), row[0]))
    frame = pd.DataFrame(rows, columns=["prompt", "coefficient", "largest", "position", "token"])
    return frame.assign(prompt=[lm.prompt_text(prompts[row[0]]) for row in rows])


def activating_arithmetic(
    lm: LoadedModel, layer: int, neuron: int, count: int = 30, progress: Progress = silent
) -> pd.DataFrame:
    """`activating_prompts` over one-digit and two-digit arithmetic; prompts that the model cannot read are left out.

    Args:
        lm: the model.
        layer: of the neuron.
        neuron: its index.
        count: prompts of each operation and number of digits.
        progress: as there.

    Raises:
        UserError: for a neuron that does not exist, or a model that can read none of the prompts.
    """
    check_neuron(lm, layer, neuron)
    readable = []
    for prompt in make_prompts(digits=[1, 2], count=count):
        with suppress(UserError):  # a word or sign that this model does not know
            lm.encode(prompt.text)
            readable.append(prompt.text)
    if not readable:
        raise UserError("This model can read none of the arithmetic prompts.")
    return activating_prompts(lm, readable, layer, neuron, progress)


def _summary(lm: LoadedModel, ids: list[int], coefficients: Tensor) -> tuple[float, float, int, str]:
    begin = 1 if len(ids) > 1 and ids[0] == lm.tokenizer.bos_token_id else 0
    at = begin + int(coefficients[begin:].abs().argmax())
    return float(coefficients[-1]), float(coefficients[at]), at, lm.token(ids[at])
