"""Does what the page says of pruning hold for other seeds? Table 11 of one model, seed by seed.

`python -m core.lora.report --series folder --out folder` takes the layer of the series' best
adapter; for every seed (of data split, start and order) it trains an adapter there, finds
the neurons to keep, and trains on them and on as many random ones. What is finished in
the folder is not trained again.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from core.errors import UserError
from core.lora.prune import find_to_keep
from core.lora.prune_train import pruned_folder, random_control, train_pruned
from core.lora.series import SHIPPED, Series, printed, read_series, train_series
from core.lora.settings import LoraSettings
from core.model.adapters import attach
from core.model.load import LoadedModel, load_model
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
        series: its adapters; layer and settings of the best one not above the deep layers are taken.
        folder: where trainings go.
        from_layer: the first deep layer.
        n: top n a case.
        share: at most this share of the deep neurons is kept.
        n_two_digit: so many two-digit training cases find the neurons; 0: every one-digit case.
        seeds: of everything drawn.
        progress: told after every step of each training.

    Returns:
        One row a seed: seed, layer, base, lora, kept (neurons), share, pruned_untrained,
        pruned, random (accuracies, shares of 1), retained (pruned / lora).

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
            lm, attach(lm, mine.place(best.layer)), from_layer, n, finding_cases(settings, n_two_digit), progress
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
            )
        )
    columns = ["seed", "layer", "base", "lora", "kept", "share", "pruned_untrained", "pruned", "random", "retained"]
    return pd.DataFrame(rows, columns=columns)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: prints the table and whether the aims are met."""
    parser = argparse.ArgumentParser(prog="python -m core.lora.report", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="bundled", help="bundled, a folder or a hub id")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--series", default=str(SHIPPED), help="folder that core.lora.series made")
    parser.add_argument("--out", required=True, help="folder of the trainings")
    parser.add_argument("--from-layer", type=int, help="the first deep layer; without: the upper three eighths")
    parser.add_argument("--n", type=int, default=TOP, help="top n neurons a case")
    parser.add_argument("--share", type=float, default=SHARE, help="of the deep neurons, at most")
    parser.add_argument("--two-digit", type=int, default=TWO_DIGIT, help="cases that find the neurons; 0: one-digit")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        lm = load_model(asked.model, asked.precision)
        deep = deep_from(lm) if asked.from_layer is None else asked.from_layer
        series = read_series(lm, asked.series)
        table = pruning_report(
            lm, series, asked.out, deep, asked.n, asked.share, asked.two_digit, asked.seeds, printed()
        )
    except UserError as error:
        sys.exit(str(error))
    print(table.round(3).to_string(index=False))
    worst = table[["retained", "lora"]].min()
    random = float((table["random"] / table["lora"]).max())
    print(f"adapter: {worst['lora']:.3f} or more (aim 0.85)")
    print(
        f"pruned: keeps {worst['retained']:.1%} or more (aim 90%) with {table['share'].max():.1%} of the neurons of "
        f"layers {deep} and up (aim 10%); random: {random:.1%} or less"
    )
    print(f"{time.monotonic() - begun:.0f} s")


def finding_cases(settings: LoraSettings, n_two_digit: int) -> list[Prompt] | None:
    """The first two-digit training cases of these settings; None, every one-digit case, for 0 of them."""
    train = negative_data(settings.n_train, settings.n_test, settings.seed).train
    return train[:n_two_digit] if n_two_digit else None


def deep_from(lm: LoadedModel) -> int:
    """Where deep layers begin when nothing is chosen: the upper three eighths (*choice*; the paper: 17 of 32)."""
    return lm.n_layers - max(1, 3 * lm.n_layers // 8)


if __name__ == "__main__":
    main()
