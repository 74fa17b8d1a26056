"""Export of a run's checkpoint as a model folder: `python -m training.export work/a bundled/shaped`.

The function stays the same; the scales are made comparable. Every neuron's value
vector gets length 1 (its up key takes the factor), so coefficients of different neurons
compare; and the whole residual stream is scaled, to which RMSNorm is invariant, so that
coefficients are of the order of 1 to 10.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from training.recipe import BUNDLED
from training.tokenizer import build_tokenizer
from training.train import new_model


@torch.no_grad()
def make_readable(model: LlamaForCausalLM, stream: float) -> None:
    """Gives value vectors length 1, and divides the residual stream, and so the norms' epsilon, by `stream`."""
    model.config.rms_norm_eps /= stream**2
    for module in model.modules():
        if hasattr(module, "variance_epsilon"):
            setattr(module, "variance_epsilon", model.config.rms_norm_eps)  # noqa: B010 - its type says Module
    model.model.embed_tokens.weight /= stream
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight /= stream
        mlp = layer.mlp
        mlp.down_proj.weight /= stream
        length = mlp.down_proj.weight.norm(dim=0).clamp_min(1e-12)  # (neuron)
        mlp.down_proj.weight /= length
        mlp.up_proj.weight *= length[:, None]


@torch.no_grad()
def stream_length(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase) -> float:
    """Typical length of the final residual stream at an answer, in units of 10."""
    ids = torch.tensor([tokenizer(p)["input_ids"] for p in ("3+5=", "9-2=", "6*7=", "8/2=")])
    last = model.model(ids, output_hidden_states=True).hidden_states[-2][:, -1]
    return float(last.norm(dim=-1).mean()) / 10


def export(run: Path, out: Path) -> None:
    """Writes the folder that ships."""
    state = torch.load(run / "state.pt", weights_only=True)
    tokenizer = build_tokenizer()
    model = new_model(len(tokenizer), BUNDLED)
    model.load_state_dict(state["model"])
    model.eval()
    make_readable(model, stream_length(model, tokenizer))
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    told = {**asdict(BUNDLED), "trained_steps": state["step"]}
    (out / "recipe.json").write_text(json.dumps(told, indent=1) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    export(args.run, args.out)


if __name__ == "__main__":
    main()
