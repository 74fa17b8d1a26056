"""Pairs of prompts with their results, for causal mediation; a pair may be typed by a person."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import UserError
from core.mediation.groups import GROUPINGS
from core.model.load import LoadedModel
from core.types import PromptLike


@dataclass(frozen=True)
class PromptPair:
    """Two prompts of the same number of tokens.

    Attributes:
        base: the prompt whose run is changed, with the common beginning of the answers.
        alternative: the prompt that values are copied from.
        base_ids: its tokens.
        alternative_ids: the tokens of the alternative.
        base_result: token id r; None: the model's prediction.
        alternative_result: token id r'.
        groups: the position group of each token of the base prompt, by roles (`core.mediation.groups`).
        read_at: how the results were chosen: "single token", "first token that differs",
            "first token" (one result of several tokens), "given" or "prediction".
        cma_groups: the groups of the grouping `CMA`; None: the same as `groups`.
    """

    base: str
    alternative: str
    base_ids: tuple[int, ...]
    alternative_ids: tuple[int, ...]
    base_result: int | None
    alternative_result: int | None
    groups: tuple[str, ...]
    read_at: str
    cma_groups: tuple[str, ...] | None = None

    def groups_by(self, grouping: str) -> tuple[str, ...]:
        """The position group of each token in one grouping.

        Raises:
            UserError: for an unknown grouping.
        """
        if grouping not in GROUPINGS:
            raise UserError(f"Positions cannot be grouped by {grouping!r}: use one of {', '.join(GROUPINGS)}.")
        return self.cma_groups if grouping == "CMA" and self.cma_groups is not None else self.groups


def check_differ(pairs: Sequence[PromptPair]) -> None:
    """Raises `UserError` for two prompts that are the same tokens: then no copied value can change anything."""
    for pair in pairs:
        _check_differ(pair.base_ids, pair.alternative_ids, pair.base)


def _check_differ(base: Sequence[int], alternative: Sequence[int], text: str) -> None:
    if list(base) == list(alternative):
        raise UserError(
            f"Both prompts are the same for the model ({text.strip()!r}), so nothing differs that could be copied. "
            "Change a number or a word in one of them."
        )


def typed_pair(
    lm: LoadedModel,
    base: PromptLike,
    alternative: PromptLike,
    base_result: int | str | None = None,
    alternative_result: int | str | None = None,
) -> PromptPair:
    """A pair of typed prompts; every position is a group of its own.

    Text is extended by the blanks that the model itself predicts before its answer (`LoadedModel.prompt_ids`), so that
    results are read at the answer's first visible token. Where the model predicts another number of blanks after the
    alternative, both get those of the base (*choice*: positions must correspond, and P and P* are read in the base's
    run). Token ids are taken as they are.

    Args:
        lm: the model.
        base: the prompt whose run is changed, as text or token ids.
        alternative: the prompt that values are copied from, likewise.
        base_result: r as a token id, or as text that follows the prompt after a space, of one visible token; None: the
            prediction.
        alternative_result: r', likewise.

    Raises:
        UserError: for prompts or results that the model cannot take, or prompts that are the
            same or have different numbers of tokens.
    """
    ids = _prompt_ids(lm, base, alternative)
    if len(ids[0]) != len(ids[1]):
        counts = " and ".join(f"{len(x)} ({' '.join(_name(lm, i).strip() for i in x)})" for x in ids)
        raise UserError(
            f"Both prompts need the same number of tokens; these have {counts}. Replace words or numbers by others, "
            "without adding or removing any."
        )
    texts = lm.prompt_text(base), lm.prompt_text(alternative)
    _check_differ(*ids, texts[0])
    results = _result(lm, base, base_result), _result(lm, alternative, alternative_result)
    names = [_both(_name(lm, a), _name(lm, b)) for a, b in zip(*ids, strict=True)]
    groups = tuple(f"{number} {name}" for number, name in enumerate(names))
    how = "prediction" if base_result is None and alternative_result is None else "given"
    return PromptPair(*texts, tuple(ids[0]), tuple(ids[1]), results[0], results[1], groups, how)


def _prompt_ids(lm: LoadedModel, base: PromptLike, alternative: PromptLike) -> tuple[list[int], list[int]]:
    """Both prompts as tokens, with the blanks before the answer."""
    first, second = lm.prompt_ids(base), lm.prompt_ids(alternative)
    if isinstance(base, str) and isinstance(alternative, str):
        plain, blanks = lm.encode(alternative), first[len(lm.encode(base)) :]
        if len(second) - len(plain) != len(blanks):
            second = [*plain, *blanks]
    return first, second


def _name(lm: LoadedModel, token_id: int) -> str:
    return "␣" if lm.is_blank(token_id) else lm.token(token_id)


def _both(first: str, second: str) -> str:
    return first if first == second else f"{first}→{second}"


def _result(lm: LoadedModel, prompt: PromptLike, result: int | str | None) -> int | None:
    if result is None:
        return None
    if isinstance(result, str):
        return _token_of(lm, lm.prompt_text(prompt), result)
    if not 0 <= result < lm.n_vocab:
        raise UserError(f"Token id {result} lies outside this model's vocabulary, 0 to {lm.n_vocab - 1}.")
    return result


def _token_of(lm: LoadedModel, prompt: str, result: str) -> int:
    """The one visible token of a result that follows a prompt; the blanks before it are part of the prompt."""
    joined = lm.encode_joined(prompt, result, "The prompt and its result have")
    if joined.shift:
        raise UserError(
            f"The tokenizer joins the end of {prompt[-60:]!r} with {result!r}, so the result is not a token. "
            "End the prompt in another way, or give the result as a token id."
        )
    tokens = joined.text[lm.first_visible(joined.text) :]
    if len(tokens) != 1:
        raise UserError(
            f"{result!r} is {len(tokens)} tokens. Give a result of one token, or put its beginning into the prompt."
        )
    return tokens[0]
