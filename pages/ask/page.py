"""Page: what does the model answer, and which layers decide it?"""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
import torch

from core.forward.generate import continue_greedily
from core.forward.record import ActivationCache, record
from core.hooks import ScaleHead, intervene
from core.model.load import LoadedModel
from core.neurons.layers import increase_of, lens_of
from pages.shared.charts import increase_bars, lens_strip, pattern_map, token_bars, token_bars_beside
from pages.shared.picked_heads import picked_heads
from pages.shared.present import heading, table_below, told
from pages.shared.resources import current_model
from pages.shared.theme import is_dark
from pages.shared.words import code, head_name, listed, percent, three_digits, visible

ON, OFF = "all heads on", "without the heads"
EXAMPLES = [
    "3+5=",
    "9-2=",
    "Q: What is 6 times 7? A:",
    "The sum of 34 and 28 is",
    "seven times two is",
    "56 / 8 =",
    "III + fünf est",
    "Paul has 3 pens and 5 cups. How many pens does Paul have?",
    "The capital of France is",
    "A woman works as a",
]


def _use_example() -> None:
    if st.session_state["example"]:
        st.session_state["prompt"] = st.session_state["example"]


def _controls() -> str:
    st.pills("Examples", EXAMPLES, key="example", on_change=_use_example)
    with st.form("ask", border=False):
        box, button = st.columns([5, 1], vertical_alignment="bottom")
        prompt = box.text_input("Prompt", value="3+5=", key="prompt", bind="query-params", persist_state="session")
        button.form_submit_button("Ask", type="primary", width="stretch")
    return prompt


def _next_tokens(lm: LoadedModel, run: ActivationCache, n: int = 10) -> pd.DataFrame:
    best = torch.softmax(run.logits[-1], -1).topk(min(n, lm.n_vocab))
    tokens = [visible(lm.token(i)) for i in best.indices.tolist()]
    shown = [f"{t} (id {i})" if tokens.count(t) > 1 else t for t, i in zip(tokens, best.indices.tolist(), strict=True)]
    return pd.DataFrame({"token": shown, "id": best.indices.tolist(), "probability": best.values.tolist()})


def _answer(lm: LoadedModel, title: str, prompt: str, run: ActivationCache) -> pd.DataFrame:
    frame = _next_tokens(lm, run)
    st.subheader(title)
    st.altair_chart(token_bars(frame, is_dark()), alt=f"Ten likeliest next tokens, {title}")
    ids = continue_greedily(lm, prompt, min(12, lm.n_context - len(run.ids)))
    if not ids:
        st.markdown("The prompt fills the whole context, so nothing can follow.")
        return frame
    text = code(lm.decode([i for i in ids if i not in lm.ends]))
    st.markdown(
        f"Continuing with the likeliest token each time: {text}"
        + (" and it ends there." if ids[-1] in lm.ends else " ...")
    )
    return frame


@dataclass(frozen=True)
class View:
    """The run that the rest of the page looks into, the original one, and what names it in a download."""

    run: ActivationCache
    original: ActivationCache
    settings: dict[str, Any]


def _answers(lm: LoadedModel, prompt: str, run: ActivationCache) -> View:
    heads = picked_heads()
    settings: dict[str, Any] = {"prompt": prompt}
    if not heads:
        frame = _answer(lm, "Next token", prompt, run)
        table_below("next-tokens", lm, settings, frame, lambda dark: token_bars(frame, dark))
        return View(run, run, settings)
    names = [head_name(*h) for h in heads]
    settings["heads off"] = names
    left, right = st.columns(2)
    with left:
        before = _answer(lm, "All heads on", prompt, run)
    with right, intervene(lm, *(ScaleHead(layer, head, 0.0) for layer, head in heads)):
        without = record(lm, run.ids)
        after = _answer(lm, f"Without {listed(names)}", prompt, without)
    first = int(run.logits[-1].argmax())
    then = float(torch.softmax(without.logits[-1], -1)[first])
    st.markdown(
        f"{code(lm.token(first))} goes from {percent(float(before['probability'].iloc[0]))} to {percent(then)} "
        f"when {listed(names)} {'is' if len(heads) == 1 else 'are'} off."
    )
    both = pd.concat([before.assign(heads="all on"), after.assign(heads="without")])
    table_below("next-tokens", lm, settings, both, lambda dark: token_bars_beside(before, after, dark))
    which = st.segmented_control("Look inside", [ON, OFF], default=ON, key="inside", bind="query-params", required=True)
    return View(without, run, settings) if which == OFF else View(run, run, {"prompt": prompt})


def _layers(lm: LoadedModel, view: View) -> None:
    st.subheader("Which layers make the answer likelier?")
    increase = increase_of(lm, view.run, original=view.original)
    frame = increase.to_frame()
    st.altair_chart(increase_bars(frame, is_dark()), alt="Increase of log-probability by layer")
    best = frame.loc[frame["increase"].idxmax()]
    st.markdown(
        f"The {best['module']} of layer {best['layer']} raises {code(lm.token(increase.target))} most, by "
        f"{three_digits(best['increase'])} nats of log-probability; in the end it has {percent(increase.probability)}."
    )
    table_below("layer-increase", lm, view.settings, frame, lambda dark: increase_bars(frame, dark))
    with st.expander("How this is computed"):
        st.latex(
            r"\Delta = \log p(w \mid x + \text{module output}) - \log p(w \mid x), \qquad"
            r" p(\cdot\mid y)=\mathrm{softmax}\left(W_U\,(y\odot g)/\sqrt{s+\epsilon}\right)"
        )
        st.markdown(
            "At the last position. *w* is the prediction with all heads on and *s* the mean square of that "
            "run's final layer output, also when heads are off (CNA, section 4.1). A module that only prepares "
            "what a later one reads shows no increase."
        )


def _lens(lm: LoadedModel, view: View) -> None:
    st.subheader("What would each layer predict?")
    lens = lens_of(lm, view.run)
    names = ["input", *(f"{n}" for n in range(lm.n_layers))]
    frame = pd.DataFrame(
        {"after": names, "token": [visible(lm.token(t)) for t in lens.token], "probability": lens.probability.tolist()}
    )
    st.altair_chart(lens_strip(frame, is_dark()), alt="Likeliest token after each layer")
    final = frame["token"].iloc[-1]
    settled = len(frame) - 1
    while settled and frame["token"].iloc[settled - 1] == final:
        settled -= 1
    st.markdown(f"{code(final)} is the likeliest from {_place(settled)} on.")
    table_below("logit-lens", lm, view.settings, frame, lambda dark: lens_strip(frame, dark))
    with st.expander("How this is computed"):
        st.markdown(
            "The logit lens: the residual stream after each layer at the last position, through the final norm "
            "and the output matrix as if no layer followed. Early layers often hold the answer in a form that "
            "this reading cannot see."
        )


def _place(after: int) -> str:
    return "the input" if after == 0 else f"layer {after - 1}"


def _pattern(lm: LoadedModel, view: View) -> None:
    st.subheader("Where does a head look?")
    for name, most in (("layer", lm.n_layers), ("head", lm.n_heads)):  # another model may have fewer
        if st.session_state.get(name, 0) >= most:
            st.session_state[name] = 0
    layer_box, head_box, _ = st.columns([1, 1, 4])
    layer = layer_box.number_input("Layer", 0, lm.n_layers - 1, lm.n_layers // 2, key="layer", bind="query-params")
    head = head_box.number_input("Head", 0, lm.n_heads - 1, 0, key="head", bind="query-params")
    run, settings = view.run, {**view.settings, "head": head_name(layer, head)}
    weights = run.pattern[layer, head]
    names = [f"{i} {visible(lm.token(t))}" for i, t in enumerate(run.ids)]
    frame = pd.DataFrame(
        [(names[q], names[k], float(weights[q, k])) for q in range(len(names)) for k in range(q + 1)],
        columns=["query", "key", "weight"],
    )
    st.altair_chart(pattern_map(frame, is_dark()), width="content", alt=f"Attention of head {layer}_{head}")
    most = int(weights[-1].argmax())
    st.markdown(
        f"From the last token, head {head_name(layer, head)} looks most at {code(names[most])} "
        f"({percent(float(weights[-1, most]))})."
    )
    table_below("attention", lm, settings, frame, lambda dark: pattern_map(frame, dark))


def page() -> None:
    """Draws the page."""
    heading("Ask the model", "What does the model answer to a prompt, and which layers decide it?")
    prompt = _controls()
    with told():
        lm = current_model()
        run = record(lm, lm.encode(prompt))
        st.caption(f"{len(run.ids)} tokens: " + " ".join(code(lm.token(i)) for i in run.ids))
        view = _answers(lm, prompt, run)
        _layers(lm, view)
        _lens(lm, view)
        _pattern(lm, view)


page()
