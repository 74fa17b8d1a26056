"""Page: which attention heads does the model do its arithmetic with?"""

from dataclasses import dataclass, replace

import streamlit as st

from core.forward.answers import Scoring
from core.forward.read_at import END
from core.heads.accuracy import AccuracySweep
from core.metrics import METRICS
from core.model.load import LoadedModel
from core.prompts.arithmetic import FORMS, OPERATIONS, TEMPLATES
from pages.arithmetic_heads import results
from pages.arithmetic_heads.before_after import answers_before_and_after
from pages.arithmetic_heads.one_head import one_head
from pages.arithmetic_heads.scoring import EXPLANATION as SCORING_EXPLANATION
from pages.arithmetic_heads.scoring import SCORING, pick_pool, pick_scoring
from pages.arithmetic_heads.settings import OwnSettings, SetSettings
from pages.shared.papers import preset_menu
from pages.shared.present import heading, told
from pages.shared.resources import current_model
from pages.shared.runs.study_slot import study_slot
from pages.shared.runs.without_browser import plan_button
from pages.shared.tokens import token_strips

SET, OWN = "Arithmetic prompts", "Your own prompts"
NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
MOST_PROMPTS = 400
SOURCE = "source"
SHOWS = {"sweep": {SOURCE: SET, SCORING: "tokens"}, "own": {SOURCE: OWN}}
WIDGETS = {"sweep": SetSettings.widgets(), "own": OwnSettings.widgets()}

EXPLANATION = """
A head is ablated by setting its slice of the *input* of the attention output projection to zero, at every position
(CNA, section 3.2). Layers below the head's run only once, and so
do common beginnings of prompts; the result is the same as one full run for each head.

A large decrease says that the answer needs the head, not that the head computes it: a head that only carries the
operands is missed just as much. Heads that can replace each other show small decreases when ablated one at a time.
"""


@dataclass(frozen=True)
class Asked:
    """What the controls say: whether Run was pressed or the plan is wanted, the settings, and how answers score."""

    pressed: bool
    plan: bool
    settings: SetSettings | OwnSettings
    scoring: Scoring


def _controls() -> Asked:
    source = st.segmented_control("Prompts", [SET, OWN], default=SET, key=SOURCE, bind="query-params", required=True)
    first, second = st.columns(2)
    with first:
        scoring = pick_scoring()
    with second:
        pick_pool()
    with st.form("sweep"):
        settings = _set_controls() if source == SET else _own_controls()
        with st.container(horizontal=True):
            pressed = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
            plan = plan_button("sweep")
    return Asked(pressed, plan, settings, scoring)


def _set_controls() -> SetSettings:
    first, second, third = st.columns([5, 2, 3])
    first.pills(
        "Operations",
        OPERATIONS,
        selection_mode="multi",
        default=SetSettings.operations,
        format_func=lambda o: f"\\{o} {NAMES[o]}",
        **SetSettings.bound("operations"),
    )
    second.pills("Digits", [1, 2, 3], selection_mode="multi", default=SetSettings.digits, **SetSettings.bound("digits"))
    third.pills("Written as", FORMS, selection_mode="multi", default=SetSettings.forms, **SetSettings.bound("forms"))
    first, second, third = st.columns([5, 3, 2])
    first.multiselect(
        "Templates (table 14 of the paper)",
        range(4),
        default=SetSettings.templates,
        format_func=lambda t: TEMPLATES["+"][t].format(a="n1", b="n2"),
        **SetSettings.bound("templates"),
    )
    second.slider(
        "Prompts for each operation and number of digits",
        5,
        MOST_PROMPTS,
        SetSettings.count,
        5,
        **SetSettings.bound("count"),
    )
    third.number_input("Seed", 0, 10**6, SetSettings.seed, **SetSettings.bound("seed"))
    return SetSettings.read()


def _with_positions(lm: LoadedModel, settings: OwnSettings) -> OwnSettings:
    with told():
        picked = token_strips(lm, "heads", settings.prompts)
        at_end = all(position is None for position in picked)
        positions = () if at_end else tuple(END if position is None else position for position in picked)
        return replace(settings, positions=positions)
    return settings


def _own_controls() -> OwnSettings:
    st.text_area(
        "One prompt per line",
        "\n".join(OwnSettings.prompts),
        **OwnSettings.bound("prompts"),
    )
    st.selectbox(
        "Measured quantity",
        list(METRICS),
        help="Of the token that the model predicts after each prompt. A logit difference is to the strongest other "
        "token; an exact match says whether the prediction stays the same.",
        **OwnSettings.bound("metric"),
    )
    return OwnSettings.read()


def _title(settings: SetSettings | OwnSettings) -> str:
    n = len(settings.prompts()) if isinstance(settings, SetSettings) else len(settings.prompts)
    return f"Ablating every head, {n} prompts"


def _sweep(lm: LoadedModel, asked: Asked) -> None:
    settings = asked.settings
    found = study_slot(
        lm,
        "heads",
        settings,
        lambda: _title(settings),
        lambda progress: settings.run(lm, progress),
        "Press **Run** to ablate every head, one at a time.",
        kinds=(SetSettings, OwnSettings),
        start=asked.pressed,
        plan=asked.plan,
        main=True,
        outdated="show",
        check=lambda: settings.check(lm),
    )
    if found is None:
        return
    if isinstance(found.result, AccuracySweep):
        results.of_accuracy(lm, found.result, found.key, asked.scoring)
    else:
        results.of_own_prompts(lm, found.result, found.key)


def page() -> None:
    """Draws the page."""
    heading(
        "Arithmetic heads",
        "Which attention heads does the model do its arithmetic with? "
        "Each head is ablated by itself, and the answers that go wrong are counted.",
    )
    place = st.container()
    asked = _controls()
    lm = current_model()
    preset_menu(lm, place, "arithmetic_heads", WIDGETS, SHOWS)
    if isinstance(asked.settings, OwnSettings):
        asked = replace(asked, settings=_with_positions(lm, asked.settings))
    _sweep(lm, asked)
    with told():
        answers_before_and_after(lm, asked.scoring)
    with told():
        one_head(lm, asked.scoring)
    with st.expander("How this is computed"):
        st.latex(r"\text{decrease} = (\text{original} - \text{ablated})\,/\,\text{original}")
        st.markdown("Log-probabilities and logit differences are not shares: there the decrease is original - ablated.")
        st.markdown(EXPLANATION)
        st.markdown(SCORING_EXPLANATION)


page()
