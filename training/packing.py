"""Batches of samples, packed into rows so that each sample attends only to itself."""

import random
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.prompts.arithmetic import OPERATIONS
from training.samples import COPY, DEFAULT, Mixture, draw

LANGUAGE = -1
KINDS = (*OPERATIONS, COPY)
PROMPT_WEIGHT, SENTENCE_WEIGHT = 0.03, 0.2


@dataclass(frozen=True)
class Batch:
    """A packed batch; every tensor is [row, position], masks [row, query, key].

    `operation` is the index of the sample's kind in `KINDS`, `LANGUAGE` for language and
    padding; `answering` marks the positions that predict an answer token; `other_number`
    marks keys in another number than the query; `single` marks samples whose operands
    are one token each.
    """

    ids: Tensor
    positions: Tensor
    targets: Tensor
    weights: Tensor
    operation: Tensor
    answering: Tensor
    visible: Tensor
    other_number: Tensor
    single: Tensor


class Packer:
    """Draws an endless, seeded stream of batches."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, rows: int, width: int, seed: int, mixture: Mixture = DEFAULT
    ):
        self._tokenizer, self._rows, self._width = tokenizer, rows, width
        self._rng, self._mixture = random.Random(seed), mixture
        self._left_over: tuple[list, ...] | None = None
        self._encode = lru_cache(maxsize=65536)(
            lambda text: tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
        )

    def _sample(self) -> tuple[list, ...]:
        operation, parts = draw(self._rng, self._mixture)
        ids, number, weight = [self._tokenizer.bos_token_id], [0], [0.0]
        answers = any(p.answer for p in parts)
        for run, part in enumerate(parts, start=1):
            piece = self._encode(part.text)
            ids += piece
            number += [run if part.number or part.answer else 0] * len(piece)
            weight += [1.0 if part.answer else PROMPT_WEIGHT if answers else SENTENCE_WEIGHT] * len(piece)
        ids.append(self._tokenizer.eos_token_id)
        number.append(0)
        weight.append(1.0 if answers else SENTENCE_WEIGHT)
        n_answer = len(self._encode(parts[-1].text)) if answers else 0
        predicts = n_answer + 1 if answers else 0  # the last prompt token and every answer token
        answering = [0] * (len(ids) - predicts - 1) + [1] * predicts + [0]
        single = all(len(self._encode(p.text)) == 1 for p in parts if p.number)
        kind = LANGUAGE if operation is None else KINDS.index(operation)
        return ids, number, weight, answering, [kind] * len(ids), [int(single)] * len(ids)

    def batch(self) -> Batch:
        """The next batch."""
        fields: list[list[list]] = [[] for _ in range(8)]
        for _ in range(self._rows):
            row: list[list] = [[] for _ in range(8)]
            segment = 0
            while True:
                sample = self._left_over or self._sample()
                if len(row[0]) + len(sample[0]) > self._width:
                    self._left_over = sample
                    break
                self._left_over = None
                segment += 1
                n = len(sample[0])
                for store, values in zip(row, (*sample, list(range(n)), [segment] * n), strict=True):
                    store.extend(values)
            for store, values, fill in zip(fields, row, (1, 0, 0.0, 0, LANGUAGE, 0, 0, 0), strict=True):
                store.append(values + [fill] * (self._width - len(values)))
        ids, number, weight, answering, operation, single, positions, segment_ids = (torch.tensor(f) for f in fields)
        return _assemble(ids, number, weight, answering.bool(), operation, single.bool(), positions, segment_ids)


def _assemble(
    ids: Tensor,
    number: Tensor,
    weight: Tensor,
    answering: Tensor,
    operation: Tensor,
    single: Tensor,
    positions: Tensor,
    segment: Tensor,
) -> Batch:
    width = ids.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    same = segment[:, :, None] == segment[:, None, :]
    visible = same & causal
    other = visible & (number[:, None, :] > 0) & (number[:, None, :] != number[:, :, None])
    other &= (operation >= 0)[:, :, None]
    targets = torch.cat([ids[:, 1:], torch.ones_like(ids[:, :1])], 1)
    weights = torch.cat([weight[:, 1:], torch.zeros_like(weight[:, :1])], 1)
    return Batch(ids, positions, targets, weights, operation, answering, visible, other, single)
