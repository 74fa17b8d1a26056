"""Edits written down and read back, sets of edits, undo and redo."""

import json

import pytest

from core.edits.edit_set import MOST_EDITS, EditSet, History, Switch, make_edit, name_of, parse_edits
from core.edits.recipe import MOST_BYTES, OtherModelError, Recipe, app_version, edits_for, read_recipe, tokenizer_hash
from core.edits.recipe_link import LONGEST, from_link, to_link
from core.errors import UserError
from core.hooks import ScaleHead, ScaleNeuron

EDITS = (ScaleNeuron(2, 7, 0.0), ScaleHead(1, 3, -1.5), ScaleNeuron(0, 3, 0.1), ScaleNeuron(1, 0, 3.0))


@pytest.fixture
def recipe(any_model) -> Recipe:
    return Recipe.of(any_model, EDITS, 'Less "bias"', "Zwei Zeilen\nmit Ümläuten ␣")


def changed(recipe: Recipe, **fields) -> str:
    """The file's text with some fields replaced; "a.b" is a field of a field."""
    found = json.loads(recipe.to_json())
    for path, value in fields.items():
        *parents, last = path.split("__")
        at = found
        for parent in parents:
            at = at[parent]
        at[last] = value
    return json.dumps(found)


def test_round_trip(any_model, recipe):
    assert read_recipe(recipe.to_json()) == recipe == read_recipe(recipe.to_json().encode())
    assert edits_for(any_model, read_recipe(recipe.to_json())) == EDITS
    assert recipe.app_version == app_version() != "unknown"


def test_is_readable_and_names_everything(any_model, recipe):
    found = json.loads(recipe.to_json())
    assert found["edits"][0] == {"neuron": "2_7", "factor": 0}
    assert found["edits"][1] == {"head": "1_3", "factor": -1.5}
    assert '\n  {"neuron": "2_7", "factor": 0},\n' in recipe.to_json()  # an edit a line
    assert found["model"]["fingerprint"] == any_model.fingerprint
    assert found["model"]["precision"] == "fp32"
    assert found["model"]["tokenizer"] == tokenizer_hash(any_model)


def test_no_edits(any_model):
    empty = Recipe.of(any_model, ())
    assert read_recipe(empty.to_json()) == empty == from_link(to_link(empty))


@pytest.mark.parametrize("factor", [1 / 3, -2.7182818284590455e-5, 1e300, 5.0, -0.0])
def test_factors_survive_bit_for_bit(bundled, factor):
    recipe = Recipe.of(bundled, [ScaleNeuron(1, 2, factor)])
    assert read_recipe(recipe.to_json()).edits[0].factor == factor


def test_link_round_trip(recipe):
    text = to_link(recipe)
    assert from_link(text) == recipe
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_link_has_a_limit(bundled):
    some = [ScaleNeuron(la, n, (n % 97) / 97) for la in range(8) for n in range(bundled.n_neurons)]
    with pytest.raises(UserError, match="too many for a link"):
        to_link(Recipe.of(bundled, some))
    with pytest.raises(UserError, match="links hold"):
        from_link("A" * (LONGEST + 1))


@pytest.mark.parametrize("link", ["", "A", "!!!!", "eJw", "é", "AAAA" * 100])
def test_broken_links_are_refused(link):
    with pytest.raises(UserError, match="cannot be read"):
        from_link(link)


def test_a_cut_off_link_and_a_bomb_are_refused(bundled):
    import base64
    import zlib

    text = to_link(Recipe.of(bundled, [ScaleNeuron(1, 2, 0.5)], "t" * 100))
    with pytest.raises(UserError):
        from_link(text[:-8])
    bomb = base64.urlsafe_b64encode(zlib.compress(b" " * 2**22, 9)).decode()
    assert len(bomb) < LONGEST
    with pytest.raises(UserError, match="1.0 MB"):
        from_link(bomb)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\xff\xfe", "not JSON"),
        (b"", "not JSON"),
        ("not json", "not JSON"),
        ("[]", "not a JSON object"),
        ("3", "not a JSON object"),
        ('{"format": "something else"}', "not a recipe"),
        ("[" * 100_000, "nested too deeply"),
        ('{"format": "abacus edit", "format": "abacus edit"}', "twice"),
        (" " * (MOST_BYTES + 1), "at most 1 MB"),
        ('{"format": "abacus edit", "format_version": 2}', "version 2"),
        ('{"format": "abacus edit"}', "version None"),
    ],
)
def test_foreign_files_are_refused(content, words):
    with pytest.raises(UserError, match=words):
        read_recipe(content)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"extra": 1}, "unknown field 'extra'"),
        ({"model__extra": 1}, "'model' has an unknown field 'extra'"),
        ({"edits": [{"neuron": "1_2", "factor": 0, "on": True}]}, "entry 1 of 'edits' has an unknown field 'on'"),
        ({"edits": [{"neuron": "1_2"}]}, "entry 1 of 'edits' lacks 'factor'"),
        ({"edits": [{"factor": 1}]}, "lacks 'neuron'"),
        ({"edits": [{"neuron": "1_2", "head": "1_2", "factor": 1}]}, "unknown field 'neuron'"),
        ({"edits": [{"neuron": "1_2", "factor": "0"}]}, "'factor' of entry 1 of 'edits' is not a finite number"),
        ({"edits": [{"neuron": "1_2", "factor": True}]}, "'factor' of entry 1 of 'edits' is not a finite number"),
        ({"edits": [{"neuron": "1_2", "factor": None}]}, "'factor' of entry 1 of 'edits' is not a finite number"),
        ({"edits": [{"neuron": "1_2", "factor": 10**400}]}, "'factor' of entry 1 of 'edits' is not a finite number"),
        ({"edits": [{"neuron": 12, "factor": 0}]}, "'neuron' of entry 1 of 'edits' is not text"),
        ({"edits": [{"neuron": "1-2", "factor": 0}]}, "'1-2'"),
        ({"edits": [{"neuron": "1_2 1_3", "factor": 0}]}, "one neuron"),
        ({"edits": [3]}, "entry 1 of 'edits' is not an object"),
        ({"edits": {}}, "'edits' is not a list"),
        ({"edits": [{"neuron": "1_2", "factor": 0}] * 2}, "is among the edits twice"),
        ({"model": "bundled"}, "'model' is not an object"),
        ({"model__shape": [1, 2]}, "'shape' of 'model' lacks entry 3"),
        ({"model__shape": [1, 2, 3, 4]}, "'shape' of 'model' has more than 3"),
        ({"model__shape": [1, 2, 0]}, "entry 3 of 'shape' of 'model' is less than 1"),
        ({"model__shape": [1, 2, 3.0]}, "not a whole number"),
        ({"model__shape": [1, 2, True]}, "entry 3 of 'shape' of 'model' is not a whole number"),
        ({"model__fingerprint": 7}, "'fingerprint' of 'model' is not text"),
        ({"model__fingerprint": "f" * 501}, "'fingerprint' of 'model' is longer than 500"),
        ({"title": "t" * 201}, "'title' is longer than 200 characters"),
        ({"note": "n" * 10_001}, "'note' is longer than 10,000 characters"),
        ({"note": 3}, "'note' is not text"),
        ({"title": "\ud800"}, "half a character"),
        ({"format_version": True}, "version True"),
    ],
)
def test_malformed_recipes_are_refused(bundled, fields, words):
    text = changed(Recipe.of(bundled, [ScaleNeuron(1, 2, 0.5)]), **fields)
    with pytest.raises(UserError, match=words):
        read_recipe(text)


@pytest.mark.parametrize("factor", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_factors_that_are_no_numbers_are_refused(bundled, factor):
    text = Recipe.of(bundled, [ScaleNeuron(1, 2, 0.5)]).to_json()
    assert '"factor": 0.5' in text
    with pytest.raises(UserError, match="'factor' of entry 1 of 'edits' is not a finite number"):
        read_recipe(text.replace('"factor": 0.5', f'"factor": {factor}'))


def test_a_missing_field_is_refused(bundled):
    text = Recipe.of(bundled, [ScaleNeuron(1, 2, 0.5)]).to_json()
    for field in ("model", "edits", "title", "note", "app_version"):
        found = json.loads(text)
        del found[field]
        with pytest.raises(UserError, match=f"lacks '{field}'"):
            read_recipe(json.dumps(found))


def test_too_many_edits_are_refused(bundled):
    recipe = Recipe.of(bundled, [ScaleNeuron(1, 2, 0.5)])
    rows = ",".join(f'{{"neuron":"{i // 9999}_{i % 9999}","factor":0}}' for i in range(MOST_EDITS + 1))
    text = recipe.to_json().replace('{"neuron": "1_2", "factor": 0.5}', rows)
    assert len(text) < MOST_BYTES
    with pytest.raises(UserError, match="more than 20,000"):
        read_recipe(text)


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"model__fingerprint": "0" * 16}, True),
        ({"model__precision": "int8"}, True),
        ({"model__tokenizer": "0" * 16}, True),
        ({"model__shape": [99, 2, 3]}, False),
    ],
)
def test_another_model_is_refused_and_can_be_overridden_where_shapes_fit(any_model, recipe, fields, fits):
    other = read_recipe(changed(recipe, **fields))
    with pytest.raises(OtherModelError, match="another model") as caught:
        edits_for(any_model, other)
    assert caught.value.fits == fits
    if fits:
        assert edits_for(any_model, other, override=True) == EDITS
    else:
        with pytest.raises(OtherModelError):
            edits_for(any_model, other, override=True)


def test_another_name_for_the_same_model_is_fine(any_model, recipe):
    renamed = read_recipe(changed(recipe, model__name="somewhere/else", model__revision="abc"))
    assert edits_for(any_model, renamed) == EDITS


def test_recipes_of_what_does_not_exist_are_not_written(bundled):
    for edits in ([ScaleNeuron(99, 0)], [ScaleHead(0, 99)], [ScaleNeuron(0, 0, float("nan"))]):
        with pytest.raises(UserError):
            Recipe.of(bundled, edits)
    with pytest.raises(UserError, match="twice"):
        Recipe.of(bundled, [ScaleNeuron(0, 0), ScaleNeuron(0, 0, 2.0)])


def test_edits_by_hand():
    assert parse_edits("28_3696, 17_22\n3_4;", "neuron", 2.0) == [
        ScaleNeuron(28, 3696, 2.0),
        ScaleNeuron(17, 22, 2.0),
        ScaleNeuron(3, 4, 2.0),
    ]
    assert parse_edits("17_22", "head") == [ScaleHead(17, 22, 0.0)]
    assert [name_of(e) for e in EDITS] == ["2_7", "1_3", "0_3", "1_0"]
    for text in ("", " , ", "17", "17_", "a_b", "-1_2", "1_2_3", "1.0_2", "9" * 30 + "_1"):
        with pytest.raises(UserError):
            parse_edits(text, "neuron")


def test_sets_are_never_changed():
    start = EditSet().added(EDITS)
    assert [s.edit for s in start.switches] == list(EDITS)
    assert start.active == EDITS
    off = start.switched(1, False)
    assert off.active == (EDITS[0], *EDITS[2:])
    assert start.active == EDITS
    assert off.with_factor(1, 2.0).switches[1] == Switch(ScaleHead(1, 3, 2.0), on=False)
    again = off.added([ScaleHead(1, 3, 0.5)])  # the same place gets the new factor, and is on
    assert len(again) == 4
    assert again.switches[1] == Switch(ScaleHead(1, 3, 0.5), on=True)
    assert start.without(0).active == EDITS[1:]
    assert {e.factor for e in start.all_with(factor=2.0).active} == {2.0}
    assert start.all_with(on=False).active == ()
    with pytest.raises(UserError, match="at most 20,000"):
        EditSet().added([make_edit("neuron", 0, n) for n in range(MOST_EDITS + 1)])


def test_undo_and_redo():
    first, second = EditSet().added(EDITS[:1]), EditSet().added(EDITS)
    history = History().then(first).then(second)
    assert history.now == second
    assert history.undo().now == first
    assert history.undo().undo().now == EditSet()
    assert history.undo().undo().undo() == history.undo().undo()  # nothing before the first
    assert history.undo().redo() == history == history.redo()
    branch = history.undo().then(second.switched(0, False))
    assert branch.redo() == branch
    assert branch.undo().now == first
    assert history.then(second) is history
    long = History()
    for n in range(300):
        long = long.then(EditSet().added([make_edit("neuron", 0, n)]))
    assert len(long.states) <= 100
    assert long.now.active == (ScaleNeuron(0, 299, 0.0),)
    for _ in range(300):
        long = long.undo()
    assert long.at == 0
