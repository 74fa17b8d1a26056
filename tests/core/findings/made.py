"""Findings made by hand, so that what is said of them can be checked without measuring."""

from dataclasses import replace

from core.edits.recipe import ModelName
from core.findings.accuracy import Accuracy
from core.findings.adapters import AdapterAccuracy
from core.findings.bias import ProfessionSkew
from core.findings.figures import Figure
from core.findings.heads import HeadDecreases, TopHead
from core.findings.mediation import MediationShares, MediationTask
from core.findings.neuron_sets import NeuronSetLosses
from core.findings.one_sum import ComparedNeuron, OneSum
from core.findings.record import Findings, Versions
from core.findings.seeds import Seed, SeedHeads, Seeds
from core.findings.settings import FindingsSettings
from core.findings.shallow import ShallowFilter
from core.model.provenance import FOLDERS, Provenance, fingerprint_of

NAMES: dict[Provenance, str] = {"shaped": "bundled", "plain": "bundled/plain"}


def figure(value: float, width: float = 0.05) -> Figure:
    """A figure with an interval of so much to both sides."""
    return Figure(value, value - width, value + width)


def made_findings(made: Provenance, size: float = 1.0) -> Findings:
    """Findings of a bundled model with 2 layers of 2 heads; `size` scales what heads and neurons are worth."""
    return Findings(
        format="abacus findings",
        version=1,
        model=ModelName(NAMES[made], fingerprint_of(FOLDERS[made]) or "", None, "fp32", "0", (2, 2, 4)),
        measured="2026-11-21T20:00:00+00:00",
        seconds=300.0,
        device="cpu",
        versions=Versions("0.1.0", "2.0", "5.0"),
        settings=FindingsSettings(),
        accuracy=(Accuracy("1-digit +", 98, 100, True, figure(0.98)),),
        heads=tuple(_heads(digits, size) for digits in (1, 2)),
        neuron_sets=(_neurons(size),),
        filters=tuple(_filter(n, size) for n in (50, 100)),
        mediation=(_flow("other operands", 0.7 * size), _flow("facts", 0.3)),
        adapters=(_adapter(0, 0.8), _adapter(1, 0.9), replace(_adapter(1, 1.0), layer=2, finished=False)),
        skew=ProfessionSkew(32, 8, 0, *(figure(1.7 * size) for _ in range(4))),
        one_sum=_one_sum(size),
        missing={},
    )


def _heads(digits: int, size: float) -> HeadDecreases:
    falls = ((0.0, 0.05 * size), (0.9 * size, -0.02))
    around = [tuple(tuple(value + width for value in row) for row in falls) for width in (-0.05, 0.05)]
    top = (TopHead(1, 0, figure(0.9 * size)), TopHead(0, 1, figure(0.05 * size)))
    shape = (figure(0.9), figure(1.0), figure(0.8), figure(0.9))
    return HeadDecreases("+", digits, 100, 145, figure(0.9), falls, around[0], around[1], top, 1, 1, *shape)


def _neurons(size: float) -> NeuronSetLosses:
    return NeuronSetLosses("+", "top head", ((1, 0),), 99, 100, 145, figure(0.8 * size), figure(0.2), figure(0.5))


def _filter(neurons: int, size: float) -> ShallowFilter:
    return ShallowFilter(
        layers=(0, 1, 2),
        top=100,
        concepts=160,
        vocabulary=1036,
        more_than=150 - neurons,
        neurons=neurons,
        of=1536,
        by_chance=0.5,
        prompts=320,
        cases=500,
        original=figure(0.95),
        decrease=figure(0.004 * neurons * size),
        random=figure(0.03),
        draws=(0.02, 0.04),
        excess=figure(0.004 * neurons * size - 0.03),
        p_value=1 / 3,
    )


def _flow(task: MediationTask, late: float) -> MediationShares:
    shares = [figure(value) for value in (late, late, late, 0.8, 0.1, 0.7, 0.1, 0.8, 0.7)]
    return MediationShares(task, 60, 60, *shares, "agrees")


def _adapter(layer: int, accuracy: float) -> AdapterAccuracy:
    return AdapterAccuracy(layer, figure(accuracy), figure(0.7), 1735, True, 0)


def _one_sum(size: float) -> OneSum:
    neurons = tuple(ComparedNeuron(1, n, 2.0 - n, 3.0, 1.0, 0.5, ("8", "eight")) for n in range(2))
    falls = ((0.0, 0.1), (0.9 * size, 0.0))
    return OneSum("3 + 5 =", "8", "8", ("3", "+", "5", "="), 0.99, True, "8", falls, (1, 0), neurons)


def made_seeds(*sizes: float) -> Seeds:
    """One seed for each size of what heads and neurons are worth."""
    return Seeds(FindingsSettings(), tuple(_seed(number, size) for number, size in enumerate(sizes)))


def _seed(number: int, size: float) -> Seed:
    heads = SeedHeads("1-digit +", ("1_0", "0_1"), figure(0.9 * size), 2, figure(0.8), None)
    accuracy = (Accuracy("1-digit +", 98, 100, True, figure(0.98)),)
    return Seed(
        number, 100, str(number), accuracy, (heads,), figure(0.5), figure(0.4), figure(0.1), None, f"1_{number}"
    )
