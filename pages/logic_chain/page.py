"""Page: which neurons carry the answer, and how do they hang together from input to prediction?"""

from typing import Any

import pandas as pd
import streamlit as st
import torch

from core.chain.case import LogicCase, logic_case, probability_of
from core.errors import UserError
from core.forward.record import ActivationCache
from core.jobs.job import Job
from core.model.load import LoadedModel
from core.neurons.bounds import are_prepared
from pages.logic_chain.deep import deep_neurons
from pages.logic_chain.graph import chain_graph
from pages.logic_chain.shallow import shallow_neurons
from pages.logic_chain.whole_set import whole_set
from pages.shared.charts import token_bars_beside
from pages.shared.picked_heads import picked_heads
from pages.shared.present import heading, table_below, told
from pages.shared.resources import board, current_model, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import code, head_name, listed, percent, plain, visible

EXAMPLES = ["3+5=", "9-2=", "6*7=", "8/2=", "three plus five is", "34+28="]
SMALL = 10**11  # multiplications; a model below it is looked into without asking

EXPLANATION = r"""
*Importance* of neuron *k* in layer *l*: $\log p(w \mid r + m_k v_k) - \log p(w \mid r)$ at the last position, where
$r$ is the residual stream before the FFN, $m_k$ the coefficient and $v_k$ the value, with the final norm's scale
frozen to that of the original run (CNA, section 4.1). *Change*: importance with all heads on minus importance with the
heads off (4.2), and the paper ranks by it. A neuron whose importance is negative with the heads on *works against the
answer*, however much it changes. The others lose support of the answer (*carried*: the fall of their importance, where
below 0 counts as 0), or turn against it: one *carries the answer* when at least half of its change is lost support
(our choice). Carriers come first, in order of what they carried; *by change (CNA)* is the paper's order. The list is
exact; bounds spare most neurons the full vocabulary. *Prediction enhancing* (4.3): a deep neuron's subvalue times the
keys of a later one. *Feature enhancing and transferring* (4.4): a shallow neuron's subvalue, carried by an attention
layer and then by the heads, times the keys of the lowest deep neuron that reads them.

Importance looks at what a neuron adds by itself. A neuron that only prepares what later neurons read has none, and
heads that can stand in for each other change little, one at a time.
"""


def _use_example() -> None:
    if st.session_state["chain example"]:
        st.session_state["chain_prompt"] = st.session_state["chain example"]


def _controls(lm: LoadedModel) -> tuple[bool, dict[str, Any]]:
    st.pills("Examples", EXAMPLES, key="chain example", on_change=_use_example)
    with st.form("chain"):
        first, second, third = st.columns([4, 3, 2], vertical_alignment="bottom")
        prompt = first.text_input("Prompt", "3+5=", key="chain_prompt", bind="query-params", persist_state="session")
        k = second.slider(
            "Neurons",
            5,
            min(300, lm.n_layers * lm.n_neurons),
            99,
            key="k",
            bind="query-params",
            help="The exact top k of Comparative Neuron Analysis; the paper shows 99.",
        )
        pressed = third.form_submit_button("Look inside", type="primary", width="stretch")
    heads = picked_heads()
    if heads:
        st.caption(f"Heads off in the second run: {listed([head_name(*h) for h in heads])}, picked in the sidebar.")
    else:
        st.caption("No heads are picked in the sidebar, so the one whose absence lowers the answer most goes off.")
    return pressed, {"prompt": prompt, "heads": tuple(heads), "k": int(k)}


def _job(lm: LoadedModel, settings: dict[str, Any], pressed: bool) -> Job | None:
    key = ("logic chain", *model_key(lm), *settings.items())
    job = st.session_state.get("chain job")
    if job is not None and job.key == key and not (pressed and job.state in ("stopped", "failed")):
        return job
    heads = settings["heads"]
    first_layer = min((layer for layer, _ in heads), default=0)
    cost = (lm.n_layers - first_layer) * lm.n_neurons * lm.n_vocab * lm.d_model
    ready = cost < SMALL or are_prepared(lm, range(first_layer, lm.n_layers))
    if not (pressed or ready or st.query_params.get("run") == "1"):
        return None
    lm.encode(settings["prompt"])
    job = board().submit(
        key,
        "Looking inside",
        lambda p: logic_case(lm, settings["prompt"], heads, settings["k"], progress=p),
        session_id(),
    )
    st.session_state["chain job"] = job
    if pressed:
        st.query_params["run"] = "1"
    return job


def _prediction(lm: LoadedModel, case: LogicCase, settings: dict[str, Any]) -> None:
    st.header("1 · What is predicted?")
    names = listed([head_name(*h) for h in case.heads])
    before, after = _next(lm, case.run), _next(lm, case.off)
    st.altair_chart(token_bars_beside(before, after, is_dark()), alt="Next tokens with the heads on and off")
    target = case.neurons.target
    how = " (the head whose absence lowers it most)" if case.from_sweep else ""
    st.markdown(
        f"{code(lm.token(target))} goes from {percent(probability_of(case.run, target))} to "
        f"{percent(probability_of(case.off, target))} when {names}{how} {'is' if len(case.heads) == 1 else 'are'} off."
    )
    both = pd.concat([before.assign(heads="all on"), after.assign(heads="off")], ignore_index=True)
    table_below("chain-prediction", lm, settings, both, lambda dark: token_bars_beside(before, after, dark))


def _next(lm: LoadedModel, run: ActivationCache, n: int = 6) -> pd.DataFrame:
    best = torch.softmax(run.logits[-1], -1).topk(min(n, lm.n_vocab))
    tokens = [visible(lm.token(i)) for i in best.indices.tolist()]
    shown = [f"{t} (id {i})" if tokens.count(t) > 1 else t for t, i in zip(tokens, best.indices.tolist(), strict=True)]
    return pd.DataFrame({"token": shown, "id": best.indices.tolist(), "probability": best.values.tolist()})


def _show(lm: LoadedModel, case: LogicCase, settings: dict[str, Any]) -> None:
    told_settings = {**settings, "heads off": [head_name(*h) for h in case.heads]}
    _prediction(lm, case, told_settings)
    for part in (deep_neurons, chain_graph, shallow_neurons):
        with told():
            part(lm, case, told_settings)
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
    pressed, settings = _controls(lm)
    try:
        job = _job(lm, settings, pressed)
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        job = None
    else:
        if job is None:
            st.info(
                "Press **Look inside**. The first time, each layer's values are read against the whole vocabulary; "
                "that is kept on disk.",
                icon=":material/play_arrow:",
            )
    if job is not None:
        wait_for(job)
        case = outcome(job)
        if isinstance(case, LogicCase):
            _show(lm, case, settings)
    with st.expander("How this is computed"):
        st.markdown(EXPLANATION)


page()
