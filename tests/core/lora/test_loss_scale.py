"""Trainings whose gradients overflow: steps are skipped and counted, the factor follows, and a stopped one resumes."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from core.errors import UserError
from core.lora import loss_scale
from core.lora.loss_scale import DOUBLED_AFTER, HOPELESS, LEAST, START, LossScale
from core.lora.run import CHECKPOINT, Run
from core.lora.series import read_series, train_series
from core.lora.settings import LoraSettings, read_about
from core.lora.train import train_adapter
from core.lora.training_data import TrainingData
from core.model.load import load_model
from core.reading import read_as
from tests.core.lora.test_train import SETTINGS, same_weights, stop_after, untouched
from tests.some import some

LONG = replace(SETTINGS, epochs=8)  # 40 steps


@pytest.fixture(scope="module")
def half(checkpoints):
    return load_model(checkpoints("grouped-query"), precision="fp16")


@pytest.fixture(scope="module")
def exact(checkpoints):
    return load_model(checkpoints("grouped-query"), precision="fp32")


@pytest.fixture
def huge(monkeypatch):
    """A factor that overflows at first."""
    monkeypatch.setattr(loss_scale, "START", 2.0**40)


def test_the_factor_follows_the_steps():
    scale = LossScale.of("fp16")
    assert (scale.factor, scale.skipped) == (START, 0)
    for _ in range(DOUBLED_AFTER - 1):
        scale = scale.after(True)
    assert scale.factor == START
    scale = scale.after(True)
    assert (scale.factor, scale.taken) == (2 * START, 0)
    scale = scale.after(True).after(False)
    assert (scale.factor, scale.taken, scale.skipped) == (START, 0, 1)
    for _ in range(HOPELESS):
        scale = scale.after(False)
    assert (scale.factor, scale.skipped) == (LEAST, 1 + HOPELESS)
    assert LossScale.of("int8") == LossScale.of("fp16")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_factor_stays_where_the_range_is_wide(precision):
    scale = LossScale.of(precision)
    for _ in range(DOUBLED_AFTER + 1):
        scale = scale.after(True)
    assert scale.after(False) == LossScale(1.0, False, 0, 1)


@pytest.mark.parametrize(
    "wrong", [{"factor": 0.0}, {"factor": None}, {"taken": -1}, {"skipped": -1}, {"is_dynamic": 1}, {"more": 1}]
)
def test_a_wrong_state_is_refused(wrong):
    with pytest.raises(UserError):
        read_as(LossScale, {**asdict(LossScale()), **wrong}, "This checkpoint", "Remove it.")


def test_steps_that_overflow_are_skipped_and_counted(half, tmp_path, huge):
    model, about = train_adapter(TrainingData(half, LONG), 1, tmp_path)
    assert 5 < about.skipped < about.total == 40
    assert about == read_about(tmp_path)
    weights = load_file(tmp_path / "adapter_model.safetensors")
    for value in some(weights.values()):
        assert value.isfinite().all()
        assert value.dtype == torch.float32
    assert model.precision == "fp16"
    assert model.logits(half.encode("3-5=")).isfinite().all()


def test_the_weights_that_are_trained_are_fp32(half, tmp_path):
    data = TrainingData(half, SETTINGS)
    data.move_to(1)
    run = Run(data, 1, tmp_path)
    assert {p.dtype for p in run.parameters.values()} == {torch.float32}
    assert half.dtype == torch.float16
    for _ in range(3):
        run.advance()
    assert {p.dtype for p in run.parameters.values()} == {p.grad.dtype for p in run.parameters.values()}
    assert {state["exp_avg"].dtype for state in run.optimizer.state.values()} == {torch.float32}
    assert run.loss_scale == LossScale(START, True, 3, 0)


def test_a_skipped_step_changes_nothing(half, tmp_path, huge):
    data = TrainingData(half, LONG)
    data.move_to(1)
    run = Run(data, 1, tmp_path)
    before = {name: p.detach().clone() for name, p in run.parameters.items()}
    run.advance()
    assert run.loss_scale == LossScale(2.0**39, True, 0, 1)
    for name, parameter in some(run.parameters.items()):
        assert torch.equal(parameter, before[name])
    assert not run.optimizer.state
    while run.loss_scale.taken == 0:
        run.advance()
    assert any(not torch.equal(p, before[name]) for name, p in run.parameters.items())


@pytest.mark.parametrize("steps", [3, 8, 25, 35])
def test_a_stopped_training_resumes_with_its_factor(half, tmp_path, huge, steps):
    """Before the first step that was taken, and after it."""
    _, whole = train_adapter(TrainingData(half, LONG), 2, tmp_path / "whole")
    _, part = train_adapter(TrainingData(half, LONG), 2, tmp_path / "part", stop_after(steps))
    assert part.steps == steps
    assert part.skipped == min(steps, whole.skipped)
    data = TrainingData(half, LONG)
    data.move_to(2)
    resumed = Run(data, 2, tmp_path / "part")
    assert (resumed.step, resumed.loss_scale.skipped) == (steps, part.skipped)
    assert resumed.loss_scale.factor == 2.0 ** (40 - part.skipped)
    _, rest = train_adapter(TrainingData(half, LONG), 2, tmp_path / "part")
    assert rest == whole
    assert same_weights(tmp_path / "whole", tmp_path / "part")


def test_a_factor_changes_nothing_but_what_over_and_underflows(half, exact, tmp_path, monkeypatch):
    """In fp32 any power of two gives the same adapter, bit for bit."""
    monkeypatch.setattr(loss_scale.LossScale, "of", classmethod(lambda cls, precision: cls(2.0**12, True)))
    train_adapter(TrainingData(exact, SETTINGS), 1, tmp_path / "scaled")
    monkeypatch.undo()
    _, about = train_adapter(TrainingData(exact, SETTINGS), 1, tmp_path / "plain")
    assert same_weights(tmp_path / "scaled", tmp_path / "plain")
    assert about.skipped == 0


def at_steps(monkeypatch, which, factor):
    """The loss of some steps is multiplied."""
    whole = Run._loss
    monkeypatch.setattr(Run, "_loss", lambda run, some: whole(run, some) * (factor if which(run.step) else 1.0))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_single_bad_step_in_fp32(exact, tmp_path, monkeypatch, bad):
    """Was: one such step made every weight NaN."""
    at_steps(monkeypatch, lambda step: step == 4, bad)
    _, about = train_adapter(TrainingData(exact, SETTINGS), 1, tmp_path)
    assert about.skipped == 1
    assert about.finished
    for value in some(load_file(tmp_path / "adapter_model.safetensors").values()):
        assert value.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "n"), [(SETTINGS, 10), (LONG, HOPELESS)], ids=["at its end", "when there is no hope"]
)
def test_a_training_that_takes_no_step_ends_with_an_error(half, tmp_path, monkeypatch, settings, n):
    at_steps(monkeypatch, lambda step: True, torch.nan)
    why = f"None of the {n} steps .* infinite or NaN in fp16, so the adapter has learned nothing. Load the"
    with pytest.raises(UserError, match=why):
        train_series(half, tmp_path, settings, [1])
    assert read_series(half, tmp_path).adapters == ()


def test_what_to_do_is_told_by_precision():
    for precision, words in (("fp16", "as bf16 or fp32"), ("int8", "as bf16"), ("bf16", "as fp32"), ("fp32", "finite")):
        with pytest.raises(UserError, match=f"{words}.* and train again"):
            LossScale(skipped=5).check(5, 5, precision)
    LossScale(skipped=5).check(5, 6, "fp16")
    LossScale(skipped=HOPELESS).check(HOPELESS + 1, 100, "fp16")


@pytest.mark.parametrize(
    "scale",
    [{"factor": 1.0}, {**asdict(LossScale()), "skipped": 5}, {**asdict(LossScale()), "skipped": 4}, {"factor": 0.0}, 3],
)
def test_a_checkpoint_with_a_wrong_scale_leaves_the_run_as_it_is(exact, tmp_path, scale):
    """The last but one says that no step was taken, and holds the optimiser's state all the same."""
    train_adapter(TrainingData(exact, SETTINGS), 2, tmp_path, stop_after(4))
    file = tmp_path / CHECKPOINT
    with safe_open(file, framework="pt") as kept:
        told = json.loads(kept.metadata()["told"])
    tensors = load_file(file)
    data = TrainingData(exact, SETTINGS)
    data.move_to(2)
    del told["loss_scale"]
    save_file(tensors, file, metadata={"told": json.dumps(told)})
    assert Run(data, 2, tmp_path).step == 4  # of an earlier version, which counted nothing
    save_file(tensors, file, metadata={"told": json.dumps({**told, "loss_scale": scale})})
    if scale == {"factor": 1.0}:
        assert Run(data, 2, tmp_path).step == 4
    else:
        assert untouched(Run(data, 2, tmp_path))


def test_the_count_is_in_the_table_of_a_series(half, tmp_path, huge):
    series = train_series(half, tmp_path, LONG, [1])
    frame = series.to_frame()
    assert frame["skipped"].tolist() == [series.adapters[0].skipped] * len(frame)
    assert series.adapters[0].skipped > 0


def test_records_of_earlier_versions_have_no_count(exact, tmp_path):
    _, about = train_adapter(TrainingData(exact, LoraSettings(**{**asdict(SETTINGS), "epochs": 1})), 1, tmp_path)
    record = tmp_path / "abacus.json"
    told = json.loads(record.read_text())
    assert told.pop("skipped") == 0
    record.write_text(json.dumps(told))
    assert read_about(tmp_path) == about
