"""Command line of the benchmark in true shapes: `python -m benchmarks.shapes`."""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.shapes.checkpoint import SHAPES, make_checkpoint
from benchmarks.shapes.operations import MOST, OPERATIONS, Operation
from core.model.load import LoadedModel, load_model

_ONCE = ("preparation",)  # takes minutes, and is on disk afterwards


@dataclass(frozen=True)
class Measured:
    """One operation in one shape; seconds are medians.

    Attributes:
        seconds: of the operation.
        passes: of so many forward passes of the prompt.
        plain: seconds of the plain way, scaled up from its part; None where there is none.
        flop: multiplications and additions of matrix products.
        share: of the machine's fastest float32 product in these seconds.
        megabytes: peak of memory beside what was held before.
        difference: of both results.
    """

    seconds: float
    passes: float
    plain: float | None
    flop: float
    share: float
    megabytes: float
    difference: float | None

    def line(self, name: str) -> str:
        """One row of the table."""
        plain = "" if self.plain is None else f"{self.plain / self.seconds:7.1f} x plain"
        difference = "" if self.difference is None else f"  differs by {self.difference:.0e}"
        return (
            f"  {name:12} {self.seconds:9.3f} s {self.passes:8.2f} passes {plain:>16} {self.flop / 1e9:10.1f} GFLOP "
            f"{100 * self.share:5.1f}% of peak {self.megabytes:7.0f} MB{difference}"
        )


@contextmanager
def watched(lm: LoadedModel) -> Iterator[list[float]]:
    """Puts the peak of memory beside the start, in MB, into a list when the block ends."""
    peak: list[float] = []
    if lm.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        start = torch.cuda.memory_allocated()
        yield peak
        peak.append((torch.cuda.max_memory_allocated() - start) / 2**20)
        return
    process, done = psutil.Process(), threading.Event()
    start = highest = process.memory_info().rss

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
        peak.append((highest - start) / 2**20)


def seconds_of(lm: LoadedModel, work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of one run."""
    began = time.perf_counter()
    result = work()
    if lm.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, result


def peak_rate(lm: LoadedModel, size: int = 2048) -> float:
    """Multiplications and additions in a second of the fastest of a few float32 products."""
    x = torch.randn(size, size, device=lm.device)
    return 2 * size**3 / min(seconds_of(lm, lambda: x @ x)[0] for _ in range(5))


def measure(lm: LoadedModel, name: str, repeats: int) -> Measured:
    """Measures one operation; ends the program where its result is not that of the plain way."""
    operation, forward = OPERATIONS[name], OPERATIONS["forward"]
    if operation.before is not None:
        operation.before(lm)
    forward.ours(lm)
    gc.collect()
    with watched(lm) as peak:
        first, result = seconds_of(lm, lambda: operation.ours(lm))
    if name in _ONCE:
        return Measured(first, first / seconds_of(lm, lambda: forward.ours(lm))[0], None, 0.0, 0.0, peak[0], None)
    times: dict[str, list[float]] = {"ours": [], "forward": [], "plain": []}
    difference = None
    for _ in range(repeats):
        times["ours"].append(seconds_of(lm, lambda: operation.ours(lm))[0])
        times["forward"].append(seconds_of(lm, lambda: forward.ours(lm))[0])
    if operation.plain is not None:
        seconds, plain = seconds_of(lm, lambda: operation.plain(lm))  # type: ignore[misc]
        times["plain"].append(seconds / plain.share)
        difference = compared(lm, name, operation, result, plain.part)
    with FlopCounterMode(display=False) as counter:
        operation.ours(lm)
    ours, one_pass = statistics.median(times["ours"]), statistics.median(times["forward"])
    return Measured(
        seconds=ours,
        passes=ours / one_pass,
        plain=statistics.median(times["plain"]) if times["plain"] else None,
        flop=counter.get_total_flops(),
        share=counter.get_total_flops() / ours / peak_rate(lm),
        megabytes=peak[0],
        difference=difference,
    )


def compared(lm: LoadedModel, name: str, operation: Operation, ours: Any, plain: Any) -> float:
    """The difference of both results; ends the program where it is too large."""
    assert operation.difference is not None
    difference = operation.difference(lm, ours, plain)
    if not difference <= MOST[name]:
        raise SystemExit(f"{name}: the results do not agree, they differ by {difference:.1e}.")
    return difference


def in_own_process(folder: Path, name: str, repeats: int) -> Measured:
    """Measures one operation in a fresh process, so that nothing else has grown its memory."""
    command = [sys.executable, "-m", "benchmarks.shapes", "--one", str(folder), name, "--repeats", str(repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} ended with an error.")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--operations", nargs="+", choices=list(OPERATIONS), default=list(OPERATIONS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where checkpoints are kept; none: they are removed at the end")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "OPERATION"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        lm = load_model(args.one[0], "bf16")
        print(json.dumps(asdict(measure(lm, args.one[1], args.repeats))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = args.folder or Path(temporary)
        os.environ["ABACUS_CACHE"] = str(root / "cache")
        for shape in args.shapes:
            folder = root / shape
            if not (folder / "tokenizer.json").exists():
                make_checkpoint(SHAPES[shape], folder)
            print(f"\n{shape}: {SHAPES[shape]}, {torch.get_num_threads()} threads", flush=True)
            for name in args.operations:
                print(in_own_process(folder, name, args.repeats).line(name), flush=True)


if __name__ == "__main__":
    main()
