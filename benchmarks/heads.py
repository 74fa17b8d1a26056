"""The head sweep against ablating one head per full run: a benchmark.

`python -m benchmarks.heads [model]` compares, in one process, interleaved, median of five:

(a) the published way: for each head a deep copy of the model with that head's output
    columns at zero, and a full forward pass for each prompt;
(b) for each head a hook, and a full forward pass for each prompt;
(c) like (b), with all prompts of a head padded into one batch.

Over many prompts (a) to (c) run for a sample of the heads, and times are given per head.
"""

import argparse
import copy
import random
import statistics
import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor

from core.heads.sweep import sweep_heads
from core.hooks import ScaleHead, intervene
from core.model.linear_maps import out_in
from core.model.load import LoadedModel, load_model
from core.prompts.arithmetic import make_prompts

REPEATS = 5
SAMPLED_HEADS = 8
Head = tuple[int, int]


def published(lm: LoadedModel, prompts: list[str], targets: list[int], heads: list[Head]) -> Tensor:
    """Way (a): probabilities [prompt, head]."""
    columns = []
    for layer, head in heads:
        model = copy.deepcopy(lm.model)
        output = model.get_submodule(lm.architecture.layers)[layer].get_submodule(lm.architecture.head_output)
        out_in(output, output.weight.data)[:, head * lm.d_head : (head + 1) * lm.d_head] = 0.0
        column = []
        with torch.no_grad():
            for prompt, target in zip(prompts, targets, strict=True):
                logits = model(lm.tensor(lm.encode(prompt)), use_cache=False).logits
                column.append(torch.softmax(logits[0, -1].float(), -1)[target])
        columns.append(torch.stack(column))
    return torch.stack(columns, 1).cpu()


def hooked(lm: LoadedModel, prompts: list[str], targets: list[int], heads: list[Head]) -> Tensor:
    """Way (b): probabilities [prompt, head]."""
    columns = []
    for layer, head in heads:
        with intervene(lm, ScaleHead(layer, head, 0.0)):
            rows = [lm.logits(lm.encode(prompt))[-1] for prompt in prompts]
        columns.append(torch.softmax(torch.stack(rows), -1).gather(1, torch.tensor(targets)[:, None])[:, 0])
    return torch.stack(columns, 1)


def padded(lm: LoadedModel, prompts: list[str], targets: list[int], heads: list[Head]) -> Tensor:
    """Way (c): probabilities [prompt, head]."""
    ids = [lm.encode(prompt) for prompt in prompts]
    width = max(len(row) for row in ids)
    fill = lm.tokenizer.eos_token_id
    batch = torch.tensor([row + [fill] * (width - len(row)) for row in ids], device=lm.device)
    last = torch.tensor([len(row) - 1 for row in ids])
    columns = []
    for layer, head in heads:
        with intervene(lm, ScaleHead(layer, head, 0.0)), torch.no_grad():
            logits = lm.run(batch)[torch.arange(len(ids)), last].float().cpu()
        columns.append(torch.softmax(logits, -1).gather(1, torch.tensor(targets)[:, None])[:, 0])
    return torch.stack(columns, 1)


def reference(lm: LoadedModel, prompts: list[str], targets: list[int], heads: list[Head]) -> Tensor:
    """Way (b) in float64: probabilities [prompt, head].

    transformers computes norms and the softmax of attention in `torch.float32` whatever the model's type, so the name
    stands for float64 here.
    """
    exact = LoadedModel(
        lm.name, lm.fingerprint, None, "fp32", copy.deepcopy(lm.model).double(), lm.tokenizer, lm.architecture
    )
    columns = []
    with mock.patch.object(torch, "float32", torch.float64), torch.no_grad():
        for layer, head in heads:
            with intervene(exact, ScaleHead(layer, head, 0.0)):
                rows = torch.stack([exact.run(exact.tensor(lm.encode(prompt)))[0, -1].cpu() for prompt in prompts])
            if rows.dtype != torch.float64:
                raise SystemExit("The reference was not computed in float64.")
            columns.append(torch.softmax(rows, -1).gather(1, torch.tensor(targets)[:, None])[:, 0])
    return torch.stack(columns, 1)


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds and result of one run."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def compare(lm: LoadedModel, prompts: list[str]) -> None:
    """Prints times and ratios for one set of prompts."""
    everything = [(layer, head) for layer in range(lm.n_layers) for head in range(lm.n_heads)]
    heads = everything if len(prompts) == 1 else sorted(random.Random(0).sample(everything, SAMPLED_HEADS))
    targets = sweep_heads(lm, prompts).targets  # also warms up
    share = len(everything) / len(heads)
    ways = {"(a) deep copy": published, "(b) hook": hooked, "(c) hook, padded batch": padded}
    times: dict[str, list[float]] = {name: [] for name in [*ways, "sweep_heads"]}
    exact = reference(lm, prompts, targets, heads)
    errors = dict.fromkeys(times, 0.0)
    for _ in range(REPEATS):
        seconds, ours = timed(lambda: sweep_heads(lm, prompts, targets).probability)
        times["sweep_heads"].append(seconds)
        found = {"sweep_heads": torch.stack([ours[:, layer, head] for layer, head in heads], 1)}
        for name, way in ways.items():
            seconds, found[name] = timed(lambda way=way: way(lm, prompts, targets, heads))  # type: ignore[misc]
            times[name].append(seconds * share)
        errors = {name: max(errors[name], float((p.double() - exact).abs().max())) for name, p in found.items()}
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"\n{len(prompts)} prompt(s), {len(everything)} heads; plain ways run for {len(heads)} of them")
    for name, seconds in medians.items():
        ratio = seconds / medians["sweep_heads"]
        print(f"  {name:24} {seconds:9.3f} s   {ratio:6.1f} x   largest error {errors[name]:.1e}")
    if not errors["sweep_heads"] < max(1e-5, 1.5 * errors["(b) hook"]):
        raise SystemExit("The sweep is less exact than one run per head.")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="bundled")
    args = parser.parse_args()
    lm = load_model(args.model)
    print(f"{lm.name}, {lm.precision}, {lm.device}, {torch.get_num_threads()} threads")
    compare(lm, ["3+5="])
    compare(lm, [p.text for p in make_prompts(digits=[1], count=50)][:200])
    mixed = make_prompts(digits=[1, 2], forms=["digits", "words"], templates=range(4), count=25)
    compare(lm, [p.text for p in mixed])


if __name__ == "__main__":
    main()
