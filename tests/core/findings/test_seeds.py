"""Seeds of the plain model as a file beside it."""

import json
from dataclasses import asdict

import pytest

from core.errors import UserError
from core.findings.seeds import FILE, read_seeds
from tests.core.findings.made import made_seeds


def test_seeds_are_read_as_they_were_written(tmp_path):
    found = made_seeds(1.0, 0.5)
    (tmp_path / FILE).write_text(json.dumps(asdict(found)))
    assert read_seeds(tmp_path) == found
    assert found.seeds[1].heads_of("1-digit +").top == ("1_0", "0_1")
    assert found.seeds[1].heads_of("3-digit +") is None


def test_no_file_is_no_seeds(tmp_path):
    assert read_seeds(tmp_path) is None


def test_another_file_says_what_to_do(tmp_path):
    (tmp_path / FILE).write_text('{"settings": 3}')
    with pytest.raises(UserError, match="training.plain.seeds"):
        read_seeds(tmp_path)
