"""The commands of `python -m core`: what can be done at a terminal, without the app.

Nothing is measured here: a command reads its options, calls the room that does the work, and prints.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from core.errors import UserError
from core.progress import Progress, Stopped


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        about: what it does, in one sentence.
        add_options: adds its options to a parser.
        run: does it and returns the exit code.
        failed: exit code for input that cannot be used.
    """

    about: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    failed: int = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name and returns its exit code; argparse exits with 2 for wrong options."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="python -m core", description="The analyses of Abacus at a terminal. COMMAND --help lists its options."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.about, description=command.about)
        if given[:1] == [name]:  # the defaults of the others would import torch, which takes seconds
            command.add_options(subparser)
    options = parser.parse_args(given)
    command = COMMANDS[options.command]
    try:
        return command.run(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return command.failed


_A_MODEL = "bundled, bundled/plain, a folder or a hub id, which may end in @revision"


def _detect_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code 0: nothing differs, 1: something does, 2: it cannot be determined."
    parser.add_argument("original", metavar="ORIGINAL", help=_A_MODEL)
    parser.add_argument("folder", metavar="FOLDER", help="the model that may have been edited, given likewise")


def _detect(options: argparse.Namespace) -> int:
    from core.edits.detect import in_words, was_edited

    found = was_edited(options.original, options.folder)
    print(in_words(found))
    if found.edits:
        print(found.to_frame().to_string(index=False))
    for other in found.others:
        size = "" if other.relative != other.relative else f" (by {other.relative:.2g} of its length)"
        print(f"{other.tensor}: {other.what}{size}")
    return int(found.is_edited)


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="bundled", help=_A_MODEL)
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16, fp16 or int8")


def _series_options(parser: argparse.ArgumentParser) -> None:
    from core.lora.settings import LoraSettings

    _model_options(parser)
    parser.add_argument("--out", required=True, help="folder of the series; one that was stopped is resumed")
    parser.add_argument("--layers", type=int, nargs="*", help="attention layers; without: all")
    for name, value in asdict(LoraSettings()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default: {value}")


def _series(options: argparse.Namespace) -> int:
    from core.lora.series import train_series
    from core.lora.settings import LoraSettings
    from core.model import load_model
    from core.prompts.signed_arithmetic import GROUPS

    begun = time.monotonic()
    defaults = LoraSettings()
    settings = replace(defaults, **{name: getattr(options, name) for name in asdict(defaults)})
    lm = load_model(options.model, options.precision)
    series = train_series(lm, options.out, settings, options.layers, printed())
    wide = series.to_frame().pivot(index="layer", columns="group", values="accuracy")
    print(wide[[g for g in ("all", *GROUPS) if g in wide]].round(3).to_string())
    if series.adapters:
        print("without an adapter:", {group: round(share, 3) for group, share in series.adapters[0].base.items()})
    for about in series.adapters:
        if about.skipped:
            print(f"layer {about.layer}: {about.skipped} of {about.steps} steps skipped (infinite or NaN gradients)")
    print(f"{time.monotonic() - begun:.0f} s")
    return 0


def _report_options(parser: argparse.ArgumentParser) -> None:
    from core.lora.report import SHARE, TOP, TWO_DIGIT

    _model_options(parser)
    parser.add_argument("--series", help="folder that lora-series made; without: the one shipped with the model")
    parser.add_argument("--out", required=True, help="folder of the trainings")
    parser.add_argument("--from-layer", type=int, help="the first deep layer; without: the upper three eighths")
    parser.add_argument("--n", type=int, default=TOP, help="top n neurons per case")
    parser.add_argument("--share", type=float, default=SHARE, help="of the deep neurons, at most")
    parser.add_argument("--two-digit", type=int, default=TWO_DIGIT, help="cases that find the neurons; 0: one-digit")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])


def _report(options: argparse.Namespace) -> int:
    from core.lora.report import deep_from, pruning_report
    from core.lora.series import read_series, shipped_series
    from core.model import load_model

    begun = time.monotonic()
    lm = load_model(options.model, options.precision)
    deep = deep_from(lm) if options.from_layer is None else options.from_layer
    there = shipped_series(lm) if options.series is None else [read_series(lm, options.series)]
    if not there:
        raise UserError(f"No adapters were shipped with {lm.name}. Train some (lora-series) and name their --series.")
    table = pruning_report(
        lm, there[0], options.out, deep, options.n, options.share, options.two_digit, options.seeds, printed()
    )
    print(table.round(3).to_string(index=False))
    worst = table[["retained", "lora"]].min()
    random = float((table["random"] / table["lora"]).max())
    print(f"adapter: {worst['lora']:.3f} or more (aim 0.85)")
    print(
        f"pruned: keeps {worst['retained']:.1%} or more (aim 90%) with {table['share'].max():.1%} of the neurons of "
        f"layers {deep} and up (aim 10%); random: {random:.1%} or less"
    )
    print(f"{time.monotonic() - begun:.0f} s")
    return 0


def _run_options(parser: argparse.ArgumentParser) -> None:
    from core.plans.analyses import ANALYSES

    parser.epilog = "Analyses: " + "; ".join(f"{name} ({each.about})" for name, each in ANALYSES.items()) + "."
    parser.add_argument(
        "plan", metavar="PLAN.toml", help="a plan; a page's button Run this without a browser shows one"
    )
    _model_options(parser)
    parser.add_argument(
        "--out", required=True, help="folder of the results; where it holds a part of them, the run continues"
    )


def _run(options: argparse.Namespace) -> int:
    from core.model import load_model
    from core.plans.plan import read_plan_file
    from core.plans.run import run_plan
    from core.plans.terminal import Terminal

    plan = read_plan_file(options.plan)
    lm = load_model(options.model, options.precision)
    try:
        results = run_plan(lm, plan, options.out, Terminal())
    except KeyboardInterrupt:
        print(f"\nStopped. What is measured is kept in {options.out}; the same command continues.", file=sys.stderr)
        return 130
    print(f"The results are in {results.path}. A page opens them: Open results.")
    return 0


def printed() -> Progress:
    """Prints the progress on the terminal; Ctrl-C stops like Stop on the page, and keeps what there is."""
    last = time.monotonic()
    interrupts = []
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))

    def print_progress(done: int, total: int) -> None:
        nonlocal last
        if interrupts:
            raise Stopped
        if time.monotonic() - last > 20 or done == total:
            last = time.monotonic()
            print(f"{done} of {total} steps", flush=True)

    return print_progress


COMMANDS = {
    "detect": Command("Says which heads or neurons of a model were edited.", _detect_options, _detect, failed=2),
    "run": Command("Measures what a plan asks, without a browser, and continues what was begun.", _run_options, _run),
    "lora-series": Command("Trains one adapter per attention layer.", _series_options, _series),
    "lora-report": Command("Repeats pruning after LoRA over several seeds.", _report_options, _report),
}


if __name__ == "__main__":
    sys.exit(main())
