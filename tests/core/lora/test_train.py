"""Training adapters: reproducible, gone on with, stopped, killed; and a series of them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from core.errors import UserError
from core.forward.neuron_sets import NeuronSet, scaled_neurons
from core.lora.run import CHECKPOINT, Run, curve_so_far, lora_config
from core.lora.series import own_folder, own_series, place_of, read_series, train_series
from core.lora.settings import LoraSettings, read_about
from core.lora.train import train_adapter
from core.lora.training_data import DRAW_SHARES, TrainingData
from core.model.adapters import attach, new_adapter, weight_sharing_copy
from core.model.load import load_model
from core.progress import Stopped
from core.prompts.signed_arithmetic import GROUPS
from tests.some import some

SETTINGS = LoraSettings(rank=2, alpha=4, epochs=2, batch=8, n_train=40, n_test=30)
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def lm(checkpoints):
    return load_model(checkpoints("grouped-query"), precision="fp32")


def stop_after(steps):
    calls = []

    def progress(done, total):
        calls.append((done, total))
        if done >= steps:
            raise Stopped

    return progress


def same_weights(one, two):
    a, b = load_file(Path(one) / WEIGHTS), load_file(Path(two) / WEIGHTS)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_new_adapter_changes_nothing(any_model):
    config = lora_config(any_model, 1, SETTINGS)
    ours = new_adapter(any_model, config, "new")
    ids = any_model.encode("3-5=")
    assert torch.equal(ours.logits(ids), any_model.logits(ids))
    maps = {name.split(".lora_")[0] for name in ours.trainable()}
    assert len(maps) == 1 + len(any_model.architecture.query_key_value)
    assert ours.first_layer == 1
    assert all(f".{1}." in name for name in some(maps))


def test_training_learns_and_leaves_the_base_alone(any_model, tmp_path):
    ids = any_model.encode("3-5=")
    before = any_model.logits(ids)
    settings = LoraSettings(rank=4, alpha=8, epochs=12, batch=8, n_train=24, n_test=20, learning_rate=2e-2)
    _, about = train_adapter(TrainingData(any_model, settings), 1, tmp_path)
    assert torch.equal(any_model.logits(ids), before)
    assert about.finished
    assert about.curve[-1].step == about.total
    assert min(p.loss for p in about.curve[1:]) < 0.95 * about.curve[0].loss
    assert not any(p.requires_grad or p.grad is not None for p in any_model.model.parameters())


def test_the_same_seed_gives_the_same_adapter(lm, tmp_path):
    (first, one), (_, two) = (train_adapter(TrainingData(lm, SETTINGS), 1, tmp_path / name) for name in "ab")
    assert one == two
    assert same_weights(tmp_path / "a", tmp_path / "b")
    other = LoraSettings(**{**SETTINGS.__dict__, "seed": 1})
    train_adapter(TrainingData(lm, other), 1, tmp_path / "c")
    assert not same_weights(tmp_path / "a", tmp_path / "c")
    assert one == read_about(tmp_path / "a")
    ids = lm.encode("3-5=")
    assert torch.equal(attach(lm, tmp_path / "a").logits(ids), first.logits(ids))


def test_peft_loads_what_is_saved(lm, tmp_path):
    model, about = train_adapter(TrainingData(lm, SETTINGS), 1, tmp_path)
    theirs = PeftModel.from_pretrained(weight_sharing_copy(lm.model), str(tmp_path)).eval()
    ids = lm.encode("12 - 49 =")
    with torch.no_grad():
        assert torch.allclose(theirs(lm.tensor(ids)).logits[0], model.logits(ids), atol=1e-5)
    assert set(about.accuracy) <= {"all", *GROUPS}
    assert about.base == TrainingData(lm, SETTINGS).base
    assert sorted(p.name for p in tmp_path.iterdir()) == ["abacus.json", "adapter_config.json", WEIGHTS]


@pytest.mark.parametrize("steps", [0, 3, 7])
def test_stopped_and_gone_on_with_is_the_same(lm, tmp_path, steps):
    _, whole = train_adapter(TrainingData(lm, SETTINGS), 2, tmp_path / "whole")
    _, part = train_adapter(TrainingData(lm, SETTINGS), 2, tmp_path / "part", stop_after(steps))
    assert part.steps == steps
    assert not part.finished
    assert part.accuracy
    assert attach(lm, tmp_path / "part").first_layer == 2  # the best so far is there
    assert curve_so_far(tmp_path / "part") == list(part.curve)
    _, rest = train_adapter(TrainingData(lm, SETTINGS), 2, tmp_path / "part")
    assert rest.finished
    assert same_weights(tmp_path / "whole", tmp_path / "part")
    assert rest.accuracy == whole.accuracy
    assert not (tmp_path / "part" / CHECKPOINT).exists()


def test_a_checkpoint_of_another_training_is_not_gone_on_with(lm, tmp_path):
    train_adapter(TrainingData(lm, SETTINGS), 2, tmp_path / "x", stop_after(4))
    other = LoraSettings(**{**SETTINGS.__dict__, "seed": 5})
    train_adapter(TrainingData(lm, other), 2, tmp_path / "x")
    train_adapter(TrainingData(lm, other), 2, tmp_path / "y")
    assert same_weights(tmp_path / "x", tmp_path / "y")
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / CHECKPOINT).write_bytes(b"half a file")
    train_adapter(TrainingData(lm, other), 2, tmp_path / "z")
    assert same_weights(tmp_path / "y", tmp_path / "z")
    assert curve_so_far(tmp_path / "z") == []


@pytest.mark.parametrize(
    "change",
    [
        {"step": True},
        {"step": 0},
        {"step": 10**9},
        {"step": "4"},
        {"best": None},
        {"losses": [1.0, "1"]},
        {"curve": [{"step": 1, "loss": 1.0}]},
        {"curve": 3},
        {"unknown": 1},
        {"asked": {}},
    ],
)
def test_a_checkpoint_with_a_wrong_header_leaves_the_run_as_it_is(lm, tmp_path, change):
    train_adapter(TrainingData(lm, SETTINGS), 2, tmp_path, stop_after(4))
    file = tmp_path / CHECKPOINT
    with safe_open(file, framework="pt") as kept:
        told = json.loads(kept.metadata()["told"])
    tensors = load_file(file)
    save_file(tensors, file, metadata={"told": json.dumps(told)})
    lesson = TrainingData(lm, SETTINGS)
    lesson.move_to(2)
    assert Run(lesson, 2, tmp_path).step == 4
    save_file(tensors, file, metadata={"told": json.dumps({**told, **change})})
    assert untouched(Run(lesson, 2, tmp_path))


def test_a_checkpoint_with_other_tensors_leaves_the_run_as_it_is(lm, tmp_path):
    """Was: tensors before the one that is missing were taken over, and the run began at step 0 with them."""
    train_adapter(TrainingData(lm, SETTINGS), 2, tmp_path, stop_after(4))
    file = tmp_path / CHECKPOINT
    with safe_open(file, framework="pt") as kept:
        told = kept.metadata()
    tensors = load_file(file)
    lesson = TrainingData(lm, SETTINGS)
    lesson.move_to(2)
    last = next(name for name in reversed(tensors) if name.startswith("exp_avg_sq/"))
    without = {name: tensor for name, tensor in tensors.items() if name != last}
    for wrong in (without, {**tensors, last: torch.zeros(3)}, {**tensors, "more": torch.zeros(3)}):
        save_file(wrong, file, metadata=told)
        assert untouched(Run(lesson, 2, tmp_path))
    file.write_bytes(file.read_bytes()[:-100])
    assert untouched(Run(lesson, 2, tmp_path))
    assert curve_so_far(tmp_path) == []


def untouched(run):
    """Whether a run begins at the beginning: B is zero, the optimiser remembers nothing."""
    zero = [not parameter.any() for name, parameter in run.parameters.items() if "lora_B" in name]
    return run.step == 0 and not run.curve and not run.optimizer.state and bool(zero) and all(zero)


def test_the_best_state_is_kept_not_the_last(lm, tmp_path):
    data = TrainingData(lm, SETTINGS)
    told = iter([0.1, 0.9, 0.2] + [0.3] * 100)
    data.accuracy = lambda model, inputs: next(told)
    stopped = stop_after(2)
    best, _ = train_adapter(data, 1, tmp_path / "two", stopped)
    told = iter([0.1, 0.9, 0.2] + [0.3] * 100)
    model, about = train_adapter(data, 1, tmp_path / "all")
    assert [p.accuracy for p in about.curve[:3]] == [0.1, 0.9, 0.2]
    ids = lm.encode("3-5=")
    assert torch.equal(best.logits(ids), model.logits(ids))


def test_training_on_a_pruned_model(lm, tmp_path):
    """Pruned neurons are off in training and testing, and make another adapter."""
    off = NeuronSet(tuple((2, n) for n in range(40)))
    pruned, plain = TrainingData(lm, SETTINGS, off), TrainingData(lm, SETTINGS)
    model, about = train_adapter(pruned, 1, tmp_path / "pruned")
    train_adapter(plain, 1, tmp_path / "plain")
    assert not same_weights(tmp_path / "pruned", tmp_path / "plain")
    plain.move_to(1)
    with scaled_neurons(model, off):
        assert plain.tested(model) == about.accuracy


def test_draws_follow_the_shares(bundled):
    data = TrainingData(bundled, LoraSettings(n_train=3000, n_test=50))
    assert torch.equal(data.order(0), data.order(0))
    assert not torch.equal(data.order(0), data.order(1))
    wanted = data.train.rows.wanted[data.train.rows.answer]
    assert len(wanted)
    assert sum(DRAW_SHARES.values()) == pytest.approx(1)
    minus = bundled.encode_answer("-")[0]
    first = data.train.rows.answer.int().argmax(1)
    is_negative = data.train.rows.wanted[torch.arange(len(first)), first] == minus
    drawn = torch.cat([is_negative[data.order(epoch)] for epoch in range(4)]).float().mean()
    assert float(drawn) == pytest.approx(DRAW_SHARES["- negative"], abs=0.03)


def test_bad_settings(lm, tmp_path):
    with pytest.raises(UserError, match="Layer 7 does not exist"):
        train_adapter(TrainingData(lm, SETTINGS), 7, tmp_path)
    with pytest.raises(UserError, match="'learning_rate' is not more than 0"):
        TrainingData(lm, LoraSettings(learning_rate=0.0))
    with pytest.raises(UserError, match="'rank' is less than 1"):
        TrainingData(lm, LoraSettings(rank=0))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="could not be written"):
        train_adapter(TrainingData(lm, SETTINGS), 1, tmp_path / "file")


def test_a_series_goes_on_where_it_stopped(lm, tmp_path):
    whole = train_series(lm, tmp_path / "whole", SETTINGS)
    assert [about.layer for about in whole.finished] == [0, 1, 2]
    frame = whole.to_frame()
    assert len(frame[frame["group"] == "all"]) == 3
    assert whole.best().accuracy["all"] == max(about.accuracy["all"] for about in whole.adapters)
    per_layer = whole.adapters[0].total
    part = train_series(lm, tmp_path / "part", SETTINGS, progress=stop_after(per_layer + 4))
    assert [about.layer for about in part.adapters] == [0, 1]
    assert [a.layer for a in part.finished] == [0]
    stamp = (place_of(tmp_path / "part", 0) / WEIGHTS).stat().st_mtime_ns
    rest = train_series(lm, tmp_path / "part", SETTINGS)
    assert len(rest.finished) == 3
    assert (place_of(tmp_path / "part", 0) / WEIGHTS).stat().st_mtime_ns == stamp  # not trained again
    for layer in range(3):
        assert same_weights(whole.place(layer), rest.place(layer))


def test_series_of_other_models_and_settings(lm, bundled, tmp_path):
    train_series(lm, tmp_path, SETTINGS, [1])
    assert [a.layer for a in read_series(lm, tmp_path).adapters] == [1]
    assert read_series(bundled, tmp_path).adapters == ()
    with pytest.raises(UserError, match="another model"):
        train_series(bundled, tmp_path, SETTINGS, [2])
    with pytest.raises(UserError, match="other settings"):
        train_series(lm, tmp_path, LoraSettings(**{**SETTINGS.__dict__, "seed": 9}), [2])
    with pytest.raises(UserError, match="between 0 and 2"):
        train_series(lm, tmp_path, SETTINGS, [3])
    with pytest.raises(UserError, match="Train one first"):
        read_series(lm, tmp_path / "none").best()


def test_own_folders(lm, monkeypatch, tmp_path):
    monkeypatch.setenv("ABACUS_DATA", str(tmp_path))
    assert own_series(lm) == []
    train_series(lm, own_folder(lm, SETTINGS), SETTINGS, [1])
    assert [series.folder for series in own_series(lm)] == [own_folder(lm, SETTINGS)]
    assert own_folder(lm, SETTINGS).is_relative_to(tmp_path)


def test_a_killed_series_loses_at_most_one_layer(checkpoints, lm, tmp_path):
    """A process that is killed outright while it trains, and the command run again."""
    out = tmp_path / "series"
    asked = ["--rank", "2", "--alpha", "4", "--batch", "8", "--n-train", "40", "--n-test", "30", "--epochs"]
    command = [
        sys.executable,
        "-m",
        "core",
        "lora-series",
        "--model",
        str(checkpoints("grouped-query")),
        "--out",
        str(out),
    ]
    command += ["--precision", "fp32", *asked, "15"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while not (place_of(out, 1) / CHECKPOINT).is_file() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    left = read_series(lm, out)
    assert 0 in [about.layer for about in left.finished]
    assert len(left.finished) < 3
    stamp = os.stat(place_of(out, 0) / WEIGHTS).st_mtime_ns
    again = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0
    assert "without an adapter" in again.stdout
    whole = read_series(lm, out)
    assert len(whole.finished) == 3
    assert os.stat(place_of(out, 0) / WEIGHTS).st_mtime_ns == stamp
    settings = LoraSettings(**{**SETTINGS.__dict__, "epochs": 15})
    train_series(lm, tmp_path / "in one go", settings, [1])
    assert same_weights(whole.place(1), place_of(tmp_path / "in one go", 1))


def test_half_a_file_is_no_adapter(lm, tmp_path):
    train_series(lm, tmp_path, SETTINGS, [1])
    about = place_of(tmp_path, 1) / "abacus.json"
    told = json.loads(about.read_text())
    about.write_text(about.read_text()[:30])
    assert read_series(lm, tmp_path).adapters == ()
    about.write_text(json.dumps({**told, "unknown": 1}))
    assert read_series(lm, tmp_path).adapters == ()
