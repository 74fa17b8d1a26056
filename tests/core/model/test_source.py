"""Model folders: shapes come from the headers of the weights, and a header that does not agree is refused."""

import json
import shutil
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from core.errors import UserError
from core.model.source import BUNDLED, is_local, locate, read_folder, weight_files
from tests.some import some

ROOT = Path(__file__).resolve().parents[3]
TENSORS = {"z": torch.zeros(3, 4), "a": torch.zeros(2, dtype=torch.bfloat16), "scalar": torch.tensor(1.0)}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    save_file(TENSORS, tmp_path / "model.safetensors")
    return tmp_path


def test_shapes_are_those_of_the_tensors(folder):
    assert dict(read_folder("x", folder).shapes) == {"z": (3, 4), "a": (2,), "scalar": ()}


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neox"])
def test_memory_in_8_bits_does_not_ask_for_the_first_part_of_names(checkpoints, tmp_path, kind):
    whole = locate(str(checkpoints(kind)))
    AutoModelForCausalLM.from_pretrained(checkpoints(kind)).base_model.save_pretrained(tmp_path)
    bare = locate(str(tmp_path))
    output = sum(2 * 1100 * 32 for name, _ in whole.shapes if name.split(".")[0] in ("lm_head", "embed_out"))
    assert bare.memory("int8") == whole.memory("int8") - output
    assert bare.memory("int8") < bare.memory("fp16")


def with_header(blob: bytes, header: dict) -> bytes:
    (length,) = struct.unpack("<Q", blob[:8])
    told = json.dumps(header).encode()
    return struct.pack("<Q", len(told)) + told + blob[8 + length :]


def header_of(blob: bytes) -> dict:
    (length,) = struct.unpack("<Q", blob[:8])
    return json.loads(blob[8 : 8 + length])


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [3000, 4]},
        {"shape": [-3, 4]},
        {"shape": [2**62, 2**62]},
        {"shape": "3x4"},
        {"shape": None},
        {"dtype": "F99"},
        {"data_offsets": [0, 10**9]},
        {"data_offsets": [48, 0]},
    ],
)
def test_a_header_that_lies_is_refused(folder, change):
    file = folder / "model.safetensors"
    blob = file.read_bytes()
    header = header_of(blob)
    file.write_bytes(with_header(blob, header))
    assert dict(read_folder("x", folder).shapes)["z"] == (3, 4)  # rewritten as it was
    file.write_bytes(with_header(blob, {**header, "z": {**header["z"], **change}}))
    with pytest.raises(UserError, match="model.safetensors is not a safetensors file"):
        read_folder("x", folder)


@pytest.mark.parametrize(
    "cut",
    [
        lambda blob: b"",
        lambda blob: blob[:5],
        lambda blob: blob[:20],
        lambda blob: blob[:-1],
        lambda blob: blob + b"more",
        lambda blob: b"\0" * 50,
        lambda blob: struct.pack("<Q", 2**63) + blob[8:],
        lambda blob: b"\x80\x02pickle" * 30,
    ],
)
def test_a_file_that_is_cut_off_or_something_else_is_refused(folder, cut):
    file = folder / "model.safetensors"
    file.write_bytes(cut(file.read_bytes()))
    with pytest.raises(UserError, match="model.safetensors is not a safetensors file"):
        read_folder("x", folder)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    place = tmp_path_factory.getbasetemp() / "any bytes"
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text("{}")
    (place / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError):  # a file of 200 bytes that happens to be right has no tensors, so no weights
        read_folder("x", place)


def test_a_folder_where_a_file_should_be(folder):
    shutil.copy(folder / "model.safetensors", folder / "kept")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    with pytest.raises(UserError, match="not a safetensors file"):
        read_folder("x", folder)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "not a JSON object"),
        ("{}", "lacks 'weight_map'"),
        ('{"weight_map": ["model.safetensors"]}', "'weight_map' is not an object"),
        ('{"weight_map": {"a": 3}}', "'a' of 'weight_map' is not text"),
        ('{"weight_map": {"a": "../model.safetensors"}}', "'a' of 'weight_map' is not written as it should be"),
        ('{"weight_map": {"a": "model.bin"}}', "'a' of 'weight_map' is not written as it should be"),
        ('{"weight_map": {"a": "other.safetensors"}}', "other.safetensors is missing"),
    ],
)
def test_a_wrong_index_is_refused(folder, index, words):
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(UserError, match=words):
        weight_files(folder)


def test_an_index_names_the_files(folder):
    index = {"metadata": {"total_size": 52}, "weight_map": {"z": "model.safetensors", "a": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file({"left over": torch.zeros(1)}, folder / "other.safetensors")
    assert weight_files(folder) == [folder / "model.safetensors"]


@pytest.mark.parametrize(
    ("config", "words"), [("{", "not JSON"), ("[]", "not a JSON object"), ('{"a":' * 100_000, "nested too deeply")]
)
def test_a_wrong_configuration_is_refused(folder, config, words):
    (folder / "config.json").write_text(config)
    with pytest.raises(UserError, match=words):
        read_folder("x", folder)


@pytest.mark.parametrize(
    ("asked", "name", "folder"),
    [
        ("bundled", "bundled", "shaped"),
        ("bundled/shaped", "bundled", "shaped"),
        ("bundled/plain", "bundled/plain", "plain"),
    ],
)
def test_a_bundled_models_name_means_it_everywhere(asked, name, folder, tmp_path, monkeypatch):
    (tmp_path / asked).mkdir(parents=True)  # a folder of the person's, called so
    monkeypatch.chdir(tmp_path)
    found = locate(asked)
    assert (found.name, found.folder) == (name, ROOT / "bundled" / folder)
    assert is_local(asked)
    assert found.fingerprint() == read_folder("as a path", ROOT / "bundled" / folder).fingerprint()


def test_the_bundled_models_differ_in_weights_and_tokenizer_only():
    shaped, plain = (locate(name) for name in BUNDLED)
    assert shaped.fingerprint() != plain.fingerprint()
    for size in some(
        [
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
        ]
    ):
        assert shaped.config[size] == plain.config[size]


def test_a_bundled_model_that_does_not_exist():
    with pytest.raises(UserError, match="no bundled model 'bundled/other', only 'bundled' and 'bundled/plain'"):
        locate("bundled/other")
    assert is_local("bundled/other")  # and is not asked for on the hub


def test_a_folder_of_ones_own_under_bundled(folder, monkeypatch):
    mine = folder / "bundled" / "mine"
    mine.mkdir(parents=True)
    for file in some([file for file in folder.iterdir() if file.is_file()]):
        shutil.copy(file, mine)
    monkeypatch.chdir(folder)
    assert locate("bundled/mine").name == "bundled/mine"
