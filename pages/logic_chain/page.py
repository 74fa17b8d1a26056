"""Page: which neurons carry the answer, and how are they connected from input to prediction?"""

from dataclasses import replace

import pandas as pd
import streamlit as st

from core.chain.case import LogicCase, is_quick, probability_of
from core.chain.study import look_inside
from core.model.load import LoadedModel
from pages.logic_chain.deep import deep_neurons
from pages.logic_chain.graph import chain_graph
from pages.logic_chain.head_routes import head_routes
from pages.logic_chain.presets import chain_presets
from pages.logic_chain.settings import ChainSettings
from pages.logic_chain.shallow import shallow_neurons
from pages.logic_chain.whole_set import whole_set
from pages.shared.charts import token_bars_beside
from pages.shared.inputs import picked_heads
from pages.shared.present import heading, table_below, told
from pages.shared.resources import current_model
from pages.shared.runs.study_slot import study_slot
from pages.shared.runs.without_browser import plan_button
from pages.shared.theme import is_dark
from pages.shared.tokens import next_tokens, token_strip
from pages.shared.words import code, head_name, listed, percent

EXAMPLES = ["3+5=", "9-2=", "6*7=", "8/2=", "three plus five is", "34+28="]

EXPLANATION = r"""
*Importance* of neuron *k* in layer *l*: $\log p(w \mid r + m_k v_k) - \log p(w \mid r)$ at the last position, where
$r$ is the residual stream before the FFN, $m_k$ the coefficient and $v_k$ the value. The scale of the final norm is
frozen to that of the original run (CNA, section 4.1). Where a norm follows the FFN (Gemma), $v_k$ includes its weight,
and $m_k$ its scale in that run.

*Change*: importance with all heads minus importance with the heads ablated (4.2); the paper ranks neurons by it. A
neuron whose importance with all heads is negative *works against the answer*, however large its change. Of the others,
some lose support of the answer (*carried*: by how much their importance falls, counting negative importance as 0), and
some turn against it. A neuron *carries the answer* when at least half of its change is lost support (our choice).
*Carriers first* lists these in order of what they carried; *by change (CNA)* is the paper's order. The list is exact:
bounds rule out most neurons before the full vocabulary is needed.

*Prediction enhancing* (4.3): the inner product of a deep neuron's subvalue and the keys of a later one. *Feature
enhancing and transferring* (4.4): a shallow neuron's subvalue, passed through an attention layer and then through the
heads, times the keys of the root, the lowest deep neuron that reads the heads.

Importance measures what a neuron adds by itself. A neuron that only prepares what later neurons read has none, and
heads that can replace each other cause little change when ablated one at a time.
"""


def _use_example() -> None:
    if st.session_state["chain example"]:
        st.session_state["chain_prompt"] = st.session_state["chain example"]


def _controls(lm: LoadedModel) -> tuple[bool, bool, ChainSettings]:
    """Whether *Look inside* was pressed, whether the plan is wanted, and the settings."""
    st.pills("Examples", EXAMPLES, key="chain example", on_change=_use_example)
    with st.form("chain"):
        first, second, third = st.columns([4, 3, 2], vertical_alignment="bottom")
        first.text_input("Prompt", ChainSettings.prompt, persist_state="session", **ChainSettings.bound("prompt"))
        second.slider(
            "Neurons",
            5,
            min(300, lm.n_layers * lm.n_neurons),
            ChainSettings.k,
            help="The exact top k of Comparative Neuron Analysis; the paper shows 99.",
            **ChainSettings.bound("k"),
        )
        pressed = third.form_submit_button("Look inside", type="primary", width="stretch")
        plan = plan_button("chain")
    position = None
    with told():
        position = token_strip(lm, "logic chain", st.session_state["chain_prompt"])
    heads = picked_heads()
    if heads:
        st.caption(f"Ablated in the second run: {listed([head_name(*h) for h in heads])}, as picked in the sidebar.")
    else:
        st.caption(
            "No heads are picked in the sidebar, so the head whose ablation lowers the answer's probability most is "
            "ablated."
        )
    return pressed, plan, ChainSettings.read(heads=tuple(heads), position=position)


def _prediction(lm: LoadedModel, case: LogicCase, settings: ChainSettings) -> None:
    st.header("1 · What is predicted?")
    names = listed([head_name(*h) for h in case.heads])
    before, after = next_tokens(lm, case.run.logits[-1], 6), next_tokens(lm, case.off.logits[-1], 6)
    st.altair_chart(
        token_bars_beside(before, after, is_dark()), alt="Next tokens with all heads and without the ablated ones"
    )
    target = case.neurons.target
    are = "is" if len(case.heads) == 1 else "are"
    how = " (the head whose ablation lowers it most)" if case.from_sweep else ""
    st.markdown(
        f"{code(lm.token(target))} goes from {percent(probability_of(case.run, target))} to "
        f"{percent(probability_of(case.off, target))} when {names}{how} {are} ablated."
    )
    both = pd.concat([before.assign(heads="all"), after.assign(heads="ablated")], ignore_index=True)
    table_below("chain-prediction", lm, settings, both, lambda dark: token_bars_beside(before, after, dark))


def _show(lm: LoadedModel, case: LogicCase, settings: ChainSettings) -> None:
    settings = replace(settings, heads=tuple(case.heads))
    _prediction(lm, case, settings)
    for part in (deep_neurons, chain_graph):
        with told():
            part(lm, case, settings)
    with told():
        head_routes(lm, case)
    with told():
        shallow_neurons(lm, case, settings)
    with told():
        whole_set(lm, case.heads)


def page() -> None:
    """Draws the page."""
    heading(
        "CNA logic chain",
        "Which neurons carry the answer, what do they mean, and where do their inputs come from? "
        "Two runs of one prompt, with and without some attention heads, are compared neuron by neuron.",
    )
    lm = current_model()
    place = st.container()
    pressed, plan, settings = _controls(lm)
    chain_presets(lm, place)
    found = study_slot(
        lm,
        "logic chain",
        settings,
        "Looking inside",
        lambda progress: look_inside(lm, settings, progress),
        "Press **Look inside**. The first time, the values of every layer are projected onto the whole vocabulary; "
        "this takes a while, and the result is kept on disk.",
        kinds=(ChainSettings,),
        start="auto" if is_quick(lm, settings.heads) else pressed,
        pressed=pressed,
        plan=plan,
        main=True,
        check=lambda: settings.check(lm),
    )
    if found is not None:
        _show(lm, found.result, found.key)
    with st.expander("How this is computed"):
        st.markdown(EXPLANATION)


page()
