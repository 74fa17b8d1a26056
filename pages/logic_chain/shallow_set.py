"""The shallow half of part 6 of the logic chain: the zero-shot filter over a whole set of prompts, tables 8 and 17."""

from typing import Any

import pandas as pd
import streamlit as st

from core import paper
from core.ablation.shallow import ShallowAblation
from core.ablation.study import SHALLOW_SETS
from core.model.load import LoadedModel
from core.vocabulary.concepts import chosen_concepts
from pages.logic_chain.charts import kept_bars, shallow_bars, shallow_charts
from pages.logic_chain.settings import ShallowSetSettings
from pages.logic_chain.shallow_form import shallow_form
from pages.shared.claims.badge import finding
from pages.shared.inputs import own_concepts
from pages.shared.papers import same_in_paper
from pages.shared.present import downloads
from pages.shared.resources import kept
from pages.shared.runs.study_slot import study_slot
from pages.shared.theme import is_dark
from pages.shared.tokens import note_shift
from pages.shared.words import code, listed, of_n, percent, three_digits

MOST_NAMED = 20
#: Columns of the result's table.
NUMBERS = {"neurons": ("neurons kept", "localized"), "by_chance": ("by chance alone", "%,.2f")}
SHARES = {
    "original": "accuracy, all neurons",
    "accuracy": "accuracy without",
    "decrease": "decrease",
    "control_accuracy": "accuracy, random ones",
    "control_decrease": "decrease, random ones",
    "control_spread": "spread over draws",
}
_BESIDE = ("more_than", "neurons", "by_chance", "paper_neurons", "decrease", "control_decrease", "paper_decrease")
ORDER = (*_BESIDE, *(name for name in SHARES if name not in _BESIDE), "draws", "prompts", "cases")

EXPLANATION = r"""
For every neuron's value $v$ of the shallow layers and every later attention layer $j$, $W_U(g \odot W_O^j W_V^j v)$
ranks the vocabulary. The neuron is kept when the top tokens of some $j$ hold **more than M** concept tokens. The paper
does not print its list; its counts fit *digits and operator signs* (some 15 to 25 tokens of Llama's vocabulary). With
both signs, $-v$ counts too: a neuron with a negative coefficient writes $-v$.

**By chance alone.** If a ranking were random, the number $X$ of the $K$ concept tokens among the top $n$ of $V$ tokens
would be hypergeometric, $P(X = x) = \binom{K}{x}\binom{V-K}{n-x} / \binom{V}{n}$. With $d$ independent draws for a
neuron (one for each later attention layer, twice as many with both signs), $P(\max > M) = 1 - P(X \le M)^d$; the
expected number of neurons is the sum of that over layers, times the neurons of a layer. Neurons beyond it are found for
what they promote. Words of one kind lie near each other, so some more than this may still be no sign of arithmetic: the
accuracy without them decides.
"""


def shallow_set(lm: LoadedModel) -> None:
    """Controls and results of the filter."""
    st.markdown(
        "Which neurons of the first layers promote numbers or operators after a later attention layer, and does "
        "arithmetic need them? The filter looks at weights only."
    )
    if lm.n_layers < 2:
        st.info("This model has one layer, and the filter needs an attention layer above a neuron's.")
        return
    pressed, plan = shallow_form(lm)
    settings = ShallowSetSettings.read(concepts=own_concepts(lm))
    if settings.concepts is not None:
        st.caption(f"Your own list of {len(settings.concepts)} tokens (page Find neurons) counts in place of these.")
    if not settings.more_than:
        st.error("Write one or more whole numbers for M, such as 0 1 2 3.", icon=":material/error:")
        return
    found = study_slot(
        lm,
        "shallow set",
        settings,
        "Ablating shallow neurons",
        lambda progress: settings.run(lm, progress),
        f"Press **Measure** to ask {settings.count} prompts of each operation without the neurons that the "
        "filter finds, and without as many random neurons of the same layers.",
        kinds=(ShallowSetSettings,),
        start=pressed,
        plan=plan,
    )
    if found is not None:
        _show_shallow(lm, found.result, found.key)


def _show_shallow(lm: LoadedModel, result: ShallowAblation, settings: ShallowSetSettings) -> None:
    frame = result.to_frame()
    if frame.empty:
        st.info("Stopped before the first set was measured.")
        return
    note_shift(lm, settings.prompts())
    frame["name"] = [f"M = {m}" for m in frame["more_than"]]
    lost = _lost(frame)
    first, second = st.columns(2)
    first.altair_chart(kept_bars(frame, is_dark()), alt="Neurons that the filter keeps, and by chance alone")
    second.altair_chart(shallow_bars(lost, is_dark()), alt="Accuracy lost without shallow neurons")
    finding(lm, "shallow", _sentence(result, frame, settings), "shallow set")
    st.caption(_counted(lm, settings))
    number = SHALLOW_SETS[settings.prompt_set].table
    shown = _beside_paper(frame.drop(columns="name").assign(prompts=result.prompts, cases=result.cases), number)
    st.dataframe(
        shown,
        hide_index=True,
        column_config=_columns(number),
        column_order=[name for name in ORDER if name in shown],
    )
    downloads("shallow-filter", lm, settings, shown, lambda dark: shallow_charts(frame, lost, dark))
    with st.expander("What the filter counts, and what chance gives"):
        st.markdown(EXPLANATION)
    same_in_paper(lm, 8, 17)


def _lost(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each bar of `shallow_bars`."""
    sets = {"found by the filter": "decrease", "as many random ones": "control_decrease"}
    return pd.concat(
        frame[["name", "neurons"]].assign(set=name, decrease=frame[column]) for name, column in sets.items()
    )


def _sentence(result: ShallowAblation, frame: pd.DataFrame, settings: ShallowSetSettings) -> str:
    told = frame.dropna(subset=["decrease", "control_decrease"])
    said = [f"The model predicts {of_n(result.original, result.cases)} answer tokens correctly."]
    if len(told):
        best = told.loc[(told["decrease"] - told["control_decrease"]).idxmax()]
        said.append(
            f"Without the {best['neurons']:,} neurons that have more than {best['more_than']} concept tokens among "
            f"their top {settings.top}, accuracy falls by {percent(best['decrease'])} of that; without as many random "
            f"neurons of the same layers by {percent(best['control_decrease'])}. By chance alone "
            f"{_expected(best['by_chance'])} neurons would have so many."
        )
    return " ".join([*said, *no_more_than_chance(frame)])


def no_more_than_chance(frame: pd.DataFrame) -> list[str]:
    """A sentence about the filters that find nothing, if there are any. Columns: name, neurons, by_chance."""
    names = frame.loc[frame["neurons"] <= frame["by_chance"], "name"].tolist()
    return [f"At {listed(names)} the filter keeps no more neurons than chance gives."] if names else []


def _expected(neurons: float) -> str:
    if neurons < 0.01:
        return "fewer than 0.01"
    return f"{neurons:,.0f}" if neurons >= 100 else three_digits(neurons)


def _counted(lm: LoadedModel, settings: ShallowSetSettings) -> str:
    """How many tokens count, and the first of them."""
    ids = kept(lm, chosen_concepts, settings.filter().concepts)
    some = " ".join(code(lm.token(i)) for i in ids[:MOST_NAMED]) + (" …" if len(ids) > MOST_NAMED else "")
    return f"Counted: {len(ids):,} of {lm.n_vocab:,} tokens, {some}"


def _beside_paper(frame: pd.DataFrame, number: int | None) -> pd.DataFrame:
    """The table with two more columns, where the paper has the same M: what it kept and what accuracy it lost."""
    if number is None:
        return frame
    table = paper.table(number)
    neurons, decrease = table["rows"].values()
    printed = pd.DataFrame(
        {
            "more_than": [int(name.removeprefix("M=")) for name in table["columns"]],
            "paper_neurons": neurons,
            "paper_decrease": [share / 100 for share in decrease],
        }
    )
    return frame.merge(printed, "left", "more_than") if set(printed["more_than"]) & set(frame["more_than"]) else frame


def _columns(number: int | None) -> dict[str, Any]:
    """Titles and formats of the table."""
    column = st.column_config.NumberColumn
    columns = {name: column(title, format=form) for name, (title, form) in NUMBERS.items()}
    columns |= {name: column(title, format="percent") for name, title in SHARES.items()}
    if number is not None:
        model, about = paper.table(number)["model"], f"Table {number} of the paper, not measured here."
        columns["paper_neurons"] = column(f"{model}: kept", format="localized", help=about)
        columns["paper_decrease"] = column(f"{model}: decrease", format="percent", help=about)
    return {"more_than": "M", **columns}
