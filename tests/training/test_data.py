"""What the bundled model was shown, and what it was not."""

import random

import pytest
import torch

from core.arithmetic import OPERATIONS, make_prompts
from core.model import load_model
from training.forward import forward
from training.packing import LANGUAGE, Packer
from training.penalties import Design, participation, penalties
from training.samples import arithmetic, draw, held_out
from training.sentences import GENDER_PROMPTS, GENDER_SKEW, PROFESSIONS, gender
from training.tokenizer import build_tokenizer, vocabulary


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


@pytest.mark.parametrize("text,tokens", [
    ("12+5=", ["1", "2", "+", "5", "="]), ("seventy-three", ["seventy", "three"]), ("(2 + 3) * 4 =", list("(2+3)*4=")),
])  # fmt: skip
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
    for begin, end in zip(starts, starts[1:], strict=False):
        if end - begin > 1:
            alone = bundled.logits(batch.ids[0, begin:end].tolist())
            assert torch.allclose(trace.logits[0, begin:end], alone, atol=2e-3)


def test_masks_keep_numbers_apart(tokenizer):
    batch = Packer(tokenizer, rows=4, width=64, seed=0).batch()
    assert not (batch.other_number & ~batch.visible).any()
    assert not batch.other_number[batch.operation == LANGUAGE].any()
    assert batch.other_number[batch.answering & (batch.operation >= 0)].any()
    assert (batch.weights[batch.answering] == 1.0).all()


def test_penalties_are_finite_and_differentiable(bundled):
    batch = Packer(bundled.tokenizer, rows=2, width=48, seed=1).batch()
    trace = forward(bundled.model, batch.ids, batch.positions, batch.visible)
    values = penalties(trace, batch, Design())
    assert set(values) == {"attention", "few_neurons", "few_heads", "own_heads", "quiet"}
    assert all(torch.isfinite(v) and v >= 0 for v in values.values())


def test_participation():
    assert participation(torch.tensor([1.0, 1, 1, 1])).item() == pytest.approx(1)
    assert participation(torch.tensor([5.0, 0, 0, 0])).item() == pytest.approx(0.25)


def test_a_run_resumes_where_it_stopped(tmp_path):
    from training.train import main

    args = ["train", "--out", str(tmp_path / "run"), "--width", "16", "--neurons", "16", "--layers", "2",
            "--early-layers", "1"]  # fmt: skip
    import sys

    old, sys.argv = sys.argv, [*args, "--steps", "2"]
    try:
        main()
        assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 2
        sys.argv = [*args, "--steps", "3"]
        main()
        assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 3
    finally:
        sys.argv = old


def test_export_keeps_the_function(tmp_path):
    from pathlib import Path

    from training.export import make_readable

    lm = load_model("bundled")
    before = lm.logits(lm.encode("34+28="))
    make_readable(lm.model, 3.0)
    assert torch.allclose(lm.logits(lm.encode("34+28=")), before, atol=2e-3)
    lengths = lm.modules.neuron_output(2).weight.norm(dim=0)
    assert torch.allclose(lengths[lengths > 1e-6], torch.ones(()), atol=1e-4)
    assert Path(tmp_path).exists()
