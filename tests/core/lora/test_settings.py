"""Training settings and adapter records: read as they were written, refused with the field's name otherwise."""

import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UserError
from core.lora.series import SHIPPED, shipped_series
from core.lora.settings import About, LoraSettings, Point, read_about
from core.model.adapter_files import ABOUT, AdapterFolder
from core.model.load import load_model
from tests.some import some

finite = st.floats(allow_nan=False, allow_infinity=False)
settings = st.fixed_dictionaries(
    {},
    optional=dict(
        rank=st.integers(1, 256),
        alpha=st.integers(1, 512),
        learning_rate=st.floats(0, 1, exclude_min=True),
        epochs=st.integers(1, 20),
        batch=st.integers(1, 512),
        n_train=st.integers(),
        n_test=st.integers(),
        seed=st.integers(),
    ),
)
records = st.fixed_dictionaries(
    dict(
        fingerprint=st.text("0123456789abcdef", min_size=1, max_size=16),
        layer=st.integers(0, 99),
        settings=settings,
        steps=st.integers(0, 10**6),
        total=st.integers(0, 10**6),
        curve=st.lists(st.tuples(st.integers(0, 10**6), finite, finite), max_size=4),
        accuracy=st.dictionaries(st.sampled_from(["all", "+", "- negative"]), finite),
        base=st.dictionaries(st.sampled_from(["all", "+"]), finite),
        kept=st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("adapter")


@given(fields=records)
def test_a_card_is_read_as_it_was_written(folder, fields):
    curve = tuple(Point(*point) for point in fields["curve"])
    record = About(**{**fields, "settings": LoraSettings(**fields["settings"]), "curve": curve})
    (folder / ABOUT).write_text(json.dumps(record.to_json()), encoding="utf-8")
    assert About.read(folder) == record == read_about(folder)


def test_a_training_that_diverged_has_a_record(tmp_path):
    record = About("f", 1, LoraSettings(), 1, 1, (Point(1, math.nan, 0.0),), {"all": 0.0}, {"all": 0.5})
    (tmp_path / ABOUT).write_text(json.dumps(record.to_json()), encoding="utf-8")
    assert math.isnan(About.read(tmp_path).curve[0].loss)


def test_each_bundled_model_has_its_own_series(bundled, plain, checkpoints):
    (shaped,) = shipped_series(bundled)
    assert (shaped.folder, len(shaped.finished)) == (SHIPPED["bundled"], bundled.n_layers)
    assert [series.folder for series in shipped_series(plain)] in ([], [SHIPPED["bundled/plain"]])
    assert shipped_series(load_model(checkpoints("llama"), "fp32")) == []


def test_the_shipped_cards():
    folders = [folder for home in SHIPPED.values() for folder in sorted(home.glob("layer_*"))]
    assert len(folders) >= 8
    for folder in some(folders):
        record = About.read(folder)
        assert folder.name == f"layer_{record.layer}"
        assert record.finished
        assert record.curve[-1].step == record.total
        stored = {"skipped": 0, **json.loads((folder / ABOUT).read_text())}  # not counted when they were trained
        assert record.to_json() == {**stored, "curve": record.to_json()["curve"]}
        assert AdapterFolder.read(folder).fingerprint == record.fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unknown": 1}, "it has an unknown field 'unknown'"),
        ({"settings": {**asdict(LoraSettings()), "dropout": 0.1}}, "'settings' has an unknown field 'dropout'"),
        ({"settings": {"rank": 0}}, "'rank' of 'settings' is less than 1"),
        ({"settings": 3}, "'settings' is not an object"),
        ({"curve": [{"step": 1, "loss": 1.0}]}, "entry 1 of 'curve' lacks 'accuracy'"),
        ({"curve": [{"step": True, "loss": 1.0, "accuracy": 1.0}]}, "'step' of entry 1 of 'curve' is not a whole"),
        ({"curve": [{"step": 1, "loss": "1", "accuracy": 1.0}]}, "'loss' of entry 1 of 'curve' is not a finite"),
        ({"accuracy": {"all": math.inf}}, "'all' of 'accuracy' is not a finite number"),
        ({"layer": -1}, "'layer' is less than 0"),
        ({"fingerprint": None}, "'fingerprint' is not text"),
        ({"fingerprint": ""}, "'fingerprint' is shorter than 1"),
    ],
)
def test_a_card_that_is_something_else_is_refused(tmp_path, change, words):
    record = json.loads((SHIPPED["bundled"] / "layer_3" / ABOUT).read_text())
    (tmp_path / ABOUT).write_text(json.dumps({**record, **change}))
    with pytest.raises(UserError, match=words) as caught:
        About.read(tmp_path)
    assert "Train the adapter again" in str(caught.value)
    assert "abacus.json of" in str(caught.value)
    assert read_about(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '{"layer": 1, "layer": 2}', " " * (2**20 + 1)])
def test_content_that_is_no_record(tmp_path, content):
    (tmp_path / ABOUT).write_text(content)
    with pytest.raises(UserError, match="Train the adapter again"):
        About.read(tmp_path)
    assert read_about(tmp_path) is None


def test_a_folder_without_a_record(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        About.read(tmp_path)
    assert read_about(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rank": 0}, "'rank' is less than 1"),
        ({"alpha": 0}, "'alpha' is less than 1"),
        ({"epochs": 0}, "'epochs' is less than 1"),
        ({"batch": -1}, "'batch' is less than 1"),
        ({"learning_rate": 0.0}, "'learning_rate' is not more than 0"),
        ({"learning_rate": 1.5}, "'learning_rate' is more than 1"),
        ({"learning_rate": math.nan}, "'learning_rate' is not a finite number"),
    ],
)
def test_settings_that_cannot_be_trained_with(change, words):
    with pytest.raises(UserError, match=words):
        replace(LoraSettings(), **change).check()


@given(settings)
def test_every_other_setting_passes(asked):
    LoraSettings(**asked).check()
