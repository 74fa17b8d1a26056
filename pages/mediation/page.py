"""Page: which module at which position carries the operands, the operator, the result?"""

from typing import Any

import streamlit as st

from core.mediation.templates import PAIR_KINDS
from core.model.load import LoadedModel
from core.prompts.arithmetic import FORMS, LAST_TEMPLATE, OPERATIONS, TEMPLATES
from pages.mediation.cell import cell
from pages.mediation.results import Task, results
from pages.mediation.units import heads_and_neurons
from pages.mediation.work import Measured, start
from pages.shared.present import heading, told
from pages.shared.resources import current_model, model_key
from pages.shared.waiting import outcome, wait_for

DRAWN, OWN = "Drawn pairs", "Your own two prompts"
NOTHING = "nothing"
MOST_PAIRS = 200
ABOUT = {
    "other operands": "same operation, both operands differ",
    "same result": "other operands, same result",
    "other operator": "same operands, another operation",
    "number retrieval": "two numbers are told, the other one is asked for",
    "facts": "a fact about another subject",
    "three operands": "two operations in one question",
}

FORMULA = r"""\text{IE} = \tfrac12\left[\frac{P(r)-P^*(r)}{P^*(r)} + \frac{P^*(r')-P(r')}{P(r')}\right],
\qquad \text{one result: } \text{IE} = \frac{P(r)-P^*(r)}{P^*(r)}"""
IMPORTANCE = r"""\text{relative importance of the late FFNs} =
\frac{\sum_{l \ge L/2} \log(\text{IE}_{l,\,\text{last}}+1)}{\sum_{l}\sum_{p} \log(\text{IE}_{l,\,p}+1)}"""
EXPLANATION = """
Two prompts of the same number of tokens have the results *r* (base) and *r′* (alternative). The output of one FFN or
attention at one position is copied from the alternative run into the base run; *P* becomes *P\\** (Stolfo et al., 2023,
sections 2 and 3). *l* is a layer, *L* their number and *p* a position group. The **total effect** is the same with the
whole alternative run. A change of the prediction is *wanted* when it becomes *r′*, *unwanted* when it becomes something
else.

Drawn pairs are kept when the model answers both prompts right. Results are compared at the first token in which the
answers differ; what they begin with in common is written behind both prompts. Cells are means over pairs and positions
of a group. IE is a ratio with a long tail: where the model is sure, *P(r′)* is tiny and a small change is a huge
effect, so the mean follows a few pairs; the geometric mean of IE + 1 does not. Effects are drawn from 0.1 on. In sums,
cells below zero count as zero.

A large effect says that what the value holds differs between the prompts and reaches the result, not that it was
computed there. Values of one position act on later ones through attention; modules that can stand in for each other
show little one at a time.
"""


def _controls() -> tuple[bool, dict[str, Any]]:
    source = st.segmented_control(
        "Prompts", [DRAWN, OWN], default=DRAWN, key="pair_source", bind="query-params", required=True
    )
    with st.form("mediation"):
        settings = _drawn_controls() if source == DRAWN else _own_controls()
        pressed = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
    return pressed, settings


def _drawn_controls() -> dict[str, Any]:
    first, second, third = st.columns([4, 4, 2])
    kind = first.selectbox(
        "Kind of pair",
        PAIR_KINDS,
        key="pair_kind",
        bind="query-params",
        help="  \n".join(f"*{kind}*: {ABOUT[kind]}" for kind in PAIR_KINDS),
    )
    count = second.slider("Pairs that the model answers right", 5, MOST_PAIRS, 50, 5, key="pairs", bind="query-params")
    seed = third.number_input("Seed", 0, 10**6, 0, key="pair_seed", bind="query-params")
    first, second, third, fourth = st.columns([3, 2, 2, 3])
    operations = first.pills(
        "Operations",
        OPERATIONS,
        selection_mode="multi",
        default=OPERATIONS,
        key="pair_operations",
        bind="query-params",
        format_func=lambda o: f"\\{o}",
        help="For kinds with two operands.",
    )
    digits = second.pills(
        "Digits",
        [1, 2, 3],
        selection_mode="multi",
        default=[1],
        key="pair_digits",
        bind="query-params",
        help="For kinds with two operands.",
    )
    forms = third.pills(
        "Written as", FORMS, selection_mode="multi", default=["digits"], key="pair_forms", bind="query-params"
    )
    templates = fourth.multiselect(
        "Templates",
        range(4),
        default=[LAST_TEMPLATE],
        key="pair_templates",
        bind="query-params",
        format_func=lambda t: TEMPLATES["+"][t].format(a="n1", b="n2"),
        help="For kinds with operands; three operands have signs and one sentence.",
    )
    return {
        "kind": kind,
        "count": int(count),
        "operations": tuple(operations),
        "digits": tuple(digits),
        "forms": tuple(forms),
        "templates": tuple(templates),
        "seed": int(seed),
    }


def _own_controls() -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, label, default in (("base", "Base", "3 + 5 ="), ("alternative", "Alternative", "2 + 7 =")):
        prompt, result = st.columns([4, 1])
        settings[name] = prompt.text_input(f"{label} prompt", default, key=f"pair_{name}", bind="query-params")
        typed = result.text_input(
            f"Result of the {label.lower()}",
            key=f"pair_{name}_result",
            bind="query-params",
            placeholder="its prediction",
            help="One token. Empty: what the model predicts.",
        )
        settings[f"{name}_result"] = typed.strip() or None
    st.caption("Both prompts need the same number of tokens.")
    return settings


def _first(lm: LoadedModel, pressed: bool, settings: dict[str, Any]) -> Task | None:
    """What Run measured, waited for."""
    if pressed or (st.query_params.get("run") == "1" and "mediation job" not in st.session_state):
        with told():
            st.session_state["mediation job"] = (start(lm, settings), settings, model_key(lm))
            st.query_params["run"] = "1"
    if "mediation job" not in st.session_state:
        st.info(
            "Press **Run** to copy every FFN's and attention's output, one at a time.", icon=":material/play_arrow:"
        )
        return None
    job, measured, key = st.session_state["mediation job"]
    if key != model_key(lm):
        st.info("The model was changed. Press **Run** to measure this one.", icon=":material/deployed_code:")
        return None
    if measured != settings:
        st.caption(":material/info: The choices above have changed since: press **Run** to measure them.")
    wait_for(job)
    found = outcome(job)
    if not isinstance(found, Measured):
        return None
    return Task(measured.get("kind", "your prompts"), measured, found)


def _beside(lm: LoadedModel, first: Task) -> Task | None:
    """The same for another kind of pair, if one is chosen."""
    if "kind" not in first.settings:
        return None
    others = [NOTHING, *(k for k in PAIR_KINDS if k != first.name)]
    if st.session_state.get("beside") not in others:
        st.session_state.pop("beside", None)
    kind = st.selectbox(
        "Put beside it",
        others,
        key="beside",
        bind="query-params",
        help="Is this flow special to arithmetic? Another kind of task with the same settings, on the same scale.",
    )
    if kind == NOTHING:
        return None
    settings = {**first.settings, "kind": kind}
    asked = (settings, model_key(lm))
    if st.session_state.get("beside job", (None, None))[1] != asked:
        st.session_state["beside job"] = (start(lm, settings), asked)
    job = st.session_state["beside job"][0]
    if job.state in ("stopped", "failed") and st.button("Measure it again", icon=":material/refresh:"):
        job = start(lm, settings)
        st.session_state["beside job"] = (job, asked)
    wait_for(job)
    found = outcome(job)
    return Task(kind, settings, found) if isinstance(found, Measured) else None


def page() -> None:
    """Draws the page."""
    heading(
        "Causal mediation",
        "Which module at which position carries the operands, the operator, the result? "
        "Its output is copied from the run of another prompt, and what changes at the end is measured.",
    )
    pressed, settings = _controls()
    lm = current_model()
    with told():
        first = _first(lm, pressed, settings)
        if first is not None:
            beside = _beside(lm, first)
            tasks = [first] if beside is None else [first, beside]
            average = results(lm, tasks)
            cell(lm, tasks, average)
            heads_and_neurons(lm, first, average)
    with st.expander("How this is computed"):
        st.latex(FORMULA)
        st.latex(IMPORTANCE)
        st.markdown(EXPLANATION)


page()
