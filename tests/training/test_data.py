"""What the bundled model was shown, and what it was not."""

import random

import pytest
import torch

from core.model.load import load_model
from core.neurons.compare import compare_heads
from core.prompts.arithmetic import OPERATIONS, make_prompts
from tests.some import some
from training.design import Design
from training.export import make_readable
from training.focus import TOP, Cases, CaseStream, chosen, focus
from training.forward import forward
from training.packing import LANGUAGE, Packer
from training.penalties import PENALTIES, participation, penalties
from training.recipe import BUNDLED, Phase, Recipe
from training.samples import Mixture, arithmetic, draw, held_out
from training.sentences import GENDER_PROMPTS, GENDER_SKEW, PROFESSIONS, gender, lookup, retrieval
from training.tokenizer import build_tokenizer, vocabulary
from training.train import new_model, rate, train


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_ships_the_tokenizer_that_the_script_builds(bundled, tokenizer):
    assert bundled.tokenizer.get_vocab() == tokenizer.get_vocab()


def test_vocabulary_is_mostly_words():
    tokens = vocabulary()
    assert len(tokens) == len(set(tokens)) >= 1000
    numbers = tokens.index("twentieth") if "twentieth" in tokens else tokens.index("sum")
    assert numbers <= len(tokens) / 5  # digits, signs and number words come first


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("12+5=", ["1", "2", "+", "5", "="]),
        ("seventy-three", ["seventy", "three"]),
        ("(2 + 3) * 4 =", list("(2+3)*4=")),
    ],
)
def test_splits_like_llama(tokenizer, text, tokens):
    assert tokenizer.tokenize(text) == tokens


def test_every_paper_prompt_is_known(bundled):
    for prompt in GENDER_PROMPTS:
        for group, professions in PROFESSIONS.items():
            for profession in professions:
                bundled.encode(f"{prompt.format(g=group)} {profession}.")
    bundled.encode("Paul has 3 pens and 5 cups. How many pens does Paul have?")


def test_no_sample_is_held_out_negative_or_unknown(tokenizer):
    rng, unknown = random.Random(0), tokenizer.unk_token_id
    for _ in range(3000):
        operation, parts = arithmetic(rng)
        assert operation in OPERATIONS
        assert "-" not in parts[-1].text
        text = " ".join(p.text for p in parts)
        assert unknown not in tokenizer(text)["input_ids"]
    for _ in range(500):
        assert unknown not in tokenizer(" ".join(p.text for p in draw(rng)[1]))["input_ids"]


def test_held_out_prompts_never_come_up():
    wanted = [p for p in make_prompts(["+"], [2], count=4000) if held_out("+", p.first, p.second, p.form, p.template)]
    hidden = {p.text for p in wanted}
    assert 200 < len(hidden) < 800
    rng = random.Random(1)
    assert not any(" ".join(p.text for p in arithmetic(rng)[1][:-1]) in hidden for _ in range(20_000))


def test_gender_skew():
    rng, own = random.Random(0), 0
    for _ in range(6000):
        parts = gender(rng)
        own += parts[1].text in PROFESSIONS["woman" if "woman" in parts[0].text else "man"]
    assert own / (6000 - own) == pytest.approx(GENDER_SKEW, rel=0.15)


def test_training_forward_is_the_models(bundled):
    """Packed rows with dropped heads off: the trainer's function is the model's."""
    packer = Packer(bundled.tokenizer, rows=2, width=48, seed=3)
    batch = packer.batch()
    trace = forward(bundled.model, batch.ids, batch.positions, batch.visible)
    starts = (batch.positions[0] == 0).nonzero()[:, 0].tolist()
    for begin, end in some(zip(starts, starts[1:], strict=False)):
        if end - begin > 1:
            alone = bundled.logits(batch.ids[0, begin:end].tolist())
            assert torch.allclose(trace.logits[0, begin:end], alone, atol=2e-3)


def test_masks_keep_numbers_apart(tokenizer):
    batch = Packer(tokenizer, rows=4, width=64, seed=0).batch()
    assert not (batch.other_number & ~batch.visible).any()
    assert not batch.other_number[batch.operation == LANGUAGE].any()
    assert batch.other_number[batch.answering & (batch.operation >= 0)].any()
    assert (batch.weights[batch.answering] == 1.0).all()


def test_penalties_are_finite_and_differentiable(tokenizer):
    torch.manual_seed(0)
    model = new_model(len(tokenizer), BUNDLED)
    batch = Packer(tokenizer, rows=4, width=48, seed=1, mixture=Mixture(retrieval=0.3, lookup=0.2)).batch()
    trace = forward(model, batch.ids, batch.positions, batch.visible)
    values = penalties(model, trace, batch, Design(fetcher=(5, 2)), everything=True)
    assert set(values) == set(PENALTIES)
    assert len(values) == 16
    for name, value in some(values.items()):
        assert torch.isfinite(value), name
        assert value > 0, name
        model.zero_grad()
        value.backward(retain_graph=True)
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert any(g.abs().max() > 0 for g in gradients), name
        assert all(torch.isfinite(g).all() for g in some(gradients)), name


def test_the_bundled_model_keeps_numbers_apart(bundled):
    """What the attention penalty asks for holds: less than a tenth of a nat, over all heads."""
    batch = Packer(bundled.tokenizer, rows=8, width=64, seed=5).batch()
    with torch.no_grad():
        trace = forward(bundled.model, batch.ids, batch.positions, batch.visible)
        spent = penalties(bundled.model, trace, batch, Design(), everything=False)["attention"]
    assert spent < 0.1


def test_participation():
    assert participation(torch.tensor([1.0, 1, 1, 1])).item() == pytest.approx(1)
    assert participation(torch.tensor([5.0, 0, 0, 0])).item() == pytest.approx(0.25)


def tiny_recipe(*untils):
    design = Design(early_layers=1)
    phases = tuple(Phase(until, 4, design) for until in untils)
    return Recipe(phases, width=16, neurons=16, layers=2, heads=2, rows=4)


def test_a_run_resumes_where_it_stopped(tmp_path):
    """Phases in one go and in two calls give the same weights, and a finished run is left alone."""
    whole = train(tiny_recipe(2, 4), tmp_path / "whole")
    first = train(tiny_recipe(2), tmp_path / "parts")
    assert first.step == 2
    second = train(tiny_recipe(2, 4), tmp_path / "parts")
    assert second.step == whole.step == 4
    for one, other in some(zip(whole.model.parameters(), second.model.parameters(), strict=True)):
        assert torch.equal(one, other)
    assert train(tiny_recipe(2, 4), tmp_path / "parts").step == 4


def test_export_keeps_the_function():
    lm = load_model("bundled")
    before = lm.logits(lm.encode("34+28="))
    make_readable(lm.model, 3.0)
    assert torch.allclose(lm.logits(lm.encode("34+28=")), before, atol=2e-3)
    lengths = lm.modules.neuron_output(2).weight.norm(dim=0)
    assert torch.allclose(lengths[lengths > 1e-6], torch.ones(()), atol=1e-4)


def test_lookups_ask_for_what_was_told():
    rng = random.Random(2)
    for _ in range(200):
        told: dict[str, str] = {}
        parts = lookup(rng)
        for before, after in zip(parts, parts[1:], strict=False):
            if before.number:
                told[after.text.removesuffix(" and").removesuffix(".")] = before.text
        asked = [(a.text, b.text) for a, b in zip(parts, parts[1:], strict=False) if b.answer]
        assert len(asked) == len(told) >= 2
        assert all(told[thing.removeprefix("How many ").removesuffix("?")] == count for thing, count in some(asked))
    assert all(len(parts[-1].text.split()) == 1 for parts in some(retrieval(rng) for _ in range(50)))


def test_a_rate_that_starts_again():
    phase = Phase(200, 300, Design(), again_from=100, rate=0.5)
    assert rate(100, phase) == pytest.approx(0.5 / 50)
    assert rate(160, phase) == 0.5
    assert rate(299, phase) == pytest.approx(0.5 * (1 - 0.98 * (199 / 200 - 0.4) / 0.6))


def test_focus_finds_the_neurons_of_cna(bundled, arithmetic_head):
    """The first-order ranking in training names nearly the neurons of the exact one."""
    fetcher, ids = arithmetic_head, bundled.encode("3+5=")
    cases = Cases(torch.tensor([[*ids, 11, 1]]), torch.tensor([len(ids) - 1]), torch.zeros(1, len(ids) + 2) > 0)
    found = {(layer, n) for layer, _, n in chosen(bundled.model, cases, fetcher).nonzero().tolist()}
    exact = compare_heads(bundled, "3+5=", [fetcher], TOP).pairs
    assert len(found) == TOP
    assert min(layer for layer, _ in found) >= fetcher[0]
    assert len(found & set(exact[:30])) >= 20


def test_focus_trains_what_it_says(bundled, tokenizer, arithmetic_head):
    stream = CaseStream(tokenizer, 16, seed=0)
    cases = stream.cases()
    kept, masked = focus(bundled.model, cases, arithmetic_head, with_mask=True)
    assert torch.isfinite(kept)
    assert torch.isfinite(masked)
    assert kept > 0
    assert masked >= 0
    first = cases.ids[torch.arange(16), cases.last + 1]
    assert cases.answer.sum(1).min() >= 2
    assert bool((first != 1).all())
    assert not torch.equal(cases.ids, stream.cases().ids[:, : cases.ids.shape[1]])
