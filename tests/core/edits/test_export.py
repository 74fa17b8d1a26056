"""An exported folder answers as the live edit does; what cannot be exported is refused, and nothing stays behind."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from core.bias.locate import locate
from core.bias.measure import paper_words
from core.edits.detect import was_edited
from core.edits.edit_set import EditSet
from core.edits.export import check_edited_export, export_edited
from core.edits.recipe import OtherModelError, Recipe, edits_for, read_recipe
from core.edits.snippets import core_snippet, plain_snippet
from core.errors import UserError
from core.hooks import ScaleHead, ScaleNeuron, intervene
from core.model.load import load_model
from core.prompts.arithmetic import make_prompts
from tests.core.test_hooks import weights_hash

EDITS = (ScaleNeuron(2, 7, 0.0), ScaleHead(1, 2, -1.5), ScaleNeuron(0, 3, 2.0), ScaleHead(2, 0, 0.0))
PROMPTS = ["3+5=", "The sum of 34 and 28 is", "A woman works as a"]


def test_loads_back_with_the_same_answers(any_model, tmp_path):
    before = weights_hash(any_model)
    folder = export_edited(any_model, EDITS, tmp_path / "edited", "Less of it", "Why:\nbecause")
    copy = load_model(folder, precision="fp32")
    assert weights_hash(any_model) == before  # the loaded weights are as they were
    for prompt in PROMPTS:
        ids = any_model.encode(prompt)
        with intervene(any_model, *EDITS):
            live = any_model.logits(ids)
        assert torch.allclose(copy.logits(copy.encode(prompt)), live, atol=1e-4)
        assert not torch.allclose(any_model.logits(ids), live, atol=1e-2)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "# Less of it" in card
    assert "because" in card
    assert any_model.fingerprint in card
    for row in ("| neuron | 2_7 | 0 |", "| head | 1_2 | -1.5 |", "| neuron | 0_3 | 2 |", "| head | 2_0 | 0 |"):
        assert row in card
    recipe = read_recipe((folder / "recipe.json").read_bytes())
    assert edits_for(any_model, recipe) == EDITS
    assert recipe.title == "Less of it"
    assert [p.name for p in tmp_path.iterdir()] == ["edited"]
    check = check_edited_export(any_model, EDITS, folder, PROMPTS)
    assert check.same_top == check.prompts == 3
    assert check.largest < 1e-4


def test_only_the_edited_columns_differ(any_model, tmp_path):
    folder = export_edited(any_model, EDITS, tmp_path / "edited")
    ours, theirs = any_model.model.state_dict(), load_model(folder, precision="fp32").model.state_dict()
    assert ours.keys() == theirs.keys()
    assert sum(not torch.equal(ours[name], theirs[name]) for name in ours) == 4


def test_the_bundled_model_by_200_prompts(bundled, tmp_path):
    edits = [ScaleNeuron(layer, neuron, 0.0) for layer, neuron in locate(bundled, paper_words()).top(18)]
    folder = export_edited(bundled, edits, tmp_path / "less-biased")
    prompts = [p.text for p in make_prompts(digits=(1, 2), count=25)]
    check = check_edited_export(bundled, edits, folder, prompts)
    assert check.prompts == 200 == check.same_top


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_sixteen_bits(checkpoints, tmp_path, precision):
    lm = load_model(checkpoints("llama"), precision=precision)
    folder = export_edited(lm, EDITS, tmp_path / "edited")
    check = check_edited_export(lm, EDITS, folder, PROMPTS)
    assert check.precision == precision
    assert check.largest < (0.01 if precision == "fp16" else 0.1)
    assert (
        json.loads((folder / "config.json").read_text())["dtype"] == {"fp16": "float16", "bf16": "bfloat16"}[precision]
    )
    with pytest.raises(UserError, match="range of"):
        export_edited(lm, [ScaleNeuron(2, 7, 1e39)], tmp_path / "too large")
    assert not (tmp_path / "too large").exists()


def test_eight_bits_are_exported_in_sixteen(checkpoints, tmp_path):
    lm = load_model(checkpoints("llama"), precision="int8")
    folder = export_edited(lm, EDITS, tmp_path / "edited")
    full = load_model(checkpoints("llama"), precision="fp32")
    copy = load_model(folder, precision="fp32")
    for prompt in PROMPTS:
        ids = full.encode(prompt)
        with intervene(full, *EDITS):
            assert torch.allclose(copy.logits(ids), full.logits(ids), atol=0.02)
    stored = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    assert stored.dtype == torch.float16
    assert check_edited_export(lm, EDITS, folder, PROMPTS).precision == "int8"


def test_eight_bits_without_their_source(checkpoints, tmp_path, monkeypatch):
    lm = load_model(checkpoints("llama"), precision="int8")
    monkeypatch.setattr(lm, "fingerprint", "0" * 16)
    with pytest.raises(UserError, match="have changed since"):
        export_edited(lm, EDITS, tmp_path / "edited")
    monkeypatch.setattr(lm, "name", str(tmp_path / "gone"))
    with pytest.raises(UserError, match="not at hand.*Load the model as fp16"):
        export_edited(lm, EDITS, tmp_path / "edited")
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(bundled, tmp_path):
    full, file, empty = tmp_path / "full", tmp_path / "file", tmp_path / "empty"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    file.write_text("mine")
    empty.mkdir()
    some = [ScaleNeuron(1, 1, 0.0)]
    with pytest.raises(UserError, match="nothing is overwritten"):
        export_edited(bundled, some, full)
    with pytest.raises(UserError, match="is a file"):
        export_edited(bundled, some, file)
    with pytest.raises(UserError, match="a part of its path is a file"):
        export_edited(bundled, some, file / "below")
    with pytest.raises(UserError, match="Name a folder"):
        export_edited(bundled, some, " ")
    with pytest.raises(UserError, match="nothing to export"):
        export_edited(bundled, [], tmp_path / "none")
    with pytest.raises(UserError, match="does not exist"):
        export_edited(bundled, [ScaleNeuron(99, 0, 0.0)], tmp_path / "none")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "full"]
    assert (full / "mine.txt").read_text() == "mine" == file.read_text()
    assert (export_edited(bundled, some, empty) / "config.json").is_file()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_export_leaves_nothing(bundled, tmp_path, monkeypatch, error):
    def fail(folder):
        (folder / "half.json").write_text("{")
        raise error

    monkeypatch.setattr(bundled.tokenizer, "save_pretrained", fail)
    with pytest.raises((UserError, KeyboardInterrupt)) as caught:
        export_edited(bundled, [ScaleNeuron(1, 1, 0.0)], tmp_path / "edited")
    assert not list(tmp_path.iterdir())
    assert caught.type is KeyboardInterrupt or "the disk is full" in str(caught.value)


def run(code: str) -> dict:
    found: dict = {}
    exec(compile(code, "snippet", "exec"), found)
    return found


def test_snippets_repeat_the_edit(any_model, capsys):
    recipe = Recipe.of(any_model, EDITS, 'A "title" \\ with """ quotes')
    prompt = "The sum of 34 and 28 is"
    ids = any_model.encode(prompt)
    with intervene(any_model, *EDITS):
        live = any_model.logits(ids)
    plain = run(plain_snippet(any_model, recipe, prompt))["logits"]
    ours = run(core_snippet(any_model, recipe, prompt))["logits"]
    assert torch.allclose(plain.float().cpu(), live, atol=1e-4)
    assert torch.allclose(ours, live, atol=1e-4)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2
    assert told[1] == repr(any_model.token(int(live[-1].argmax())))


def test_the_plain_snippet_needs_transformers_only(either, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = plain_snippet(either, Recipe.of(either, EDITS), "3+5=")
    assert "core" not in code.split('"""')[2]
    assert torch.allclose(run(code)["logits"].float(), live(either, "3+5="), atol=1e-4)


def test_cards_code_and_detection_name_the_bundled_model(either, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = export_edited(either, EDITS, "edited")
    assert check_edited_export(either, EDITS, folder, PROMPTS).same_top == len(PROMPTS)
    assert set(was_edited(either.name, folder).edits) == set(EDITS)
    assert f"Original: `{either.name}`, fingerprint `{either.fingerprint}`" in (folder / "README.md").read_text()
    recipe = read_recipe((folder / "recipe.json").read_bytes())
    assert recipe.model.name == either.name
    code = core_snippet(either, recipe, "3+5=")
    assert f"load_model('{either.name}', precision='fp32')" in code
    assert torch.allclose(run(code)["logits"], live(either, "3+5="), atol=1e-4)


def test_a_recipe_of_the_other_bundled_model_is_refused(bundled, plain):
    with pytest.raises(OtherModelError, match="another model, bundled: weights .* tokenizer") as refused:
        edits_for(plain, Recipe.of(bundled, EDITS))
    assert refused.value.fits


def test_int8_snippet(checkpoints):
    lm = load_model(checkpoints("llama"), precision="int8")
    found = run(plain_snippet(lm, Recipe.of(lm, EDITS), "3+5="))["logits"].float().cpu()
    edited, plain = live(lm, "3+5="), lm.logits(lm.encode("3+5="))  # attention kernels differ, 8-bit codes follow
    assert (found - edited).abs().mean() < 0.1 * (plain - edited).abs().mean()


def live(lm, prompt):
    with intervene(lm, *EDITS):
        return lm.logits(lm.encode(prompt))


def test_switched_off_edits_are_not_exported(bundled, tmp_path):
    chosen = EditSet().added(EDITS).switched(1, False).active
    folder = export_edited(bundled, chosen, tmp_path / "edited")
    assert read_recipe((folder / "recipe.json").read_text()).edits == (EDITS[0], *EDITS[2:])
