"""Page: what does the model answer, and which layers decide it?"""

from dataclasses import replace

import pandas as pd
import streamlit as st
import torch

from core.forward.read_at import read_at
from core.model.load import LoadedModel
from core.neurons.prompt_view import PromptView, view_prompt
from pages.ask.notebook import notebook_increase
from pages.ask.settings import AskSettings
from pages.shared.charts import increase_bars, lens_strip, pattern_map, token_bars, token_bars_beside
from pages.shared.inputs import picked_heads
from pages.shared.present import heading, table_below, told
from pages.shared.resources import current_model, kept
from pages.shared.theme import is_dark
from pages.shared.tokens import next_tokens, token_strip
from pages.shared.words import code, head_name, listed, percent, three_digits, visible

ALL, WITHOUT = "all heads", "without the heads"
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


def _controls() -> AskSettings:
    st.pills("Examples", EXAMPLES, key="example", on_change=_use_example)
    with st.form("ask", border=False):
        box, button = st.columns([5, 1], vertical_alignment="bottom")
        box.text_input("Prompt", AskSettings.prompt, persist_state="session", **AskSettings.bound("prompt"))
        button.form_submit_button("Ask", type="primary", width="stretch")
    return AskSettings.read(heads=tuple(picked_heads()))


def _answer(lm: LoadedModel, title: str, view: PromptView) -> pd.DataFrame:
    frame = next_tokens(lm, view.logits)
    st.subheader(title)
    st.altair_chart(token_bars(frame, is_dark()), alt=f"Ten most likely next tokens, {title}")
    ids = view.continuation
    if not ids:
        st.markdown("The prompt fills the whole context, so nothing can follow.")
        return frame
    text = code(lm.decode([i for i in ids if i not in lm.ends]))
    st.markdown(
        f"Continuing with the most likely token each time: {text}"
        + (" and it ends there." if ids[-1] in lm.ends else " ...")
    )
    return frame


def _answers(lm: LoadedModel, settings: AskSettings) -> tuple[PromptView, AskSettings]:
    """Draws the answers; returns the run that the rest of the page looks into, and its settings."""
    settings = replace(settings, position=token_strip(lm, "ask", settings.prompt))
    original = replace(settings, heads=())
    asked = read_at(lm, settings.prompt, settings.position)
    view = kept(lm, view_prompt, asked)
    if not settings.heads:
        frame = _answer(lm, "Next token", view)
        table_below("next-tokens", lm, settings, frame, lambda dark: token_bars(frame, dark))
        return view, original
    names = listed([head_name(*h) for h in settings.heads])
    ablated = kept(lm, view_prompt, asked, settings.heads)
    left, right = st.columns(2)
    with left:
        before = _answer(lm, "All heads", view)
    with right:
        after = _answer(lm, f"Without {names}", ablated)
    first = int(view.logits.argmax())
    then = float(torch.softmax(ablated.logits, -1)[first])
    st.markdown(
        f"{code(lm.token(first))} goes from {percent(float(before['probability'].iloc[0]))} to {percent(then)} "
        f"when {names} {'is' if len(settings.heads) == 1 else 'are'} ablated."
    )
    both = pd.concat([before.assign(heads="all"), after.assign(heads="ablated")])
    table_below("next-tokens", lm, settings, both, lambda dark: token_bars_beside(before, after, dark))
    which = st.segmented_control(
        "Look inside", [ALL, WITHOUT], default=ALL, key="inside", bind="query-params", required=True
    )
    return (ablated, settings) if which == WITHOUT else (view, original)


def _layers(lm: LoadedModel, view: PromptView, settings: AskSettings) -> None:
    st.subheader("Which layers make the answer more likely?")
    increase = view.increase
    frame = increase.to_frame()
    st.altair_chart(increase_bars(frame, is_dark()), alt="Increase of log-probability by layer")
    best = frame.loc[frame["increase"].idxmax()]
    st.markdown(
        f"The {best['module']} of layer {best['layer']} raises {code(lm.token(increase.target))} most, by "
        f"{three_digits(best['increase'])} nats of log-probability. The token's probability in this run "
        f"is {percent(increase.probability)}."
    )
    table_below("layer-increase", lm, settings, frame, lambda dark: increase_bars(frame, dark))
    notebook_increase(lm, settings, frame)
    with st.expander("How this is computed"):
        st.latex(
            r"\Delta = \log p(w \mid x + \text{module output}) - \log p(w \mid x), \qquad"
            r" p(\cdot\mid y)=\mathrm{softmax}\left(W_U\,(y\odot g)/\sqrt{s+\epsilon}\right)"
        )
        st.markdown(
            "At the last position. *w* is the prediction with all heads, and *s* the mean square of the final layer's "
            "output in that run, also when heads are ablated (CNA, section 4.1). A module that only prepares what a "
            "later one reads shows no increase."
        )


def _lens(lm: LoadedModel, view: PromptView, settings: AskSettings) -> None:
    st.subheader("What would each layer predict?")
    lens = view.lens
    names = ["input", *(f"{n}" for n in range(lm.n_layers))]
    frame = pd.DataFrame(
        {"after": names, "token": [visible(lm.token(t)) for t in lens.token], "probability": lens.probability.tolist()}
    )
    st.altair_chart(lens_strip(frame, is_dark()), alt="Most likely token after each layer")
    final = frame["token"].iloc[-1]
    settled = len(frame) - 1
    while settled and frame["token"].iloc[settled - 1] == final:
        settled -= 1
    st.markdown(f"{code(final)} is the most likely token from {_place(settled)} on.")
    table_below("logit-lens", lm, settings, frame, lambda dark: lens_strip(frame, dark))
    with st.expander("How this is computed"):
        st.markdown(
            "The logit lens: the residual stream after each layer at the last position, through the final norm "
            "and the unembedding as if no layer followed. Early layers often hold the answer in a form that the logit "
            "lens does not show."
        )


def _place(after: int) -> str:
    return "the input" if after == 0 else f"layer {after - 1}"


def _pattern(lm: LoadedModel, view: PromptView, settings: AskSettings) -> None:
    st.subheader("What does a head attend to?")
    for name, most in (("layer", lm.n_layers), ("head", lm.n_heads)):  # another model may have fewer
        if st.session_state.get(name, 0) >= most:
            st.session_state[name] = 0
    layer_box, head_box, _ = st.columns([1, 1, 4])
    layer = layer_box.number_input("Layer", 0, lm.n_layers - 1, lm.n_layers // 2, key="layer", bind="query-params")
    head = head_box.number_input("Head", 0, lm.n_heads - 1, 0, key="head", bind="query-params")
    weights = view.pattern[layer, head]
    names = [f"{i} {visible(lm.token(t))}" for i, t in enumerate(view.ids)]
    frame = pd.DataFrame(
        [(names[q], names[k], float(weights[q, k])) for q in range(len(names)) for k in range(q + 1)],
        columns=["query", "key", "weight"],
    )
    st.altair_chart(pattern_map(frame, is_dark()), width="content", alt=f"Attention of head {layer}_{head}")
    most = int(weights[-1].argmax())
    st.markdown(
        f"From the last token, head {head_name(layer, head)} attends most to {code(names[most])} "
        f"({percent(float(weights[-1, most]))})."
    )
    table_below(
        "attention",
        lm,
        {**settings.to_dict(), "layer": layer, "head": head},
        frame,
        lambda dark: pattern_map(frame, dark),
    )


def page() -> None:
    """Draws the page."""
    heading("Ask the model", "What does the model answer to a prompt, and which layers decide it?")
    settings = _controls()
    with told():
        lm = current_model()
        view, settings = _answers(lm, settings)
        _layers(lm, view, settings)
        _lens(lm, view, settings)
        _pattern(lm, view, settings)


page()
