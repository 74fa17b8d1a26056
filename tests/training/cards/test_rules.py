"""The card's rules on made-up numbers: each is told in both directions, and as unknown where intervals are wide."""

from dataclasses import replace

import pytest

from core.findings.adapters import AdapterAccuracy
from core.findings.bias import ProfessionSkew
from core.findings.figures import Figure
from core.findings.heads import HeadDecreases, TopHead
from core.findings.mediation import MediationShares
from core.findings.neuron_sets import NeuronSetLosses
from core.findings.shallow import ShallowFilter
from tests.some import some
from training.cards.rules import above, both, claims, layers_of, opposite, within
from training.cards.tables import VERDICTS, escaped, markdown, verdicts


def sure(value):
    return Figure(value, value - 0.02, value + 0.02)


def unsure(value):
    return Figure(value, value - 0.4, value + 0.4)


MANY, MOST, HALF = sure(0.6), sure(0.9), sure(0.5)


def heads(operation="+", top=((5, 2), (3, 1)), first=MANY, three=MOST, depth=HALF):
    best = (TopHead(*top[0], first), TopHead(*top[1], sure(0.1)))
    empty = ((0.0,) * 8,) * 8
    return HeadDecreases(operation, 1, 50, 60, sure(0.9), empty, empty, empty, best, 2, 2, first, three, depth, depth)


def neuron_set(mask, keep):
    return NeuronSetLosses("+", "top head", ((5, 2),), 99, 50, 60, mask, keep, None)


def shallow(excess, p_value):
    sizes = ((0, 1), 100, 50, 1000, 9, 60, 1024, 1.0, 40, 70)
    return ShallowFilter(*sizes, sure(0.9), sure(0.5), sure(0.1), (0.1,), excess, p_value)


def mediation(task="other operands", late=MANY, verdict="agrees"):
    others = (sure(0.5),) * 6
    return MediationShares(task, 40, 40, late, late, None, *others, verdict)


def adapter(layer, accuracy):
    return AdapterAccuracy(layer, accuracy, sure(0.5), 100, True, 0)


@pytest.fixture
def told(findings):
    """The verdicts of findings that hold nothing but what is given."""
    nothing = {"heads": (), "neuron_sets": (), "filters": (), "mediation": (), "adapters": (), "skew": None}
    settings = replace(findings.settings, ks=(99, 10))

    def verdicts_of(**given):
        return [claim.verdict for claim in claims(replace(findings, settings=settings, **{**nothing, **given}))]

    return verdicts_of


def test_figures_beside_bars():
    assert above(Figure(0.5, 0.4, 0.6), 0.3) == "agrees"
    assert above(Figure(0.5, 0.4, 0.6), 0.7) == "differs"
    assert above(Figure(0.5, 0.4, 0.6), 0.5) == "cannot tell"
    assert above(Figure(0.5, None, None), 0.3) == "cannot tell"
    assert within(Figure(0.5, 0.4, 0.6), (0.3, 0.7)) == "agrees"
    assert within(Figure(0.5, 0.4, 0.6), (0.7, 0.9)) == "differs"
    assert within(Figure(0.5, 0.4, 0.6), (0.45, 0.9)) == "cannot tell"
    assert [opposite(v) for v in ("agrees", "differs", "cannot tell")] == ["differs", "agrees", "cannot tell"]
    assert both("agrees", "agrees") == "agrees"
    assert both("agrees", "differs") == both("cannot tell", "differs") == "differs"
    assert both("agrees", "cannot tell") == "cannot tell"


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (heads(), ["agrees", "agrees", "agrees"]),
        (heads(first=sure(0.1)), ["differs", "agrees", "agrees"]),
        (heads(three=sure(0.2)), ["agrees", "differs", "agrees"]),
        (heads(depth=sure(0.9)), ["agrees", "agrees", "differs"]),
        (heads(first=unsure(0.3), three=unsure(0.5), depth=unsure(0.5)), ["cannot tell"] * 3),
        (heads("*"), ["agrees", "agrees"]),
        (heads(three=None, depth=None), ["agrees"]),
    ],
)
def test_heads_decide_are_few_and_in_the_middle(told, given, verdict):
    assert told(heads=(given,)) == verdict


@pytest.mark.parametrize(
    ("tops", "verdict"),
    [
        (((5, 2), (5, 2), (5, 0), (4, 0)), "agrees"),
        (((5, 2), (5, 2), (5, 2), (5, 2)), "differs"),
        (((5, 2), (4, 1), (5, 0), (4, 0)), "differs"),
    ],
)
def test_operations_share_heads_or_do_not(told, tops, verdict):
    given = tuple(heads(operation, (top, (7, 7))) for operation, top in zip("+-*/", tops, strict=True))
    assert told(heads=given)[-1] == verdict
    unclear = (*given[:3], heads("/", (tops[3], (7, 7)), first=unsure(0.2)))
    assert told(heads=unclear)[-1] == "cannot tell"


@pytest.mark.parametrize(
    ("mask", "keep", "verdict"),
    [
        (sure(0.95), sure(0.05), "agrees"),
        (sure(0.4), sure(0.05), "differs"),
        (sure(0.95), sure(0.6), "differs"),
        (sure(0.95), unsure(0.3), "cannot tell"),
    ],
)
def test_mask_and_keep(told, mask, keep, verdict):
    assert told(neuron_sets=(neuron_set(mask, keep), replace(neuron_set(mask, keep), k=10))) == [verdict]


@pytest.mark.parametrize(
    ("excess", "p_value", "verdict"),
    [(0.3, 0.04, "agrees"), (0.3, 0.3, "cannot tell"), (-0.3, 0.9, "differs")],
)
def test_the_filter_against_random_sets(told, excess, p_value, verdict):
    assert told(filters=(shallow(sure(excess), p_value),)) == [verdict]
    assert told(filters=(shallow(unsure(excess), p_value),)) == ["cannot tell"]


def test_mediation_is_located_and_compared_with_other_tasks(told):
    assert told(mediation=(mediation(verdict="differs"),)) == ["differs"]
    less, more = mediation("facts", sure(0.2)), mediation("facts", sure(0.9))
    assert told(mediation=(mediation(), less)) == ["agrees", "agrees"]
    assert told(mediation=(mediation(), more)) == ["agrees", "differs"]
    assert told(mediation=(mediation(), mediation("facts", unsure(0.6)))) == ["agrees", "cannot tell"]


def test_adapters_early_and_late(told):
    assert told(adapters=(adapter(1, sure(0.9)), adapter(6, sure(0.7)))) == ["agrees"]
    assert told(adapters=(adapter(1, sure(0.7)), adapter(6, sure(0.9)))) == ["differs"]
    assert told(adapters=(adapter(1, unsure(0.7)), adapter(6, sure(0.9)))) == ["cannot tell"]
    assert told(adapters=(adapter(1, sure(0.7)),)) == []


def test_skew(told):
    def skew(total):
        return ProfessionSkew(32, 8, 0, total, total, total, total)

    assert told(skew=skew(sure(0.5))) == ["agrees"]
    assert told(skew=skew(sure(-0.5))) == ["differs"]
    assert told(skew=skew(unsure(0.1))) == ["cannot tell"]


def test_a_sign_is_no_emphasis_and_bold_stays():
    assert escaped("1-digit *: **missed**") == "1-digit \\*: **missed**"
    assert markdown([{"a": "2 * 3", "b": "**missed**"}]).splitlines()[-1] == "| 2 \\* 3 | **missed** |"
    assert layers_of(shallow(MANY, 0.5)) == "layers 0 to 1"
    assert layers_of(replace(shallow(MANY, 0.5), layers=(1,))) == "layer 1"


def test_every_verdict_has_a_place_of_its_own_on_the_card(findings):
    found = claims(findings)
    text = verdicts(found)
    places = [text.index(title) for title in VERDICTS.values()]
    assert places == sorted(places)
    parts = dict(zip(VERDICTS, (part for part in text.split("### ")[1:]), strict=True))
    for claim in some(found):
        assert claim.ours.replace("*", "\\*") in parts[claim.verdict]
