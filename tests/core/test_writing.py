"""Folders that a person names: written whole or not at all, and every refusal says what to do."""

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.edits.export import export_edited
from core.errors import UserError
from core.forward.neuron_sets import NeuronSet
from core.hooks import ScaleNeuron
from core.lora.export import export_pruned
from core.model.adapter_files import AdapterFolder
from core.model.source import locate
from core.writing import explain_write_errors, new_folder, typed_path

NOWHERE = "/proc/abacus-export"  # mkdir there fails with FileNotFoundError, also for root


def test_a_folder_appears_whole(tmp_path):
    with new_folder(tmp_path / "a" / "b") as making:
        (making / "file").write_text("x")
        assert not (tmp_path / "a" / "b").exists()
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["file"]
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_nothing_stays_behind(tmp_path, error):
    with pytest.raises((UserError, KeyboardInterrupt, ValueError)), new_folder(tmp_path / "a" / "b") as making:  # noqa: PT012
        (making / "file").write_text("x")
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "the disk is full. Free some space"),
        (errno.EACCES, "no permission to write there. Choose a folder of your own"),
        (errno.EROFS, "can only be read. Choose a folder on another disk"),
        (errno.EIO, "Input/output error. Choose another folder"),
    ],
)
def test_a_refusal_says_what_to_do(tmp_path, number, told):
    with pytest.raises(UserError, match=told), explain_write_errors(tmp_path):
        raise OSError(number, os.strerror(number))


def test_what_safetensors_is_refused(tmp_path):
    with pytest.raises(UserError, match="nothing can be made there"), explain_write_errors(tmp_path):
        save_file({"a": torch.zeros(2)}, tmp_path / "missing" / "file.safetensors")


def test_paths_that_are_none(tmp_path):
    for typed in ("", "  "):
        with pytest.raises(UserError, match="Name a folder"):
            typed_path(typed)
    with pytest.raises(UserError, match="not on this computer"):
        typed_path("~nobody-of-this-name/x")
    with pytest.raises(UserError, match="not a path"):
        typed_path("a\0b")
    with pytest.raises(UserError, match="name is too long. Choose a shorter one"), new_folder(tmp_path / ("x" * 300)):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc here")
def test_exports_to_where_nothing_can_be_made(bundled):
    """Was: Something went wrong in Abacus itself (FileNotFoundError ...)."""
    with pytest.raises(UserError, match="nothing can be made there"):
        export_edited(bundled, [ScaleNeuron(1, 1, 0.0)], NOWHERE)
    with pytest.raises(UserError, match="nothing can be made there"):
        export_pruned(bundled, NeuronSet(((7, 3),)), NOWHERE)


def test_names_that_are_too_long_to_be_read():
    long = "/tmp/" + "x" * 300
    with pytest.raises(UserError, match="does not exist"):
        locate(long)
    with pytest.raises(UserError, match="not a PEFT adapter"):
        AdapterFolder.read(long)
    with pytest.raises(UserError, match="not on this computer"):
        locate("~nobody-of-this-name/x")
