"""The most important heads of each operation and number of digits, as in tables 24 to 27 of the CNA paper."""

import pandas as pd

from core.paper.tables import HEAD_COLUMNS


def top_heads(swept: pd.DataFrame, n: int = 5) -> pd.DataFrame:
    """The heads without which accuracy is lowest, by operation and number of digits.

    Ties are in order of layer and head. Groups that the model answers none of are left out: nothing can decrease.

    Args:
        swept: of `core.heads.accuracy.AccuracySweep.to_frame`.
        n: how many heads of each group.

    Returns:
        The columns of `core.paper.tables.top_heads`: operation, digits, rank (from 1), head ("17_22"), baseline,
        accuracy, decrease (relative).
    """
    known = swept[swept["baseline"] > 0].sort_values(["accuracy", "layer", "head"], kind="stable")
    groups = [rows.head(n) for _, rows in known.groupby(["operation", "digits"], sort=False)]
    if not groups:
        return pd.DataFrame(columns=HEAD_COLUMNS)
    best = pd.concat(groups, ignore_index=True)
    best["rank"] = best.groupby(["operation", "digits"]).cumcount() + 1
    best["head"] = best["layer"].astype(str) + "_" + best["head"].astype(str)
    order = {operation: at for at, operation in enumerate(dict.fromkeys(swept["operation"]))}
    return best[HEAD_COLUMNS].sort_values(
        ["operation", "digits", "rank"], key=lambda c: c.map(order) if c.name == "operation" else c, ignore_index=True
    )
