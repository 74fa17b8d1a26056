"""Page: which attention heads does the model do its arithmetic with?"""

import streamlit as st

from core.errors import UserError
from core.heads.accuracy import AccuracySweep, sweep_accuracy
from core.heads.sweep import HeadSweep, sweep_heads
from core.model.load import LoadedModel
from core.progress import Progress
from core.prompts.arithmetic import FORMS, LAST_TEMPLATE, OPERATIONS, TEMPLATES, make_prompts
from pages.arithmetic_heads import results
from pages.arithmetic_heads.before_after import before_and_after
from pages.arithmetic_heads.one_head import one_head
from pages.shared.job_slot import job_slot
from pages.shared.present import heading, told
from pages.shared.resources import current_model

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
        "Operations",
        OPERATIONS,
        selection_mode="multi",
        default=OPERATIONS,
        key="operations",
        bind="query-params",
        format_func=lambda o: f"\\{o} {NAMES[o]}",
    )
    digits = second.pills(
        "Digits", [1, 2, 3], selection_mode="multi", default=[1, 2], key="digits", bind="query-params"
    )
    forms = third.pills(
        "Written as", FORMS, selection_mode="multi", default=["digits"], key="forms", bind="query-params"
    )
    first, second, third = st.columns([5, 3, 2])
    templates = first.multiselect(
        "Templates (table 14 of the paper)",
        range(4),
        default=[LAST_TEMPLATE],
        key="templates",
        bind="query-params",
        format_func=lambda t: TEMPLATES["+"][t].format(a="n1", b="n2"),
    )
    count = second.slider(
        "Prompts for each operation and length", 5, MOST_PROMPTS, 25, 5, key="count", bind="query-params"
    )
    seed = third.number_input("Seed", 0, 10**6, 0, key="seed", bind="query-params")
    return {
        "operations": tuple(operations),
        "digits": tuple(digits),
        "forms": tuple(forms),
        "templates": tuple(templates),
        "count": int(count),
        "seed": int(seed),
    }


def _own_controls() -> dict:
    text = st.text_area(
        "One prompt a line",
        "3+5=\n7-2=",
        key="own",
        bind="query-params",
        help="The probability of each prompt's own prediction is followed.",
    )
    return {"own": tuple(line.strip() for line in text.splitlines() if line.strip())}


def _prompts(lm: LoadedModel, settings: dict) -> list:
    """What to sweep over, checked."""
    if "own" in settings and not settings["own"]:
        raise UserError("There is no prompt. Type one in a line, such as 3+5=")
    prompts = list(settings["own"]) if "own" in settings else make_prompts(**settings)
    for prompt in prompts:
        lm.encode(prompt if isinstance(prompt, str) else f"{prompt.text} {prompt.answer}")
    return prompts


def _work(lm: LoadedModel, prompts: list, own: bool, progress: Progress) -> AccuracySweep | HeadSweep:
    return sweep_heads(lm, prompts, progress=progress) if own else sweep_accuracy(lm, prompts, progress)


def _sweep(lm: LoadedModel, pressed: bool, settings: dict) -> None:
    prompts: list = []  # filled when a sweep starts
    found = job_slot(
        lm,
        "heads",
        tuple(settings.items()),
        lambda: f"Switching heads off, {len(prompts)} prompts",
        lambda p: _work(lm, prompts, "own" in settings, p),
        "Press **Run** to switch off every head, one at a time.",
        start=pressed,
        main=True,
        outdated="show",
        check=lambda: prompts.extend(_prompts(lm, settings)),
    )
    if found is None:
        return
    measured = dict(found.key)
    if isinstance(found.result, AccuracySweep):
        results.of_accuracy(lm, found.result, measured)
    else:
        results.of_probability(lm, found.result, measured)


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
