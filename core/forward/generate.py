"""Continuations of a prompt, sampled or greedy.

Draws are shared between runs: with the same seed the same noise is added to every token's log-probability at every
step (the Gumbel trick), so an original and an edited model differ only where the edit matters, not by luck.
"""

import torch
from torch import Tensor

from core.errors import UserError
from core.forward.answers import BOTH
from core.model.load import LoadedModel, full_memory_told
from core.types import PromptLike


def continue_sampled(
    lm: LoadedModel, prompt: PromptLike, n_tokens: int = 8, temperature: float = 1.0, seed: int = 0
) -> list[int]:
    """Next tokens drawn from `softmax(logits / temperature)`, until the end token or `n_tokens`.

    Args:
        lm: the model; in an `intervene` block the intervened one.
        prompt: text or token ids, continued as they are.
        n_tokens: at most so many.
        temperature: below 1 keeps to likely tokens, above 1 spreads out.
        seed: names the draws.

    Raises:
        UserError: for a temperature that is not positive, or a prompt that the model cannot take.
    """
    if not 0 < temperature < float("inf"):
        raise UserError(f"The temperature {temperature} draws nothing: use a number above 0, such as 0.8.")
    ids = lm.encode(prompt) if isinstance(prompt, str) else list(prompt)
    lm.check_length(len(ids) + n_tokens, "The prompt and its continuation have")
    noise = torch.Generator().manual_seed(seed)
    out: list[int] = []
    past, step = None, lm.tensor(ids)
    with torch.no_grad():
        while len(out) < n_tokens and not (out and out[-1] in lm.ends):
            with lm.lock, full_memory_told():
                run = lm.model(input_ids=step, past_key_values=past, use_cache=True)
            out.append(_draw(run.logits[0, -1].float().cpu() / temperature, noise))
            past, step = run.past_key_values, lm.tensor(out[-1:])
    return out


def _draw(logits: Tensor, noise: torch.Generator) -> int:
    uniform = torch.rand(len(logits), generator=noise, dtype=torch.float64).clamp(1e-300, 1 - 1e-16)
    return int((logits.double() - (-uniform.log()).log()).argmax())


def continue_greedily(lm: LoadedModel, prompt: PromptLike, n_tokens: int = 8) -> list[int]:
    """Greedy decoding: the most likely next token, one after the other, until the end token or `n_tokens`.

    Raises:
        UserError: for a prompt that the model cannot take, or too long with its answer.
    """
    ids = lm.encode(prompt) if isinstance(prompt, str) else list(prompt)
    lm.check_length(len(ids) + n_tokens, BOTH)
    out: list[int] = []
    past, step = None, lm.tensor(ids)
    with torch.no_grad():
        while len(out) < n_tokens and not (out and out[-1] in lm.ends):
            with lm.lock, full_memory_told():
                run = lm.model(input_ids=step, past_key_values=past, use_cache=True)
            out.append(int(run.logits[0, -1].argmax()))
            past, step = run.past_key_values, lm.tensor(out[-1:])
    return out
