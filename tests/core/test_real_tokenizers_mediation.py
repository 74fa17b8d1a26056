"""Pairs of prompts and their effects on real tokenizers: what is copied, where results are read, which token is what.

What is right is worked out with transformers alone (tests.tokenizers.by_hand, hooks of torch).
"""

import random

import pytest
import torch

from core.mediation import indirect_effects
from core.mediation.draw import draw_pairs
from core.mediation.groups import roles_of
from core.mediation.measure import mediate
from core.mediation.tasks import PAIR_KINDS, Task
from core.mediation.templates import drafts_of
from tests.some import some
from tests.tokenizers.by_hand import answer_position, written


@pytest.mark.parametrize("kind", ["other operands", "same result", "other operator"])
def test_drawn_pairs_are_read_at_the_answers(answering, kind):
    tokenizer = answering.tokenizer
    pairs = draw_pairs(answering, kind, count=6, operations=["+", "-"], templates=(0, 3))
    for pair in some(pairs):
        sides = (
            (pair.base, pair.base_ids, pair.base_result),
            (
                pair.alternative,
                pair.alternative_ids,
                pair.alternative_result,
            ),
        )
        assert len(pair.base_ids) == len(pair.alternative_ids) == len(pair.groups)
        answers = []
        for text, ids, result in some(sides):
            question = tokenizer(text)["input_ids"]
            assert list(ids[: len(question)]) == question
            blanks = tokenizer.decode(list(ids[len(question) :]))
            assert not blanks.strip()  # between the prompt, with the common beginning of the answers, and the result
            assert tokenizer.decode([result]).strip()
            answers.append(tokenizer.decode([*ids, result], skip_special_tokens=True).replace(text, "").strip())
            assert written(answering, text).startswith(answers[-1])
        assert (answers[0] == answers[1]) == (kind == "same result")


def ie(clean, patched, r, other) -> float:
    """Indirect effect by its formula (CMA, section 3)."""
    p, q = clean.double().softmax(-1), patched.double().softmax(-1)
    if r == other:
        return float((p[r] - q[r]) / q[r])
    return float(((p[r] - q[r]) / q[r] + (q[other] - p[other]) / p[other]) / 2)


@torch.no_grad()
def effects_by_hooks(model, base, other, results) -> torch.Tensor:
    """IE of each layer's FFN output at each position, copied from one prompt's run into the other's."""
    base, other = torch.tensor([list(base)]), torch.tensor([list(other)])
    clean = model(base).logits[0, -1]
    found = torch.zeros(len(model.model.layers), base.shape[1])
    for layer, block in enumerate(model.model.layers):
        outputs = []
        handle = block.mlp.register_forward_hook(lambda _, args, out, kept=outputs: kept.append(out))
        model(other)
        handle.remove()
        for position in range(base.shape[1]):

            def copy(_, args, out, position=position, source=outputs[0]):
                return torch.cat([out[:, :position], source[:, position : position + 1], out[:, position + 1 :]], 1)

            handle = block.mlp.register_forward_hook(copy)
            found[layer, position] = ie(clean, model(base).logits[0, -1], *results)
            handle.remove()
    assert found.max() > 0.1
    return found


def test_effects_of_a_drawn_pair(answering):
    pair = draw_pairs(answering, "other operands", count=1, operations=["+"], seed=3)[0]
    found = mediate(answering, [pair], ["ffn"]).effects["ffn"][0]
    results = pair.base_result, pair.alternative_result
    wanted = effects_by_hooks(answering.model, pair.base_ids, pair.alternative_ids, results)
    assert torch.allclose(found.effect, wanted, rtol=1e-3, atol=1e-4)


def test_effects_of_typed_prompts_are_read_at_the_answer(answering):
    """Also with results as text: the blank before them belongs to the prompt."""
    texts = "3 + 5 =", "2 + 4 ="
    base, other = (answer_position(answering, text) for text in texts)
    results = [
        answering.tokenizer(f"{text} {answer}")["input_ids"][-1] for text, answer in zip(texts, "86", strict=True)
    ]
    wanted = effects_by_hooks(answering.model, base, other, results)
    for given in ({}, {"base_result": "8", "alternative_result": "6"}):
        found = indirect_effects(answering, *texts, **given)
        assert [found.base_result, found.alternative_result] == results
        assert len(found.tokens) == len(base)
        assert torch.allclose(found.effect, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", PAIR_KINDS)
@pytest.mark.parametrize("form", ["digits", "words"])
def test_tokens_of_an_operand_spell_it(on_tokenizer, kind, form):
    """The tokens of a part, put together, are that part: no blank before it, no sign after it."""
    draw = drafts_of(Task(kind, digits=(1, 2, 3), forms=(form,), templates=(0, 3) if kind != "facts" else None))
    rng = random.Random(0)
    drafts = [draft for _ in range(40) if (pair := draw(rng)) for draft in pair]
    assert len(drafts) > 10
    for draft in some(drafts):
        ids = on_tokenizer.tokenizer(draft.text)["input_ids"]
        roles = roles_of(on_tokenizer, draft.text, draft.spans)
        assert len(roles) == len(ids)
        for group in some({name for *_, name in some(draft.spans)}):
            mine = [token for token, role in zip(ids, roles, strict=True) if role == group]
            parts = "".join(draft.text[begin:end] for begin, end, name in draft.spans if name == group)
            told = on_tokenizer.tokenizer.decode(mine).replace("(", "")  # Llama-3 has "(three" as one token
            assert "".join(told.split()) == "".join(parts.split()), draft.text
