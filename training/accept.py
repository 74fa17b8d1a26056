"""Measurements for the bundled models' cards: `python -m training.accept [model ...] [--write]`.

Both models' findings (`core.findings`) are measured, and the aims that the shaped one was trained for. With `--write`
they go into each model's folder: findings.json, and README.md (the card).
"""

import argparse
import random
import time
from collections.abc import Iterable

import torch

from core.__main__ import printed
from core.ablation.cases import comparing_heads
from core.ablation.mask_keep import mask_and_keep as neuron_sets_report
from core.findings.accuracy import Asked
from core.findings.measure import DEFAULT, measure
from core.findings.settings import FindingsSettings
from core.forward.answers import are_right, question
from core.forward.generate import continue_greedily
from core.heads.accuracy import sweep_accuracy
from core.hooks import ScaleNeuron, intervene
from core.model.load import LoadedModel, load_model
from core.model.source import BUNDLED
from core.progress import Progress, silent
from core.prompts.arithmetic import FORMS, OPERATIONS, Form, Operation, Prompt
from core.vocabulary.concepts import EVERY_FORM
from core.vocabulary.neuron_tokens import find_shallow_neurons
from training import sentences
from training.card import shaped_card
from training.plain.asked import asked as plain_questions
from training.plain.card import plain_card
from training.prompts import trained_prompts
from training.samples import held_out

Head = tuple[int, int]
SHALLOW_LAYERS = (range(0, 3), range(1, 2))
SHALLOW_TOP = 100  # a tenth of this vocabulary
SHALLOW_SIZES, DRAWS = (50, 100, 200), 20
PLAIN = "bundled/plain"


def hidden(operation: Operation, digits: int, form: Form, templates: Iterable[int], count: int = 300) -> list[Prompt]:
    """Held-out prompts, at most `count`."""
    prompts = trained_prompts([operation], [digits], [form], list(templates), count=100_000, seed=7)
    return [p for p in prompts if held_out(p.operation, p.first, p.second, p.form, p.template)][:count]


def accuracy(lm: LoadedModel, prompts: list[Prompt], ends: bool = True) -> float:
    """Greedy exact match of the whole answer and, here, of its end."""
    return sum(are_right(lm, [question(lm, p, ends) for p in prompts], ends=False)) / len(prompts)


def accuracies(lm: LoadedModel) -> list[dict]:
    """Accuracy on held-out prompts by operation, digits, form, and last or other template."""
    rows = []
    for digits in (1, 2):
        for operation in OPERATIONS:
            row: dict = {"prompts": f"{digits}-digit {operation}"}
            for form in FORMS:
                for name, templates in (("last template", [3]), ("three others", [0, 1, 2])):
                    row[f"{form}, {name}"] = accuracy(lm, hidden(operation, digits, form, templates))
            rows.append(row)
    return rows


def head_report(lm: LoadedModel) -> tuple[list[dict], dict[str, list[list[Head]]]]:
    """Which heads matter, by operation; and for CNA each operation's top head for one digit, and all that matter."""
    rows: list[dict] = []
    top: dict[str, list[list[Head]]] = {}
    for operation in OPERATIONS:
        falls = []
        for digits in (1, 2):
            swept = sweep_accuracy(lm, trained_prompts([operation], [digits], count=200, seed=1))
            original, values = swept.accuracy(scoring="open answers")
            falls.append((original - values) / original)
        matter = (falls[0] >= 0.1) | (falls[1] >= 0.1)
        named = [_ranked(fall) for fall in falls]
        top[operation] = [[divmod(int(falls[0].argmax()), lm.n_heads)], [(int(x), int(y)) for x, y in matter.nonzero()]]
        rows.append(
            {
                "operation": operation,
                "heads that matter": f"{int(matter.sum())} of {matter.numel()}",
                "largest decrease, 1-digit": named[0],
                "largest decrease, 2-digit": named[1],
                "share": float(matter.float().mean()),
                "from layer 2 on": float(falls[1][2:].max()),
            }
        )
    return rows, top


def _ranked(fall: torch.Tensor, n: int = 4) -> str:
    best = fall.flatten().topk(n)
    width = fall.shape[1]
    return ", ".join(
        f"{i // width}_{i % width} {v:.0%}" for v, i in zip(best.values, best.indices.tolist(), strict=True)
    )


def mask_and_keep(lm: LoadedModel, operation: Operation, heads: list[Head], k: int = 99) -> dict:
    """Tables 5 and 15: the share of right answer tokens lost with each one's top k neurons masked, or only them kept.

    CNA compares with these heads ablated. Keep: all other FFN neurons from the lowest head's
    layer on are zero. Coefficient: the decrease of the top 10's when the heads are ablated.
    """
    lowest = min(layer for layer, _ in heads)
    compare = comparing_heads(lm, heads, k)
    measured = neuron_sets_report(lm, trained_prompts([operation], [1]), compare, lowest, (k, 10))
    found = measured.to_frame().set_index(["measure", "k"])["decrease"]
    names = ", ".join(f"{layer}_{head}" for layer, head in heads)
    return {
        "cases": f"1D{operation}, {int(measured.measured.sum())} answer tokens",
        "heads off": names,
        "mask": float(found["mask", k]),
        "keep": float(found["keep", k]),
        "coefficient": float(found["coefficient", 10]),
    }


def shallow_report(lm: LoadedModel) -> list[dict]:
    """Table 8: accuracy without the shallow neurons that the vocabulary filter finds, and without random ones.

    M is chosen to keep about as many neurons as `SHALLOW_SIZES` says; random means of
    `DRAWS` draws of as many neurons of the same layers.
    """
    questions = [question(lm, p) for p in trained_prompts(digits=[1, 2], count=40)]
    original = sum(are_right(lm, questions, ends=False)) / len(questions)

    def decrease(neurons: list[tuple[int, int]]) -> float:
        with intervene(lm, *(ScaleNeuron(layer, n, 0.0) for layer, n in neurons)):
            return 1 - sum(are_right(lm, questions, ends=False)) / len(questions) / original

    rows = []
    for layers in SHALLOW_LAYERS:
        counted = find_shallow_neurons(lm, -1, layers, SHALLOW_TOP, EVERY_FORM).sort_values("count", ascending=False)
        everything = [(layer, n) for layer in layers for n in range(lm.n_neurons)]
        for size in SHALLOW_SIZES:
            more_than = int(counted["count"].iloc[size])
            found = counted[counted["count"] > more_than]
            if found.empty:
                continue
            neurons = list(zip(found["layer"].tolist(), found["neuron"].tolist(), strict=True))
            lost = decrease(neurons)
            by_chance = [decrease(random.Random(seed).sample(everything, len(neurons))) for seed in range(DRAWS)]
            mean = sum(by_chance) / DRAWS
            rows.append(
                {
                    "layers": f"{layers[0]} to {layers[-1]}",
                    "M": more_than,
                    "neurons": f"{len(neurons)} of {len(everything)}",
                    "decrease": lost,
                    "decrease, random": mean,
                    "times": f"{lost / mean:.1f}" if mean > 0 else "(random: 0)",
                    "ratio": lost / max(mean, 1e-3),
                }
            )
    return rows


def language_report(lm: LoadedModel) -> dict:
    """Skew of professions, number retrieval, facts."""
    ratios = []
    for prompt in sentences.GENDER_PROMPTS:
        for group, other in (("woman", "man"), ("man", "woman")):
            for profession in sentences.PROFESSIONS[group]:
                own, cross = (_log_probability(lm, prompt.format(g=g), profession) for g in (group, other))
                ratios.append(own - cross)
    rng = random.Random(3)
    asked = []
    for _ in range(200):
        parts = sentences.retrieval(rng)
        asked.append((" ".join(p.text for p in parts[:-1]), parts[-1].text))
    facts = sentences.facts()
    return {
        "gender": float(torch.tensor(ratios).mean().exp()),
        "retrieval": sum(_says(lm, text, answer) for text, answer in asked) / len(asked),
        "facts": sum(_says(lm, text, answer) for text, answer in facts) / len(facts),
        "n facts": len(facts),
    }


def _log_probability(lm: LoadedModel, text: str, continuation: str) -> float:
    ids, answer = lm.encode(text), lm.encode_answer(continuation)
    logs = torch.log_softmax(lm.logits(ids + answer), -1)
    return sum(float(logs[len(ids) - 1 + i, token]) for i, token in enumerate(answer))


def _says(lm: LoadedModel, text: str, answer: str) -> bool:
    wanted = [*lm.encode_answer(answer), lm.tokenizer.eos_token_id]
    return continue_greedily(lm, text, len(wanted)) == wanted


def shaped_report(lm: LoadedModel, seconds: float) -> dict:
    """The figures of the shaped model's aims."""
    heads, top = head_report(lm)
    return {
        "load seconds": seconds,
        "accuracy": accuracies(lm),
        "heads": heads,
        "shallow": shallow_report(lm),
        "mask": [mask_and_keep(lm, o, heads) for o in ("+", "-") for heads in top[o]],
        "language": language_report(lm),
    }


def shaped_questions() -> list[Asked]:
    """Held-out prompts of the shaped model, in signs, by operation and digits."""
    return [
        Asked(
            f"{digits}-digit {operation}",
            tuple((p.text, p.answer) for p in hidden(operation, digits, "digits", [3])),
            to_the_end=True,
        )
        for digits in (1, 2)
        for operation in OPERATIONS
    ]


def accept(name: str, write: bool, settings: FindingsSettings = DEFAULT, progress: Progress = silent) -> str:
    """Measures a bundled model and returns its card; with `write`, it and the findings go into the model's folder."""
    began = time.perf_counter()
    lm, folder = load_model(name), BUNDLED[name]
    seconds = time.perf_counter() - began
    is_plain = name == PLAIN
    findings = measure(lm, settings, plain_questions() if is_plain else shaped_questions(), progress=progress)
    card = plain_card(lm, findings, folder) if is_plain else shaped_card(lm, shaped_report(lm, seconds), findings)
    if write:
        findings.write(folder)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return card


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help=f"of {', '.join(BUNDLED)}; without: all")
    parser.add_argument("--write", action="store_true", help="write card and findings into the models' folders")
    args = parser.parse_args()
    if unknown := set(args.models) - set(BUNDLED):
        parser.error(f"{min(unknown)} is not a bundled model: choose of {', '.join(BUNDLED)}")
    for name in args.models or BUNDLED:
        print(accept(name, args.write, progress=printed()), flush=True)


if __name__ == "__main__":
    main()
