"""Two columns: the answers of the original and of the edited model, and whether the edit had an effect."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.edits.compare import WhatIf, what_if
from core.edits.edit_set import kind_of, name_of
from core.edits.effects import EditEffects, edit_effects
from core.hooks import Edit
from core.jobs.job import Job
from core.model.load import LoadedModel
from core.progress import Progress
from pages.shared.accuracies import accuracies
from pages.shared.present import downloads
from pages.shared.prompts import usable_prompts
from pages.shared.resources import board, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import code, from_to, of_n, percent, three_digits, visible
from pages.what_if.charts import tokens_after, tokens_before, tokens_beside

DEFAULT = "3+5=\n34+28=\nThe sum of 34 and 28 is\nThe capital of France is\nA woman works as a"
MOST = 30
DRAWS = 5
NOTHING = 1e-6  # nats; what rounding may do


@dataclass(frozen=True)
class Asked:
    """The prompts and settings that both models are run with."""

    prompts: tuple[str, ...]
    n_tokens: int
    temperature: float
    seed: int
    count: int


@dataclass(frozen=True)
class Answered:
    """Both columns, and the effect against random edits (None without edits)."""

    both: WhatIf
    effects: EditEffects | None


def controls(lm: LoadedModel) -> Asked | None:
    """The prompts and settings; None when no prompt can be used."""
    text = st.text_area(
        "Prompts, one per line", DEFAULT, key="bench_prompts", bind="query-params", height=140, persist_state="session"
    )
    with st.expander("Settings of the answers"):
        first, second, third, fourth = st.columns(4)
        n_tokens = first.slider("Tokens to continue", 1, 40, 8, key="bench_tokens", bind="query-params")
        temperature = second.slider(
            "Temperature",
            0.1,
            3.0,
            1.0,
            0.1,
            key="bench_temperature",
            bind="query-params",
            help="Of the sampled continuation: below 1 favours likely tokens.",
        )
        seed = third.number_input(
            "Seed",
            0,
            10**6,
            0,
            key="bench_seed",
            bind="query-params",
            help="Both columns are sampled with the same noise: only the edit makes a difference.",
        )
        count = fourth.slider(
            "Arithmetic prompts",
            0,
            100,
            25,
            5,
            key="bench_count",
            bind="query-params",
            help="For each operation, one and two digits; 0: no arithmetic.",
        )
    prompts = usable_prompts(lm, text, MOST)
    return Asked(tuple(prompts), int(n_tokens), float(temperature), int(seed), int(count)) if prompts else None


def answered(lm: LoadedModel, edits: tuple[Edit, ...], asked: Asked) -> Answered | None:
    """Runs both models, automatically whenever edits or prompts change; after a Stop, when the button is pressed."""
    key = ("what if", *model_key(lm), edits, asked)
    job: Job | None = st.session_state.get("what if job")
    again = job is not None and job.state in ("stopped", "failed") and job.key == key
    if job is None or job.key != key or (again and st.button("Ask again", icon=":material/refresh:")):
        if job is not None and not job.ended:
            board().stop(job, session_id())  # nobody waits for the former edits any more
        job = board().submit(
            key, "Asking the original and the edited model", lambda p: _ask(lm, edits, asked, p), session_id()
        )
        st.session_state["what if job"] = job
    wait_for(job)
    found = outcome(job)
    return found if isinstance(found, Answered) else None


def _ask(lm: LoadedModel, edits: tuple[Edit, ...], asked: Asked, progress: Progress) -> Answered:
    effects = edit_effects(lm, asked.prompts, edits, DRAWS, asked.seed, each=False) if edits else None
    both = what_if(
        lm,
        asked.prompts,
        edits,
        asked.n_tokens,
        asked.temperature,
        asked.seed,
        (1, 2) if asked.count else (),
        max(1, asked.count),
        progress,
    )
    return Answered(both, effects)


def verdict(found: Answered) -> None:
    """One sentence: did the edit have an effect?"""
    effects = found.effects
    if effects is None:
        return
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
        "likely token. "
        f"{activation}"
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


def columns(lm: LoadedModel, found: Answered, settings: dict[str, Any]) -> None:
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
    downloads("what-if-next-tokens", lm, {**settings, "prompt": prompt}, frame, lambda dark: tokens_beside(frame, dark))
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
        "(greedy exact match of the whole answer, last template)."
    )
