"""Training of the plain model: `python -m training.plain.train --out work/plain`, and the folder that ships at its end.

Next-token cross-entropy on all tokens, weight decay, and nothing else: no penalty, no dropping, no loss on inner
values. A run writes `state.pt` every few hundred steps and continues from it when called again.
"""

import argparse
import json
import math
import os
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.plain.heldout import scores
from training.plain.texts import FIRST, SECOND, draw
from training.plain.tokenizer import build_tokenizer

IGNORED = -100
SAVE_EVERY, SCORE_EVERY, TELL_EVERY = 500, 1000, 100
#: Texts that are drawn at once and sorted by length, so that little is padded.
POOL = 2048


@dataclass(frozen=True)
class PlainRecipe:
    """Sizes and settings of a run; a step reads about `tokens` tokens, first of one mixture and then of another."""

    layers: int = 8
    heads: int = 8
    width: int = 128
    neurons: int = 512
    context: int = 128
    steps: int = 10000
    second_mixture: int = 4500
    tokens: int = 2048
    warm_up: int = 200
    constant: float = 0.4
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0


def new_model(tokenizer: PreTrainedTokenizerFast, recipe: PlainRecipe) -> LlamaForCausalLM:
    """A plain Llama with random weights."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.neurons,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.context,
        rms_norm_eps=1e-6,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        initializer_range=0.02,
    )
    config._attn_implementation = "eager"
    return LlamaForCausalLM(config)


def optimizers(model: LlamaForCausalLM, recipe: PlainRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the rest; norms do not decay."""
    named = list(model.named_parameters())
    inner = [p for n, p in named if p.ndim == 2 and "layers" in n]
    outer = [p for n, p in named if p.ndim == 2 and "layers" not in n]
    norms = [p for _, p in named if p.ndim == 1]
    decay = recipe.weight_decay
    groups = [{"params": outer, "weight_decay": decay}, {"params": norms, "weight_decay": 0.0}]
    return [
        torch.optim.Muon(inner, lr=recipe.muon_rate, momentum=0.95, weight_decay=decay),
        torch.optim.AdamW(groups, lr=recipe.adam_rate, betas=(0.9, 0.95)),
    ]


def rate(step: int, recipe: PlainRecipe) -> float:
    """Factor on the learning rates: warm-up, constant, then linear to 1%."""
    if step < recipe.warm_up:
        return (step + 1) / recipe.warm_up
    begin = recipe.constant * recipe.steps
    return 1.0 if step < begin else 1 - 0.99 * (step - begin) / (recipe.steps - begin)


def batches(tokenizer: PreTrainedTokenizerFast, recipe: PlainRecipe) -> Iterator[tuple[Tensor, Tensor]]:
    """An endless stream of (ids, targets) [row, pos]: each row one text between its begin and end tokens."""
    rng = random.Random(recipe.seed * 1_000_003)
    end, step = tokenizer.eos_token_id, 0
    while True:
        texts = [draw(rng, FIRST if step < recipe.second_mixture else SECOND) for _ in range(POOL)]
        rows = sorted(([*ids, end][: recipe.context] for ids in tokenizer(texts)["input_ids"]), key=len)
        cut: list[list[list[int]]] = [[]]
        for row in rows:
            if (len(cut[-1]) + 1) * len(row) > recipe.tokens:
                cut.append([])
            cut[-1].append(row)
        rng.shuffle(cut)
        for some in cut:
            longest = max(map(len, some))
            ids = torch.full((len(some), longest), end)
            targets = torch.full((len(some), longest), IGNORED)
            for i, row in enumerate(some):
                ids[i, : len(row)] = torch.tensor(row)
                targets[i, : len(row) - 1] = torch.tensor(row[1:])
            yield ids, targets
            step += 1


class Run:
    """One training run: model, optimizers, and where it stands."""

    def __init__(self, recipe: PlainRecipe, out: Path):
        out.mkdir(parents=True, exist_ok=True)
        self.recipe, self.out = recipe, out
        self.tokenizer = self._tokenizer()
        torch.manual_seed(recipe.seed)
        self.model = new_model(self.tokenizer, recipe)
        self.optimizers = optimizers(self.model, recipe)
        self.rates = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        self.step, self.seconds = 0, 0.0
        if (out / "state.pt").exists():
            self._load(torch.load(out / "state.pt", weights_only=True))

    def _tokenizer(self) -> PreTrainedTokenizerFast:
        """The one that the run began with."""
        if not (self.out / "tokenizer.json").exists():
            build_tokenizer().save_pretrained(self.out)
        return PreTrainedTokenizerFast.from_pretrained(self.out)

    def _load(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Writes a checkpoint that is either whole or not there."""
        part = self.out / "state.part"
        state = {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, part)
        os.replace(part, self.out / "state.pt")

    def train(self) -> None:
        """Trains to the last step."""
        stream = islice(batches(self.tokenizer, self.recipe), self.step, None)  # read up to here: the same texts follow
        began = time.monotonic()
        while self.step < self.recipe.steps:
            loss = self._one_step(*next(stream))
            self.step += 1
            if self.step % TELL_EVERY == 0:
                self.seconds += time.monotonic() - began
                began = time.monotonic()
                print(json.dumps({"step": self.step, "s": round(self.seconds), "loss": round(loss, 4)}), flush=True)
            if self.step % SAVE_EVERY == 0 or self.step == self.recipe.steps:
                self.save()
            if self.step % SCORE_EVERY == 0 or self.step == self.recipe.steps:
                print(json.dumps({"step": self.step, "held_out": scores(self.model, self.tokenizer)}), flush=True)

    def _one_step(self, ids: Tensor, targets: Tensor) -> float:
        factor = rate(self.step, self.recipe)
        for optimizer, rates in zip(self.optimizers, self.rates, strict=True):
            for group, base in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = base * factor
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.model(input_ids=ids, use_cache=False).logits
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        if not math.isfinite(loss.item()):
            raise SystemExit(f"The loss is NaN or infinite at step {self.step}: lower the learning rate.")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def export(self, folder: Path) -> None:
        """Writes the model folder that ships, in bf16, with its recipe."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.bfloat16().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        told = {**asdict(self.recipe), "trained_steps": self.step, "seconds": round(self.seconds)}
        (folder / "recipe.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the run's folder, for checkpoints")
    parser.add_argument("--export", type=Path, help="where the finished model is written")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=PlainRecipe.steps)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    run = Run(PlainRecipe(steps=args.steps, seed=args.seed), args.out)
    run.train()
    if args.export:
        run.export(args.export)


if __name__ == "__main__":
    main()
