"""One run of a prompt as a whole, put together from its parts."""

import pytest
import torch

from core.errors import UserError
from core.forward.generate import continue_greedily
from core.forward.record import record
from core.hooks import ScaleHead, intervene
from core.neurons.layers import increase_of, lens_of
from core.neurons.prompt_view import view_prompt

PROMPT, HEADS = "34+28=", [(3, 7), (4, 0)]


@pytest.mark.parametrize("heads", [[], HEADS])
def test_it_is_the_run_and_what_is_read_off_it(bundled, heads):
    view = view_prompt(bundled, PROMPT, heads)
    ids = bundled.encode(PROMPT)
    original = record(bundled, ids)
    with intervene(bundled, *(ScaleHead(layer, head, 0.0) for layer, head in heads)):
        run, follows = record(bundled, ids), continue_greedily(bundled, PROMPT, 12)
    assert view.ids == ids
    assert view.continuation == follows
    assert torch.equal(view.logits, run.logits[-1])
    assert torch.equal(view.pattern, run.pattern)
    increase = increase_of(bundled, run, original=original)
    assert view.increase.target == int(original.logits[-1].argmax())
    assert torch.equal(view.increase.attention, increase.attention)
    assert view.lens.token == lens_of(bundled, run).token


def test_ablating_heads_changes_it(bundled):
    assert not torch.equal(view_prompt(bundled, PROMPT).logits, view_prompt(bundled, PROMPT, HEADS).logits)


def test_a_prompt_that_fills_the_context_has_no_continuation(bundled):
    prompt = "3+" * ((bundled.n_context - 1) // 2) + "3"
    view = view_prompt(bundled, prompt)
    assert len(view.ids) == bundled.n_context
    assert view.continuation == []


def test_bad_input(bundled):
    with pytest.raises(UserError, match="99"):
        view_prompt(bundled, PROMPT, [(99, 0)])
    with pytest.raises(UserError, match="empty"):
        view_prompt(bundled, "")
