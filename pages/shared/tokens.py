"""A prompt's tokens, to pick the one after which the model is read; and the most likely next tokens.

    position = token_strip(lm, "ask", settings.prompt)  # None: at the end, behind the blanks that the model predicts
    view_prompt(lm, read_at(lm, settings.prompt, position))

The link keeps picked positions in one parameter: `read_at=3`, or `read_at=,3` for the second of two prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from core.forward.answers import shift_note
from core.model.load import LoadedModel
from core.prompts.arithmetic import Prompt
from pages.shared.resources import kept, model_key
from pages.shared.words import code, mono, plain, visible

_LINK = "read_at"
#: Prompts above which the strips are folded away, and tokens above which one is.
_FOLD_PROMPTS, _FOLD_TOKENS = 2, 60


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt as the model reads it.

    Attributes:
        ids: its tokens, and the blanks that the model itself predicts behind them.
        typed: how many of them are the prompt's own.
        predicted: the most likely token after each.
    """

    ids: tuple[int, ...]
    typed: int
    predicted: tuple[int, ...]


def read_prompt(lm: LoadedModel, prompt: str) -> ReadPrompt:
    """Runs a prompt.

    Raises:
        UserError: for a prompt that the model cannot take.
    """
    typed, ids = lm.encode(prompt), lm.encode_for_answer(prompt)
    return ReadPrompt(tuple(ids), len(typed), tuple(lm.logits(ids).argmax(-1).tolist()))


def token_strip(lm: LoadedModel, place: str, prompt: str) -> int | None:
    """Draws a prompt's tokens; returns the picked position, None at the end.

    Raises:
        UserError: for a prompt that the model cannot take.
    """
    return token_strips(lm, place, [prompt])[0]


def token_strips(lm: LoadedModel, place: str, prompts: Sequence[str]) -> tuple[int | None, ...]:
    """Draws the tokens of some prompts; returns the picked position of each, None at the end.

    Args:
        lm: the model.
        place: the page's name; positions are remembered by it.
        prompts: texts.

    Raises:
        UserError: for a prompt that the model cannot take.
    """
    read = [kept(lm, read_prompt, prompt) for prompt in prompts]
    known = st.session_state.setdefault(f"read at {place}", _from_link(prompts))
    if len(prompts) > _FOLD_PROMPTS or any(len(one.ids) > _FOLD_TOKENS for one in read):
        where: DeltaGenerator = st.expander(f"Tokens: {_summary(prompts, read, known)}", icon=":material/data_array:")
    else:
        where = st.container()
    with where:
        picked = tuple(
            _strip(lm, f"{place} {number}", prompt, one, known.get(prompt), several=len(prompts) > 1)
            for number, (prompt, one) in enumerate(zip(prompts, read, strict=True))
        )
    st.session_state[f"read at {place}"] = {
        prompt: position for prompt, position in zip(prompts, picked, strict=True) if position is not None
    }
    _to_link(picked)
    return picked


def _strip(
    lm: LoadedModel, name: str, prompt: str, read: ReadPrompt, position: int | None, several: bool
) -> int | None:
    last = len(read.ids) - 1
    default = position if position is not None and position < last else last
    chosen = st.pills(
        f"Tokens of {mono(prompt)}" if several else "Tokens: click one to read the model there",
        range(len(read.ids)),
        default=default,
        required=True,
        format_func=lambda i: _label(lm, read, i),
        key=f"strip {name} {model_key(lm)} {prompt}",
    )
    if not several:
        st.caption(_sentence(lm, read, chosen))
    return None if chosen == last else int(chosen)


def _label(lm: LoadedModel, read: ReadPrompt, i: int) -> str:
    added = " added" if i >= read.typed else ""
    return f":gray[{i}] {code(lm.token(read.ids[i]))}{added}"


def _sentence(lm: LoadedModel, read: ReadPrompt, chosen: int) -> str:
    """What is read at the picked position."""
    token, next_one = lm.token(read.ids[chosen]), lm.token(read.predicted[chosen])
    told = f"Read after token {chosen}, {code(token)}: there the model predicts {code(next_one)}."
    n_added = len(read.ids) - read.typed
    if n_added:
        blanks = "the blank" if n_added == 1 else f"the {n_added} blanks"
        no_answer = lm.goes_on_blank(read.predicted[-1])
        told += f" The model itself predicts {blanks} {'and no answer' if no_answer else 'before its answer'}, so "
        told += f"{'it is' if n_added == 1 else 'they are'} added to the prompt."
    return told


def _summary(prompts: Sequence[str], read: Sequence[ReadPrompt], known: dict[str, int]) -> str:
    """What the folded strips hold, in a line."""
    added = sum(len(one.ids) > one.typed for one in read)
    moved = sum(prompt in known for prompt in prompts)
    told = "where each prompt is read" if len(prompts) > 1 else f"{len(read[0].ids)}, and where the model is read"
    told += f"; {added} of {len(prompts)} with a blank added" if added else ""
    return told + (f"; {moved} not at the end" if moved else "")


def note_shift(lm: LoadedModel, prompts: Sequence[Prompt]) -> None:
    """Says where the tokenizer joins prompts with their answers, so that they are read earlier than they end."""
    note = kept(lm, shift_note, tuple(prompts))
    if note is not None:
        st.caption(plain(note))


def _from_link(prompts: Sequence[str]) -> dict[str, int]:
    """The positions in the link that the page was opened with."""
    given = st.query_params.get(_LINK, "").split(",")
    return {prompt: int(text) for prompt, text in zip(prompts, given, strict=False) if text.strip().isdecimal()}


def _to_link(picked: Sequence[int | None]) -> None:
    text = ",".join("" if position is None else str(position) for position in picked).rstrip(",")
    if text and st.query_params.get(_LINK) != text:
        st.query_params[_LINK] = text
    elif not text and _LINK in st.query_params:
        del st.query_params[_LINK]


def next_tokens(lm: LoadedModel, logits: Tensor, n: int = 10) -> pd.DataFrame:
    """Columns token, id, probability, most likely first; tokens with the same text are told apart by their ids."""
    best = torch.softmax(logits, -1).topk(min(n, lm.n_vocab))
    ids = best.indices.tolist()
    tokens = [visible(lm.token(i)) for i in ids]
    shown = [f"{t} (id {i})" if tokens.count(t) > 1 else t for t, i in zip(tokens, ids, strict=True)]
    return pd.DataFrame({"token": shown, "id": ids, "probability": best.values.tolist()})
