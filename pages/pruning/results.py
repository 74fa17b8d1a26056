"""Results of pruning: accuracy by the share kept, and the four columns of table 11."""

import pandas as pd
import streamlit as st

from core import paper
from core.lora.prune_study import PruneStudy
from core.lora.prune_train import Pruned, PrunedPair, four_columns
from core.lora.settings import About
from core.model.load import LoadedModel
from core.statistics.intervals import rate
from pages.pruning.charts import by_share, columns_beside
from pages.pruning.settings import FindSettings, TrainSettings
from pages.shared.adapters import note_skipped
from pages.shared.claims.badge import finding
from pages.shared.claims.estimates import share
from pages.shared.present import downloads
from pages.shared.theme import is_dark
from pages.shared.words import of_n, percent


def curve(lm: LoadedModel, study: PruneStudy, asked: FindSettings) -> None:
    """Accuracy against the share kept, found and random neurons."""
    points, most, found = study.curve.points, study.accuracy, study.found
    st.header("Accuracy by the share of neurons kept")
    st.altair_chart(by_share(points, is_dark(), most), alt="Accuracy by the share of deep neurons that is kept")
    mean = points.groupby(["share", "kept"])["accuracy"].mean().unstack()
    wide = (mean["CNA"] - mean["random"]).idxmax() if {"CNA", "random"} <= set(mean) else mean.index[-1]
    row = mean.loc[wide]
    union = len(found.by_cases(asked.n))
    sentence = (
        f"The union of the top {asked.n} of {found.measured:,} cases (answer tokens) is {union:,} of {found.n_deep:,} "
        f"neurons in layers {found.from_layer} and up. With {percent(float(wide))} of the deep neurons kept by CNA, "
        f"the model with the adapter answers {_with_n(float(row['CNA']), study.n_test)} test prompts correctly"
    )
    if "random" in row and row["random"] == row["random"]:
        sentence += f", with as many random neurons {percent(float(row['random']))}"
        sentence += ": here the lead of CNA is largest" if row["CNA"] > row["random"] else ": CNA leads at no share"
    sentence += f". The dashed line is the accuracy with every neuron, {of_n(most, study.n_test)}."
    finding(lm, "pruning", sentence, "prune curve")
    downloads("pruning-curve", lm, asked, points, lambda dark: by_share(points, dark, most))


def _with_n(accuracy: float, n: int) -> str:
    """An accuracy with its interval and the number of prompts."""
    return f"{share(rate(round(accuracy * n), n))} of {n:,}"


def _unfinished(about: About) -> str:
    """A sentence about a training that was stopped."""
    return "" if about.finished else f" (stopped after {about.steps:,} of {about.total:,} steps)"


def _reached(about: About, pruned: Pruned, random: Pruned | None) -> str:
    """What the trainings on kept and on random neurons reach, in words."""
    n = about.n_test["all"]
    lora, p = about.accuracy["all"], pruned.about.accuracy["all"]
    base = f"Before training, the pruned base model answers {of_n(pruned.about.base['all'], n)} test prompts correctly."
    where = f"With {len(pruned.kept)} neurons in layers {pruned.from_layer} and up"
    if not (pruned.about.finished and about.finished):
        return f"{where}, the adapter on layer {about.layer}{_unfinished(pruned.about)} is at {of_n(p, n)}. {base}"
    sentence = (
        f"{where}, the adapter on layer {about.layer} reaches {of_n(p, n)}, which is "
        f"{percent(p / lora if lora else float('nan'))} of what it reaches with every neuron "
        f"({percent(lora)})"
    )
    if random is not None:
        verb = "reaches" if random.about.finished else "is at"
        sentence += (
            f"; on as many random neurons it {verb} {percent(random.about.accuracy['all'])}{_unfinished(random.about)}"
        )
    return f"{sentence}. {base}"


def columns(lm: LoadedModel, about: About, pair: PrunedPair, settings: TrainSettings) -> None:
    """Table 11: the four columns as a chart, a sentence and a table by group."""
    pruned, random = pair.kept, pair.random
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
    finding(
        lm,
        "pruning",
        _reached(about, pruned, random)
        + (
            " *paper*: their numbers for Llama-7B, not measured here."
            if finished
            else " An unfinished training is not compared with the paper's."
        ),
        "prune columns",
    )
    note_skipped(dict(zip((f"LoRA{about.layer}{end}" for end in ("", "-p", "-r")), abouts, strict=False)))
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
        st.caption(":material/info: The training was stopped. Press **Train twice** to continue.")
    downloads("pruning-columns", lm, settings, frame, lambda dark: columns_beside(frame, dark))
