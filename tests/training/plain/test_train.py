"""The plain model's training: the loss is next-token cross-entropy and nothing else, and a run can be continued."""

import json
import random
from dataclasses import replace

import pytest
import torch
from transformers import LlamaForCausalLM

from core.model.load import load_model
from tests.some import some
from training.plain import train
from training.plain.heldout import exact_match
from training.plain.texts import draw
from training.plain.tokenizer import build_tokenizer
from training.plain.train import PlainRecipe, Run, batches, rate

SMALL = PlainRecipe(layers=2, heads=2, width=16, neurons=24, steps=6, tokens=256, warm_up=2)


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture
def new_run(tokenizer, monkeypatch):
    monkeypatch.setattr(train, "build_tokenizer", lambda: tokenizer)
    monkeypatch.setattr(train, "POOL", 64)
    monkeypatch.setattr(train, "SCORE_EVERY", 10**6)
    monkeypatch.setattr(train, "scores", lambda model, tokenizer: {})
    return lambda folder, recipe=SMALL: Run(recipe, folder)


def test_targets_are_the_next_tokens_of_every_text(tokenizer, monkeypatch):
    monkeypatch.setattr(train, "POOL", 64)
    ids, targets = next(batches(tokenizer, SMALL))
    for row, target in some(list(zip(ids.tolist(), targets.tolist(), strict=True))):
        length = sum(t != train.IGNORED for t in target)
        assert target[:length] == row[1 : length + 1]
        assert target[length - 1] == tokenizer.eos_token_id
        assert tokenizer.eos_token_id not in target[: length - 1]
    assert 128 < ids.numel() <= SMALL.tokens + ids.shape[1]


def test_the_loss_is_the_models_own(new_run, tmp_path):
    run = new_run(tmp_path)
    ids, targets = next(batches(run.tokenizer, SMALL))
    logits = run.model(input_ids=ids).logits.log_softmax(-1)
    wanted = [-logits[i, p, t] for i, row in enumerate(targets.tolist()) for p, t in enumerate(row) if t >= 0]
    assert run._one_step(ids, targets) == pytest.approx(float(torch.stack(wanted).mean()), rel=2e-2)  # bf16


def test_a_run_that_was_ended_continues_to_the_same_weights(new_run, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    through = new_run(tmp_path / "through")
    through.train()
    ended = new_run(tmp_path / "ended")
    stop = ended.save

    def save_and_end():
        stop()
        raise KeyboardInterrupt

    monkeypatch.setattr(ended, "save", save_and_end)
    with pytest.raises(KeyboardInterrupt):
        ended.train()
    again = new_run(tmp_path / "ended")
    assert again.step == 3
    again.train()
    for name, weight in some(again.model.state_dict().items()):
        assert torch.equal(weight, through.model.state_dict()[name]), name


def test_training_lowers_the_loss_and_what_is_exported_loads(new_run, tmp_path, capsys):
    run = new_run(tmp_path / "run", replace(SMALL, width=32, steps=60, tokens=512))
    text = torch.tensor([run.tokenizer("3 + 5 = 8")["input_ids"]])
    before = run.model(input_ids=text, labels=text).loss.item()
    run.train()
    assert run.model(input_ids=text, labels=text).loss.item() < before - 1
    run.export(tmp_path / "model")
    lm = load_model(tmp_path / "model")
    assert (lm.n_layers, lm.n_heads, lm.d_model) == (2, 2, 32)
    with torch.no_grad():
        exported = run.model.float()(input_ids=text).logits[0]
    assert torch.allclose(lm.logits(text[0].tolist()), exported, atol=1e-4)
    told = json.loads((tmp_path / "model" / "recipe.json").read_text())
    assert (told["trained_steps"], told["seed"]) == (60, 0)
    capsys.readouterr()


def test_the_learning_rate_warms_up_stays_and_falls():
    recipe = PlainRecipe(steps=1000, warm_up=100, constant=0.5)
    assert [rate(step, recipe) for step in (0, 49, 99, 100, 499)] == pytest.approx([0.01, 0.5, 1.0, 1.0, 1.0])
    assert rate(750, recipe) == pytest.approx(0.505)
    assert rate(1000, recipe) == pytest.approx(0.01)


def test_exact_match_counts_whole_answers_and_their_end(tokenizer):
    """A model that has learnt three texts by heart answers just these."""
    torch.manual_seed(0)
    model = train.new_model(tokenizer, PlainRecipe(layers=2, heads=2, width=32, neurons=64))
    learnt = [("3 + 5 =", "8"), ("12 + 7 =", "19"), ("What is 3 plus 4?", "seven")]
    rows = [torch.tensor([[*tokenizer(f"{a} {b}")["input_ids"], tokenizer.eos_token_id]]) for a, b in learnt]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        sum(model(input_ids=row, labels=row).loss for row in rows).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert isinstance(model, LlamaForCausalLM)
    assert exact_match(model, tokenizer, learnt) == 1.0
    assert exact_match(model, tokenizer, [*learnt, ("3 + 5 =", "9"), ("12 + 7 =", "1"), ("12 + 7 =", "199")]) == 0.5


def test_the_same_step_draws_the_same_texts():
    assert [draw(random.Random(4)) for _ in range(3)] == [draw(random.Random(4)) for _ in range(3)]
