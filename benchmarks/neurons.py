"""The exact top 99 of CNA against the full vocabulary of every neuron: a benchmark.

`python -m benchmarks.neurons` makes a Llama with layers of Llama-7B's size (width 4096,
11,008 neurons, 32,000 tokens; two layers, random weights, fp32) and compares, in one
process, on one prompt with one head ablated:

- the dense product: for both runs and every layer, log-probabilities after every neuron;
- `compare_heads(k=99)`, with what depends on the weights only already on disk, as in any use
  after the first; that preparation is timed separately.

Memory is the peak resident set size of the process, less what it held before. `--model bundled` measures an
existing model instead, and also step 2 of the page.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import torch
from torch import Tensor
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from core.chain.case import top_head
from core.forward.record import ActivationCache, record
from core.hooks import ScaleHead, intervene
from core.model.architectures import architecture_of
from core.model.load import LoadedModel, load_model
from core.model.source import BUNDLED
from core.model.unembed import Unembedding
from core.model.weights import values
from core.neurons.bounds import value_extremes
from core.neurons.compare import compare_heads
from core.neurons.comparison import Comparison
from core.vocabulary.neuron_tokens import tokens_of

PROMPT, K = "3+5=", 99


def large(width: int, neurons: int, vocab: int, layers: int) -> LoadedModel:
    """A Llama with random weights, scaled so that the most likely token has a probability of a few percent."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=width,
        intermediate_size=neurons,
        num_hidden_layers=layers,
        num_attention_heads=width // 128,
    )
    config._attn_implementation = "eager"
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model = model.to_empty(device="cpu").eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.fill_(1.0)
        else:
            size = 3.0 if "lm_head" in name else 1.0
            parameter.normal_(std=1.0 if "embed" in name else size * parameter.shape[1] ** -0.5)
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its buffers were empty
    name, tokenizer = f"random Llama, {width} x {neurons} x {vocab}", AutoTokenizer.from_pretrained(BUNDLED["bundled"])
    return LoadedModel(name, name, None, "fp32", model, tokenizer, architecture_of("llama"))


def dense(lm: LoadedModel, head: tuple[int, int]) -> Tensor:
    """Change of every neuron [layer, neuron], as one would write it down."""
    ids = lm.encode(PROMPT)
    first = record(lm, ids)
    with intervene(lm, ScaleHead(*head, 0.0)):
        second = record(lm, ids)
    unembedding, target = Unembedding.of(lm), int(first.logits[-1].argmax())
    scale = unembedding.scale(first.resid_post[-1])
    out = [_dense_layer(lm, unembedding, run, scale, target) for run in (first, second)]
    return out[0] - out[1]


@torch.no_grad()
def _dense_layer(lm: LoadedModel, unembedding: Unembedding, run: ActivationCache, scale: Tensor, target: int) -> Tensor:
    rows = []
    for layer in range(lm.n_layers):
        r = run.resid_pre[layer, -1] + run.attention_out[layer, -1]
        after = r + run.coefficient[layer, -1][:, None] * values(lm, layer)
        base = unembedding.log_probabilities(r, scale)[target]
        rows.append(unembedding.log_probabilities(after, scale)[:, target] - base)
    return torch.stack(rows)


def measured(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds, largest memory beyond the start (MB) and result of one run."""
    process, done = psutil.Process(), threading.Event()
    start = highest = process.memory_info().rss

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    try:
        result = work()
        seconds = time.perf_counter() - began
    finally:
        done.set()
        watcher.join()
    return seconds, (highest - start) / 2**20, result


def check(top: Comparison, change: Tensor) -> float:
    """Largest difference from the dense changes; ends the program when the top differs by more than rounding."""
    theirs = change[top.layer, top.neuron]
    worst = float((top.change - theirs).abs().max())
    best = change.flatten().sort(descending=True).values
    missed = float((best[: len(top.change)] - theirs.sort(descending=True).values).abs().max())
    if not max(worst, missed) < 2e-5:
        raise SystemExit(f"The results do not agree: {worst:.1e}, {missed:.1e}.")
    return worst


def compare(lm: LoadedModel, head: tuple[int, int], repeats: int) -> None:
    """Prints times, ratios and memory."""
    print(f"{lm.name}, {lm.n_layers} layers, {lm.precision}, {lm.device}, {torch.get_num_threads()} threads")
    prepare, prepare_memory, _ = measured(lambda: value_extremes(lm, range(head[0], lm.n_layers)))
    print(f"  preparation, once a model    {prepare:9.3f} s   {prepare_memory:8.0f} MB")
    compare_heads(lm, PROMPT, [head], 1)  # warms up
    fast = [measured(lambda: compare_heads(lm, PROMPT, [head], K)) for _ in range(repeats)]
    seconds, memory = sorted(f[0] for f in fast)[len(fast) // 2], max(f[1] for f in fast)
    top: Comparison = fast[0][2]
    slow, slow_memory, change = measured(lambda: dense(lm, head))
    worst = check(top, change)
    print(f"  p({lm.token(top.target)!r}) = {top.probability_first:.3f}, {top.probability_second:.3f} without {head}")
    print(f"  dense product                {slow:9.3f} s   {slow_memory:8.0f} MB")
    print(f"  exact top {K}                 {seconds:9.3f} s   {memory:8.0f} MB")
    print(f"  {slow / seconds:.0f} times faster, {slow_memory / max(memory, 1):.0f} times less memory")
    print(f"  full vocabulary for {top.by_full_vocabulary} of {top.compared} neurons; largest difference {worst:.1e}")


def step_two(lm: LoadedModel, head: tuple[int, int]) -> int:
    """The computation of the second part of the page CNA logic chain."""
    found = compare_heads(lm, PROMPT, [head], K)
    tokens = tokens_of(lm, found.pairs, found.coefficient_first.tolist())
    return len(found.to_frame().assign(tokens=tokens))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model that is there, instead of the large random one")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ABACUS_CACHE"] = folder  # the preparation is timed, so it must not be there
        if args.model:
            lm = load_model(args.model)
            head = top_head(lm, PROMPT)
            compare(lm, head, args.repeats)
            seconds = sorted(measured(lambda: step_two(lm, head))[0] for _ in range(9))[4]
            print(f"  step 2 of the page (both runs, top {K}, their tokens, table): {1000 * seconds:.0f} ms")
        else:
            compare(large(4096, 11008, 32000, args.layers), (0, 3), args.repeats)


if __name__ == "__main__":
    main()
