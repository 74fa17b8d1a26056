"""What pruning showed: the curve, the four columns of table 11, and the export."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from core import paper
from core.jobs.job import Job
from core.lora.prune import DeepRankings
from core.lora.prune_train import Pruned, four_columns, pruned_folder, random_control, train_pruned
from core.lora.series import SHIPPED, Series, own_folder
from core.lora.settings import About
from core.model.load import LoadedModel
from core.progress import Progress
from core.types import Neuron
from pages.pruning.export import export_here
from pages.shared.lora.charts import by_share, columns_beside
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import downloads, told
from pages.shared.resources import board, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import of_n, percent

JOB = "pruned training job"


def curve(lm: LoadedModel, points: pd.DataFrame, most: float, n_test: int, found: DeepRankings, n: int) -> None:
    """Accuracy against the share kept, found and random neurons."""
    st.header("Accuracy by what is kept")
    st.altair_chart(by_share(points, is_dark(), most), alt="Accuracy by the share of deep neurons that is kept")
    mean = points.groupby(["share", "kept"])["accuracy"].mean().unstack()
    wide = (mean["CNA"] - mean["random"]).idxmax() if {"CNA", "random"} <= set(mean) else mean.index[-1]
    row = mean.loc[wide]
    union = len(found.by_cases(n))
    said = (
        f"The union of the top {n} of {found.measured} cases is {union} of {found.n_deep} "
        f"neurons in layers {found.from_layer} and up. With {percent(float(wide))} of them kept, "
        f"the adapter's model answers {of_n(float(row['CNA']), n_test)} test prompts right"
    )
    if "random" in row and row["random"] == row["random"]:
        said += f", with as many random ones {percent(float(row['random']))}"
        said += ": there CNA is furthest ahead" if row["CNA"] > row["random"] else ": CNA is ahead nowhere"
    st.markdown(said + f". Dashed: every neuron, {of_n(most, n_test)}.")
    settings = {"from_layer": found.from_layer, "n": n}
    downloads("pruning-curve", lm, settings, points, lambda dark: by_share(points, dark, most))


def chosen(lm: LoadedModel, series: Series, about: About, found: DeepRankings, n: int, share: float) -> None:
    """Training on one choice of neurons, table 11, and the export."""
    st.header("Train on what is kept")
    first, second = st.columns([3, 1], vertical_alignment="bottom")
    most = first.slider(
        "Share of the deep neurons to keep, at most", 0.01, 1.0, share, 0.01, format="percent", key="prune share"
    )
    kept = found.keep(n, most)
    if not kept:
        st.caption("That keeps nothing. Choose a larger share.")
        return
    off = locked()
    pressed = second.button(
        "Train twice",
        key="train pruned",
        type="primary",
        disabled=off,
        icon=":material/play_arrow:",
        help="An adapter on the kept neurons, and one on as many random ones.",
    )
    first.caption(
        f"{len(kept)} neurons, {percent(len(kept) / found.n_deep)} of the deep ones. Finished trainings are kept."
    )
    with told():
        key = ("pruned", *model_key(lm), about.layer, found.from_layer, tuple(kept), *asdict(about.settings).values())
        if pressed:
            check_allowed()
            st.session_state[JOB] = _start(lm, key, series, about, found.from_layer, kept)
        job = st.session_state.get(JOB)
        if job is None or job.key != key:
            st.caption("Press **Train twice** for the columns of table 11. That takes as long as two adapters.")
        else:
            wait_for(job)
            pair = outcome(job)
            if isinstance(pair, tuple):
                _columns(lm, about, *pair)
                export_here(lm, pair[0])
    with st.expander("Table 11 of the paper: Llama-7B"):
        theirs = paper.table(11)
        st.caption(f"{paper.SOURCE}. Their numbers. {theirs['title']}.")
        st.dataframe(pd.DataFrame(theirs["rows"], index=theirs["columns"]).T.map(lambda v: f"{v}%"))
        st.caption(theirs["note"])


def _start(lm: LoadedModel, key: tuple, series: Series, about: About, from_layer: int, kept: list[Neuron]) -> Job:
    home = own_folder(lm, about.settings) if series.folder == SHIPPED else series.folder
    random = random_control(lm, kept, about.settings.seed)

    def place(neurons: list[Neuron]) -> Path:
        shipped = pruned_folder(SHIPPED, neurons, from_layer, about.layer)
        return shipped if shipped.is_dir() else pruned_folder(home, neurons, from_layer, about.layer)

    def work(progress: Progress) -> tuple[Pruned, Pruned | None]:
        def part(number: int) -> Progress:
            return lambda step, total: progress(number * total + step, 2 * total)

        def train(number: int, what: str, neurons: list[Neuron]) -> Pruned:
            where = place(neurons)
            return train_pruned(lm, neurons, from_layer, about.layer, about.settings, where, what, part(number))

        pruned = train(0, "CNA", kept)
        return pruned, train(1, "random", random) if pruned.about.finished else None

    return board().submit(key, "Training adapters on what is kept", work, session_id())


def _unfinished(about: About) -> str:
    """What is said of a training that was stopped."""
    return "" if about.finished else f" (stopped after {about.steps:,} of {about.total:,} steps)"


def _reached(about: About, pruned: Pruned, random: Pruned | None) -> str:
    """What the trainings on kept and on random neurons reach, in words."""
    n = about.n_test["all"]
    lora, p = about.accuracy["all"], pruned.about.accuracy["all"]
    base = f"Before training, the pruned base answers {of_n(pruned.about.base['all'], n)} test prompts right."
    where = f"With {len(pruned.kept)} neurons in layers {pruned.from_layer} and up"
    if not (pruned.about.finished and about.finished):
        return f"{where}, the adapter on layer {about.layer}{_unfinished(pruned.about)} is at {of_n(p, n)}. {base}"
    said = (
        f"{where}, the adapter on layer {about.layer} reaches {of_n(p, n)}, which is "
        f"{percent(p / lora if lora else float('nan'))} of what it reaches with every neuron "
        f"({percent(lora)})"
    )
    if random is not None:
        verb = "reaches" if random.about.finished else "is at"
        said += (
            f"; on as many random neurons it {verb} {percent(random.about.accuracy['all'])}{_unfinished(random.about)}"
        )
    return f"{said}. {base}"


def _columns(lm: LoadedModel, about: About, pruned: Pruned, random: Pruned | None) -> None:
    ours = four_columns(about, pruned.about, random.about if random else None)
    abouts = [about, pruned.about, *([random.about] if random else [])]
    finished = random is not None and all(one.finished for one in abouts)
    names = [
        "base",
        *(
            f"{name}{_unfinished(one)}"
            for name, one in zip(("LoRA", "pruned, LoRA", "random, LoRA"), abouts, strict=False)
        ),
    ]
    rows = [(name, "here", value) for name, value in zip(names, ours["accuracy"], strict=True)]
    if finished:  # half a training says nothing beside a whole one
        theirs = paper.table(11)["rows"]["acc"]
        rows += [(name, "paper", value / 100) for name, value in zip(names, theirs, strict=True)]
    frame = pd.DataFrame(rows, columns=["column", "whose", "accuracy"])
    st.altair_chart(columns_beside(frame, is_dark()), width="content", alt="The four columns of table 11")
    st.markdown(
        _reached(about, pruned, random)
        + (
            " *paper*: Llama-7B, theirs, not measured here."
            if finished
            else " An unfinished training is not put beside the paper's."
        )
    )
    groups = pd.DataFrame(
        {
            "base": about.base,
            f"LoRA{about.layer}": about.accuracy,
            f"LoRA{about.layer}-p": pruned.about.accuracy,
            **({f"LoRA{about.layer}-r": random.about.accuracy} if random else {}),
        }
    )
    counts = about.n_test
    st.dataframe(groups.T.map(percent), column_config={g: f"{g} (of {counts[g]:,})" for g in groups.index})
    if not finished:
        st.caption(":material/info: The training was stopped. Press **Train twice** to go on.")
    downloads("pruning-columns", lm, asdict(about.settings), frame, lambda dark: columns_beside(frame, dark))
