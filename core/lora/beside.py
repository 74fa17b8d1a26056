"""A base model beside its adapters: the neurons of one prompt, and greedy answers to several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from core.errors import UserError
from core.forward.answers import BOTH
from core.forward.generate import continue_greedily
from core.lora.coefficients import CoefficientIncrease, Coefficients, coefficient_increase, coefficients_with
from core.model.adapters import AdaptedModel, attach
from core.model.load import LoadedModel
from core.neurons.compare import compare_models
from core.neurons.comparison import Comparison
from core.progress import Progress, silent
from core.prompts.arithmetic import make_prompts
from core.types import Neuron, PromptLike
from core.vocabulary.neuron_tokens import tokens_of

N_TOKENS = 6
N_ANSWER = 8  # tokens of an answer
BASE = "without an adapter"

Name = TypeVar("Name", str, int)


def attach_each(lm: LoadedModel, folders: Mapping[Name, Path], progress: Progress = silent) -> dict[Name, AdaptedModel]:
    """Attaches each adapter to a model of its own; all share the base weights.

    Raises:
        UserError: for a folder that is not an adapter of this model.
    """
    found: dict[Name, AdaptedModel] = {}
    for name, folder in folders.items():
        found[name] = attach(lm, folder)
        progress(len(found), len(folders))
    return found


@dataclass(frozen=True)
class PromptBeside:
    """One prompt in the base model and with adapters.

    Attributes:
        coefficients: of the base run's most important neurons, in every model.
        less: neurons whose importance falls with the chosen adapter; `first` is the base.
        more: those whose importance rises; `first` is the model with the adapter.
        signs: for each neuron of the three, a coefficient: in the base run where it is important there, else the larger
            one of the two runs.
        tokens: for each of them, the tokens that it promotes with that sign.
    """

    coefficients: Coefficients
    less: Comparison
    more: Comparison
    signs: dict[Neuron, float]
    tokens: dict[Neuron, list[str]]

    @property
    def rises(self) -> dict[str, float]:
        """Increase of the coefficients taken together, each by its sign in the base run, for each adapter."""
        base = self.coefficients.base
        shares = (self.coefficients.others * base.sign()).sum(1) / base.abs().sum() - 1
        return dict(zip(self.coefficients.models, shares.tolist(), strict=True))


def beside(
    lm: LoadedModel,
    folders: Mapping[str, Path],
    chosen: str,
    prompt: PromptLike,
    k: int = 10,
    progress: Progress = silent,
) -> PromptBeside:
    """Coefficients of the important neurons in every model, and the neurons that the chosen adapter changed most.

    Args:
        lm: the base model.
        folders: adapters by name.
        chosen: the name of the adapter that is compared neuron by neuron.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids` in the base model.
        k: how many neurons of each list.
        progress: told after every model.

    Raises:
        UserError: for a prompt, k or adapter that the model cannot take.
    """
    if chosen not in folders:
        raise UserError(f"There is no adapter {chosen!r}. Choose one of {', '.join(folders)}.")
    total = len(folders) + 3
    others = attach_each(lm, folders, lambda done, _: progress(done, total))
    coefficients = coefficients_with(lm, others, prompt, k)
    progress(total - 2, total)
    target = coefficients.target
    ids = lm.prompt_ids(prompt)  # of the base model in both directions
    less = compare_models(lm, others[chosen], ids, k, target)
    more = compare_models(others[chosen], lm, ids, k, target)
    progress(total - 1, total)
    signs = dict(zip(coefficients.neurons, coefficients.base.tolist(), strict=True))
    for found in (less, more):
        both = zip(found.coefficient_first.tolist(), found.coefficient_second.tolist(), strict=True)
        for pair, (one, two) in zip(found.pairs, both, strict=True):
            signs.setdefault(pair, one if abs(one) > abs(two) else two)
    promoted = tokens_of(lm, list(signs), [sign or 1.0 for sign in signs.values()], N_TOKENS)
    tokens = dict(zip(signs, promoted, strict=True))
    progress(total, total)
    return PromptBeside(coefficients, less, more, signs, tokens)


def check_answerable(lm: LoadedModel, prompts: Sequence[str]) -> None:
    """Raises `UserError` for a prompt that leaves no room for an answer."""
    for prompt in prompts:
        lm.check_length(len(lm.encode(prompt)) + N_ANSWER, BOTH)


def answers_beside(
    lm: LoadedModel, folders: Mapping[str, Path], prompts: Sequence[str], progress: Progress = silent
) -> pd.DataFrame:
    """Greedy answers, one row per prompt: prompt, "without an adapter", and a column per adapter.

    Raises:
        UserError: for prompts or adapters that the model cannot take.
    """
    check_answerable(lm, prompts)
    columns: dict[str, list[str]] = {"prompt": list(prompts)}
    total, done = (1 + len(folders)) * len(prompts), 0
    for name, folder in [(BASE, None), *folders.items()]:
        model = lm if folder is None else attach(lm, folder)
        columns[name] = []
        for prompt in prompts:
            columns[name].append(lm.decode([i for i in continue_greedily(model, prompt, N_ANSWER) if i not in lm.ends]))
            progress(done := done + 1, total)
    return pd.DataFrame(columns)


def increase_over(
    lm: LoadedModel, folders: Mapping[int, Path], count: int, progress: Progress = silent
) -> CoefficientIncrease:
    """Coefficient increase with each layer's adapter, over `count` one-digit prompts of each operation.

    Raises:
        UserError: for a count below 1, or adapters that the model cannot take.
    """
    prompts = [prompt.text for prompt in make_prompts(digits=[1], count=count)]
    return coefficient_increase(lm, attach_each(lm, folders), prompts, progress=progress)
