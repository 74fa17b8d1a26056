"""The plain model's card: aims that are met or missed, seeds side by side, and the whole text."""

import json
from dataclasses import replace

import pytest

from core.errors import UserError
from core.findings.accuracy import Accuracy
from core.findings.figures import share_of
from core.findings.record import read_findings
from core.findings.seeds import FILE, read_seeds
from core.model.load import load_model
from core.model.source import BUNDLED
from tests.some import some
from training.accept import accept
from training.plain.asked import AIMS, accuracy_rows, aims_sentence, asked
from training.plain.seeds import measure_seeds, seed_of, seeds_part, write_seeds

PLAIN = BUNDLED["bundled/plain"]


def group(name, right):
    return Accuracy(name, right, 100, True, share_of(right, 100))


def test_every_aim_has_questions_and_they_are_whole_texts():
    groups = {one.name: one for one in asked()}
    assert set(AIMS) <= set(groups)
    for one in some(groups.values()):
        assert len(one.questions) > 5
        assert one.to_the_end
    assert all(text.endswith("=") for text, _ in some(groups["2-digit *, in words"].questions))


def test_aims_are_met_and_missed_with_figures(findings):
    met = replace(findings, accuracy=(group("1-digit +", 98), group("facts (trained on)", 3)))
    assert [row[""] for row in accuracy_rows(met)] == ["met", ""]
    assert aims_sentence(met) == "All 1 aims are met."
    missed = replace(findings, accuracy=(group("1-digit +", 97), group("3-digit +", 80)))
    assert [row[""] for row in accuracy_rows(missed)] == ["**missed**", "met"]
    assert aims_sentence(missed) == "Missed 1 of 2 aims: 1-digit + (0.970, aim 0.98)."
    assert aims_sentence(replace(findings, accuracy=())) == "No aim was measured."


@pytest.fixture(scope="module")
def seeds(small_settings):
    return measure_seeds([PLAIN], replace(small_settings, filter_layers=((0, 1),)), count=4)


def test_a_seed_has_the_headlines_of_its_findings(findings):
    recipe = {"seed": 7, "trained_steps": 12}
    one = seed_of(findings, recipe)
    assert (one.seed, one.steps, one.fingerprint) == (7, 12, findings.model.fingerprint)
    assert one.mask == findings.neuron_set_of("+", "top head", 20).mask
    assert one.heads[0].top[0] == findings.heads[0].top[0].name
    assert one.late_ffns == findings.mediation_of("other operands").late_importance
    nothing = seed_of(replace(findings, heads=(), neuron_sets=(), filters=(), mediation=(), one_sum=None), recipe)
    assert nothing.mask is nothing.late_ffns is nothing.sum_head is None


def test_seeds_stand_side_by_side_and_are_read_back(seeds, tmp_path):
    (one,) = seeds.seeds
    assert read_seeds(tmp_path) is None
    write_seeds(seeds, tmp_path)
    assert read_seeds(tmp_path) == seeds
    lacking = replace(one, seed=one.seed + 1, sum_head=None)
    table = seeds_part(replace(seeds, seeds=(one, lacking)))
    assert f"| seed {one.seed} | seed {one.seed + 1} |" in table
    assert f"| 3 + 5 =, top head | {one.sum_head} | not measured |" in table
    assert seeds_part(None) == "Only this seed was measured."


def test_the_same_seed_twice_is_refused():
    with pytest.raises(UserError, match="of the same seed"):
        measure_seeds([PLAIN, PLAIN])


def test_a_broken_file_of_seeds_is_refused(seeds, tmp_path):
    write_seeds(seeds, tmp_path)
    file = tmp_path / FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), "seeds": [{}]}))
    with pytest.raises(UserError, match="entry 1 of 'seeds' lacks 'seed'"):
        read_seeds(tmp_path)


def test_accept_writes_the_card_and_the_findings(small_settings, tmp_path, monkeypatch):
    for file in some(PLAIN.glob("*")):
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setitem(BUNDLED, "bundled/plain", tmp_path)
    text = accept("bundled/plain", write=True, settings=small_settings)
    for title in ("What looks like the papers", "What does not look like the papers", "nobody shaped", "seed 0"):
        assert title in text
    assert "{" not in text[: text.index("## Recipe")]
    assert read_findings(tmp_path).is_of(load_model("bundled/plain"))
    assert (tmp_path / "README.md").read_text() == text
