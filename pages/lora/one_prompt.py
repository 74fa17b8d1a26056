"""Table 9: one prompt's important neurons without and with adapters, and the neurons that change most."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.forward.read_at import read_at
from core.lora.beside import BASE, PromptBeside, answers_beside, beside, check_answerable
from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from pages.lora.settings import AnswersSettings, PromptSettings
from pages.shared.adapters import OWN
from pages.shared.job_slot import job_slot
from pages.shared.neuron_card import card_here, pick
from pages.shared.neuron_words import Reading, Readings
from pages.shared.papers import same_in_paper
from pages.shared.permissions import locked
from pages.shared.present import short_number, told
from pages.shared.resources import adapter_digest
from pages.shared.tokens import token_strip
from pages.shared.words import code, mono, moved, percent, plain, three_digits, visible

LESS, MORE = "lora less", "lora more"
K = 10
MOST = 40


def show(lm: LoadedModel, adapters: dict[str, Path], best: str) -> None:
    """Answers, coefficients and changes of one prompt, under one chosen adapter."""
    st.header("One prompt, with and without an adapter")
    first, second = st.columns([3, 2])
    first.text_input("Prompt", PromptSettings.prompt, **PromptSettings.bound("prompt"))
    names = list(adapters)
    if st.session_state.get("lora_adapter", best) not in names:
        st.session_state.pop("lora_adapter")
    chosen = second.selectbox(
        "Adapter", names, index=names.index(best) if best in names else 0, **PromptSettings.bound("adapter")
    )
    with second:
        off = locked()
    second.text_input(
        "Another adapter",
        key=OWN,
        placeholder="a PEFT folder on this computer",
        disabled=off,
        help="Its weights must be stored as safetensors and made for this model.",
    )
    with told():
        _answers(lm, chosen, adapters[chosen], first)
    with told():
        _one_prompt(lm, adapters)


def _one_prompt(lm: LoadedModel, adapters: dict[str, Path]) -> None:
    position = token_strip(lm, "lora", st.session_state["lora_prompt"])
    settings = PromptSettings.read(
        adapters=tuple((name, adapter_digest(folder)) for name, folder in adapters.items()), position=position
    )
    found = job_slot(
        lm,
        "lora prompt",
        settings,
        plain(f"Comparing the models on {settings.prompt}"),
        lambda progress: beside(
            lm, adapters, settings.adapter, read_at(lm, settings.prompt, settings.position), K, progress
        ),
        "Change the prompt.",
        start="auto",
        check=lambda: _check(lm, settings.prompt),
    )
    if found is not None:
        _coefficients(lm, found.result, found.key)
        _changed(lm, found.result, found.key)


def _check(lm: LoadedModel, prompt: str) -> None:
    lm.encode(prompt)


def _answers(lm: LoadedModel, chosen: str, folder: Path, where: Any) -> None:
    where.text_area(
        "Prompts for both models, one per line",
        "\n".join(AnswersSettings.prompts),
        height=170,
        **AnswersSettings.bound("prompts"),
    )
    settings = AnswersSettings.read(adapter=chosen, digest=adapter_digest(folder))
    prompts = settings.prompts[:MOST]
    if len(prompts) < len(settings.prompts):
        st.caption(f"Only the first {MOST} of {len(settings.prompts)} prompts are asked.")
    if not prompts:
        return
    found = job_slot(
        lm,
        "lora answers",
        settings,
        "Asking the model without and with the adapter",
        lambda progress: answers_beside(lm, {chosen: folder}, prompts, progress),
        "Change the prompts.",
        start="auto",
        check=lambda: check_answerable(lm, prompts),
    )
    if found is not None:
        table = found.result
        same = table[chosen] == table[BASE]
        st.dataframe(table.assign(answer=same.map({True: "same", False: "changed"})), hide_index=True)
        st.markdown(f"The adapter on {mono(chosen)} changes {int((~same).sum())} of {len(table)} answers.")


def _top_tokens(found: PromptBeside, pair: tuple[int, int]) -> str:
    return " ".join(visible(token) for token in found.tokens[pair])


def _coefficients(lm: LoadedModel, found: PromptBeside, settings: PromptSettings) -> None:
    table = found.coefficients
    target = code(lm.token(table.target))
    st.markdown(
        f"**The {len(table.neurons)} most important neurons for {mono(table.prompt)} → {target}** "
        "in the model without an adapter, and their coefficients with each adapter (as in table 9)"
    )
    frame = table.to_frame().drop(columns=["layer", "neuron"])
    frame.insert(0, "neuron", [f"{layer}_{neuron}" for layer, neuron in table.neurons])
    frame["top tokens"] = [_top_tokens(found, pair) for pair in table.neurons]
    numbers = [c for c in frame.columns if c not in ("neuron", "top tokens")]
    st.dataframe(frame, hide_index=True, column_config={name: short_number(name) for name in numbers})
    rises = found.rises
    highest, lowest = max(rises, key=lambda name: rises[name]), min(rises, key=lambda name: rises[name])
    of_all = f"the highest of {len(rises)} adapters" if len(rises) > 1 else "the only adapter"
    told = f"The sum of these coefficients, each by its sign without an adapter, {_rises(rises[highest])} "
    told += f"with the adapter on {mono(highest)}, {of_all}"
    if len(rises) > 1:
        told += f", and {_rises(rises[lowest])} with the one on {mono(lowest)}, the lowest"
    st.markdown(told + ".")
    same_in_paper(lm, 9)
    st.download_button(
        "Coefficients as CSV",
        frame.to_csv(index=False),
        "lora-coefficients.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _changed(lm: LoadedModel, found: PromptBeside, settings: PromptSettings) -> None:
    target = code(lm.token(found.less.target))
    st.markdown(
        f"**Neurons that the adapter on {mono(settings.adapter)} changes most** (importance for {target}; select a row "
        "to see the neuron's card)"
    )
    for title, key, change in (
        ("More important with the adapter", MORE, found.more),
        ("Less important with the adapter", LESS, found.less),
    ):
        st.markdown(title)
        frame = _change_frame(found, change, key == MORE)
        st.dataframe(
            frame,
            hide_index=True,
            key=key,
            selection_mode="single-row",
            height=250,
            on_select=partial(_open, key, frame["neuron"].tolist()),
            column_config={name: short_number(name) for name in frame.columns[1:-1]},
        )
    top, of = found.more.pairs[0], found.more
    how = "rises most, from" if float(of.change[0]) > 0 else "falls least, as none rises: from"
    st.markdown(
        f"The importance of **{top[0]}_{top[1]}** {how} {three_digits(float(of.importance_second[0]))} to "
        f"{three_digits(float(of.importance_first[0]))} nats, while p({code(lm.token(of.target))}) goes from "
        f"{percent(of.probability_second)} to {percent(of.probability_first)}."
    )
    card_here(lm, "lora changed", _readings(found), first=True)


def _readings(found: PromptBeside) -> Readings:
    """Coefficients as they are in the runs that the tables compare."""
    base = set(found.coefficients.neurons)

    def read(layer: int, neuron: int) -> Reading | None:
        sign = found.signs.get((layer, neuron))
        if sign is None:
            return None
        run = "without an adapter" if (layer, neuron) in base else "in the run where it is larger"
        return Reading(sign, f"after {code(found.coefficients.prompt)}, {run}")

    return read


def _rises(share: float) -> str:
    """A relative change of a sum in words: rises by 12%, falls by 4%, does not change."""
    words = {"rise": "rises", "fall": "falls", "do not": "does not", "cannot": "cannot"}
    phrase = moved(share)
    plural = next(word for word in words if phrase.startswith(word))
    return phrase.replace(plural, words[plural], 1)


def _change_frame(found: PromptBeside, of: Comparison, more: bool) -> pd.DataFrame:
    """Columns: neuron, change (with - without), importance and coefficient without / with, top tokens."""
    order = ("second", "first") if more else ("first", "second")
    change = of.change.numpy() if more else -of.change.numpy()
    frame = pd.DataFrame({"neuron": [f"{layer}_{n}" for layer, n in of.pairs], "change": change})
    for what in ("importance", "coefficient"):
        for name, side in zip(("without", "with"), order, strict=True):
            frame[f"{what} {name}"] = getattr(of, f"{what}_{side}").numpy()
    frame["top tokens"] = [_top_tokens(found, pair) for pair in of.pairs]
    return frame[frame["change"] > 0 if more else frame["change"] < 0].reset_index(drop=True)


def _open(key: str, names: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        pick(names[rows[0]], "lora changed")
