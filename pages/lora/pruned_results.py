"""What pruning showed: the curve, the four columns of table 11, and the export."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from core import paper
from core.jobs import Job
from core.lora_series import SHIPPED, Series, own_folder
from core.lora_settings import About
from core.model import LoadedModel
from core.neuron_sets import Neuron
from core.progress import Progress
from core.pruned_training import Pruned, four_columns, pruned_folder, random_control, train_pruned
from core.pruning import Found
from pages.lora.charts import by_share, columns_beside
from pages.lora.export_here import export_here
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import downloads, told
from pages.shared.resources import board, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import percent

JOB = "pruned training job"


def curve(lm: LoadedModel, points: pd.DataFrame, most: float, found: Found, n: int) -> None:
    """Accuracy against the share kept, found and random neurons."""
    st.header("Accuracy by what is kept")
    st.altair_chart(by_share(points, is_dark(), most), alt="Accuracy by the share of deep neurons that is kept")
    mean = points.groupby(["share", "kept"])["accuracy"].mean().unstack()
    wide = (mean["CNA"] - mean["random"]).idxmax() if {"CNA", "random"} <= set(mean) else mean.index[-1]
    row = mean.loc[wide]
    union = len(found.by_cases(n))
    said = (f"The union of the top {n} of {found.measured} cases is {union} of {found.n_deep} "
            f"neurons in layers {found.from_layer} and up. With {percent(float(wide))} of them kept, "
            f"the adapter's model answers {percent(float(row['CNA']))} right")  # fmt: skip
    if "random" in row and row["random"] == row["random"]:
        said += f", with as many random ones {percent(float(row['random']))}: there the two are furthest apart"
    st.markdown(said + f". Dashed: every neuron, {percent(most)}.")
    settings = {"from_layer": found.from_layer, "n": n}
    downloads("pruning-curve", lm, settings, points, lambda dark: by_share(points, dark, most))


def chosen(lm: LoadedModel, series: Series, about: About, found: Found, n: int, share: float) -> None:
    """Training on one choice of neurons, table 11, and the export."""
    st.header("Train on what is kept")
    first, second = st.columns([3, 1], vertical_alignment="bottom")
    most = first.slider("Share of the deep neurons to keep, at most", 0.01, 1.0, share, 0.01, format="percent",
                        key="prune share")  # fmt: skip
    kept = found.keep(n, most)
    if not kept:
        st.caption("That keeps nothing. Choose a larger share.")
        return
    off = locked()
    pressed = second.button("Train twice", key="train pruned", type="primary", disabled=off,
                            icon=":material/play_arrow:",
                            help="An adapter on the kept neurons, and one on as many random ones.")  # fmt: skip
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


def _columns(lm: LoadedModel, about: About, pruned: Pruned, random: Pruned | None) -> None:
    ours = four_columns(about, pruned.about, random.about if random else None)
    theirs = paper.table(11)
    names = ["base", "LoRA", "pruned, LoRA", "random, LoRA"]
    rows = [(name, "here", value) for name, value in zip(names, ours["accuracy"], strict=False)]
    rows += [(name, "paper", value / 100) for name, value in zip(names, theirs["rows"]["acc"], strict=True)]
    frame = pd.DataFrame(rows, columns=["column", "whose", "accuracy"])
    st.altair_chart(columns_beside(frame, is_dark()), width="content", alt="The four columns of table 11")
    lora, p = about.accuracy["all"], pruned.about.accuracy["all"]
    retained = percent(p / lora if lora else float("nan"))
    said = (f"With {len(pruned.kept)} neurons in layers {pruned.from_layer} and up, the adapter on layer {about.layer} "
            f"reaches {percent(p)}, which is {retained} of the {percent(lora)} with every neuron")  # fmt: skip
    if random is not None:
        said += f"; on as many random neurons it reaches {percent(random.about.accuracy['all'])}"
    st.markdown(said + f". Before training, the pruned base answers {percent(pruned.about.base['all'])} right. "
                "*paper*: Llama-7B, theirs, not measured here.")  # fmt: skip
    groups = pd.DataFrame({
        "base": about.base, f"LoRA{about.layer}": about.accuracy, f"LoRA{about.layer}-p": pruned.about.accuracy,
        **({f"LoRA{about.layer}-r": random.about.accuracy} if random else {}),
    })  # fmt: skip
    st.dataframe(groups.T.map(percent))
    if random is None:
        st.caption(":material/info: The training was stopped. Press **Train twice** to go on.")
    downloads("pruning-columns", lm, asdict(about.settings), frame, lambda dark: columns_beside(frame, dark))
