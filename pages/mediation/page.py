"""The page Causal mediation: which module at which position carries the operands, the operator, the result?"""

from dataclasses import replace

import streamlit as st

from core.mediation.effect import INDIRECT_EFFECT
from core.mediation.measure import LAYER_SITES
from core.mediation.study import (
    DEFAULT_SITES,
    DrawnPairs,
    PairSettings,
    TypedPair,
    measure_control,
    measure_pairs,
)
from core.mediation.tasks import PAIR_KINDS
from core.metrics import METRICS
from core.model.load import LoadedModel
from core.model.random_weights import SEED, check_room
from pages.mediation.cell import cell
from pages.mediation.charts import SITE_NAMES
from pages.mediation.drawn import drawn_controls, what_is_drawn
from pages.mediation.presets import DRAWN, SOURCE, mediation_presets
from pages.mediation.results import choose, results
from pages.mediation.task import RANDOM, Task
from pages.mediation.units import heads_and_neurons
from pages.shared.job_slot import job_slot
from pages.shared.present import heading, told
from pages.shared.resources import current_model
from pages.shared.runs.study_slot import study_slot
from pages.shared.runs.without_browser import plan_button

OWN = "Your own two prompts"
NOTHING = "nothing"
JOBS = "mediation"

FORMULA = r"""\text{IE} = \tfrac12\left[\frac{P(r)-P^*(r)}{P^*(r)} + \frac{P^*(r')-P(r')}{P(r')}\right],
\qquad \text{one result: } \text{IE} = \frac{P(r)-P^*(r)}{P^*(r)}"""
IMPORTANCE = r"""\text{relative importance of the late FFNs} =
\frac{\sum_{l \ge L/2} \log(\text{IE}_{l,\,\text{last}}+1)}{\sum_{l}\sum_{p} \log(\text{IE}_{l,\,p}+1)}"""
EXPLANATION = """
Two prompts of the same number of tokens have the results *r* (base) and *r′* (alternative). One value at one position
is copied from the alternative run into the base run, which changes the probability *P* to *P\\** (Stolfo et al., 2023,
sections 2 and 3). The value is what an FFN or an attention module adds, the residual stream after a layer, the
embedding, or the attention weights of all heads of a layer with which the position reads the prompt (they then read the
base run's values). *l* is a layer, *L* the number of layers and *p* a position group. The **total effect** is the same
formula with the whole alternative run in place of the patched run. A change of the prediction is *wanted* when the new
prediction is *r′*, and *unwanted* when it is any other token. *Undesired (CMA)* is the authors' count: any change of a
base prediction that was right, so wanted changes are part of it.

A drawn pair is kept if the model answers both prompts correctly, and if each position belongs to the same part of both.
Results are compared at the first token in which the
two answers differ; the tokens before it, which both answers share, are appended to both prompts. A cell is an average
over the pairs and the positions of a group. IE is a ratio with a long tail: where the model is certain, *P(r′)* is
tiny and a small change makes a huge effect. A few such pairs dominate the mean, but not the geometric mean of IE + 1.
Positions are grouped by their roles, or as in the authors' notebook: the operator is then one of the tokens between
the operands, the tokens before and after the operands are groups of their own, and an operand is its last token.
The colour scale begins at 0.1. In our sums, cells below zero count as zero. Intervals are percentiles of 2,000
bootstrap resamples of the pairs. The paper's finding *agrees* with what is measured where both differences (operands
minus last position in the early half, last position minus operands in the late half) have intervals above zero, and
*differs* where one lies below.

Any other measured quantity is one of the base's result *r*. Its change is the value in the patched run minus that in
the base run, and cells are means. The sentences about the paper's finding always use IE.

A large effect means that this value differs between the prompts and influences the result; it does not mean that the
result was computed there. An output also acts on later positions through attention. Modules that can replace one
another have small effects when they are patched one at a time. Beside **random weights**, the same pairs and results
are measured in a model of the same architecture and tokenizer that has not learned anything.
"""


def _controls() -> tuple[bool, bool, PairSettings]:
    """Whether Run was pressed, whether the plan is wanted, and the settings."""
    source = st.segmented_control(
        "Prompts", [DRAWN, OWN], default=DRAWN, key=SOURCE, bind="query-params", required=True
    )
    what = what_is_drawn() if source == DRAWN else None
    with st.form("mediation"):
        settings = _own_controls() if what is None else drawn_controls(what)
        sites = st.pills(
            "Copied values",
            list(SITE_NAMES),
            selection_mode="multi",
            default=list(DEFAULT_SITES),
            key="pair_sites",
            bind="query-params",
            format_func=lambda site: SITE_NAMES[site],
            help="One at a time, at every layer and position. The relative importance as the authors compute it needs "
            "FFN and embedding.",
        )
        metric = st.selectbox(
            "Measured quantity",
            [INDIRECT_EFFECT, *METRICS],
            key="pair_metric",
            bind="query-params",
            help="The indirect effect is of both results. The others are of the base's result r, and what is shown is "
            "their change, patched minus base run; a logit difference is r minus r′.",
        )
        settings = replace(settings, metric=metric, sites=tuple(site for site in LAYER_SITES if site in sites))
        with st.container(horizontal=True):
            pressed = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
            plan = plan_button("mediation")
    return pressed, plan, settings


def _own_controls() -> TypedPair:
    settings: dict[str, str | None] = {}
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
    return TypedPair(**settings)  # type: ignore[arg-type]


def _asked(lm: LoadedModel, pressed: bool, plan: bool, settings: PairSettings) -> Task | None:
    """What Run measured."""
    found = study_slot(
        lm,
        "mediation",
        settings,
        _title(settings),
        lambda progress: measure_pairs(lm, settings, progress),
        "Press **Run** to copy every chosen value, one at a time.",
        kinds=(DrawnPairs, TypedPair),
        start=pressed,
        plan=plan,
        main=True,
        outdated="show",
        kind=JOBS,
        check=lambda: settings.check(lm),
    )
    return None if found is None else Task(found.result)


def _beside(lm: LoadedModel, first: Task) -> Task | None:
    """The same for another kind of pair or for random weights, if one is chosen."""
    former = first.measured.settings
    kinds = PAIR_KINDS if isinstance(former, DrawnPairs) else ()
    others = [NOTHING, RANDOM, *(kind for kind in kinds if kind != first.kind)]
    if st.session_state.get("beside") not in others:
        st.session_state.pop("beside", None)
    left, right = st.columns([3, 1])
    chosen = left.selectbox(
        "Compare with",
        others,
        key="beside",
        bind="query-params",
        help="Is this flow special to arithmetic? Another kind of pair with the same settings, on the same scale. Is "
        "it learned? The same pairs in a model of the same architecture with random weights.",
    )
    if chosen == NOTHING:
        return None
    if chosen == RANDOM:
        seed = right.number_input("Seed of the weights", 0, 10**6, SEED, key="control_seed", bind="query-params")
        return _control(lm, first, int(seed))
    assert isinstance(former, DrawnPairs)
    settings = former.of_kind(chosen)
    found = job_slot(
        lm,
        "mediation beside",
        settings,
        _title(settings),
        lambda progress: measure_pairs(lm, settings, progress),
        "Choose another kind of pair to compare with.",
        start="auto",
        kind=JOBS,
        check=lambda: settings.check(lm),
        again="Measure it again",
    )
    return None if found is None else Task(found.result)


def _control(lm: LoadedModel, first: Task, seed: int) -> Task | None:
    """The same pairs in a model with random weights."""
    pairs = tuple(first.measured.found.pairs)
    found = job_slot(
        lm,
        "mediation control",
        (first.measured.settings, pairs, seed),
        f"Copying values in a model with random weights for {len(pairs)} pairs",
        lambda progress: measure_control(lm, first.measured, seed, progress),
        "Choose random weights to compare with.",
        start="auto",
        check=lambda: check_room(lm),
        again="Measure it again",
    )
    return None if found is None else Task(found.result)


def _title(settings: PairSettings) -> str:
    if isinstance(settings, DrawnPairs):
        return f"Copying values for {settings.count} pairs, {settings.kind}"
    return "Copying values between your prompts"


def page() -> None:
    """Draws the page."""
    heading(
        "Causal mediation",
        "Which module at which position carries the operands, the operator, the result? "
        "One value at a time is replaced by the same value from a run on another prompt, and the change in the "
        "probability of the result is measured.",
    )
    place = st.container()
    pressed, plan, settings = _controls()
    lm = current_model()
    mediation_presets(lm, place)
    with told():
        first = _asked(lm, pressed, plan, settings)
        if first is not None:
            beside = _beside(lm, first)
            tasks = [first] if beside is None else [first, beside]
            shown = choose(first)
            tasks = [replace(task, grouping=shown.grouping) for task in tasks]
            results(lm, tasks, shown)
            cell(lm, tasks, shown)
            heads_and_neurons(lm, first, shown)
    with st.expander("How this is computed"):
        st.latex(FORMULA)
        st.latex(IMPORTANCE)
        st.markdown(EXPLANATION)


page()
