"""The cases of a set: which answer tokens count, in which order, and how their neurons are compared."""

import pytest

import core.ablation.cases
from core.ablation.cases import CaseSet, comparing_heads, remembered
from core.errors import UserError
from core.forward.record_without import record_without
from core.hooks import ScaleHead, intervene
from core.model.load import load_model
from core.neurons.compare import compare_heads
from core.progress import silent
from core.prompts.arithmetic import Prompt, make_prompts
from tests.plain import next_token
from tests.some import some
from tests.told_models import BLANK, EIGHT, predicting


def test_the_counts_of_the_paper(bundled):
    """Table 24 gives percentages of 145 cases for one-digit sums, table 26 of 157 or 158 for products."""
    for operation, n in {"+": 145, "*": 158}.items():
        cases = CaseSet.of(bundled, make_prompts([operation], [1]))
        assert len(cases) == n
        wrong = sum(next_token(bundled.model, case.ids) != case.token for case in cases.tokens)
        assert sum(map(len, cases.right(bundled, silent))) == n - wrong


def test_each_token_counts_by_itself(bundled):
    """With a head ablated some answers are wrong at one place and right at another."""
    cases = CaseSet.of(bundled, make_prompts(["*"], [2], count=40))
    with intervene(bundled, ScaleHead(3, 7, 0.0)):
        batches = cases.right(bundled, silent)
        right = {i for i, case in enumerate(cases.tokens) if next_token(bundled.model, case.ids) == case.token}
    counted = [i for batch in batches for i in batch]
    assert sorted(counted) == sorted(right)
    asked = {
        number: {c.number == number and i in right for i, c in enumerate(cases.tokens) if c.number == number}
        for number in range(40)
    }
    assert any(len(verdicts) == 2 for verdicts in asked.values())
    for batch in some(batches):
        assert (
            len(
                {
                    (len(cases.questions[q].ids), len(cases.questions[q].answer))
                    for q in (cases.tokens[i].number for i in batch)
                }
            )
            == 1
        )
    prompts = [cases.tokens[i].number for i in counted]
    runs = 1 + sum(a != b for a, b in zip(prompts, prompts[1:], strict=False))
    assert runs == len(set(prompts))  # tokens of one prompt stand together
    assert prompts != sorted(prompts)  # but prompts do not stand in their order


def test_a_blank_before_the_answer_is_not_a_case(tmp_path):
    lm = predicting(tmp_path, {BLANK: EIGHT, EIGHT: EIGHT}, n_context=20)
    cases = CaseSet.of(
        lm, [Prompt("+", 3, 5, 1, "digits", 3), Prompt("+", 9, 9, 1, "digits", 3), Prompt("+", 80, 3, 2, "digits", 3)]
    )
    frame = cases.to_frame()
    assert frame["token"].tolist() == ["8", "1", "8", "8", "3"]
    assert frame["number"].tolist() == [0, 1, 1, 2, 2]
    assert frame["place"].tolist() == [0, 0, 1, 0, 1]
    assert frame["answer"].tolist() == ["8", "18", "18", "83", "83"]
    assert [case.ids[-1] for case in cases.tokens] == [BLANK, BLANK, lm.encode("1")[-1], BLANK, EIGHT]
    right = sorted(i for batch in cases.right(lm, silent) for i in batch)
    assert right == [0, 3]  # after "1" the model writes a blank, after "8" another 8


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_one_run_serves_every_token_of_an_answer(checkpoints, monkeypatch, precision):
    """In 8 bits a later token affects how earlier ones are rounded: there each beginning runs by itself."""
    lm, head = load_model(checkpoints("llama"), precision), (1, 2)
    runs = []

    def counted(lm, ids, heads):
        runs.append(ids)
        return record_without(lm, ids, heads)

    monkeypatch.setattr(core.ablation.cases, "record_without", counted)
    compare = remembered(comparing_heads(lm, [head, head], 12))
    cases = CaseSet.of(lm, make_prompts(["+"], [2], count=3)).tokens
    found = {case: compare(case.ids, case.token) for case in reversed(cases)}
    assert len(runs) == (3 if precision == "fp32" else len(cases))
    assert len(cases) > 3
    for case in some(cases):
        alone = compare_heads(lm, case.ids, [head], 12, case.token)
        shared = compare(case.ids, case.token)
        assert shared is found[case]
        assert shared.target == case.token
        assert shared.pairs == alone.pairs
        assert shared.change.tolist() == pytest.approx(alone.change.tolist(), abs=1e-4)
    assert len(runs) == (3 if precision == "fp32" else len(cases))


def test_bad_sets(bundled):
    for prompts, ks in ([], [1]), (make_prompts(["+"], count=1), []), (make_prompts(["+"], count=1), [5, 0]):
        with pytest.raises(UserError):
            CaseSet.of(bundled, prompts, ks)
