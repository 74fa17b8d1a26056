"""What the paper's notebook prints for "3+5=", beside the same of this page where the loaded model is Llama-7B."""

from typing import Any

import pandas as pd
import streamlit as st

from core.chain.case import LogicCase
from core.chain.head_paths import HeadPaths
from core.model.load import LoadedModel
from core.paper import notebook
from core.paper.models import LLAMA, model_of
from pages.shared.papers import expander_title, not_ours
from pages.shared.present import short_number
from pages.shared.words import head_name

COMPARED = ("change", "importance_first", "importance_second", "coefficient_first", "coefficient_second")
WEIGHTS = ("weight", "weight_up", "weight_gate")


def is_the_notebooks(lm: LoadedModel, case: LogicCase) -> bool:
    """Whether the page shows what the notebook looks at: its model, prompt and head."""
    return model_of(lm) == LLAMA and case.prompt.strip() == notebook.PROMPT and case.heads == [notebook.HEAD]


def notebook_neurons(lm: LoadedModel, case: LogicCase) -> None:
    """The notebook's ten neurons (cell 7), with our values of the same neurons."""
    same = is_the_notebooks(lm, case)
    with st.expander(_title(lm)):
        not_ours(notebook.SOURCE, model_of(lm), LLAMA)
        theirs = notebook.neurons_frame()
        shown = beside_neurons(theirs, case) if same else theirs
        st.dataframe(shown, hide_index=True, column_config=_numbers(shown))
        st.caption(
            "first: with all heads, second: without head 17_22. change and importance in nats."
            + (" Ours is empty where a neuron is not on the list above." if same else "")
        )


def beside_neurons(theirs: pd.DataFrame, case: LogicCase) -> pd.DataFrame:
    """The notebook's numbers, each followed by ours."""
    ours = case.neurons.to_frame()
    ours.index = pd.Index([head_name(*pair) for pair in case.neurons.pairs])
    found = ours.reindex(theirs["neuron"])
    columns: dict[str, pd.Series] = {"neuron": theirs["neuron"]}
    for name in COMPARED:
        columns[name] = theirs[name]
        columns[f"{name}, here"] = pd.Series(found[name].to_list())
    return pd.DataFrame({**columns, "tokens": theirs["tokens"]})


def notebook_route(lm: LoadedModel, case: LogicCase, paths: HeadPaths) -> None:
    """Cells 9 to 12: positions, heads of layer 17, earlier outputs, and the origins of attention layer 15."""
    same = is_the_notebooks(lm, case) and (paths.head, paths.neuron) == (notebook.HEAD, notebook.NEURON)
    last = len(notebook.tokens()) - 1
    through = notebook.origin_layer()
    with st.expander(_title(lm)):
        not_ours(notebook.SOURCE, model_of(lm), LLAMA)
        st.markdown(
            f"What reaches neuron {head_name(*notebook.NEURON)} through head {head_name(*notebook.HEAD)}, looked at "
            f"from the last position ({last})."
        )
        if same and paths.at != last:
            st.caption(f"Ours stands beside when you look closer at position {last}.")
        ours = route_beside(paths) if same and paths.at == last else [None] * 4
        titles = (
            f"From each position, all heads of layer {notebook.HEAD[0]} (cell 9)",
            f"Heads of layer {notebook.HEAD[0]} from position {last} (cell 10)",
            f"What was written at position {last}, by the up key (cell 11, the first ten)",
            f"From where attention layer {through} brought it to position {last} (cell 12)",
        )
        frames = (
            notebook.positions_frame(),
            notebook.layer_heads_frame(),
            notebook.sources_frame(),
            notebook.origins_frame(),
        )
        for title, theirs, mine in zip(titles, frames, ours, strict=True):
            st.caption(title)
            shown = theirs if mine is None else with_ours(theirs, mine)
            st.dataframe(shown, hide_index=True, height=220, column_config=_numbers(shown))


def route_beside(paths: HeadPaths) -> list[pd.DataFrame]:
    """Our tables with the notebook's row names: position, head, source, position."""
    return [
        paths.layer_frame(),
        paths.heads_frame(paths.at),
        paths.sources_frame(),
        paths.origins_frame(notebook.origin_layer()),
    ]


def with_ours(theirs: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """The notebook's rows, each with our weights in columns "... , here"; rows are joined by their first column."""
    name = theirs.columns[0]
    mine = ours.set_index(name)[list(WEIGHTS)].reindex(theirs[name]).reset_index(drop=True)
    return pd.concat([theirs, mine.add_suffix(", here")], axis=1)


def notebook_shallow(lm: LoadedModel) -> None:
    """Cells 13 to 16: the two shallow neurons that reach neuron 19_5769, as in table 7."""
    with st.expander(_title(lm)):
        not_ours(notebook.SOURCE, model_of(lm), LLAMA)
        shown = notebook.shallow_frame()
        st.dataframe(shown, hide_index=True, column_config=_numbers(shown))
        st.caption("weight: inner product with the keys of neuron 19_5769, through attention layer 15 and head 17_22.")


def _title(lm: LoadedModel) -> str:
    model = model_of(lm)
    return expander_title(model, model == LLAMA, "The paper's notebook")


def _numbers(frame: pd.DataFrame) -> dict[str, Any]:
    counted = ("position", "head", "through")
    return {
        name: short_number(name.replace("_", " "))
        for name in frame.select_dtypes("number").columns
        if name not in counted
    }
