"""Both measurements of the logic chain over a whole set, put together from their parts."""

import pytest

from core.ablation.cases import remembered
from core.ablation.mask_keep import mask_and_keep
from core.ablation.root import ablate_root
from core.ablation.shallow import ablate_shallow
from core.ablation.whole_set import ROOT_ROW, Filter, measure_deep_set, measure_shallow_set
from core.errors import UserError
from core.prompts.arithmetic import make_prompts
from core.vocabulary.concepts import SHORT_LIST
from core.vocabulary.shallow import shallow_counts
from tests.dense import dense_comparison

HEADS, KS = [(5, 2)], (20, 5)


def test_the_deep_set_is_masking_and_root_ablation(bundled):
    prompts = make_prompts(["+"], [1], count=4)
    told = []
    found = measure_deep_set(bundled, HEADS, prompts, KS, lambda done, of: told.append(done / of))

    frame = found.to_frame()
    assert frame["cases"].eq(sum(len(p.answer) for p in prompts)).all()  # a case is a digit of an answer
    assert set(frame["measure"]) == {"mask", "keep", "coefficient", ROOT_ROW}
    assert told == sorted(told)
    assert told[-1] == 1
    compare = remembered(lambda ids, target: dense_comparison(bundled, list(ids), HEADS, max(KS), target))
    masked = mask_and_keep(bundled, prompts, compare, 5, KS).to_frame()
    root = ablate_root(bundled, prompts, compare, KS).to_frame()
    assert frame["decrease"].tolist() == pytest.approx([*masked["decrease"], *root["decrease"]], rel=1e-4, nan_ok=True)


def test_a_head_that_does_not_exist(bundled):
    with pytest.raises(UserError, match="99"):
        measure_deep_set(bundled, [(99, 0)], make_prompts(["+"], [1], count=1))


def test_the_shallow_set_is_the_filter_and_its_ablation(bundled):
    prompts = make_prompts(["+"], [1], count=5)
    chosen = Filter(layers=2, top=30, concepts=None, more_than=(25, 28), draws=1)
    found = measure_shallow_set(bundled, prompts, chosen)
    assert found.to_frame().equals(by_hand(bundled, prompts))
    assert found.neurons[0] >= found.neurons[1]
    short = Filter(2, 30, SHORT_LIST, (25, 2), 1, "plus")
    other = measure_shallow_set(bundled, prompts, short)
    assert other.to_frame().equals(by_hand(bundled, prompts, (25, 2), SHORT_LIST, "plus"))


def by_hand(bundled, prompts, more_than=(25, 28), *chosen):
    counts = shallow_counts(bundled, range(2), 30, *chosen)
    return ablate_shallow(bundled, prompts, counts, more_than, 1).to_frame()
