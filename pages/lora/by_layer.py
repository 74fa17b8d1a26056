"""Figure 2: the accuracy with each layer's adapter, with the base as a line, and what the model forgets with it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.lora.beside import attach_each
from core.lora.forgetting import ARITHMETIC, TASKS, Forgetting, forgetting
from core.lora.series import Series
from core.model.load import LoadedModel
from core.paper.models import LLAMA, model_of
from core.paper.tables import SOURCE, table
from core.prompts.signed_arithmetic import GROUPS
from core.statistics.intervals import Estimate, rate
from pages.lora.charts import by_layer, learning
from pages.shared.adapters import note_skipped
from pages.shared.claims.badge import finding
from pages.shared.claims.estimates import share
from pages.shared.job_slot import job_slot
from pages.shared.papers import expander_title, not_ours
from pages.shared.present import downloads, told
from pages.shared.resources import adapter_digest
from pages.shared.theme import is_dark
from pages.shared.words import listed, of_n, percent, three_digits

ALL = "all"
SCORE, NEUTRAL = "forgetting", "plain sentences"


def show(lm: LoadedModel, series: Series) -> None:
    """Accuracy and forgetting by adapter layer, in a picture, a sentence and a table."""
    st.header("Accuracy by layer")
    frame = series.to_frame()
    groups = [group for group in (ALL, *GROUPS) if group in set(frame["group"])]
    group = str(
        st.segmented_control("Prompts", groups, default=ALL, key="lora_group", bind="query-params", required=True)
    )
    mine = frame[frame["group"] == group]
    lost = _forgotten(lm, series)
    drawn = _drawn(mine, lost)
    left, right = st.columns([3, 2])
    with left:
        st.altair_chart(by_layer(drawn, is_dark()), alt="Accuracy by the layer that carries the adapter")
    with right:
        _table(frame, groups, lost)
    finding(lm, "tuning", _sentence(mine, group, lost), "lora by layer")
    for about in series.adapters:
        if not about.finished:
            st.caption(
                f":material/info: Layer {about.layer} was stopped after {about.steps} of {about.total} steps: "
                "a cross in the chart, and not compared."
            )
    note_skipped({f"Layer {about.layer}": about for about in series.adapters})
    settings = asdict(series.adapters[0].settings)
    tables = [frame.assign(of="two-digit test prompts")]
    if lost is not None:
        tables.append(lost.to_frame().rename(columns={"task": "group"}).assign(of="forgetting"))
    downloads("lora-by-layer", lm, settings, pd.concat(tables), lambda dark: by_layer(drawn, dark))
    _how_trained(series, settings)
    _figure_2(lm)


def _figure_2(lm: LoadedModel) -> None:
    """What the paper prints of its figure 2: the base and layer 9 (table 11), and the text; the curve is a picture."""
    model, printed = model_of(lm), table(11)
    base, layer_9 = (printed["rows"]["acc"][printed["columns"].index(name)] for name in ("origin", "LoRA9"))
    with st.expander(expander_title(model, model == LLAMA)):
        not_ours(SOURCE, model, LLAMA)
        st.dataframe(
            pd.DataFrame({"adapter on layer": ["none", "9"], "accuracy": [f"{base}%", f"{layer_9}%"]}), hide_index=True
        )
        st.caption(
            "Figure 2 is the accuracy by layer. The paper prints its curve as a picture only; these two points are "
            "also in table 11."
        )
        st.caption(table(10)["note"])


def _forgotten(lm: LoadedModel, series: Series) -> Forgetting | None:
    """What each adapter makes the model forget, as far as it is measured."""
    folders: dict[int, Path] = {about.layer: series.place(about.layer) for about in series.adapters}
    with told():
        found = job_slot(
            lm,
            "lora forgetting",
            tuple((layer, adapter_digest(folder)) for layer, folder in folders.items()),
            "Measuring what the model forgets with each adapter",
            lambda progress: forgetting(lm, attach_each(lm, folders), progress),
            "",
            start="auto",
        )
        return None if found is None else found.result
    return None


def _drawn(mine: pd.DataFrame, lost: Forgetting | None) -> pd.DataFrame:
    """The chart's rows: layer, asked, accuracy, base, n, steps; what was trained, and what was not."""
    steps = mine.set_index("layer").apply(lambda row: f"{row['steps']:,} of {row['total']:,}", axis=1)
    trained = mine.assign(asked="trained on: 2-digit")
    rows = [trained[["layer", "asked", "accuracy", "base", "n", "finished"]]]
    if lost is not None:
        other = lost.to_frame()
        other = other[other["task"].isin(lost.known)]
        done = mine.set_index("layer")["finished"]
        other = other.assign(asked="not trained on: " + other["task"], finished=other["layer"].map(done))
        rows.append(other[["layer", "asked", "accuracy", "base", "n", "finished"]])
    out = pd.concat(rows, ignore_index=True)
    return out.assign(steps=out["layer"].map(steps))


def _sentence(mine: pd.DataFrame, group: str, lost: Forgetting | None) -> str:
    done = mine[mine["finished"]]
    n, base = int(mine["n"].iloc[0]), float(mine["base"].iloc[0])
    what = "test prompts" if group == ALL else f"{group} prompts"
    told = [f"Without an adapter the model answers {of_n(base, n)} {what} right."]
    if done.empty:
        return " ".join([*told, "No training has run to its end, so no layer is called the best."])
    best, worst = done.loc[done["accuracy"].idxmax()], done.loc[done["accuracy"].idxmin()]
    reached, how = float(best["accuracy"]), "brings that to"
    if reached <= base:
        how = "leaves it at" if reached == base else "lowers that least, to"
    told.append(
        f"An adapter on layer **{best['layer']}** {how} **{share(_interval(best))}**, the highest on the task it is "
        "trained on"
        + (f", {_but(lost, int(best['layer']))}." if lost is not None and best["layer"] in lost.adapted else ".")
    )
    if len(done) > 1:
        better = int((done["accuracy"] > base).sum())
        told.append(_as_high(done, best))
        told.append(
            f"One on layer {worst['layer']} reaches {percent(float(worst['accuracy']))}, the least. "
            f"{better} of {len(done)} are above the base."
        )
    if lost is not None and lost.known and len(some := [n for n in done["layer"] if n in lost.adapted]) > 1:
        least = min(some, key=lost.score)
        told.append(f"The one on layer {least} forgets least: {percent(lost.score(least))} of what the base knew.")
    return " ".join(told)


def _interval(row: pd.Series) -> Estimate:
    """An accuracy with its interval."""
    n = int(row["n"])
    return rate(round(float(row["accuracy"]) * n), n)


def _as_high(done: pd.DataFrame, best: pd.Series) -> str:
    """Which other layers could be the best one too, as far as the 95% intervals tell."""
    least = _interval(best).low
    others = [row for _, row in done.iterrows() if row["layer"] != best["layer"]]
    near = [str(row["layer"]) for row in others if _interval(row).high >= least]
    if not near:
        return "The 95% intervals of all other layers lie below."
    layers = f"layer{'s' * (len(near) > 1)} {listed(near)}"
    return f"Its 95% interval overlaps with that of {layers}, so these prompts cannot tell which is best."


def _but(lost: Forgetting, layer: int) -> str:
    """What an adapter makes the model forget, as a clause."""
    if not lost.known:
        return "and the base knows none of the other tasks, so nothing is forgotten"
    there = lost.adapted[layer]
    worse = [
        f"{task} from {percent(lost.base.accuracy[task])} to {of_n(there.accuracy[task], lost.counts[task])}"
        for task in lost.known
        if there.accuracy[task] < lost.base.accuracy[task]
    ]
    if not worse:
        return f"and {listed([task for task in lost.known])} stay as they were"
    return f"**but it forgets** (by {percent(lost.score(layer))}): accuracy falls in {listed(worse)}"


def _table(frame: pd.DataFrame, groups: list[str], lost: Forgetting | None) -> None:
    wide = frame.pivot(index="layer", columns="group", values="accuracy")[groups]
    base = frame.drop_duplicates("group").set_index("group")["base"][groups].rename("none")
    table = pd.concat([base.to_frame().T, wide])
    counts = frame.drop_duplicates("group").set_index("group")["n"]
    columns: dict[str, Any] = {g: _percent(f"{g} (of {counts[g]:,})") for g in groups}
    if lost is not None:
        for task in TASKS:
            shares: dict[Any, float] = {n: there.accuracy[task] for n, there in lost.adapted.items()}
            table[task] = pd.Series({"none": lost.base.accuracy[task]} | shares)
            columns[task] = _percent(f"{task} (of {lost.counts[task]:,})")
        table[SCORE] = pd.Series({n: lost.score(n) for n in lost.adapted})
        columns[SCORE] = _percent("forgetting", "Relative decrease of the three to the left, on average.")
        nats: dict[Any, float] = {n: there.neutral for n, there in lost.adapted.items()}
        table[NEUTRAL] = pd.Series({"none": lost.base.neutral} | nats)
        columns[NEUTRAL] = st.column_config.NumberColumn("plain sentences (nats a token)", format="%.3g")
        first = [ALL, SCORE, *TASKS, NEUTRAL] if ALL in groups else [SCORE, *TASKS, NEUTRAL]
        table = table[[*first, *(g for g in groups if g != ALL)]]
    table.index = pd.Index(["none" if n == "none" else f"layer {n}" for n in table.index])
    st.dataframe(table, column_config=columns)
    st.caption(
        "Test prompts are held out of training, the tasks behind them are not trained on at all; greedy exact "
        "match of the whole answer, which no digit may follow."
    )
    if lost is not None:
        parts = f"{three_digits(lost.base.neutral)} nats" if lost.base.neutral == lost.base.neutral else "–"
        st.caption(
            f"{ARITHMETIC}: every case without a negative result. Plain sentences: log-probability of a token, "
            f"{parts} without an adapter."
            + (f" {len(lost.left_out)} texts that the model cannot take are left out." if lost.left_out else "")
        )


def _how_trained(series: Series, settings: dict[str, Any]) -> None:
    with st.expander("How each was trained"):
        layer = st.selectbox("Layer", [about.layer for about in series.adapters], key="lora_curve", bind="query-params")
        about = next(about for about in series.adapters if about.layer == layer)
        if about.curve:
            st.altair_chart(learning(about.curve_frame(), is_dark()), width="content")
        else:
            st.caption("It was stopped before the first measurement.")
        hyper = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
        st.caption(
            f"{hyper}. Accuracy here is that of {about.settings.n_validation:,} validation prompts, taken from the "
            "training prompts, by which the best state of the adapter is chosen."
        )


def _percent(label: str, about: str | None = None) -> Any:
    return st.column_config.NumberColumn(label, format="percent", help=about)
