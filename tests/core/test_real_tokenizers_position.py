"""Where an answer is read, on models that write a blank before it and on one that does not (tests.tokenizers).

What is right is worked out with transformers alone: the tokenizer, forward passes and hooks of tests.plain.
"""

import pytest
import torch

from core.chain.case import logic_case, top_head
from core.edits import what_if
from core.heads import sweep_heads
from core.hooks import ScaleHead
from core.lora.coefficients import coefficient_increase, coefficients_with
from core.neurons import compare_heads, compare_models, compare_prompts, layer_increase
from core.neurons.attribution import first_order
from core.neurons.max_activating import activating_arithmetic, activating_prompts
from core.neurons.prompt_view import view_prompt
from tests import plain
from tests.some import some
from tests.tokenizers.by_hand import answer_position, slightly_changed

TEXT = "3 + 5 ="
HEADS = [(1, 2), (2, 0)]


@pytest.fixture(scope="module")
def eight(answering) -> int:
    """The token that is the answer: the last one of the sum with its result."""
    return answering.tokenizer(f"{TEXT} 8")["input_ids"][-1]


def test_the_position_is_behind_the_blank(answering, eight):
    ids = answer_position(answering, TEXT)
    typed = answering.tokenizer(TEXT)["input_ids"]
    blank_first = "gpt2" not in answering.name
    assert len(ids) - len(typed) == blank_first
    assert plain.next_token(answering.model, ids) == eight
    assert answering.tokenizer.decode([eight]).strip() == "8"
    assert answering.prompt_ids(TEXT) == answering.encode_for_answer(TEXT) == ids
    assert answering.prompt_ids(ids) == ids
    assert answering.prompt_ids(typed) == typed
    if blank_first:
        assert answering.prompt_ids(TEXT + " ") == ids
        assert plain.next_token(answering.model, typed) != eight


TARGETS = {
    "sweep_heads": lambda lm, p: sweep_heads(lm, [p]).targets[0],
    "compare_heads": lambda lm, p: compare_heads(lm, p, HEADS, k=5).target,
    "compare_prompts": lambda lm, p: compare_prompts(lm, p, "3 + 4 =", k=5).target,
    "compare_models": lambda lm, p: compare_models(lm, lm, p, k=5).target,
    "layer_increase": lambda lm, p: layer_increase(lm, p).target,
    "first_order": lambda lm, p: first_order(lm, p).target,
    "coefficients_with": lambda lm, p: coefficients_with(lm, {}, p, 5).target,
    "logic_case": lambda lm, p: logic_case(lm, p, HEADS, k=20, n_shallow=4).neurons.target,
    "view_prompt": lambda lm, p: view_prompt(lm, p).increase.target,
    "what_if": lambda lm, p: int(what_if(lm, [p], [], digits=()).original.logits[0].argmax()),
}


@pytest.mark.parametrize("name", TARGETS)
def test_every_analysis_is_about_the_answer(answering, eight, name):
    ids = answer_position(answering, TEXT)
    assert TARGETS[name](answering, TEXT) == eight
    assert TARGETS[name](answering, ids) == eight
    before = plain.next_token(answering.model, ids[:-1])
    assert before != eight
    assert TARGETS[name](answering, ids[:-1]) == before  # another position, which a person chose


def test_a_sweep_is_one_run_per_head_at_the_answer(answering, eight):
    ids = answer_position(answering, TEXT)
    swept = sweep_heads(answering, [TEXT, TEXT + " ", ids])
    wanted = torch.tensor(
        [
            [plain.run(answering.model, ids, [(layer, head)]).logits.softmax(-1)[eight] for head in range(4)]
            for layer in range(answering.n_layers)
        ]
    ).float()
    rows = [0, 2] if "gpt2" in answering.name else [0, 1, 2]
    for row in some(rows):
        assert torch.allclose(swept.probability[row], wanted, atol=2e-4)  # a sum of 128,256 in float32
    assert (swept.baseline[0] - wanted).max() > 0.3  # some head matters
    assert top_head(answering, TEXT) == divmod(int(wanted.argmin()), 4)


def test_neurons_and_layers_are_measured_for_the_answer(answering, eight):
    ids = answer_position(answering, TEXT)
    runs = [plain.run(answering.model, ids), plain.run(answering.model, ids, HEADS)]
    first, second = (plain.importances(answering.model, run, eight, runs[0]) for run in runs)
    found = compare_heads(answering, TEXT, HEADS, k=20)
    assert torch.allclose(found.change, (first - second)[found.layer, found.neuron], atol=1e-4)
    assert float(found.change[-1]) >= float((first - second).flatten().sort(descending=True).values[19]) - 1e-4
    run, off = runs
    assert torch.allclose(found.coefficient_second.double(), off.coefficient[found.layer, found.neuron], atol=1e-4)

    hidden = answering.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    before = torch.stack(hidden[:-1])[:, 0, -1].detach().double()  # of each layer
    after = torch.cat([before[1:], run.output[None]])

    def log_p(y):
        return plain.log_probabilities(answering.model, y, run.output)[:, eight]

    increase = layer_increase(answering, TEXT)
    assert torch.allclose(increase.attention.double(), log_p(run.before_ffn) - log_p(before), atol=1e-4)
    assert torch.allclose(increase.ffn.double(), log_p(after) - log_p(run.before_ffn), atol=1e-4)


def test_the_logic_chain_is_the_answers(answering):
    ids = answer_position(answering, TEXT)
    case = logic_case(answering, TEXT, k=20, n_shallow=4)
    assert case.run.ids == ids
    assert case.neurons.pairs == compare_heads(answering, ids, case.heads, k=20).pairs
    assert case.chain is not None
    words = [data["label"] for _, data in case.chain.nodes(data=True) if data["kind"] == "token"]
    assert 0 < len(words) <= len(ids)


def test_coefficients_are_those_at_the_answer(answering):
    changed = slightly_changed(answering, 1, 0.02)
    asked = [TEXT, "9 + 8 ="]
    shares = []
    for text in some(asked):
        ids = answer_position(answering, text)
        base, other = (plain.run(lm.model, ids) for lm in (answering, changed))
        importance = plain.importances(answering.model, base, int(base.logits.argmax()))
        best = importance.flatten().argsort(descending=True)[:10]
        m, theirs = base.coefficient.flatten()[best], other.coefficient.flatten()[best]
        shares.append(float((m.sign() * theirs).sum() / m.abs().sum() - 1))
        layer, neuron = divmod(int(best[0]), answering.n_neurons)
        frame = activating_prompts(answering, [text], layer, neuron)
        assert frame["coefficient"].tolist() == pytest.approx([float(m[0])], abs=1e-4)
        named = coefficients_with(answering, {"changed": changed}, text, 10)
        assert set(named.neurons) == {divmod(int(i), answering.n_neurons) for i in best}
    found = coefficient_increase(answering, {1: changed}, asked, ks=(10,))
    assert found.points["increase"].tolist() == pytest.approx([sum(shares) / 2], abs=1e-4)
    assert max(map(abs, shares)) > 1e-3


def test_a_neuron_card_reads_every_question_at_its_answer(answering):
    frame = activating_arithmetic(answering, 3, 5, count=3)
    for text, value in some(zip(frame["prompt"], frame["coefficient"], strict=True)):
        ids = answer_position(answering, text)
        assert value == pytest.approx(float(plain.run(answering.model, ids).coefficient[3, 5]), abs=1e-4)


def test_a_view_of_the_prompt(answering, eight):
    view = view_prompt(answering, TEXT, HEADS[:1])
    ids = answer_position(answering, TEXT)
    assert (view.ids, view.typed) == (ids, len(answering.tokenizer(TEXT)["input_ids"]))
    run = plain.run(answering.model, ids, HEADS[:1])
    assert torch.allclose(view.logits.double(), run.logits, atol=1e-3)
    whole = view_prompt(answering, TEXT)
    assert whole.continuation[:2] == [eight, answering.tokenizer.eos_token_id]
    assert whole.lens.token[-1] == eight


def test_what_an_edit_does_is_read_at_the_answer(answering):
    found = what_if(answering, [TEXT], [ScaleHead(1, 2, 0.0)], digits=())
    off = plain.run(answering.model, answer_position(answering, TEXT), [(1, 2)])
    assert torch.allclose(found.edited.logits[0].double(), off.logits, atol=1e-3)
