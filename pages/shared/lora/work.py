"""What the LoRA page computes for a prompt and for a set, as jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.forward.generate import continue_greedily
from core.lora.coefficients import CoefficientIncrease, Coefficients, coefficient_increase, coefficients_with
from core.lora.forgetting import Forgetting, forgetting
from core.model.adapter_files import AdapterFolder
from core.model.adapters import attach
from core.model.load import LoadedModel
from core.neurons.compare import compare_models
from core.neurons.comparison import Comparison
from core.progress import Progress
from core.prompts.arithmetic import make_prompts
from core.vocabulary.neuron_tokens import top_tokens

N_TOKENS = 6
N_ANSWER = 8  # tokens of an answer


@dataclass(frozen=True)
class OnePrompt:
    """One prompt in the base model and with adapters.

    `tokens` are the top tokens of every neuron named in the tables, by the sign of its
    coefficient where it is largest.
    """

    coefficients: Coefficients
    less: Comparison
    more: Comparison
    tokens: dict[tuple[int, int], list[str]]


def one_prompt(
    lm: LoadedModel, adapters: Mapping[str, Path], chosen: str, prompt: str, k: int, progress: Progress
) -> OnePrompt:
    """Coefficients of the important neurons in every model, and the neurons that the chosen adapter changed most."""
    total = len(adapters) + 3
    others = {}
    for name, folder in adapters.items():
        others[name] = attach(lm, folder)
        progress(len(others), total)
    coefficients = coefficients_with(lm, others, prompt, k)
    progress(total - 2, total)
    target = coefficients.target
    less = compare_models(lm, others[chosen], prompt, k, target)
    more = compare_models(others[chosen], lm, prompt, k, target)
    progress(total - 1, total)
    signs = {pair: float(value) for pair, value in zip(coefficients.neurons, coefficients.base, strict=True)}
    for found in (less, more):
        for pair, one, two in zip(found.pairs, found.coefficient_first, found.coefficient_second, strict=True):
            signs.setdefault(pair, float(one if abs(one) > abs(two) else two))
    tokens = {(layer, n): top_tokens(lm, layer, n, sign or 1.0, N_TOKENS) for (layer, n), sign in signs.items()}
    progress(total, total)
    return OnePrompt(coefficients, less, more, tokens)


def answers(lm: LoadedModel, adapters: Mapping[str, Path], prompts: Sequence[str], progress: Progress) -> pd.DataFrame:
    """Greedy answers without and with each adapter, a row a prompt."""
    columns: dict[str, list[str]] = {"prompt": list(prompts)}
    total = (1 + len(adapters)) * len(prompts)
    done = 0
    for name, folder in [("without an adapter", None), *adapters.items()]:
        model = lm if folder is None else attach(lm, folder)
        columns[name] = []
        for prompt in prompts:
            columns[name].append(lm.decode([i for i in continue_greedily(model, prompt, N_ANSWER) if i not in lm.ends]))
            progress(done := done + 1, total)
    return pd.DataFrame(columns)


def increase(lm: LoadedModel, adapters: Mapping[int, Path], count: int, progress: Progress) -> CoefficientIncrease:
    """Coefficient increase over one-digit prompts of each operation."""
    prompts = [p.text for p in make_prompts(digits=[1], count=count)]
    return coefficient_increase(
        lm, {layer: attach(lm, folder) for layer, folder in adapters.items()}, prompts, progress=progress
    )


def what_is_forgotten(lm: LoadedModel, adapters: Mapping[int, Path], progress: Progress) -> Forgetting:
    """What each adapter of a series makes the model forget."""
    return forgetting(lm, {layer: attach(lm, folder) for layer, folder in adapters.items()}, progress)


def digest(folder: Path) -> str:
    """What names an adapter in the key of a result."""
    return AdapterFolder.read(folder).digest()
