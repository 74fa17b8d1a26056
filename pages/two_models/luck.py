"""What is luck: the same figures of several seeds of the plain model, side by side."""

from collections.abc import Callable
from dataclasses import asdict

import pandas as pd
import streamlit as st

from core.errors import UserError
from core.findings.figures import Figure
from core.findings.seeds import Seed, Seeds, read_seeds
from core.model.provenance import FOLDERS
from pages.shared.claims.estimates import share
from pages.shared.present import download_menu
from pages.shared.theme import is_dark
from pages.shared.words import listed, plain
from pages.two_models.charts import seed_points

#: The figures that are drawn, of one-digit sums where they are of an operation.
FIGURES: dict[str, Callable[[Seed], Figure | None]] = {
    "lost without the top head, 1-digit +": lambda seed: _of_heads(seed, "decrease"),
    "top three heads' share of all decreases, 1-digit +": lambda seed: _of_heads(seed, "top_three_share"),
    "where heads matter, 1-digit + (0%: first layer, 100%: last)": lambda seed: _of_heads(seed, "depth"),
    "lost without the neurons of the top head (mask)": lambda seed: seed.mask,
    "lost with only these (keep)": lambda seed: seed.keep,
    "lost without shallow neurons, beyond random ones": lambda seed: seed.filter_excess,
    "late FFNs at the last position": lambda seed: seed.late_ffns,
}


def _of_heads(seed: Seed, what: str) -> Figure | None:
    heads = seed.heads_of("1-digit +")
    return None if heads is None else getattr(heads, what)


def luck() -> None:
    """Draws the seeds beside each other, as far as there are some."""
    st.header("What is luck?")
    try:
        found = read_seeds(FOLDERS["plain"])
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if found is None or len(found.seeds) < 2:
        st.info(
            "Only one training of the plain model was measured, so it is not known what another one would show.",
            icon=":material/casino:",
        )
        return
    frame = points(found)
    st.altair_chart(seed_points(frame, is_dark()), alt="Headline figures of each seed of the plain model")
    st.markdown(sentence(found))
    st.dataframe(table(found), hide_index=True)
    about = {"model": "bundled/plain", "settings": asdict(found.settings)}
    download_menu("two-models-seeds", about, frame, lambda dark: seed_points(frame, dark))


def points(found: Seeds) -> pd.DataFrame:
    """Columns: question, seed, value, low, high (NaN where there is none)."""
    rows = [
        (question, f"seed {seed.seed}", figure.value, figure.estimate.low, figure.estimate.high)
        for question, figure_of in FIGURES.items()
        for seed in found.seeds
        if (figure := figure_of(seed)) is not None
    ]
    return pd.DataFrame(rows, columns=["question", "seed", "value", "low", "high"])


def sentence(found: Seeds) -> str:
    """How far the seeds lie apart, and which heads they use."""
    spread = []
    for question, figure_of in FIGURES.items():
        figures = [figure for seed in found.seeds if (figure := figure_of(seed)) is not None]
        if len(figures) == len(found.seeds):
            least, most = (pick(figures, key=lambda figure: figure.value) for pick in (min, max))
            spread.append((most.value - least.value, question, least, most))
    heads = [f"{seed.sum_head} in seed {seed.seed}" for seed in found.seeds if seed.sum_head]
    told = f"{len(found.seeds)} trainings of the plain model differ in first weights and order of texts only."
    if spread:
        _, question, least, most = max(spread, key=lambda one: one[0])
        told += f" They lie furthest apart in *{question}*: from {share(least.estimate)} to {share(most.estimate)}."
    if heads:
        told += f" The head that the sum needs most is {listed(heads)}: which number a head has is luck."
    return told


def table(found: Seeds) -> pd.DataFrame:
    """One row per operation and digits, with each seed's top heads and how many matter."""
    prompts = list(dict.fromkeys(heads.prompts for seed in found.seeds for heads in seed.heads))
    rows = []
    for name in prompts:
        row = {"prompts": name}
        for seed in found.seeds:
            heads = seed.heads_of(name)
            cell = "not measured"
            if heads is not None:
                cell = f"{', '.join(heads.top)}; {share(heads.decrease.estimate, 2)}; {heads.matter} matter"
            row[f"seed {seed.seed}"] = cell
        rows.append(row)
    return pd.DataFrame(rows)
