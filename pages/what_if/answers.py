"""Two columns: what the original and the edited model answer, and whether the edit has an effect."""

import pandas as pd
import streamlit as st

from core.edits.compare import WhatIf
from core.edits.edit_set import kind_of, name_of
from core.edits.effects import EditEffects
from core.edits.study import DRAWS, EditedAnswers, edited_answers
from core.forward.read_at import reads_at
from core.hooks import Edit
from core.model.load import LoadedModel
from pages.shared.claims.badge import badge
from pages.shared.inputs import usable_prompts
from pages.shared.job_slot import Found, job_slot
from pages.shared.present import accuracies, downloads
from pages.shared.theme import is_dark
from pages.shared.tokens import token_strips
from pages.shared.words import code, from_to, of_n, percent, three_digits, visible
from pages.what_if.charts import tokens_after, tokens_before, tokens_beside
from pages.what_if.settings import AskSettings

MOST = 30
NOTHING = 1e-6  # nats; what rounding may do


def controls(lm: LoadedModel, edits: tuple[Edit, ...]) -> AskSettings | None:
    """What to ask; None when no prompt can be taken."""
    text = st.text_area(
        "Prompts, one per line",
        "\n".join(AskSettings.prompts),
        height=140,
        persist_state="session",
        **AskSettings.bound("prompts"),
    )
    with st.expander("Settings of the answers"):
        first, second, third, fourth = st.columns(4)
        first.slider("Tokens to continue", 1, 40, AskSettings.n_tokens, **AskSettings.bound("n_tokens"))
        second.slider(
            "Temperature",
            0.1,
            3.0,
            AskSettings.temperature,
            0.1,
            help="Of the sampled continuation: below 1 favours likely tokens.",
            **AskSettings.bound("temperature"),
        )
        third.number_input(
            "Seed",
            0,
            10**6,
            AskSettings.seed,
            help="Both columns are sampled with the same noise: only the edit makes a difference.",
            **AskSettings.bound("seed"),
        )
        fourth.slider(
            "Arithmetic prompts",
            0,
            100,
            AskSettings.count,
            5,
            help="For each operation, with one and two digits; 0: no arithmetic.",
            **AskSettings.bound("count"),
        )
    prompts = usable_prompts(lm, text, MOST)
    if not prompts:
        return None
    positions = token_strips(lm, "what if", prompts)
    return AskSettings.read(edits=edits, prompts=tuple(prompts), positions=positions)


def answered(lm: LoadedModel, asked: AskSettings) -> Found[EditedAnswers, AskSettings] | None:
    """Asks both models, by itself whenever edits or prompts change; a stopped question waits for a press."""
    return job_slot(
        lm,
        "what if",
        asked,
        "Asking the original and the edited model",
        lambda progress: edited_answers(
            lm,
            reads_at(lm, asked.prompts, asked.positions),
            asked.edits,
            asked.n_tokens,
            asked.temperature,
            asked.seed,
            asked.count,
            progress=progress,
        ),
        "",
        start="auto",
        again="Ask again",
    )


def verdict(lm: LoadedModel, found: EditedAnswers) -> None:
    """One line: whether the edits have an effect."""
    if found.effects is not None:
        _effect(found, found.effects)
        badge(lm, "edits", "what-if verdict")


def _effect(found: EditedAnswers, effects: EditEffects) -> None:
    n, together = len(found.both.prompts), effects.together
    size = f"{three_digits(together.kl)} nats"
    changed = round(together.changed * n)
    random = f"{DRAWS} draws of as many random ones with the same factors: at most {three_digits(effects.random_kl)}"
    activation = _activation(effects)
    if together.kl < NOTHING:
        silent = bool((effects.activation[0].abs() < 1e-6).all())
        why = " The heads and neurons that they scale are next to zero on these prompts." if silent else ""
        st.warning(f"**The edits have no effect here.**{why} {activation}", icon=":material/do_not_disturb_on:")
        return
    told = (
        f"The next token moves by {size} (KL, mean of {n} prompts; {random}). The log-probability of the original's "
        f"most likely token changes by {three_digits(together.log_p)} nats; {changed} of {n} prompts get another most "
        f"likely token. {activation}"
    )
    if together.kl > effects.random_kl:
        st.success(f"**The edits have an effect.** {told}", icon=":material/check_circle:")
    else:
        st.info(f"**The edits have no more effect than random ones.** {told}", icon=":material/casino:")


def _activation(effects: EditEffects) -> str:
    before, after = effects.activation.tolist()
    if len(effects.edits) == 1:
        edit = effects.edits[0]
        what = "coefficient" if kind_of(edit) == "neuron" else "output length"
        return (
            f"Mean {what} of {kind_of(edit)} {name_of(edit)} at the last position: {three_digits(before[0])} "
            f"before, {three_digits(after[0])} after."
        )
    size = [sum(map(abs, values)) / len(values) for values in (before, after)]
    return (
        f"The activations of the {len(before)} heads and neurons at the last position have mean size "
        f"{three_digits(size[0])} before and {three_digits(size[1])} after."
    )


def columns(lm: LoadedModel, found: EditedAnswers, settings: AskSettings) -> None:
    """Both answers to one prompt side by side, then all prompts and the accuracies."""
    both = found.both
    if st.session_state.get("bench shown") not in both.prompts:
        st.session_state.pop("bench shown", None)
    prompt = st.selectbox("Next token after", both.prompts, key="bench shown")
    number = both.prompts.index(prompt)
    frame = both.next_tokens(lm, number)
    shown = [visible(token) for token in frame["token"]]
    frame["token"] = [f"{t} (id {i})" if shown.count(t) > 1 else t for t, i in zip(shown, frame["id"], strict=True)]
    text = both.continuations()
    for place, name, chart in zip(st.columns(2), ("original", "edited"), (tokens_before, tokens_after), strict=True):
        with place:
            st.subheader(name.capitalize())
            st.altair_chart(chart(frame, is_dark()), alt=f"Most likely next tokens, {name}")
            if number < len(text):
                greedy, sampled = text[name].iloc[number], text[f"{name}, sampled"].iloc[number]
                st.markdown(f"Greedy (the most likely token each time): {code(greedy)}  \nSampled: {code(sampled)}")
    _sentence(frame)
    downloads(
        "what-if-next-tokens",
        lm,
        {**settings.to_dict(), "prompt": prompt},
        frame,
        lambda dark: tokens_beside(frame, dark),
    )
    st.subheader("All prompts")
    same = text["original"] == text["edited"]
    st.dataframe(text.assign(greedy=same.map({True: "same", False: "changed"})), hide_index=True)
    st.markdown(f"{int((~same).sum())} of {len(text)} greedy continuations change.")
    _accuracy(both)


def _sentence(frame: pd.DataFrame) -> None:
    most = frame.loc[frame["change"].abs().idxmax()]
    if abs(most["change"]) < 5e-6:
        st.markdown("No probability changes.")
        return
    st.markdown(f"{code(most['token'])} changes most: {from_to(float(most['original']), float(most['edited']))}.")


def _accuracy(both: WhatIf) -> None:
    done = [name for name in both.original.accuracy if name in both.edited.accuracy]
    if not done:
        return
    st.subheader("Accuracy by operation")
    asked = {name: both.asked[name] for name in done}
    n = sum(asked.values())
    before, after = (
        {**{name: side.accuracy[name] for name in done}, "all": sum(side.accuracy[m] * asked[m] for m in done) / n}
        for side in (both.original, both.edited)
    )
    st.dataframe(accuracies(before, after, {**asked, "all": n}))
    st.markdown(
        f"Over all operations accuracy goes from {of_n(before['all'], n)} to {percent(after['all'])} "
        "(greedy exact match of the whole answer, which no digit may follow; last template)."
    )
