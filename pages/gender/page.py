"""The page Gender bias: which neurons make the model's professions gendered, and what happens when they are scaled?"""

from dataclasses import replace
from typing import Any

import streamlit as st

from core.bias.edit import Curve
from core.bias.locate import Located
from core.bias.measure import SLOT, BiasWords
from core.hooks import ScaleNeuron
from core.jobs.job import Job
from core.model.load import LoadedModel
from pages.gender import results as gender_results
from pages.gender.words import controls, show_left_out
from pages.gender.work import Choice, Edited, Measured, start, start_curve, start_edit
from pages.shared import bench
from pages.shared.neuron_words import Reading, remember
from pages.shared.present import heading, told
from pages.shared.resources import current_model, model_key
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import code

MOST_NEURONS = 200

EXPLANATION = r"""
The bias of a profession is its log-probability after its own group minus that after the other, over all its tokens,
averaged over the prompts (CNA, section 6.2; professions and prompts: tables 22 and 23). The *total* is the mean over
all professions; where an edit turns one group's bias around, leanings cancel in it, so the mean *size* is given
too.

Neurons are located with the first prompt: for each profession, the importance of every neuron (section 4.1) in its own
group's run minus that in the other's, averaged over the professions. So neurons that raise a profession after its own
group count, and those that lower the other group's professions too. The target is a profession's first token.

An edit multiplies the coefficients of the first *n* neurons at every position. Random neurons come from the same
layers, without the edited ones. Neurons that act only through later layers have no importance and are not found.
"""


def _first(lm: LoadedModel, pressed: bool, words: BiasWords) -> Measured | None:
    """What Run measured."""
    if pressed or (st.query_params.get("run") == "1" and "bias job" not in st.session_state):
        with told():
            st.session_state["bias job"] = (start(lm, words), words, model_key(lm))
            st.query_params["run"] = "1"
    if "bias job" not in st.session_state:
        st.info(
            "Press **Run** to measure every profession after both groups, and to look for the neurons behind it.",
            icon=":material/play_arrow:",
        )
        return None
    job, asked, key = st.session_state["bias job"]
    if key != model_key(lm):
        st.info("The model was changed. Press **Run** to measure this one.", icon=":material/deployed_code:")
        return None
    if asked != words:
        st.caption(":material/info: The words above have changed since: press **Run** to measure them.")
    wait_for(job)
    found = outcome(job)
    return found if isinstance(found, Measured) else None


def _choice(lm: LoadedModel, measured: Measured) -> Choice:
    first, second, third, fourth = st.columns(4)
    most = min(MOST_NEURONS, lm.n_layers * lm.n_neurons)
    n = first.number_input(
        "Neurons",
        1,
        most,
        min(18, most),
        key="bias_n",
        bind="query-params",
        help="How many of the first neurons of the ranking are edited. The paper edits 18.",
    )
    factor = second.slider(
        "Factor",
        -3.0,
        3.0,
        0.0,
        0.1,
        key="bias_factor",
        bind="query-params",
        help="0 ablates them, above 1 amplifies them, below 0 flips their sign.",
    )
    count = third.slider(
        "Arithmetic prompts",
        5,
        100,
        25,
        5,
        key="bias_count",
        bind="query-params",
        help="For each operation, one and two digits.",
    )
    draws = fourth.slider("Random draws", 0, 20, 5, key="bias_draws", bind="query-params")
    gender_results.neurons(lm, measured.located, int(n))
    neurons = tuple(measured.located.top(int(n)))
    return Choice(measured.bias.words, neurons, float(factor), int(count), int(draws))


def _edit(lm: LoadedModel, located: Located, choice: Choice) -> None:
    with st.container(horizontal=True):
        pressed = st.button("Edit these neurons", type="primary", icon=":material/tune:", key="edit bias")
        st.button(
            "Open them in What-if",
            icon=":material/arrow_forward:",
            key="bias to bench",
            on_click=_to_bench,
            args=(lm, located, choice),
            help="They are added to the edits there, with this factor.",
        )
    if pressed:
        st.session_state["edit bias job"] = start_edit(lm, choice)
    found = _waited(
        "edit bias job", choice.key(lm, "edit bias"), "Press **Edit these neurons** to see the bias before and after."
    )
    if isinstance(found, Edited):
        settings = {"neurons": [f"{layer}_{neuron}" for layer, neuron in choice.neurons], "factor": choice.factor}
        gender_results.edited_bias(lm, found.found, settings)
        gender_results.side_effects(found.found, found.prompts)


def _to_bench(lm: LoadedModel, located: Located, choice: Choice) -> None:
    neurons, factor = choice.neurons, choice.factor
    for i, (layer, neuron) in enumerate(located.top(len(neurons))):
        group = located.favours(i)
        prompt = located.prompt.replace(SLOT, located.words.groups[group])
        remember(lm, layer, neuron, Reading(float(located.coefficient[group, i]), f"after {code(prompt)}"))
    waiting = [e for e in st.session_state.get(bench.TO_ADD, []) if (e.layer, getattr(e, "neuron", -1)) not in neurons]
    st.session_state[bench.TO_ADD] = [*waiting, *(ScaleNeuron(layer, neuron, factor) for layer, neuron in neurons)]
    st.toast(f"{len(neurons)} neurons were added on the page What-if.", icon=":material/tune:")


def _waited(name: str, key: Any, hint: str) -> object | None:
    """The result of the job under this name, if it is of what is chosen now; otherwise says what to press."""
    job: Job | None = st.session_state.get(name)
    if job is None:
        st.caption(hint)
        return None
    if job.key != key:
        st.caption(f":material/info: The choice has changed since. {hint}")
        return None
    wait_for(job)
    return outcome(job)


def _curve(lm: LoadedModel, measured: Measured, choice: Choice) -> None:
    st.header("How many neurons?")
    first, second, _ = st.columns([3, 2, 4], vertical_alignment="bottom")
    most = first.slider(
        "Up to", 5, min(MOST_NEURONS, lm.n_layers * lm.n_neurons), 48, key="bias_most", bind="query-params"
    )
    pressed = second.button("Draw the curve", icon=":material/show_chart:", key="bias curve", width="stretch")
    choice = replace(choice, neurons=tuple(measured.located.top(int(most))), draws=0)
    if pressed:
        st.session_state["bias curve job"] = start_curve(lm, choice)
    found = _waited(
        "bias curve job",
        choice.key(lm, "bias curve"),
        "Press **Draw the curve** to edit the first 1, 2, 3 ... neurons together.",
    )
    if isinstance(found, Curve):
        gender_results.curve(lm, found, choice.words.groups, {"factor": choice.factor})


def page() -> None:
    """Draws the page."""
    heading(
        "Gender bias",
        "Which neurons make the model's professions gendered, and what else changes when they are scaled?",
    )
    st.markdown(
        ":material/warning: The edit that reduces a bias can also amplify it (a factor above 1). The paper names "
        "this risk: when you pass a model on, say what you edited."
    )
    pressed, words = controls()
    lm = current_model()
    with told():
        measured = _first(lm, pressed, words)
        if measured is not None:
            show_left_out(measured.left_out)
            st.header("The original model")
            gender_results.original_bias(lm, measured.bias)
            st.header("Neurons that distinguish the groups")
            choice = _choice(lm, measured)
            st.header("Edit them")
            _edit(lm, measured.located, choice)
            _curve(lm, measured, choice)
    with st.expander("How this is computed"):
        st.latex(
            r"\text{bias}(w) = \operatorname{mean}_{\text{prompts}} \big[\log p(w \mid \text{own group}) - "
            r"\log p(w \mid \text{other group})\big]"
        )
        st.markdown(EXPLANATION)


page()
