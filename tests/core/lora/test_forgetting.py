"""Forgetting is what it says: the same questions, counted without the adapter and with it."""

import pytest
import torch

from core.edits.side_effects import NEUTRAL
from core.errors import UserError
from core.forward.generate import continue_greedily
from core.lora.forgetting import ARITHMETIC, FACTS, PARTS, RETRIEVAL, TASKS, Exam, Forgetting, Knowledge, forgetting
from core.lora.series import SHIPPED, place_of, read_series
from core.mediation.templates import every_fact, retrieval_drafts
from core.model.adapters import attach
from core.model.load import load_model
from core.progress import Stopped
from core.prompts.arithmetic import make_prompts
from core.prompts.signed_arithmetic import cases
from tests.some import some


@pytest.fixture(scope="module")
def shipped(bundled):
    return {layer: attach(bundled, place_of(SHIPPED["bundled"], layer)) for layer in (4, 5)}


@pytest.fixture(scope="module")
def found(bundled, shipped) -> Forgetting:
    return forgetting(bundled, shipped)


def test_counted_by_hand(bundled, shipped, found):
    """By plain decoding, without teacher forcing or prefix trees."""
    every = make_prompts(digits=(1,), pool="within digits")
    prompts = [p for p in every if p.operation in "+-"]
    for layer, model in (*shipped.items(), (None, bundled)):
        there = found.base if layer is None else found.adapted[layer]
        for operation in "+-":
            mine = [p for p in prompts if p.operation == operation]
            told = [bundled.decode(continue_greedily(model, p.text, len(p.answer))).replace(" ", "") for p in mine]
            right = [text == p.answer for text, p in zip(told, mine, strict=True)]
            assert found.counts[PARTS[operation]] == len(mine) > 50
            assert there.accuracy[PARTS[operation]] == pytest.approx(sum(right) / len(mine))
    assert found.counts[ARITHMETIC] == sum(found.counts[name] for name in PARTS.values()) == len(every)
    for layer in some(found.adapted):
        parts = sum(found.adapted[layer].accuracy[name] * found.counts[name] for name in PARTS.values())
        assert found.adapted[layer].accuracy[ARITHMETIC] == pytest.approx(parts / found.counts[ARITHMETIC])


def test_nothing_is_asked_that_the_adapters_are_trained_on(bundled):
    trained = {tuple(bundled.encode(p.text)) for p in cases(2)}
    asked = Exam.of(bundled).side_effect_prompts.questions
    assert len(asked) == 100 + 55 + 100 + 32
    assert not trained & {tuple(q.ids) for q in asked}


def test_the_shipped_adapter_forgets(bundled, shipped, found):
    """The finding that the page must not hide: the best adapter breaks what the base knew."""
    assert read_series(bundled, SHIPPED["bundled"]).best().layer == 5
    assert found.base.accuracy[ARITHMETIC] == 1.0
    assert found.base.accuracy[FACTS] == 1.0
    assert found.lost(5, ARITHMETIC) > 0.2
    assert found.lost(5, FACTS) > 0.5
    assert found.adapted[5].neutral < found.base.neutral - 1
    assert found.score(5) == pytest.approx(sum(found.lost(5, task) for task in TASKS) / 3)
    assert found.counts[RETRIEVAL] == len({d.text for d in retrieval_drafts(100)}) == 100
    assert found.counts[FACTS] + len(found.left_out) == len(every_fact())


def test_neutral_is_the_mean_log_probability_of_a_token(bundled, found):
    total, n = 0.0, 0
    for sentence in NEUTRAL:
        ids = bundled.encode(sentence)
        log_p = torch.log_softmax(bundled.logits(ids), -1)
        total += sum(float(log_p[i, ids[i + 1]]) for i in range(len(ids) - 1))
        n += len(ids) - 1
    assert found.base.neutral == pytest.approx(total / n, abs=1e-4)


def test_the_base_forgets_nothing(bundled):
    """Against itself."""
    found = forgetting(bundled, {0: bundled})
    assert found.score(0) == 0.0
    assert found.adapted[0] == found.base
    frame = found.to_frame()
    assert len(frame) == 7
    assert frame["forgotten"].eq(0).all()
    assert (frame["accuracy"] == frame["base"]).all()


def test_kept_on_disk(bundled, shipped, found, monkeypatch):
    def never(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr("core.lora.forgetting.side_effect_scores", never)
    assert forgetting(bundled, shipped) == found
    monkeypatch.setattr("core.lora.forgetting.N_RETRIEVAL", 3)  # other questions are another result
    assert Exam.of(bundled).counts[RETRIEVAL] == 3
    with pytest.raises(AssertionError, match="asked again"):
        forgetting(bundled, shipped)


def test_a_gain_does_not_make_up_for_a_loss():
    base = Knowledge({ARITHMETIC: 0.5, RETRIEVAL: 0.0, FACTS: 0.8}, -1.0)
    now = Knowledge({ARITHMETIC: 1.0, RETRIEVAL: 0.3, FACTS: 0.4}, -2.0)
    found = Forgetting({task: 10 for task in TASKS}, base, {3: now}, ())
    assert found.known == [ARITHMETIC, FACTS]
    assert found.lost(3, ARITHMETIC) == -1.0
    assert found.score(3) == pytest.approx(0.25)
    assert found.lost(3, RETRIEVAL) != found.lost(3, RETRIEVAL)


def test_a_model_that_knows_nothing(checkpoints):
    lm = load_model(checkpoints("llama"), precision="fp32")
    found = forgetting(lm, {1: lm})
    assert found.known == []
    assert found.score(1) != found.score(1)


def test_stop_and_no_adapters(bundled, shipped, checkpoints, found):
    def after(n):
        def progress(done, total):
            assert total == 3
            if done >= n:
                raise Stopped

        return progress

    assert forgetting(bundled, shipped, after(2)).adapted == {4: found.adapted[4]}
    with pytest.raises(Stopped):
        forgetting(bundled, shipped, after(1))
    with pytest.raises(UserError, match="no adapter"):
        forgetting(bundled, {})
    with pytest.raises(UserError):
        forgetting(bundled, {0: load_model(checkpoints("llama"), precision="fp32")})
