"""A quick measurement during training: greedy exact match on a few held-out prompts."""

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from core.prompts.arithmetic import FORMS, Operation
from training.prompts import trained_prompts
from training.samples import held_out


@torch.no_grad()
def accuracy(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, operation: Operation, digits: int, count: int = 128
) -> float:
    """Share of held-out prompts (all templates and forms) that are answered right and ended."""
    prompts = trained_prompts([operation], [digits], FORMS, range(4), seed=1, count=6 * count)
    prompts = [p for p in prompts if held_out(p.operation, p.first, p.second, p.form, p.template)][:count]
    eos = tokenizer.eos_token_id
    rows = []
    for p in prompts:
        asked = tokenizer(p.text)["input_ids"]
        rows.append((asked, tokenizer(p.answer, add_special_tokens=False)["input_ids"] + [eos]))
    width = max(len(a) + len(b) for a, b in rows)
    ids = torch.tensor([a + b + [eos] * (width - len(a) - len(b)) for a, b in rows])
    best = model(ids).logits.argmax(-1)
    right = sum(best[i, len(a) - 1 : len(a) + len(b) - 1].tolist() == b for i, (a, b) in enumerate(rows))
    return round(right / len(rows), 3)
