"""Page: which attention heads does the model do its arithmetic with?"""

import streamlit as st

from core.arithmetic import FORMS, LAST_TEMPLATE, OPERATIONS, TEMPLATES, make_prompts
from core.errors import UserError
from core.head_accuracy import AccuracySweep, sweep_accuracy
from core.heads import HeadSweep, sweep_heads
from core.jobs import Job
from core.model import LoadedModel
from pages.heads import results
from pages.heads.before_after import before_and_after
from pages.heads.one_head import one_head
from pages.shared.present import heading, told
from pages.shared.resources import board, current_model, model_key, session_id
from pages.shared.waiting import outcome, wait_for

SET, OWN = "Arithmetic prompts", "Your own prompts"
NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
MOST_PROMPTS = 400

EXPLANATION = """
A head is off when its slice of the *input* of the attention output map is zero, at every position (CNA, section 3.2).
Accuracy is greedy exact match of the whole answer. Layers before the head's run once, and common beginnings of
prompts run once, so the result is the same as one full run for each head.

A large decrease says that the answer needs the head, not that the head computes it: carrying the operands is missed
just as much. Heads that can stand in for each other show little, one at a time.
"""


def _controls() -> tuple[bool, dict]:
    source = st.segmented_control("Prompts", [SET, OWN], default=SET, key="source", bind="query-params", required=True)
    with st.form("sweep"):
        settings = _set_controls() if source == SET else _own_controls()
        pressed = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
    return pressed, settings


def _set_controls() -> dict:
    first, second, third = st.columns([5, 2, 3])
    operations = first.pills(
        "Operations", OPERATIONS, selection_mode="multi", default=OPERATIONS, key="operations",
        bind="query-params", format_func=lambda o: f"\\{o} {NAMES[o]}",
    )  # fmt: skip
    digits = second.pills(
        "Digits", [1, 2, 3], selection_mode="multi", default=[1, 2], key="digits", bind="query-params"
    )
    forms = third.pills(
        "Written as", FORMS, selection_mode="multi", default=["digits"], key="forms", bind="query-params"
    )
    first, second, third = st.columns([5, 3, 2])
    templates = first.multiselect(
        "Templates (table 14 of the paper)", range(4), default=[LAST_TEMPLATE], key="templates",
        bind="query-params", format_func=lambda t: TEMPLATES["+"][t].format(a="n1", b="n2"),
    )  # fmt: skip
    count = second.slider(
        "Prompts for each operation and length", 5, MOST_PROMPTS, 25, 5, key="count", bind="query-params"
    )
    seed = third.number_input("Seed", 0, 10**6, 0, key="seed", bind="query-params")
    return {
        "operations": tuple(operations), "digits": tuple(digits), "forms": tuple(forms),
        "templates": tuple(templates), "count": int(count), "seed": int(seed),
    }  # fmt: skip


def _own_controls() -> dict:
    text = st.text_area(
        "One prompt a line", "3+5=\n7-2=", key="own", bind="query-params",
        help="The probability of each prompt's own prediction is followed.",
    )  # fmt: skip
    return {"own": tuple(line.strip() for line in text.splitlines() if line.strip())}


def _start(lm: LoadedModel, settings: dict) -> Job:
    key = ("heads", *model_key(lm), *settings.items())
    if "own" in settings:
        if not settings["own"]:
            raise UserError("There is no prompt. Type one in a line, such as 3+5=")
        for prompt in settings["own"]:
            lm.encode(prompt)
        return board().submit(
            key, "Switching heads off", lambda p: sweep_heads(lm, settings["own"], progress=p), session_id()
        )
    prompts = make_prompts(**settings)
    for prompt in prompts:
        lm.encode(f"{prompt.text} {prompt.answer}")
    title = f"Switching heads off over {len(prompts)} prompts"
    return board().submit(key, title, lambda p: sweep_accuracy(lm, prompts, p), session_id())


def _sweep(lm: LoadedModel, pressed: bool, settings: dict) -> None:
    if pressed or (st.query_params.get("run") == "1" and "heads job" not in st.session_state):
        with told():
            st.session_state["heads job"] = (_start(lm, settings), settings, model_key(lm))
            st.query_params["run"] = "1"
    if "heads job" not in st.session_state:
        st.info("Press **Run** to switch off every head, one at a time.", icon=":material/play_arrow:")
        return
    job, measured, key = st.session_state["heads job"]
    if key != model_key(lm):
        st.info("The model was changed. Press **Run** to measure this one.", icon=":material/deployed_code:")
        return
    if measured != settings:
        st.caption(":material/info: The choices above have changed since: press **Run** to measure them.")
    wait_for(job)
    swept = outcome(job)
    if isinstance(swept, AccuracySweep):
        results.of_accuracy(lm, swept, measured)
    elif isinstance(swept, HeadSweep):
        results.of_probability(lm, swept, measured)


def page() -> None:
    """Draws the page."""
    heading(
        "Arithmetic heads",
        "Which attention heads does the model do its arithmetic with? "
        "Each is switched off by itself, and what the model then gets wrong is counted.",
    )
    pressed, settings = _controls()
    lm = current_model()
    _sweep(lm, pressed, settings)
    with told():
        before_and_after(lm)
    with told():
        one_head(lm)
    with st.expander("How this is computed"):
        st.latex(r"\text{decrease} = (\text{original} - \text{intervened})\,/\,\text{original}")
        st.markdown(EXPLANATION)


page()
