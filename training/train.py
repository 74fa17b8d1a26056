"""Trains the bundled model: `python -m training.train --out work/a --steps 9000`.

A run writes `state.pt` every few hundred steps and continues from it when called
again; the same seed and steps give the same model. `python -m training.export`
turns a finished run into the folder that ships.
"""

import argparse
import json
import math
import os
import random
import time
from dataclasses import asdict, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from core.arithmetic import OPERATIONS
from training.forward import forward
from training.packing import Packer
from training.penalties import Design, penalties
from training.quickcheck import accuracy
from training.tokenizer import build_tokenizer

ROWS, WIDTH = 32, 64
WARM_UP, RAMP = 150, 500


def new_model(vocab: int, args: argparse.Namespace) -> LlamaForCausalLM:
    """A plain Llama with random weights."""
    config = LlamaConfig(
        vocab_size=vocab, hidden_size=args.width, intermediate_size=args.neurons, num_hidden_layers=args.layers,
        num_attention_heads=8, num_key_value_heads=8, max_position_embeddings=128, rms_norm_eps=1e-6,
        bos_token_id=0, eos_token_id=1, pad_token_id=1, tie_word_embeddings=False, use_cache=True,
        initializer_range=0.05,
    )  # fmt: skip
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


def ramp(step: int, penalty: str, args: argparse.Namespace) -> float:
    """Factor on a penalty: up within `RAMP` steps; few heads only after operations found heads of their own."""
    start = args.heads_from if penalty == "few_heads" else 0
    return min(1.0, max(0.0, (step - start) / RAMP))


def save(path: Path, **state) -> None:
    """Writes a checkpoint that is either whole or not there."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def train(args: argparse.Namespace) -> None:
    """Trains to `args.steps`, continuing from the run folder's checkpoint."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    model = new_model(len(tokenizer), args)
    design = Design(**{f.name: getattr(args, f.name) for f in fields(Design)})
    (out / "recipe.json").write_text(json.dumps({**vars(args), **asdict(design)}, indent=1))
    packer = Packer(tokenizer, ROWS, WIDTH, args.seed)
    opts = optimizers(model, args.muon_lr)
    generator = torch.Generator().manual_seed(args.seed)
    first = 0
    state_file = out / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        for opt, saved in zip(opts, state["optimizers"], strict=True):
            opt.load_state_dict(saved)
        generator.set_state(state["generator"])
        first = state["step"]
        packer = Packer(tokenizer, ROWS, WIDTH, args.seed + first)
    base = [[g["lr"] for g in o.param_groups] for o in optimizers(model, args.muon_lr)]
    weights = {f.name: getattr(design, f.name) for f in fields(Design)}
    began = time.time()
    for step in range(first, args.steps):
        factor = schedule(step, args.steps)
        for opt, lrs in zip(opts, base, strict=True):
            for group, lr in zip(opt.param_groups, lrs, strict=True):
                group["lr"] = lr * factor
        batch = packer.batch()
        keep = torch.ones(args.layers, ROWS, 8)
        dropped = torch.rand(design.early_layers, ROWS, 8, generator=generator) < design.drop_head
        keep[: design.early_layers][dropped] = 0.0
        with torch.autocast("cpu", dtype=torch.bfloat16):
            trace = forward(model, batch.ids, batch.positions, batch.visible, keep)
        losses = F.cross_entropy(trace.logits.flatten(0, 1), batch.targets.flatten(), reduction="none")
        answer_loss = (losses * batch.weights.flatten()).sum() / batch.weights.sum()
        parts = penalties(trace, batch, design)
        loss = answer_loss + sum(weights[name] * ramp(step, name, args) * value for name, value in parts.items())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        if step % 50 == 0:
            line = {"step": step, "loss": round(answer_loss.item(), 4), "s": round(time.time() - began)}
            line |= {k: round(v.item(), 4) for k, v in parts.items()}
            if not math.isfinite(line["loss"]):
                raise SystemExit(f"The loss is no number at step {step}: lower the learning rate.")
            print(json.dumps(line), flush=True)
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            save(state_file, model=model.state_dict(), optimizers=[o.state_dict() for o in opts],
                 generator=generator.get_state(), step=step + 1)  # fmt: skip
            scores = {f"{d}D{op}": accuracy(model, tokenizer, op, d) for d in (1, 2) for op in OPERATIONS}
            print(json.dumps({"step": step + 1, "held_out": scores}), flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--neurons", type=int, default=512)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--heads-from", type=int, default=2000)
    parser.add_argument("--muon-lr", type=float, default=0.02)
    for field in fields(Design):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, default=field.default)
    args = parser.parse_args()
    random.seed(args.seed)
    train(args)


if __name__ == "__main__":
    main()
