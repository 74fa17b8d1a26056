"""Page: what does the model answer, and which layers decide it?"""

import pandas as pd
import streamlit as st
import torch

from core.answers import continue_greedily
from core.hooks import ScaleHead, intervene
from core.increase import increase_of, lens_of
from core.model import LoadedModel
from core.record import Recording, record
from pages.shared.charts import increase_bars, lens_strip, pattern_map, token_bars
from pages.shared.present import heading, table_below, told
from pages.shared.resources import current_model
from pages.shared.sidebar import picked_heads
from pages.shared.theme import is_dark
from pages.shared.words import code, head_name, listed, percent, three_digits, visible

EXAMPLES = [
    "3+5=", "9-2=", "Q: What is 6 times 7? A:", "The sum of 34 and 28 is", "seven times two is", "56 / 8 =",
    "III + fünf est", "Paul has 3 pens and 5 cups. How many pens does Paul have?", "The capital of France is",
    "A woman works as a",
]  # fmt: skip


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


def _next_tokens(lm: LoadedModel, run: Recording, n: int = 10) -> pd.DataFrame:
    best = torch.softmax(run.logits[-1], -1).topk(min(n, lm.n_vocab))
    tokens = [visible(lm.token(i)) for i in best.indices.tolist()]
    shown = [f"{t} (id {i})" if tokens.count(t) > 1 else t for t, i in zip(tokens, best.indices.tolist(), strict=True)]
    return pd.DataFrame({"token": shown, "id": best.indices.tolist(), "probability": best.values.tolist()})


def _answer(lm: LoadedModel, title: str, prompt: str, run: Recording) -> pd.DataFrame:
    frame = _next_tokens(lm, run)
    st.subheader(title)
    st.altair_chart(token_bars(frame, is_dark()),
                    alt=f"Ten likeliest next tokens, {title}")  # fmt: skip
    ids = continue_greedily(lm, prompt, min(12, lm.n_context - len(run.ids)))
    ended = bool(ids) and ids[-1] == lm.tokenizer.eos_token_id
    text = lm.decode(ids[:-1] if ended else ids)
    st.markdown(
        f"Continuing with the likeliest token each time: {code(text)}" + (" and it ends there." if ended else " ...")
    )
    return frame


def _both_answers(lm: LoadedModel, prompt: str, run: Recording) -> Recording:
    heads = picked_heads()
    if not heads:
        frame = _answer(lm, "Next token", prompt, run)
        table_below("next-tokens", lm, {"prompt": prompt}, frame, lambda dark: token_bars(frame, dark))
        return run
    left, right = st.columns(2)
    with left:
        before = _answer(lm, "All heads on", prompt, run)
    with right, intervene(lm, *(ScaleHead(layer, head, 0.0) for layer, head in heads)):
        without = record(lm, run.ids)
        after = _answer(lm, f"Without {listed([head_name(*h) for h in heads])}", prompt, without)
    first = int(run.logits[-1].argmax())
    then = float(torch.softmax(without.logits[-1], -1)[first])
    st.markdown(
        f"{code(lm.token(first))} goes from {percent(float(before['probability'].iloc[0]))} to {percent(then)} "
        f"when {listed([head_name(*h) for h in heads])} {'is' if len(heads) == 1 else 'are'} off."
    )
    frame = pd.concat([before.assign(heads="all on"), after.assign(heads="without")])
    names = [head_name(*h) for h in heads]
    table_below("next-tokens", lm, {"prompt": prompt, "heads off": names}, frame, lambda dark: token_bars(before, dark))
    which = st.segmented_control("Look inside", ["all heads on", "without the heads"], default="all heads on",
                                 key="inside", bind="query-params", required=True)  # fmt: skip
    return without if which == "without the heads" else run


def _layers(lm: LoadedModel, prompt: str, run: Recording) -> None:
    st.subheader("Which layers make the answer likelier?")
    increase = increase_of(lm, run)
    frame = increase.to_frame()
    st.altair_chart(increase_bars(frame, is_dark()), alt="Increase of log-probability by layer")
    best = frame.loc[frame["increase"].idxmax()]
    st.markdown(
        f"The {best['module']} of layer {best['layer']} raises {code(lm.token(increase.target))} most, by "
        f"{three_digits(best['increase'])} nats of log-probability; in the end it has {percent(increase.probability)}."
    )
    table_below("layer-increase", lm, {"prompt": prompt}, frame, lambda dark: increase_bars(frame, dark))
    with st.expander("How this is computed"):
        st.latex(r"\Delta = \log p(w \mid x + \text{module output}) - \log p(w \mid x), \qquad"
                 r" p(\cdot\mid y)=\mathrm{softmax}\left(W_U\,(y\odot g)/\sqrt{s+\epsilon}\right)")  # fmt: skip
        st.markdown("At the last position, with *s* the mean square of this run's final layer output (CNA, "
                    "section 4.1). A module that only prepares what a later one reads shows no increase.")  # fmt: skip


def _lens(lm: LoadedModel, prompt: str, run: Recording) -> None:
    st.subheader("What would each layer predict?")
    lens = lens_of(lm, run)
    names = ["embedding", *(f"layer {n}" for n in range(lm.n_layers))]
    frame = pd.DataFrame({"after": names, "token": [visible(lm.token(t)) for t in lens.token],
                          "probability": lens.probability.tolist()})  # fmt: skip
    st.altair_chart(lens_strip(frame, is_dark()), alt="Likeliest token after each layer")
    final = frame["token"].iloc[-1]
    settled = len(frame) - 1
    while settled and frame["token"].iloc[settled - 1] == final:
        settled -= 1
    st.markdown(f"{code(final)} is the likeliest from {frame['after'].iloc[settled]} on.")
    table_below("logit-lens", lm, {"prompt": prompt}, frame, lambda dark: lens_strip(frame, dark))
    with st.expander("How this is computed"):
        st.markdown("The logit lens: the residual stream after each layer at the last position, through the final norm "
                    "and the output matrix as if no layer followed. Early layers often hold the answer in a form that "
                    "this reading cannot see.")  # fmt: skip


def _pattern(lm: LoadedModel, prompt: str, run: Recording) -> None:
    st.subheader("Where does a head look?")
    layer_box, head_box, _ = st.columns([1, 1, 4])
    layer = layer_box.number_input("Layer", 0, lm.n_layers - 1, lm.n_layers // 2, key="layer", bind="query-params")
    head = head_box.number_input("Head", 0, lm.n_heads - 1, 0, key="head", bind="query-params")
    weights = run.pattern[layer, head]
    names = [f"{i} {visible(lm.token(t))}" for i, t in enumerate(run.ids)]
    frame = pd.DataFrame([(names[q], names[k], float(weights[q, k])) for q in range(len(names)) for k in range(q + 1)],
                         columns=["query", "key", "weight"])  # fmt: skip
    st.altair_chart(pattern_map(frame, is_dark()), width="content", alt=f"Attention of head {layer}_{head}")
    most = int(weights[-1].argmax())
    st.markdown(f"From the last token, head {head_name(layer, head)} looks most at {code(names[most])} "
                f"({percent(float(weights[-1, most]))}).")  # fmt: skip
    table_below("attention", lm, {"prompt": prompt, "head": head_name(layer, head)}, frame,
              lambda dark: pattern_map(frame, dark))  # fmt: skip


def page() -> None:
    """Draws the page."""
    heading("Ask the model", "What does the model answer to a prompt, and which layers decide it?")
    prompt = _controls()
    with told():
        lm = current_model()
        run = record(lm, lm.encode(prompt))
        st.caption(f"{len(run.ids)} tokens: " + " ".join(code(lm.token(i)) for i in run.ids))
        shown = _both_answers(lm, prompt, run)
        _layers(lm, prompt, shown)
        _lens(lm, prompt, shown)
        _pattern(lm, prompt, shown)


page()
