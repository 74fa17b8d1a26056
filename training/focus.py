"""Penalties that make a few deep neurons carry one-digit sums and differences.

Each step takes some one-digit prompts of + and -, finds the neurons that CNA would name (`fetcher` on and off,
ranked by the first-order form of importance, CNA §4.1), and asks for the answer with all other deep neurons at zero
(`keep`), and for its loss with these at zero (`mask`).
"""

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from core.prompts.arithmetic import FORMS
from training.forward import Trace, forward
from training.prompts import trained_prompts
from training.samples import held_out

TOP = 80  # fewer than the 99 that are measured, so that some are to spare


@dataclass(frozen=True)
class Cases:
    """Prompts with their answers and ends, one per row: B rows, T positions."""

    ids: Tensor  # (B, T)
    last: Tensor  # (B,) the prompt's last position
    answer: Tensor  # (B, T) bool: predicts an answer token or the end


class CaseStream:
    """Draws an endless, seeded stream of one-digit sums and differences that are not held out."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, rows: int, seed: int):
        prompts = trained_prompts(["+", "-"], [1], FORMS, range(4))
        prompts = [p for p in prompts if not held_out(p.operation, p.first, p.second, p.form, p.template)]
        every = [(self._row(tokenizer, p.text, p.answer), p) for p in prompts]
        self._pools = [
            [r for r, p in every if p.operation == o and (p.template == 3 and p.form == "digits") == plain]
            for o in "+-"
            for plain in (True, False)
        ]
        self._rows, self._rng = rows, random.Random(seed)

    @staticmethod
    def _row(tokenizer: PreTrainedTokenizerBase, text: str, answer: str) -> tuple[list[int], list[int]]:
        return tokenizer(text)["input_ids"], tokenizer(answer, add_special_tokens=False)["input_ids"] + [1]

    def cases(self) -> Cases:
        """The next rows: half sums, half differences; two thirds "a+b="."""
        pools = self._rng.choices(self._pools, (2, 1, 2, 1), k=self._rows)
        rows = [self._rng.choice(pool) for pool in pools]
        width = max(len(a) + len(b) for a, b in rows)
        ids = torch.ones(len(rows), width, dtype=torch.long)
        answer = torch.zeros(len(rows), width, dtype=torch.bool)
        for i, (asked, told) in enumerate(rows):
            ids[i, : len(asked) + len(told)] = torch.tensor(asked + told)
            answer[i, len(asked) - 1 : len(asked) + len(told) - 1] = True
        return Cases(ids, torch.tensor([len(a) - 1 for a, _ in rows]), answer)


def _run(model: LlamaForCausalLM, cases: Cases, keep_head: Tensor | None, keep_neuron: Tensor | None) -> Trace:
    b, t = cases.ids.shape
    positions = torch.arange(t).expand(b, t)
    visible = torch.ones(t, t, dtype=torch.bool).tril().expand(b, t, t)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return forward(model, cases.ids, positions, visible, keep_head, keep_neuron)


def _importance(model: LlamaForCausalLM, cases: Cases, trace: Trace, scale: Tensor, first: int) -> Tensor:
    """First-order importance of the deep neurons for the answer's first token (B, layer, N)."""
    rows = torch.arange(len(cases.ids))
    target = cases.ids[rows, cases.last + 1]
    gain = model.model.norm.weight
    out = []
    for layer in range(first, len(trace.mid)):
        mid = trace.mid[layer][rows, cases.last].float()  # (B, d)
        p = torch.softmax((mid * scale * gain) @ model.lm_head.weight.T, -1)
        direction = (model.lm_head.weight[target] - p @ model.lm_head.weight) * gain * scale  # (B, d)
        out.append(trace.coefficient[layer][rows, cases.last].float() * (direction @ model_values(model, layer)))
    return torch.stack(out, 1)


def model_values(model: LlamaForCausalLM, layer: int) -> Tensor:
    """Value vectors as columns (d, N)."""
    return model.model.layers[layer].mlp.down_proj.weight


@torch.no_grad()
def chosen(model: LlamaForCausalLM, cases: Cases, fetcher: tuple[int, int]) -> Tensor:
    """The neurons that CNA names, as 1 (layer, B, N); 0 elsewhere, all 0 below the fetcher's layer."""
    config = model.config
    off = torch.ones(config.num_hidden_layers, len(cases.ids), config.num_attention_heads)
    off[fetcher[0], :, fetcher[1]] = 0.0
    run, without = _run(model, cases, None, None), _run(model, cases, off, None)
    final = run.final[torch.arange(len(cases.ids)), cases.last].float()
    scale = torch.rsqrt(final.square().mean(-1, keepdim=True) + config.rms_norm_eps)
    change = _importance(model, cases, run, scale, fetcher[0]) - _importance(model, cases, without, scale, fetcher[0])
    top = change.flatten(1).topk(TOP).indices
    found = torch.zeros_like(change.flatten(1)).scatter_(1, top, 1.0).view_as(change).transpose(0, 1)
    below = torch.zeros(fetcher[0], *found.shape[1:])
    return torch.cat([below, found])


def focus(model: LlamaForCausalLM, cases: Cases, fetcher: tuple[int, int], with_mask: bool) -> tuple[Tensor, Tensor]:
    """The loss with only the chosen deep neurons, and how surely the first answer token survives without them, nats."""
    found = chosen(model, cases, fetcher)
    keep = found.clone()
    keep[: fetcher[0]] = 1.0
    logits = _run(model, cases, None, keep).logits
    targets = torch.cat([cases.ids[:, 1:], torch.ones_like(cases.ids[:, :1])], 1)
    kept = F.cross_entropy(logits[cases.answer], targets[cases.answer])
    if not with_mask:
        return kept, torch.zeros(())
    rows = torch.arange(len(cases.ids))
    logits = _run(model, cases, None, 1 - found).logits[rows, cases.last]
    right = torch.log_softmax(logits, -1)[rows, targets[rows, cases.last]]
    return kept, -torch.log1p(-right.exp().clamp(max=0.999)).mean()
