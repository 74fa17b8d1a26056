"""Indirect effects against one full forward pass for each layer and position: a benchmark.

`python -m benchmarks.mediation [model]` compares, in one process, interleaved, median of five, for FFN
and attention together:

(a) for each layer and position a hook that puts the alternative run's value into the base run, and a
    full forward pass of one prompt;
(b) `mediate`: all positions, layers and pairs share batches, and layers before that of the copied value
    are not run again.

Both start from the texts and run both prompts of each pair unchanged.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core.forward.patching import Site
from core.forward.record import first
from core.mediation.draw import draw_pairs
from core.mediation.measure import mediate
from core.mediation.pairs import PromptPair, typed_pair
from core.model.load import LoadedModel, load_model

REPEATS = 5
AIM = 5.0
SITES: tuple[Site, ...] = ("ffn", "attention")


def plain(lm: LoadedModel, pairs: list[PromptPair]) -> Tensor:
    """Way (a): P* of both results, flattened over pair, site, layer, position and result."""
    out = []
    for pair in pairs:
        for site in SITES:
            modules = [getattr(lm.modules, site)(layer) for layer in range(lm.n_layers)]
            base_end, _ = run(lm, list(pair.base_ids), modules)
            other_end, values = run(lm, list(pair.alternative_ids), modules)
            results = [int(base_end.argmax()), int(other_end.argmax())]
            if pair.base_result is not None and pair.alternative_result is not None:
                results = [pair.base_result, pair.alternative_result]
            for module, value in zip(modules, values, strict=True):
                for position in range(len(pair.base_ids)):
                    handle = module.register_forward_hook(replacing(value[0, position], position))
                    with torch.no_grad():
                        logits = lm.model(lm.tensor(list(pair.base_ids)), use_cache=False).logits[0, -1]
                    handle.remove()
                    out.append(torch.softmax(logits.float(), -1)[results])
    return torch.stack(out).flatten().cpu()


def run(lm: LoadedModel, ids: list[int], modules: list[Any]) -> tuple[Tensor, list[Tensor]]:
    """Logits at the end of one prompt and the output of each module."""
    values: list[Tensor] = []
    handles = [m.register_forward_hook(lambda _m, _i, output: values.append(first(output))) for m in modules]
    with torch.no_grad():
        logits = lm.model(lm.tensor(ids), use_cache=False).logits[0, -1]
    for handle in handles:
        handle.remove()
    return logits, values


def replacing(value: Tensor, position: int) -> Callable:
    """A hook that puts a value at a position of the output."""

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        changed = first(output).clone()
        changed[0, position] = value
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return hook


def ours(lm: LoadedModel, pairs: list[PromptPair]) -> Tensor:
    """Way (b), in the same order."""
    found = mediate(lm, pairs, SITES)
    both = zip(*(found.effects[site] for site in SITES), strict=True)
    return torch.cat([e.patched.exp().flatten() for pair in both for e in pair])


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds and result of one run."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def compare(lm: LoadedModel, name: str, pairs: list[PromptPair]) -> None:
    """Prints times and the ratio for some pairs; ends with an error when an aim is missed."""
    ours(lm, pairs[:1])  # warms up
    slow, fast, worst = [], [], 0.0
    for _ in range(REPEATS):
        seconds, result = timed(lambda: ours(lm, pairs))
        fast.append(seconds)
        seconds, theirs = timed(lambda: plain(lm, pairs))
        slow.append(seconds)
        worst = max(worst, float((theirs - result).abs().max()))
    ratio = statistics.median(slow) / statistics.median(fast)
    passes = sum(len(SITES) * lm.n_layers * len(pair.base_ids) for pair in pairs)
    print(f"\n{name}: {len(pairs)} pair(s), {passes} patched runs")
    print(f"  one run a layer and position {statistics.median(slow):9.3f} s")
    print(f"  mediate                      {statistics.median(fast):9.3f} s   {ratio:.1f} times as fast")
    print(f"  largest difference of a probability: {worst:.1e}")
    if worst >= 1e-5 or ratio < AIM:
        raise SystemExit(f"Aim missed: {AIM:g} times as fast, probabilities within 1e-5.")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="bundled")
    lm = load_model(parser.parse_args().model)
    print(f"{lm.name}, {lm.precision}, {lm.device}, {torch.get_num_threads()} threads")
    asked = "Paul has {} pens and {} cups. How many pens does Paul have?"
    compare(lm, "one-digit, one pair", [typed_pair(lm, "3 + 5 =", "2 + 6 =")])
    compare(lm, "one-digit", draw_pairs(lm, count=20))
    compare(lm, "a sentence", [typed_pair(lm, asked.format(3, 5), asked.format(4, 6))])


if __name__ == "__main__":
    main()
