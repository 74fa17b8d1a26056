"""Which neurons are kept, how well the rest does, what is trained on it and exported."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from core.errors import UserError
from core.forward.generate import continue_greedily
from core.forward.layer_inputs import LayerInputs, right_answers
from core.forward.neuron_sets import NeuronSet, only, random_like, scaled_neurons
from core.forward.rows import TrainingRows
from core.lora.export import check_pruned_export, export_pruned
from core.lora.prune import DeepRankings, find_to_keep, kept_set
from core.lora.prune_curve import prune_curve
from core.lora.prune_train import four_columns, pruned_folder, random_control, train_pruned
from core.lora.report import finding_prompts, pruning_report
from core.lora.series import Series, train_series
from core.lora.settings import LoraSettings
from core.model.adapters import attach
from core.model.load import load_model
from core.neurons.compare import compare_models
from core.progress import Stopped
from core.prompts.signed_arithmetic import cases, negative_data
from tests.core.model.test_adapters import made_by_peft
from tests.some import some

SETTINGS = LoraSettings(rank=2, alpha=4, epochs=1, batch=8, n_train=40, n_test=30)


@pytest.fixture
def pair(any_model, tmp_path):
    made_by_peft(any_model, tmp_path / "adapter")
    return any_model, attach(any_model, tmp_path / "adapter")


def test_rankings_are_those_of_comparing_the_models(pair):
    """Each token of each case, both directions, the deep neurons only."""
    lm, ours = pair
    prompts = [cases(1)[i] for i in (7, 103, 250)]
    found = find_to_keep(lm, ours, 2, 10, prompts)
    assert found.measured == sum(len(lm.encode_answer(prompt.answer)) for prompt in prompts) > 3
    assert found.n_deep == lm.n_neurons
    wanted = []
    for prompt in prompts:
        answer = lm.encode_answer(prompt.answer)
        for done in range(len(answer)):
            text = f"{prompt.text} {lm.decode(answer[:done])}"
            for models in ((lm, ours), (ours, lm)):
                c = compare_models(*models, text, target=answer[done])
                deep = [p for p, change in zip(c.pairs, c.change.tolist(), strict=True) if p[0] >= 2 and change > 0]
                wanted.append(deep[:10])
    assert found.rankings == wanted


def test_what_is_kept():
    found = DeepRankings(1, 100, [[(1, 5), (2, 7), (1, 9)], [(2, 7), (1, 5)], [(2, 7), (3, 1)]], 3)
    assert found.keep(1) == [(1, 5), (2, 7)]
    assert found.keep(9) == [(1, 5), (1, 9), (2, 7), (3, 1)]
    assert found.by_cases(9)[:2] == [(2, 7), (1, 5)]  # most cases first
    assert found.keep(9, 0.01) == [(2, 7)]
    assert found.keep(9, 0.02) == [(1, 5), (2, 7)]
    for n, share in ((0, 1.0), (1, 0.0), (1, 1.5)):
        with pytest.raises(UserError, match="Keep the top"):
            found.keep(n, share)


def test_bad_searches(pair, bundled):
    lm, ours = pair
    with pytest.raises(UserError, match="does not exist"):
        find_to_keep(lm, ours, 9)
    with pytest.raises(UserError, match="compute the same below layer 1"):
        find_to_keep(lm, ours, 0)
    with pytest.raises(UserError, match="cannot be kept"):
        find_to_keep(lm, ours, 2, 10**6)
    with pytest.raises(UserError, match="cannot be compared"):
        find_to_keep(bundled, ours, 2)


def test_a_stopped_search_keeps_its_cases(pair):
    def stop(done, _total):
        if done == 2:
            raise Stopped

    found = find_to_keep(*pair, 2, 5, progress=stop)
    assert found.measured == 2
    assert found.rankings


def test_curve_against_one_run_a_set(bundled):
    """Every accuracy equals that of the model with these neurons off and nothing else done."""
    rankings = [[(layer, n) for n in range(0, 512, 2)] for layer in (6, 7)]
    found = DeepRankings(6, 1024, rankings, 1)
    test = TrainingRows.of(bundled, negative_data(10, 60).test)
    curve = prune_curve(bundled, found, 512, test, (0.1, 0.5, 1.0), seeds=(4,)).points
    assert curve["neurons"].tolist() == [102, 102, 512, 512]  # beyond the union there is no more
    inputs = LayerInputs(bundled, test)
    for row in some(curve.itertuples()):
        kept = found.keep(512, row.share)
        neurons = kept if row.kept == "CNA" else random_like(bundled, kept, 4).neurons
        with scaled_neurons(bundled, only(neurons, 6, bundled)):
            inputs.move_to(0)
            wanted = float(right_answers(bundled, inputs).float().mean())
        assert row.accuracy == pytest.approx(wanted)
    with pytest.raises(UserError, match="at least one share"):
        prune_curve(bundled, found, 1, test, ())


def test_training_on_what_is_kept(checkpoints, tmp_path):
    lm = load_model(checkpoints("grouped-query"), precision="fp32")
    kept = [(2, n) for n in range(0, 48, 5)]
    place = pruned_folder(tmp_path, kept, 2, 1)
    pruned = train_pruned(lm, kept, 2, 1, SETTINGS, place)
    again = train_pruned(lm, kept, 2, 1, SETTINGS, place, progress=lambda *_: pytest.fail("trained again"))
    assert again.about == pruned.about
    ids = lm.encode("3-5=")
    assert torch.equal(again.model.logits(ids), pruned.model.logits(ids))
    control = random_control(lm, kept, 0)
    assert len(control) == len(kept)
    assert {layer for layer, _ in control} == {2}
    assert pruned_folder(tmp_path, control, 2, 1) != place
    table = four_columns(pruned.about, pruned.about, None)
    assert table["column"].tolist() == ["origin", "LoRA1", "LoRA1-p"]


def test_report(checkpoints, tmp_path):
    lm = load_model(checkpoints("grouped-query"), precision="fp32")
    series = train_series(lm, tmp_path / "series", SETTINGS, [1, 2])
    best = series.best(2)
    noted = Series(series.folder, tuple(replace(a, skipped=2) if a == best else a for a in series.adapters))
    table = pruning_report(lm, noted, tmp_path / "out", 2, 5, 0.5, 3, seeds=(0, 1))
    assert table["seed"].tolist() == [0, 1]
    assert table["skipped"].tolist() == [2, 0]  # the second seed trains its own
    assert (table["share"] <= 0.5).all()
    assert (table["kept"] > 0).all()
    assert table["lora"].iloc[0] == series.best(2).accuracy["all"]
    assert finding_prompts(SETTINGS, 0) is None
    assert len(finding_prompts(SETTINGS, 3)) == 3


def test_exported_answers_are_the_live_ones(any_model, tmp_path):
    """With an adapter merged, zeroed and smaller, loaded by transformers alone."""
    made_by_peft(any_model, tmp_path / "adapter")
    ours = attach(any_model, tmp_path / "adapter")
    before = any_model.logits(any_model.encode("3+5="))
    kept = [(layer, n) for layer in range(any_model.n_layers) for n in range(layer, any_model.n_neurons, 3)]
    off = kept_set(ours, kept, 0)
    prompts = ["3+5=", "12 - 49 =", "seven times two is"]
    for smaller in (False, True):
        folder = tmp_path / f"out {smaller}"
        written = export_pruned(ours, off, folder, smaller)
        assert written.n_neurons == (-(-any_model.n_neurons // 3) if smaller else any_model.n_neurons)
        check = check_pruned_export(ours, off, folder, prompts)
        assert check.same == 3
        assert check.largest < 1e-3
        plain = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
        with torch.no_grad(), scaled_neurons(ours, off):
            theirs = plain(ours.tensor(ours.encode("3+5="))).logits[0]
            assert torch.allclose(theirs, ours.logits(ours.encode("3+5=")), atol=1e-3, rtol=1e-3)
    sizes = [(tmp_path / f"out {smaller}" / "model.safetensors").stat().st_size for smaller in (True, False)]
    assert sizes[0] < sizes[1]
    assert torch.equal(any_model.logits(any_model.encode("3+5=")), before)


def test_a_base_model_is_exported_too(bundled, tmp_path):
    off = NeuronSet(tuple((7, n) for n in range(200)))
    export_pruned(bundled, off, tmp_path / "out")
    other = load_model(tmp_path / "out")
    assert float(other.modules.neuron_output(7).weight[:, :200].abs().sum()) == 0
    with scaled_neurons(bundled, off):
        assert continue_greedily(bundled, "34+28=") == continue_greedily(other, "34+28=")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["intermediate_size"] == bundled.n_neurons


def test_exports_that_cannot_be(bundled, checkpoints, tmp_path):
    off = only([(7, 3)], 7, bundled)
    with pytest.raises(UserError, match="not be smaller: layer 0 keeps all"):
        export_pruned(bundled, off, tmp_path / "a", smaller=True)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("")
    with pytest.raises(UserError, match="nothing is overwritten"):
        export_pruned(bundled, off, tmp_path / "used")
    with pytest.raises(UserError, match="not scaled ones"):
        export_pruned(bundled, NeuronSet(((7, 3),), 2.0), tmp_path / "b")
    small = load_model(checkpoints("llama"), precision="int8")
    with pytest.raises(UserError, match="8-bit"):
        export_pruned(small, NeuronSet(((1, 3),)), tmp_path / "c")
    with pytest.raises(UserError, match="no prompt"):
        check_pruned_export(bundled, off, tmp_path / "a", [])
    assert not any((tmp_path / name).exists() for name in "abc")


def test_a_failed_export_can_be_repeated(bundled, tmp_path, monkeypatch):
    """A disk that fills up while the tokenizer is written leaves nothing in the way of the next try."""
    off = NeuronSet(((7, 3),))

    def fail(folder):
        (folder / "half.json").write_text("{")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bundled.tokenizer, "save_pretrained", fail)
        with pytest.raises(UserError, match="the disk is full. Free some space"):
            export_pruned(bundled, off, tmp_path / "new" / "out")
    assert not list(tmp_path.iterdir())
    written = export_pruned(bundled, off, tmp_path / "new" / "out")
    assert written.folder == tmp_path / "new" / "out"
    assert (written.folder / "tokenizer.json").is_file()
