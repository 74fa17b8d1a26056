"""Small Llamas that know sums and differences of one digit, written by each tokenizer as it writes them.

Behind "3 + 5 =" such a model predicts the blank, where its tokenizer has one, then the digits of 8, then the end.

Training sees the few tokens that the questions have, and one row that stands for every other token of the vocabulary:
its logit counts as often as there are others. The full model gives every other token that row, and a little noise. So
the cost does not depend on the vocabulary, and the full model predicts what the small one does.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from core.prompts.arithmetic import Prompt, make_prompts
from tests.some import some
from tests.tokenizers.kept import kept
from tests.tokenizers.small import SPARE, config, tokenizer

#: Tokenizers that have such a model. Two write a blank and single digits, one a blank and whole numbers, one neither.
TRAINED = ["mistral", "qwen2", "llama3", "gpt2"]
N_LAYERS = 4
STEPS, BATCH, RATE = 450, 96, 5e-3
IGNORED = -100


def questions() -> list[Prompt]:
    """All sums and differences of one digit, in the four templates of table 14."""
    return make_prompts(["+", "-"], digits=[1], templates=range(4))


def write_trained(name: str, folder: Path) -> None:
    """Trains a Llama on one of `TOKENIZERS`, always the same, and writes its folder."""
    used = tokenizer(name)
    rows = Rows.of(used)
    torch.manual_seed(0)
    with one_thread():
        small = train(rows, used)
    full = LlamaForCausalLM(config(used, SPARE.get(name, 0), N_LAYERS))
    full.load_state_dict(widened(small.state_dict(), full.state_dict(), rows.known))
    full.save_pretrained(folder)
    used.save_pretrained(folder)


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are then the same on every machine with the same processor, and nothing waits for other threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Rows:
    """The questions with their answers as ids among the tokens that occur.

    Attributes:
        known: the vocabulary's ids of the tokens that occur, in order.
        ids: ids [question, pos], padded at the end.
        labels: the next ids of the answer and of the end [question, pos]; `IGNORED` elsewhere.
    """

    known: list[int]
    ids: Tensor
    labels: Tensor

    @classmethod
    def of(cls, used: PreTrainedTokenizerBase) -> "Rows":
        """Writes all questions."""
        pairs = []
        for prompt in some(questions()):
            question = used(prompt.text)["input_ids"]
            whole = used(f"{prompt.text} {prompt.answer}")["input_ids"]
            assert whole[: len(question)] == question
            pairs.append((len(question), [*whole, used.eos_token_id]))
        known = sorted({token for _, whole in pairs for token in whole})
        place = {token: i for i, token in enumerate(known)}
        ids = [torch.tensor([place[token] for token in whole]) for _, whole in pairs]
        labels = [torch.cat([torch.full((n - 1,), IGNORED), one[n:]]) for (n, _), one in zip(pairs, ids, strict=True)]
        return cls(
            known,
            pad_sequence([one[:-1] for one in ids], batch_first=True),
            pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        )


def train(rows: Rows, used: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """A Llama over the tokens that occur and one more, which stands for all others."""
    others = len(used) - len(rows.known)
    shape = config(used, 0, N_LAYERS)
    shape.vocab_size = len(rows.known) + 1
    shape.pad_token_id = shape.bos_token_id = shape.eos_token_id = None
    model = LlamaForCausalLM(shape)
    for name, parameter in model.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.08)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1)
    order = torch.cat([torch.randperm(len(rows.ids)) for _ in range(STEPS * BATCH // len(rows.ids) + 1)])
    for batch in order[: STEPS * BATCH].split(BATCH):
        logits = model(rows.ids[batch]).logits
        logits = logits + torch.nn.functional.pad(torch.zeros(len(rows.known)), (0, 1), value=math.log(others))
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), rows.labels[batch].flatten(), ignore_index=IGNORED
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def widened(small: dict[str, Tensor], full: dict[str, Tensor], known: list[int]) -> dict[str, Tensor]:
    """The trained weights with a row for every token: those that occur have their own, the others the last one."""
    wide = dict(small)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        wide[name] = small[name][-1] + 0.02 * torch.randn_like(full[name])
        wide[name][known] = small[name][:-1]
    return wide


def trained(name: str) -> Path:
    """The folder of the model on one of `TOKENIZERS`, trained when first asked for."""
    texts = "|".join(f"{prompt.text} {prompt.answer}" for prompt in questions())
    return kept(f"trained-{name}", lambda folder: write_trained(name, folder), of=texts)
