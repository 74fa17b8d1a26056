"""Table 11 of the CNA paper for one model, over several seeds: base, LoRA, pruned and randomly pruned.

`python -m core lora-report --series folder --out folder` takes the layer of the series' best
adapter; for every seed (of data split, initial weights and order) it trains an adapter there,
finds the neurons to keep, and trains on them and on as many random ones. What is finished in
the folder is not trained again.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from core.lora.prune import find_to_keep
from core.lora.prune_train import pruned_folder, random_control, train_pruned
from core.lora.series import Series, train_series
from core.lora.settings import LoraSettings
from core.model.adapters import attach
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.arithmetic import Prompt
from core.prompts.signed_arithmetic import negative_data

TOP, SHARE, TWO_DIGIT = 20, 0.1, 800


def pruning_report(
    lm: LoadedModel,
    series: Series,
    folder: str | Path,
    from_layer: int,
    n: int = TOP,
    share: float = SHARE,
    n_two_digit: int = TWO_DIGIT,
    seeds: Sequence[int] = (0, 1, 2),
    progress: Progress = silent,
) -> pd.DataFrame:
    """Base, LoRA, pruned and randomly pruned, with LoRA trained on each.

    Args:
        lm: the base model.
        series: its adapters; the layer and settings are those of the best one at or below the first deep layer.
        folder: where trainings go.
        from_layer: the first deep layer.
        n: top n per case, an answer token.
        share: at most this share of the deep neurons is kept.
        n_two_digit: how many two-digit training prompts find the neurons; 0: every one-digit prompt.
        seeds: of everything drawn.
        progress: called after every step of each training.

    Returns:
        One row per seed: seed, layer, base, lora, kept (neurons), share, pruned_untrained,
        pruned, random (accuracies, 0 to 1), retained (pruned / lora), skipped (steps of the three trainings that
        were skipped).

    Raises:
        UserError: when the series has no adapter, or for layers and numbers that do not exist.
    """
    best = series.best(from_layer)
    rows = []
    for seed in seeds:
        settings = replace(best.settings, seed=seed)
        mine = (
            series
            if seed == best.settings.seed
            else train_series(lm, Path(folder) / f"seed_{seed}", settings, [best.layer], progress)
        )
        lora = next(about for about in mine.adapters if about.layer == best.layer)
        found = find_to_keep(
            lm, attach(lm, mine.place(best.layer)), from_layer, n, finding_prompts(settings, n_two_digit), progress
        )
        kept = found.keep(n, share)
        pruned, random = (
            train_pruned(
                lm,
                neurons,
                from_layer,
                best.layer,
                settings,
                pruned_folder(Path(folder) / f"seed_{seed}", neurons, from_layer, best.layer),
                what,
                progress,
            ).about
            for what, neurons in (("CNA", kept), ("random", random_control(lm, kept, seed)))
        )
        rows.append(
            (
                seed,
                best.layer,
                lora.base["all"],
                lora.accuracy["all"],
                len(kept),
                len(kept) / found.n_deep,
                pruned.base["all"],
                pruned.accuracy["all"],
                random.accuracy["all"],
                pruned.accuracy["all"] / lora.accuracy["all"] if lora.accuracy["all"] else float("nan"),
                lora.skipped + pruned.skipped + random.skipped,
            )
        )
    columns = "seed layer base lora kept share pruned_untrained pruned random retained skipped".split()
    return pd.DataFrame(rows, columns=columns)


def finding_prompts(settings: LoraSettings, n_two_digit: int) -> list[Prompt] | None:
    """The first two-digit training prompts of these settings; None, every one-digit prompt, for 0 of them."""
    train = negative_data(settings.n_train, settings.n_test, settings.seed).train
    return train[:n_two_digit] if n_two_digit else None


def deep_from(lm: LoadedModel) -> int:
    """Where deep layers begin when nothing is chosen: the upper three eighths (*choice*; the paper: 17 of 32)."""
    return lm.n_layers - max(1, 3 * lm.n_layers // 8)
