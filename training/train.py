"""Training of the bundled model: `python -m training.train --out work/run`.

Runs the phases of `training.recipe`. A run writes `state.pt` every few hundred steps
and continues from it when called again. `python -m training.export work/run bundled/shaped`
turns a finished run into the folder that ships.
"""

import argparse
import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from core.prompts.arithmetic import OPERATIONS
from training.design import Design
from training.focus import CaseStream, focus
from training.forward import forward
from training.packing import Batch, Packer
from training.penalties import penalties
from training.quickcheck import accuracy
from training.recipe import BUNDLED, Phase, Recipe
from training.tokenizer import build_tokenizer

AGAIN_WARM_UP = 50
WARM_UP, RAMP, FEW_HEADS_FROM = 150, 500, 2000
SAVE_EVERY = 500
FOCUS_ROWS = 32


def new_model(vocab: int, recipe: Recipe) -> LlamaForCausalLM:
    """A plain Llama with random weights."""
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=recipe.width,
        intermediate_size=recipe.neurons,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=128,
        rms_norm_eps=1e-6,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        tie_word_embeddings=False,
        use_cache=True,
        initializer_range=0.05,
    )
    config._attn_implementation = "eager"
    return LlamaForCausalLM(config)


def optimizers(model: LlamaForCausalLM, muon_lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the rest."""
    inner = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    return [
        torch.optim.Muon(inner, lr=muon_lr, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=2e-3, betas=(0.9, 0.95), weight_decay=0.01),
    ]


def schedule(step: int, steps: int) -> float:
    """Factor on the learning rates: warm-up, constant to half time, then linear to 1%."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 1.0 if step < steps / 2 else 1 - 0.99 * (step - steps / 2) / (steps / 2)


def rate(step: int, phase: Phase) -> float:
    """Factor on the learning rates in a phase; one that starts again is constant for two fifths, then linear to 2%."""
    if phase.again_from is None:
        return schedule(step, phase.schedule)
    done = (step - phase.again_from) / (phase.schedule - phase.again_from)
    warm = min(1.0, (step - phase.again_from + 1) / AGAIN_WARM_UP)
    return phase.rate * warm * (1.0 if done < 0.4 else 1 - 0.98 * (done - 0.4) / 0.6)


def ramp(step: int, penalty: str) -> float:
    """Factor on a penalty: up within `RAMP` steps; few heads only after operations found heads of their own."""
    start = FEW_HEADS_FROM if penalty.startswith("few_heads") else 0
    return min(1.0, max(0.0, (step - start) / RAMP))


class Run:
    """One training run: model, optimizers, and where it stands."""

    def __init__(self, recipe: Recipe, out: Path):
        torch.manual_seed(recipe.seed)
        out.mkdir(parents=True, exist_ok=True)
        self.recipe, self.out = recipe, out
        self.tokenizer = build_tokenizer()
        self.model = new_model(len(self.tokenizer), recipe)
        self.optimizers = optimizers(self.model, recipe.muon_lr)
        self.rates = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.step = 0
        if (out / "state.pt").exists():
            self._load(torch.load(out / "state.pt", weights_only=True))

    def _load(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.generator.set_state(state["generator"])
        self.step = state["step"]

    def save(self) -> None:
        """Writes a checkpoint that is either whole or not there."""
        part = self.out / "state.part"
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizers": [o.state_dict() for o in self.optimizers],
                "generator": self.generator.get_state(),
                "step": self.step,
            },
            part,
        )
        os.replace(part, self.out / "state.pt")

    def phase(self, phase: Phase) -> None:
        """Trains to the end of a phase."""
        if self.step >= phase.until:
            return
        recipe = self.recipe
        packer = Packer(self.tokenizer, recipe.rows, recipe.row_tokens, recipe.seed + self.step, phase.mixture)
        cases = CaseStream(self.tokenizer, FOCUS_ROWS, recipe.seed + self.step)
        began = time.time()
        while self.step < phase.until:
            self._set_rates(rate(self.step, phase))
            told = self._one_step(packer.batch(), phase.design, cases)
            if self.step % 50 == 0:
                print(json.dumps({"step": self.step, "s": round(time.time() - began), **told}), flush=True)
            self.step += 1
            if self.step % SAVE_EVERY == 0 or self.step == phase.until:
                self.save()
                scores = {f"{d}D{op}": accuracy(self.model, self.tokenizer, op, d) for d in (1, 2) for op in OPERATIONS}
                print(json.dumps({"step": self.step, "held_out": scores}), flush=True)

    def _set_rates(self, factor: float) -> None:
        for optimizer, rates in zip(self.optimizers, self.rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def _one_step(self, batch: Batch, design: Design, cases: CaseStream) -> dict[str, float]:
        recipe = self.recipe
        keep = torch.ones(recipe.layers, recipe.rows, recipe.heads)
        early = (design.early_layers, recipe.rows, recipe.heads)
        keep[: design.early_layers][torch.rand(early, generator=self.generator) < design.drop_head] = 0.0
        with torch.autocast("cpu", dtype=torch.bfloat16):
            trace = forward(self.model, batch.ids, batch.positions, batch.visible, keep)
        losses = F.cross_entropy(trace.logits.flatten(0, 1), batch.targets.flatten(), reduction="none")
        answers = (losses * batch.weights.flatten()).sum() / batch.weights.sum()
        parts = penalties(self.model, trace, batch, design)
        total = answers + sum(getattr(design, k) * ramp(self.step, k) * value for k, value in parts.items())
        if design.keep_only or design.mask:
            assert design.fetcher is not None
            parts["keep_only"], parts["mask"] = focus(self.model, cases.cases(), design.fetcher, bool(design.mask))
            total = total + design.keep_only * parts["keep_only"] + design.mask * parts["mask"]
        if not math.isfinite(answers.item()):
            raise SystemExit(f"The loss is no number at step {self.step}: lower the learning rate.")
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return {"loss": round(answers.item(), 4), **{k: round(v.item(), 4) for k, v in parts.items()}}


def train(recipe: Recipe, out: Path, threads: int = 1) -> Run:
    """Runs every phase, continuing from the run folder's checkpoint."""
    torch.set_num_threads(threads)
    run = Run(recipe, out)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n")
    for phase in recipe.phases:
        run.phase(phase)
    return run


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    train(BUNDLED, args.out, args.threads)


if __name__ == "__main__":
    main()
