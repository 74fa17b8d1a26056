"""Adapters on the loaded base: against peft on a model of its own, and the base untouched."""

import contextlib
import copy
import json
import threading

import pytest
import torch
from peft import IA3Config, LoraConfig, PromptTuningConfig, get_peft_model
from torch import nn

from core.errors import UserError
from core.forward.record import record
from core.hooks import ScaleNeuron, intervene
from core.model.adapter_files import AdapterFolder
from core.model.adapters import attach, weight_sharing_copy
from core.model.load import load_model
from core.model.weights import matrix, values
from core.vocabulary.projection import OVMap
from tests.some import some

IDS = "3+5="


def maps(lm, layers=(1,), ffn=False):
    row = lm.architecture
    paths = [*row.query_key_value, row.head_output] + ([row.neuron_output] if ffn else [])
    return [f"{row.layers}.{layer}.{path}" for layer in layers for path in paths]


def made_by_peft(lm, folder, seed=0, **settings):
    """An adapter with random weights, saved by peft from a model of its own; returns that model."""
    torch.manual_seed(seed)
    kind = settings.pop("kind", LoraConfig)
    if kind is LoraConfig:
        settings = {"r": 4, "lora_alpha": 8, "init_lora_weights": False, **settings}
    theirs = get_peft_model(copy.deepcopy(lm.model), kind(**{"target_modules": maps(lm), **settings})).eval()
    for name, parameter in theirs.named_parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.2) if "ia3" not in name else nn.init.uniform_(parameter, 0.5, 1.5)
    theirs.save_pretrained(folder, save_embedding_layers=False)
    return theirs


@torch.no_grad()
def logits(model, lm):
    return model(lm.tensor(lm.encode(IDS))).logits[0]


def test_attached_and_merged_agree_with_peft(any_model, tmp_path):
    theirs = made_by_peft(any_model, tmp_path)
    ours = attach(any_model, tmp_path)
    found = ours.logits(ours.encode(IDS))
    plain = any_model.logits(any_model.encode(IDS))
    assert torch.allclose(found, logits(theirs, any_model), atol=1e-5, rtol=1e-5)
    assert float((found - plain).abs().max()) > 1e-2
    merged = theirs.merge_and_unload()
    size = float(found.abs().max())
    assert float((found - logits(merged, any_model)).abs().max()) < 1e-4 * size
    assert ours.first_layer == 1
    assert ours.same_neurons


@pytest.mark.parametrize(
    "settings",
    [
        {"use_rslora": True},
        {"use_dora": True},
        {"rank_pattern": {"o_proj": 2}, "alpha_pattern": {"q_proj": 32}},
        {"kind": IA3Config, "feedforward_modules": []},
        {"ffn": True},
        {"lora_bias": True},
    ],
)
def test_every_kind_that_peft_saves(checkpoints, tmp_path, settings):
    lm = load_model(checkpoints("grouped-query"), precision="fp32")
    if settings.pop("ffn", False):
        settings["target_modules"] = [*maps(lm, (0, 2), ffn=True), "lm_head"]
    theirs = made_by_peft(lm, tmp_path, **settings)
    ours = attach(lm, tmp_path)
    assert torch.allclose(ours.logits(ours.encode(IDS)), logits(theirs, lm), atol=1e-5, rtol=1e-5)


def test_weights_are_read_as_they_act(any_model, tmp_path):
    """What analyses read of an adapted map is what a merged model holds."""
    theirs = made_by_peft(any_model, tmp_path, target_modules=maps(any_model, (0, 2), ffn=True), use_dora=True)
    ours = attach(any_model, tmp_path)
    assert ours.first_layer == 0
    assert not ours.same_neurons
    merged = copy.copy(any_model)
    merged.model = theirs.merge_and_unload()
    merged.__post_init__()
    units = torch.eye(any_model.d_model)
    for layer in range(any_model.n_layers):
        assert torch.allclose(values(ours, layer), values(merged, layer), atol=1e-5)
        assert torch.allclose(OVMap.of(ours, layer).carry(units), OVMap.of(merged, layer).carry(units), atol=1e-4)
    with intervene(ours, ScaleNeuron(0, 1, 0.0)):  # reading while hooks stand on the map
        ours.logits(ours.encode(IDS))
        assert torch.allclose(matrix(ours.modules.neuron_output(0)), matrix(merged.modules.neuron_output(0)), atol=1e-5)


def test_one_copy_of_the_weights(any_model, tmp_path):
    made_by_peft(any_model, tmp_path)
    ours = attach(any_model, tmp_path)
    of_base = {p.data_ptr() for p in any_model.model.parameters()}
    extra = [p for p in ours.model.parameters() if p.data_ptr() not in of_base]
    assert sum(p.numel() for p in extra) < 0.1 * sum(p.numel() for p in any_model.model.parameters())
    assert all("lora" in name for name, p in some(ours.model.named_parameters()) if p.data_ptr() not in of_base)


def test_base_is_the_same_bit_for_bit_while_adapters_run(any_model, tmp_path):
    """Also in another thread, and after the adapter has run and gone."""
    made_by_peft(any_model, tmp_path)
    ids = any_model.encode(IDS)
    before, names = any_model.logits(ids), [n for n, _ in any_model.model.named_modules()]
    stored = {n: p.detach().clone() for n, p in any_model.model.named_parameters()}
    ours = attach(any_model, tmp_path)
    adapted, seen = ours.logits(ids), []

    def base() -> None:
        seen.extend(any_model.logits(ids) for _ in range(10))

    thread = threading.Thread(target=base)
    thread.start()
    again = [ours.logits(ids) for _ in range(10)]
    thread.join()
    assert len(seen) == 10
    assert all(torch.equal(before, one) for one in some(seen))
    assert all(torch.equal(adapted, one) for one in some(again))
    assert [n for n, _ in any_model.model.named_modules()] == names
    assert all(torch.equal(stored[n], p) for n, p in some(any_model.model.named_parameters()))
    assert torch.equal(record(any_model, ids).logits, before)


def test_interventions_act_on_the_model_they_are_given(any_model, tmp_path):
    made_by_peft(any_model, tmp_path)
    ours, ids = attach(any_model, tmp_path), any_model.encode(IDS)
    plain, adapted = any_model.logits(ids), ours.logits(ids)
    with intervene(any_model, ScaleNeuron(2, 3, 50.0)):
        assert torch.equal(ours.logits(ids), adapted)
        assert not torch.equal(any_model.logits(ids), plain)
    with intervene(ours, ScaleNeuron(2, 3, 50.0)):
        assert torch.equal(any_model.logits(ids), plain)
        assert not torch.equal(ours.logits(ids), adapted)


def test_a_twin_takes_no_hooks_over(any_model):
    ids = any_model.encode(IDS)
    with intervene(any_model, ScaleNeuron(2, 3, 50.0)):
        twin = weight_sharing_copy(any_model.model)
        any_model.logits(ids)
        assert not any(m._forward_pre_hooks or m._forward_hooks for m in twin.modules())
        assert torch.equal(logits(twin, any_model), any_model.logits(ids)) is False


def test_a_zero_adapter_changes_nothing(any_model, tmp_path):
    made_by_peft(any_model, tmp_path, init_lora_weights=True)
    weights = tmp_path / "adapter_model.safetensors"
    from safetensors.torch import load_file, save_file

    save_file({n: torch.zeros_like(t) if "lora_B" in n else t for n, t in load_file(weights).items()}, weights)
    ids = any_model.encode(IDS)
    assert torch.equal(attach(any_model, tmp_path).logits(ids), any_model.logits(ids))


def test_int8(checkpoints, tmp_path):
    lm = load_model(checkpoints("llama"), precision="fp32")
    made_by_peft(lm, tmp_path)
    full, small = attach(lm, tmp_path), load_model(checkpoints("llama"), precision="int8")
    ids = lm.encode(IDS)
    before = small.logits(ids)
    ours = attach(small, tmp_path)
    wanted, plain = full.logits(ids), lm.logits(ids)
    assert float((ours.logits(ids) - wanted).abs().mean()) < 0.2 * float((plain - wanted).abs().mean())
    assert torch.equal(small.logits(ids), before)


def test_nothing_in_a_file_can_write_into_the_base(checkpoints, tmp_path):
    """A file that also holds a base weight is refused, or changes the adapted model only."""
    from safetensors.torch import load_file, save_file

    lm = load_model(checkpoints("llama"), precision="fp32")
    made_by_peft(lm, tmp_path)
    before = lm.logits(lm.encode(IDS))
    weights = tmp_path / "adapter_model.safetensors"
    for name in (
        "base_model.model.model.norm.weight",
        "base_model.model.model.layers.1.self_attn.q_proj.base_layer.weight",
    ):
        kept = load_file(weights)
        shape = (32,) if "norm" in name else (32, 32)
        save_file({**kept, name: torch.full(shape, 9.0)}, weights)
        with contextlib.suppress(UserError):
            attach(lm, tmp_path)
        assert torch.equal(lm.logits(lm.encode(IDS)), before)
        save_file(kept, weights)


def test_adapters_of_another_model_are_refused(checkpoints, bundled, tmp_path):
    lm = load_model(checkpoints("llama"), precision="fp32")
    made_by_peft(lm, tmp_path / "other shape")
    with pytest.raises(UserError, match="does not fit the model bundled"):
        attach(bundled, tmp_path / "other shape")
    wide = load_model(checkpoints("gptj"), precision="fp32")
    with pytest.raises(UserError, match="does not fit"):
        attach(wide, tmp_path / "other shape")
    same_shape = load_model(checkpoints("tied"), precision="fp32")  # told by its base's folder, which is still there
    with pytest.raises(UserError, match="made for .*llama"):
        attach(same_shape, tmp_path / "other shape")
    about = tmp_path / "other shape" / "abacus.json"
    about.write_text(json.dumps({"fingerprint": "another"}))
    with pytest.raises(UserError, match="trained on other weights"):
        attach(lm, tmp_path / "other shape")
    about.unlink()
    assert attach(lm, tmp_path / "other shape").first_layer == 1


def test_a_bundled_models_adapters_fit_it_by_any_of_its_names(bundled, plain, tmp_path):
    for named, fits, other in (
        ("bundled", bundled, plain),
        ("bundled/shaped", bundled, plain),
        (plain.name, plain, bundled),
    ):
        folder = AdapterFolder(tmp_path, {"base_model_name_or_path": named}, None)
        folder.check_made_for(fits)
        with pytest.raises(UserError, match=f"does not fit the model {other.name} .it was made for {named}"):
            folder.check_made_for(other)


def test_missing_and_extra_weights_are_told(checkpoints, tmp_path):
    from safetensors.torch import load_file, save_file

    lm = load_model(checkpoints("llama"), precision="fp32")
    made_by_peft(lm, tmp_path)
    weights = tmp_path / "adapter_model.safetensors"
    kept = load_file(weights)
    save_file(dict(list(kept.items())[1:]), weights)
    with pytest.raises(UserError, match="not in both"):
        attach(lm, tmp_path)
    save_file({**kept, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(4, 32)}, weights)
    with pytest.raises(UserError, match="not in both"):
        attach(lm, tmp_path)


def test_folders_that_are_no_adapters(bundled, checkpoints, tmp_path):
    with pytest.raises(UserError, match="not a PEFT adapter"):
        attach(bundled, tmp_path / "nothing")
    lm = load_model(checkpoints("llama"), precision="fp32")
    made_by_peft(lm, tmp_path)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(UserError, match="pickle"):
        attach(lm, tmp_path)
    (tmp_path / "adapter_model.bin").rename(tmp_path / "adapter_model.safetensors")
    settings = tmp_path / "adapter_config.json"
    told = json.loads(settings.read_text())
    settings.write_text(json.dumps({**told, "init_lora_weights": "pissa"}))
    with pytest.raises(UserError, match="rewrites the base"):
        attach(lm, tmp_path)
    settings.write_text("{")
    with pytest.raises(UserError, match="adapter_config.json of .* is not JSON"):
        attach(lm, tmp_path)
    settings.write_text(json.dumps({**told, "peft_type": "NO_SUCH"}))
    with pytest.raises(UserError, match="cannot be used"):
        attach(lm, tmp_path)
    PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM").save_pretrained(tmp_path)
    with pytest.raises(UserError, match="adds tokens"):
        attach(lm, tmp_path)
