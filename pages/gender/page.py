"""The page Gender bias: which neurons make the model's professions gendered, and what happens when they are scaled?"""

import streamlit as st

from core.bias.locate import Located
from core.bias.measure import SLOT, BiasWords
from core.bias.study import MOST_NEURONS, BiasStudy, curve_over, edit_neurons, study_bias
from core.hooks import ScaleNeuron
from core.model.load import LoadedModel
from pages.gender import results
from pages.gender.settings import CurveSettings, EditSettings
from pages.gender.words import WORD_WIDGETS, controls, show_left_out
from pages.shared import bench
from pages.shared.job_slot import job_slot
from pages.shared.neuron_words import Reading, remember
from pages.shared.papers import preset_menu
from pages.shared.present import heading, told
from pages.shared.resources import current_model
from pages.shared.settings import Widget
from pages.shared.words import code

N_KEY = "bias_n"
WIDGETS = {"words": WORD_WIDGETS, "edit": {"n": Widget(N_KEY), **EditSettings.widgets()}}

EXPLANATION = r"""
The bias of a profession is its log-probability after its own group minus its log-probability after the other group,
summed over all its tokens and averaged over the prompts (CNA, section 6.2; professions and prompts: tables 22 and 23).
The *total* is the mean over all professions. Where an edit reverses the bias of one group, positive and negative biases
cancel in the total. The *mean size* is therefore shown as well.

Neurons are located with the first prompt. For each profession, the importance of every neuron (section 4.1) in the run
of its own group minus that in the run of the other group is averaged over the professions. Both neurons that raise a
profession after its own group and neurons that lower the other group's professions count. The target is the first token
of a profession.

An edit multiplies the coefficients of the first *n* neurons at every position. Random neurons come from the same
layers, without the edited ones. Neurons that act only through later layers have no importance and are not found.
"""


def _study(lm: LoadedModel, pressed: bool, words: BiasWords) -> BiasStudy | None:
    """What Run measured."""
    found = job_slot(
        lm,
        "bias",
        words,
        "Measuring bias and locating neurons",
        lambda progress: study_bias(lm, words, progress),
        "Press **Run** to measure the bias of every profession and to locate the neurons behind it.",
        start=pressed,
        main=True,
        outdated="show",
        check=words.check,
    )
    return None if found is None else found.result


def _most(lm: LoadedModel) -> int:
    return min(MOST_NEURONS, lm.n_layers * lm.n_neurons)


def _choice(lm: LoadedModel, study: BiasStudy) -> EditSettings:
    first, second, third, fourth = st.columns(4)
    most = _most(lm)
    n = first.number_input(
        "Neurons",
        1,
        most,
        min(18, most),
        key=N_KEY,
        bind="query-params",
        help="How many of the first neurons of the ranking are edited. The paper edits 18.",
    )
    second.slider(
        "Factor",
        -3.0,
        3.0,
        EditSettings.factor,
        0.1,
        help="0 ablates them, above 1 amplifies them, below 0 flips their sign.",
        **EditSettings.bound("factor"),
    )
    third.slider(
        "Arithmetic prompts",
        5,
        100,
        EditSettings.count,
        5,
        help="For each operation with one-digit and with two-digit operands.",
        **EditSettings.bound("count"),
    )
    fourth.slider("Random draws", 0, 20, EditSettings.draws, **EditSettings.bound("draws"))
    results.neurons(lm, study, int(n))
    return EditSettings.read(words=study.bias.words, neurons=tuple(study.located.top(int(n))))


def _edit(lm: LoadedModel, located: Located, choice: EditSettings) -> None:
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
    found = job_slot(
        lm,
        "bias edit",
        choice,
        f"Editing {len(choice.neurons)} neurons",
        lambda progress: edit_neurons(
            lm, choice.words, choice.neurons, choice.factor, choice.count, choice.draws, progress
        ),
        "Press **Edit these neurons** to see the bias before and after.",
        start=pressed,
    )
    if found is not None:
        results.edited_bias(lm, found.result.found, found.key)
        results.side_effects(found.result)


def _to_bench(lm: LoadedModel, located: Located, choice: EditSettings) -> None:
    neurons, factor = choice.neurons, choice.factor
    for i, (layer, neuron) in enumerate(located.top(len(neurons))):
        group = located.favours(i)
        prompt = located.prompt.replace(SLOT, located.words.groups[group])
        remember(lm, layer, neuron, Reading(float(located.coefficient[group, i]), f"after {code(prompt)}"))
    waiting = [e for e in st.session_state.get(bench.TO_ADD, []) if (e.layer, getattr(e, "neuron", -1)) not in neurons]
    st.session_state[bench.TO_ADD] = [*waiting, *(ScaleNeuron(layer, neuron, factor) for layer, neuron in neurons)]
    st.toast(f"{len(neurons)} neurons were added on the page What-if.", icon=":material/tune:")


def _curve(lm: LoadedModel, study: BiasStudy, choice: EditSettings) -> None:
    st.header("How many neurons?")
    first, second, _ = st.columns([3, 2, 4], vertical_alignment="bottom")
    most = first.slider(
        "Up to", 5, min(MOST_NEURONS, lm.n_layers * lm.n_neurons), 48, key="bias_most", bind="query-params"
    )
    pressed = second.button("Draw the curve", icon=":material/show_chart:", key="bias curve", width="stretch")
    asked = CurveSettings.read(words=choice.words, neurons=tuple(study.located.top(int(most))))
    found = job_slot(
        lm,
        "bias curve",
        asked,
        f"Editing up to {len(asked.neurons)} neurons",
        lambda progress: curve_over(lm, asked.words, asked.neurons, asked.factor, asked.count, progress),
        "Press **Draw the curve** to edit the first neuron, the first two, the first three and so on.",
        start=pressed,
    )
    if found is not None:
        results.curve(lm, found.result, found.key)


def page() -> None:
    """Draws the page."""
    heading(
        "Gender bias",
        "Which neurons make professions gendered in the model, and what else changes when they are scaled?",
    )
    st.markdown(
        ":material/warning: The edit that reduces a bias can also amplify it (a factor above 1). The paper names "
        "this risk: when you pass a model on, say what you edited."
    )
    place = st.container()
    pressed, words = controls()
    lm = current_model()
    preset_menu(
        lm, place, "gender_bias", WIDGETS, takes=lambda question, name, value: name != "n" or value <= _most(lm)
    )
    with told():
        study = _study(lm, pressed, words)
        if study is not None:
            show_left_out(study.left_out)
            st.header("The original model")
            results.original_bias(lm, study.bias)
            st.header("Neurons that distinguish the groups")
            choice = _choice(lm, study)
            st.header("Edit them")
            _edit(lm, study.located, choice)
            _curve(lm, study, choice)
    with st.expander("How this is computed"):
        st.latex(
            r"\text{bias}(w) = \operatorname{mean}_{\text{prompts}} \big[\log p(w \mid \text{own group}) - "
            r"\log p(w \mid \text{other group})\big]"
        )
        st.markdown(EXPLANATION)


page()
