"""Log-probabilities of texts after other texts, and next-token logits, for many texts in few passes.

Texts with a common beginning share its computation (`core.forward.prefix_tree`). Inside an `intervene` block all
numbers are of the intervened model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.forward.prefix_tree import PrefixTree, trees_for
from core.model.encode import stays_blank
from core.model.load import MAX_BLANKS, LoadedModel
from core.progress import Progress, silent
from core.types import PromptLike


@dataclass(frozen=True)
class Continuation:
    """Tokens, and the tokens after them that are asked about."""

    ids: tuple[int, ...]
    answer: tuple[int, ...]


def continuation(lm: LoadedModel, prompt: str, text: str) -> Continuation:
    """Tokenises a text that follows a prompt after one space.

    Raises:
        UserError: for a word that the model does not know, or no text.
    """
    ids, answer = lm.encode_continuation(prompt, text)
    return Continuation(tuple(ids), tuple(answer))


def whole_text(lm: LoadedModel, text: str) -> Continuation:
    """A text as everything that follows its own first token (the beginning-of-sequence token where there is one).

    Raises:
        UserError: for a word that the model does not know, or less than two tokens.
    """
    ids = lm.encode(text)
    if len(ids) < 2:
        raise UserError(f"{text!r} is a single token, so nothing in it can be predicted. Write a longer sentence.")
    return Continuation(tuple(ids[:1]), tuple(ids[1:]))


def log_probabilities(
    lm: LoadedModel, asked: Sequence[Continuation], progress: Progress = silent
) -> Float[Tensor, " continuation"]:
    """Log-probability of each whole answer, the sum over its tokens (nats)."""
    out = torch.zeros(len(asked))
    trees = trees_for(lm, [[*c.ids, *c.answer[:-1]] for c in asked])
    for number, tree in enumerate(trees):
        log_p = torch.log_softmax(_tree_logits(lm, tree), -1)
        for index, path in zip(tree.members, tree.paths, strict=True):
            nodes = torch.tensor(path[len(asked[index].ids) - 1 :], device=log_p.device)
            answer = torch.tensor(asked[index].answer, device=log_p.device)
            out[index] = log_p[nodes, answer].double().sum().float().cpu()
        progress(number + 1, len(trees))
    return out


def answer_ids(lm: LoadedModel, prompts: Sequence[PromptLike]) -> list[list[int]]:
    """`LoadedModel.prompt_ids` of many prompts, in few passes.

    Raises:
        UserError: for a prompt that the model cannot take, or a text after which it writes nothing but blanks.
    """
    out = [lm.encode(p) if isinstance(p, str) else lm.prompt_ids(p) for p in prompts]
    growing = [i for i, p in enumerate(prompts) if isinstance(p, str)]
    for added in range(MAX_BLANKS + 1):
        if not growing:
            break
        best = next_token_logits(lm, [out[i] for i in growing]).argmax(-1).tolist()
        blanks = {i: token for i, token in zip(growing, best, strict=True) if lm.goes_on_blank(token)}
        for i, token in blanks.items():
            if added == MAX_BLANKS or len(out[i]) == lm.n_context:
                raise stays_blank(str(prompts[i]), added)
            out[i].append(token)
        growing = list(blanks)
    return out


def next_token_logits(
    lm: LoadedModel, sequences: Sequence[Sequence[int]], progress: Progress = silent
) -> Float[Tensor, "sequence vocab"]:
    """Logits of the token after each sequence, float32 on the CPU."""
    out = torch.zeros(len(sequences), lm.n_vocab)
    trees = trees_for(lm, [list(ids) for ids in sequences])
    for number, tree in enumerate(trees):
        logits = _tree_logits(lm, tree)
        ends = torch.tensor([path[-1] for path in tree.paths], device=logits.device)
        out[tree.members] = logits[ends][:, : lm.n_vocab].cpu()
        progress(number + 1, len(trees))
    return out


@torch.no_grad()
def _tree_logits(lm: LoadedModel, tree: PrefixTree) -> Tensor:
    inputs = tree.inputs(lm)
    return lm.run(inputs.pop("input_ids"), **inputs)[0].float()
