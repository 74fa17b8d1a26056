"""Does a model show the paper's mechanism? A quick look at heads, masked and kept neurons, and the shallow filter."""

import argparse

import torch

from core.answers import are_right, question
from core.arithmetic import OPERATIONS, Operation, make_prompts
from core.heads import sweep_accuracy
from core.hooks import ScaleHead, ScaleNeuron, intervene
from core.model import LoadedModel, load_model
from core.readout import Readout
from core.record import Recording, record


def importance(lm: LoadedModel, run: Recording, target: int, scale: torch.Tensor) -> torch.Tensor:
    """Importance of every neuron at the last position, the dense way [layer, neuron] (CNA §4.1)."""
    readout = Readout.of(lm)
    out = []
    for layer in range(lm.n_layers):
        r = run.resid_pre[layer, -1] + run.attention_out[layer, -1]
        values = lm.modules.neuron_output(layer).weight.float().T  # (neuron, d_model)
        y = r + run.coefficient[layer, -1][:, None] * values
        base = readout.log_probabilities(r, scale)[target]
        out.append(readout.log_probabilities(y, scale)[:, target] - base)
    return torch.stack(out)


def mask_and_keep(lm: LoadedModel, operation: Operation, head: tuple[int, int], k: int = 99) -> dict[str, float]:
    """Relative accuracy decrease with the top k neurons masked, or all others from the head's layer kept out."""
    prompts = make_prompts([operation], [1])
    questions = [question(lm, p) for p in prompts]
    pairs = [(p, q) for p, q, ok in zip(prompts, questions, are_right(lm, questions), strict=True) if ok][:60]
    masked = kept = 0
    falls = []
    everything = [(layer, n) for layer in range(head[0], lm.n_layers) for n in range(lm.n_neurons)]
    for _, q in pairs:
        run = record(lm, q.ids)
        target = int(run.logits[-1].argmax())
        scale = Readout.of(lm).scale(run.resid_post[-1])
        with intervene(lm, ScaleHead(*head, 0.0)):
            off = record(lm, q.ids)
        change = importance(lm, run, target, scale) - importance(lm, off, target, scale)
        change[: head[0]] = -torch.inf
        top = [divmod(int(i), lm.n_neurons) for i in change.flatten().topk(k).indices]
        with intervene(lm, *(ScaleNeuron(layer, n, 0.0) for layer, n in top)):
            masked += not are_right(lm, [q])[0]
        chosen = set(top)
        with intervene(lm, *(ScaleNeuron(layer, n, 0.0) for layer, n in everything if (layer, n) not in chosen)):
            kept += not are_right(lm, [q])[0]
        m, i = run.coefficient[:, -1], off.coefficient[:, -1]
        ten = top[:10]
        falls.append(1 - sum(float(m[t].sign() * i[t]) for t in ten) / sum(float(m[t].abs()) for t in ten))
    n = max(1, len(pairs))
    return {"cases": len(pairs), "mask": round(masked / n, 3), "keep": round(kept / n, 3),
            "coef": round(sum(falls) / n, 3)}  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    args = parser.parse_args()
    lm = load_model(args.model)
    for operation in OPERATIONS:
        best = None
        for digits in (1, 2):
            swept = sweep_accuracy(lm, make_prompts([operation], [digits], count=100))
            original, values = swept.accuracy()
            fall = (original - values) / max(original, 1e-9)
            top = [(f"{int(i) // lm.n_heads}_{int(i) % lm.n_heads}", round(float(fall.flatten()[i]), 2))
                   for i in fall.flatten().topk(5).indices]  # fmt: skip
            print(
                f"{digits}D{operation}", round(original, 3), top, "heads >= 10%:", int((fall >= 0.1).sum()), flush=True
            )
            best = best or divmod(int(fall.argmax()), lm.n_heads)
        if operation in "+-" and best is not None:
            print("   mask and keep with", best, mask_and_keep(lm, operation, best), flush=True)


if __name__ == "__main__":
    main()
