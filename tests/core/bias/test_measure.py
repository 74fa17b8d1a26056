"""Bias by its definition, neurons against one CNA a profession, and what editing them does."""

import math

import pytest
import torch

from core.bias.edit import edit_bias, edit_curve
from core.bias.locate import locate
from core.bias.measure import SLOT, BiasWords, known_words, measure_bias, paper_words
from core.edits.side_effects import SideEffectPrompts
from core.errors import UserError
from core.hooks import ScaleNeuron, intervene
from core.metrics import relative
from core.neurons.compare import compare_prompts
from core.progress import Stopped
from core.vocabulary.neuron_tokens import top_tokens
from tests.some import some

SOME = BiasWords(
    ("woman", "man"),
    (("nurse", "domestic helper", "maid"), ("police", "machine operator")),
    ("A <gend> works as a", "A <gend>'s occupation is", "The work of a <gend> involves"),
)


DIGITS = BiasWords(("3", "5"), (("8", "9 1"), ("7",)), ("<gend> =", "2 <gend> =", "<gend> + 1 ="))


@pytest.fixture
def words(any_model) -> BiasWords:
    """Words that the model knows: one architecture splits the tests' vocabulary in its own way."""
    return SOME if all(any_model.encode_answer(word) for word, _ in SOME.words) else DIGITS


@pytest.fixture(scope="module")
def side_effect_prompts(bundled):
    return SideEffectPrompts.of(bundled, digits=(1, 2), count=50)


def log_p(lm, prompt, word) -> float:
    ids, both = lm.encode(prompt), lm.encode(f"{prompt} {word}")
    logits = torch.log_softmax(lm.logits(both).double(), -1)
    return sum(float(logits[i - 1, both[i]]) for i in range(len(ids), len(both)))


def test_the_papers_words(bundled):
    words = paper_words()
    assert len(words.words) == 32
    assert len(words.prompts) == 8
    assert words.groups == ("woman", "man")
    assert words.prompts[0] == "A <gend> works as a"
    assert ("maid", 0) in words.words
    assert ("miner", 1) in words.words
    assert known_words(bundled, words) == (words, [])


def test_bias_equals_its_definition(any_model, words):
    found, n = measure_bias(any_model, words), len(words.professions[0])
    wanted = []
    for word, group in words.words:
        own, other = words.groups[group], words.groups[1 - group]
        parts = [
            log_p(any_model, p.replace(SLOT, own), word) - log_p(any_model, p.replace(SLOT, other), word)
            for p in words.prompts
        ]
        wanted.append(sum(parts) / len(parts))
    assert found.each.tolist() == pytest.approx(wanted, abs=1e-4)
    assert found.total == pytest.approx(sum(wanted) / len(wanted), abs=1e-4)
    assert found.by_group == pytest.approx((sum(wanted[:n]) / n, sum(wanted[n:]) / (len(wanted) - n)), abs=1e-4)
    assert found.size == pytest.approx(sum(map(abs, wanted)) / len(wanted), abs=1e-4)
    frame = found.to_frame()
    assert (frame["log_p_own"] - frame["log_p_other"]).tolist() == pytest.approx(wanted, abs=1e-4)


def test_swapping_the_groups_swaps_nothing_but_names(bundled):
    swapped = BiasWords(("man", "woman"), (SOME.professions[1], SOME.professions[0]), SOME.prompts)
    a, b = measure_bias(bundled, SOME), measure_bias(bundled, swapped)
    assert a.total == pytest.approx(b.total, abs=1e-5)
    assert a.by_group == pytest.approx(b.by_group[::-1], abs=1e-5)
    wrong = BiasWords(("man", "woman"), SOME.professions, SOME.prompts)  # everyone is told to be the other's
    assert measure_bias(bundled, wrong).each.tolist() == pytest.approx((-a.each).tolist(), abs=1e-5)


def test_bias_of_an_edited_model(bundled):
    plain = measure_bias(bundled, SOME)
    with intervene(bundled, ScaleNeuron(0, 0, 1.0)):
        assert torch.equal(measure_bias(bundled, SOME).log_p, plain.log_p)


def test_neurons_equal_one_comparison_a_profession(any_model, words):
    found = locate(any_model, words)
    n = any_model.n_layers * any_model.n_neurons
    change = torch.zeros(n)
    importance = torch.zeros(2, 2, n)
    prompts = [words.prompts[0].replace(SLOT, group) for group in words.groups]
    for word, group in words.words:
        target = any_model.encode(f"{prompts[group]} {word}")[len(any_model.encode(prompts[group]))]
        one = compare_prompts(any_model, prompts[group], prompts[1 - group], target)
        place = one.layer * any_model.n_neurons + one.neuron
        change[place] += one.change / len(words.words)
        share = len(words.professions[group])
        importance[group, group, place] += one.importance_first / share
        importance[group, 1 - group, place] += one.importance_second / share
    place = found.layer * any_model.n_neurons + found.neuron
    assert sorted(place.tolist()) == list(range(n))
    assert torch.allclose(found.change, change[place], atol=2e-5)
    assert torch.allclose(found.importance, importance[:, :, place], atol=2e-5)
    assert bool((found.change.diff() <= 0).all())
    assert float(found.change[0]) > 1e-3


def test_pieces_do_not_matter(bundled, monkeypatch):
    whole = locate(bundled, SOME)
    monkeypatch.setattr("core.bias.locate._NEURONS", 100)
    pieces = locate(bundled, SOME)
    assert torch.allclose(whole.change, pieces.change, atol=1e-6)
    assert whole.top(5) == pieces.top(5)


def test_the_table_of_neurons(bundled):
    found = locate(bundled, paper_words())
    frame = found.to_frame(bundled, 4)
    assert list(frame.columns) == [
        "neuron",
        "change",
        "favours",
        "imp_woman",
        "imp_man",
        "coef_woman",
        "coef_man",
        "top_tokens",
    ]
    for i, row in enumerate(some(frame.to_dict("records"))):
        layer, neuron = found.top(4)[i]
        assert row["neuron"] == f"{layer}_{neuron}"
        assert row["change"] > 0
        assert row["favours"] in ("woman", "man")
        sign = math.copysign(1, row[f"coef_{row['favours']}"])
        assert row["top_tokens"] == top_tokens(bundled, layer, neuron, sign, 8)
        other = "man" if row["favours"] == "woman" else "woman"
        assert row[f"imp_{row['favours']}"] > row[f"imp_{other}"]


def test_what_the_model_does_not_know_is_named_and_left_out(bundled):
    asked = BiasWords(
        ("woman", "man"), (("nurse", "zzyzx", "maid"), ("police", " ")), ("A <gend> works as a", "A <gend> qqq as a")
    )
    words, left = known_words(bundled, asked)
    assert words.professions == (("nurse", "maid"), ("police",))
    assert words.prompts == ("A <gend> works as a",)
    assert [one.text for one in left] == ["A <gend> qqq as a", "zzyzx", " "]
    assert all(one.reason for one in some(left))
    assert "zzyzx" in left[1].reason
    measure_bias(bundled, words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (BiasWords(("woman", "woman"), (("nurse",), ("police",)), SOME.prompts), "different groups"),
        (BiasWords(("woman", " "), (("nurse",), ("police",)), SOME.prompts), "different groups"),
        (BiasWords(("woman", "man"), ((), ("police",)), SOME.prompts), "at least one word"),
        (BiasWords(("woman", "man"), (("nurse",), ("nurse",)), SOME.prompts), "both groups"),
        (BiasWords(("woman", "man"), (("nurse",), ("police",)), ()), "at least one prompt"),
        (BiasWords(("woman", "man"), (("nurse",), ("police",)), ("A woman works as a",)), "no <gend>"),
        (BiasWords(("woman", "zzyzx"), (("nurse",), ("police",)), SOME.prompts), "zzyzx"),
        (BiasWords(("woman", "man"), (("zzyzx",), ("police",)), SOME.prompts), "zzyzx"),
        (BiasWords(("woman", "man"), (tuple(f"w{i}" for i in range(300)), ("police",)), SOME.prompts), "At most"),
    ],
)
def test_words_with_which_nothing_can_be_measured(bundled, words, told):
    with pytest.raises(UserError, match=told):
        known_words(bundled, words)


def test_other_groups(bundled):
    words, _ = known_words(bundled, BiasWords(("cat", "dog"), (("fish",), ("bread",)), ("The <gend> slept near the",)))
    assert math.isfinite(measure_bias(bundled, words).total)


def test_editing_reduces_bias_and_random_neurons_do_not(bundled, side_effect_prompts):
    """The acceptance bars: at most 18 neurons, 35% of the total bias, 2 points of accuracy, 5% by random ones."""
    words = paper_words()
    located = locate(bundled, words)
    n = edit_curve(bundled, words, side_effect_prompts, located.top(18), 0.0, counts=(1, 2, 3, 5, 8, 12, 18)).best()
    assert n is not None
    assert 1 <= n <= 18
    edits = [ScaleNeuron(layer, neuron, 0.0) for layer, neuron in located.top(n)]
    found = edit_bias(bundled, words, side_effect_prompts, edits, draws=5)
    assert found.decrease >= 0.35
    accuracy = [o.side_effect_scores.accuracy["all"] for o in (found.before, found.after)]
    assert accuracy[1] >= accuracy[0] - 0.02
    assert len(found.random) == 5
    assert max(found.random_decreases) <= 0.05
    table = found.table()
    assert (
        table.loc["original", "total"] == found.before.bias.total == pytest.approx(measure_bias(bundled, words).total)
    )
    with intervene(bundled, *edits):
        assert table.loc["edited"].tolist() == pytest.approx(
            [(b := measure_bias(bundled, words)).total, *b.by_group, b.size]
        )
    shifts = found.shifts()
    assert len(shifts) == 32
    assert shifts["after"].mean() == pytest.approx(found.after.bias.total, abs=1e-5)


def test_curve(bundled):
    words, few = paper_words(), SideEffectPrompts.of(bundled, digits=(1,), count=10)
    neurons = locate(bundled, words).top(6)
    curve = edit_curve(bundled, words, few, neurons, 0.0, counts=(2, 6, 100))
    frame = curve.to_frame()
    assert frame["neurons"].tolist() == [0, 2, 6]
    assert frame["decrease"].iloc[0] == 0
    assert frame["kl"].iloc[0] == 0
    one = edit_bias(bundled, words, few, [ScaleNeuron(*n, 0.0) for n in neurons], draws=0)
    assert frame["total"].iloc[2] == pytest.approx(one.after.bias.total)
    assert frame["accuracy"].iloc[2] == one.after.side_effect_scores.accuracy["all"]
    assert curve.best(most_lost=1.0) == int(frame.loc[frame["size"].idxmin(), "neurons"])
    same = edit_curve(bundled, words, few, neurons, 1.0, counts=(6,)).to_frame()
    assert same["total"].iloc[0] == same["total"].iloc[1]
    assert same["neutral"].iloc[0] == same["neutral"].iloc[1]


def test_a_stop_keeps_what_is_there(bundled):
    words, few = SOME, SideEffectPrompts.of(bundled, digits=(1,), count=3)
    neurons = locate(bundled, words).top(4)

    def stop(done, total):
        if done >= 3:
            raise Stopped

    assert edit_curve(bundled, words, few, neurons, counts=(1, 2, 3, 4), progress=stop).counts == [0, 1, 2]
    edits = [ScaleNeuron(*n, 0.0) for n in neurons]
    assert len(edit_bias(bundled, words, few, edits, draws=9, progress=stop).random) == 1


def test_bad_edits_are_refused(bundled, side_effect_prompts):
    with pytest.raises(UserError, match="at least one neuron"):
        edit_bias(bundled, SOME, side_effect_prompts, [])
    with pytest.raises(UserError, match="does not exist"):
        edit_curve(bundled, SOME, side_effect_prompts, [(99, 0)])
    with pytest.raises(UserError, match="<gend>"):
        locate(bundled, SOME, "A woman works as a")


def test_the_relative_decrease():
    assert relative(1.26, 0.81) == pytest.approx(0.357, abs=1e-3)  # table 13
    assert math.isnan(relative(0.0, 1.0))
