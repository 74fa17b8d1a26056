"""The page What-if, without a browser."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from core.edits.edit_set import EditSet
from core.edits.recipe import Recipe
from core.edits.recipe_link import to_link
from core.hooks import ScaleHead, ScaleNeuron
from core.vocabulary.neuron_tokens import top_tokens
from core.vocabulary.promoters import promoters
from pages.shared.words import code
from pages.what_if.adding import SHOWN
from tests.pages.test_arithmetic_heads import wait

APP, PAGE = "../../app.py", "pages/what_if/page.py"
EDITS = (ScaleHead(3, 7, 0.0), ScaleNeuron(7, 5, -1.5))


def open_page(**query) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60).run()
    for name, value in query.items():
        app.query_params[name] = value
    return wait(app.switch_page(PAGE).run())


@pytest.fixture
def app():
    app = open_page()
    app.slider(key="bench_count").set_value(5)
    app.text_area(key="bench_prompts").set_value("3+5=\n34+28=").run()
    return wait(app)


def texts(app) -> str:
    return "\n".join(m.value for m in app.markdown)


def told(app) -> str:
    return "\n".join(e.value for kind in ("success", "info", "warning", "error") for e in getattr(app, kind))


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    return wait(app)


def by_hand(app, names, kind="neuron", factor=0.0):
    app.text_input(key="add names").set_value(names)
    app.button_group(key="add kind").set_value(kind)
    app.number_input(key="add factor").set_value(factor)
    return press(app, "Add")


def on_bench(app) -> EditSet:
    return app.session_state["edit history"].now if "edit history" in app.session_state else EditSet()


def answers(app):
    return next(d.value for d in app.dataframe if "edited, sampled" in d.value.columns)


def upload(app, content: str | bytes):
    app.button_group(key="add by").set_value("Recipe file").run()
    data = content.encode() if isinstance(content, str) else content
    app.file_uploader(key="recipe file").set_value(("recipe.json", data, "application/json")).run()
    return wait(app)


def test_an_empty_bench_says_what_to_do_and_changes_nothing(app):
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "What-if"
    assert "no edits yet" in told(app)
    assert "No probability changes" in texts(app)
    frame = answers(app)
    assert (frame["original"] == frame["edited"]).all()
    assert frame["original"].iloc[0] == "8"
    assert app.button(key="undo").disabled
    assert app.button(key="redo").disabled


def test_edits_by_hand_change_the_answers(app):
    by_hand(app, ", ".join(f"{layer}_{head}" for layer in range(8) for head in range(8)), "head")
    assert not app.exception
    assert not app.error
    assert len(on_bench(app)) == 64
    assert "The next token moves by" in told(app)
    assert "draws of as many random ones" in told(app)
    frame = answers(app)
    changed = int((frame["original"] != frame["edited"]).sum())
    assert changed > 0
    assert f"{changed} of 2 greedy continuations change" in texts(app)
    accuracy = next(d.value for d in app.dataframe if "1D+" in d.value.columns)
    assert list(accuracy.index) == ["original", "edited", "change"]
    assert len(accuracy.columns) == 9
    asked = accuracy.loc["original"].str.extract(r"% of (\d+)$")[0].astype(int)
    assert asked["all"] == asked.drop("all").sum() > 0
    assert set(asked.drop("all")) == {5}
    assert "accuracy goes from" in texts(app)
    assert f"% of {asked['all']} to" in texts(app)
    assert "edit" in app.query_params


def test_factor_one_does_nothing(app, head_names):
    by_hand(app, " ".join(head_names[:2]), "head", 1.0)
    assert "The edits have no effect here" in told(app)
    assert "No probability changes" in texts(app)
    frame = answers(app)
    assert (frame["original"] == frame["edited"]).all()


def test_single_edits_that_do_nothing_are_said_to(app, head_names):
    """Not "moves it most (0.000000000)" on an axis of rounding errors."""
    by_hand(app, " ".join(head_names[:2]), "head", 1.0)
    press(app, "Measure each edit")
    assert "Nothing changes: neither the whole set nor any edit" in texts(app)
    assert "moves it most" not in texts(app)


def test_the_sentence_never_says_from_a_share_to_the_same(app):
    by_hand(app, "3_7", "head", 0.5)  # 99.966% to 99.984%
    sentence = next((m.value for m in app.markdown if "changes most: from" in m.value), "")
    assert sentence
    before, after = sentence.rstrip(".").split("from ")[1].split(" to ")
    assert before != after


def test_switch_factor_remove_undo_redo(app):
    by_hand(app, "7_5", "neuron", -1.5)
    by_hand(app, "3_7", "head")
    assert on_bench(app).active == (ScaleNeuron(7, 5, -1.5), ScaleHead(3, 7, 0.0))
    next(t for t in app.toggle if t.label == "head 3_7 is on").set_value(False).run()
    wait(app)
    assert on_bench(app).active == (ScaleNeuron(7, 5, -1.5),)
    next(n for n in app.number_input if n.label == "Factor of neuron 7_5").set_value(2.0).run()
    wait(app)
    assert on_bench(app).active == (ScaleNeuron(7, 5, 2.0),)
    press(app, "Remove")
    assert on_bench(app).active == ()
    assert len(on_bench(app)) == 1
    for wanted in (
        (ScaleNeuron(7, 5, 2.0),),
        (ScaleNeuron(7, 5, -1.5),),
        (ScaleNeuron(7, 5, -1.5), ScaleHead(3, 7, 0.0)),
    ):
        press(app, "Undo")
        assert on_bench(app).active == wanted
    shown = next(n for n in app.number_input if n.label == "Factor of neuron 7_5")
    assert shown.value == -1.5  # the widgets follow
    press(app, "Redo")
    assert on_bench(app).active == (ScaleNeuron(7, 5, -1.5),)
    assert not next(t for t in app.toggle if t.label == "head 3_7 is on").value
    press(app, "Clear")
    assert len(on_bench(app)) == 0
    assert not app.exception
    press(app, "Undo")
    assert len(on_bench(app)) == 2


def test_all_on_off_and_one_factor(app):
    by_hand(app, "7_5 7_6 7_7")
    press(app, "All off")
    assert on_bench(app).active == ()
    press(app, "All on")
    app.slider(key="factor of all").set_value(2.5).run()
    press(app, "Set")
    assert {e.factor for e in on_bench(app).active} == {2.5}
    assert len(on_bench(app).active) == 3


def test_many_edits_stand_on_pages(app):
    by_hand(app, " ".join(f"2_{n}" for n in range(25)))
    assert len([t for t in app.toggle if t.label.startswith("neuron")]) == 10
    assert "The 25" not in texts(app)
    assert len(on_bench(app)) == 25
    assert not app.exception


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("", "nothing to add"),
        ("99_0", "does not exist"),
        ("abc", "'abc'"),
        ("7_99999", "does not exist"),
    ],
)
def test_bad_edits_are_told_and_the_next_one_works(app, names, words):
    by_hand(app, names)
    assert not app.exception
    assert words in app.error[0].value
    by_hand(app, "7_5")
    assert not app.error
    assert len(on_bench(app)) == 1


def test_picked_heads_are_added(app):
    app.multiselect(key="heads").set_value(["3_0", "4_1"]).run()
    app.button_group(key="add by").set_value("Picked heads").run()
    wait(app)
    press(app, "Add these heads")
    assert on_bench(app).active == (ScaleHead(3, 0, 0.0), ScaleHead(4, 1, 0.0))


def test_neurons_of_a_word_are_added(app):
    app.button_group(key="add by").set_value("Neurons of a word").run()
    app.text_input(key="add word").set_value("eight")
    press(app, "Search")
    chosen = app.multiselect(key="add found").value
    assert len(chosen) == 1
    press(app, "Add these neurons")
    layer, neuron = map(int, chosen[0].split("_"))
    assert on_bench(app).active == (ScaleNeuron(layer, neuron, 0.0),)
    assert any(c.value.startswith("promotes `") and "as found by `eight`" in c.value for c in app.caption)
    app.text_input(key="add word").set_value("zzyzx")
    press(app, "Search")
    assert any("zzyzx" in e.value for e in app.error)
    assert not app.exception


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_neuron_of_a_word_is_named_by_the_sign_it_was_found_with(app, bundled, sign):
    """7_470 promotes "eight" by a negative coefficient; by a positive one it says other numbers."""
    found = promoters(bundled, "eight", SHOWN).found
    best = next(
        p
        for p in found
        if p.sign == sign and (p.layer, p.neuron, -sign) not in {(q.layer, q.neuron, q.sign) for q in found}
    )
    app.button_group(key="add by").set_value("Neurons of a word").run()
    app.text_input(key="add word").set_value("eight")
    press(app, "Search")
    app.multiselect(key="add found").set_value([f"{best.layer}_{best.neuron}"])
    press(app, "Add these neurons")
    tokens = " ".join(code(token) for token in best.top_tokens[:6])
    side = "< 0" if sign < 0 else "> 0"
    assert f"promotes {tokens} (coefficient {side}, as found by `eight`)" in [c.value for c in app.caption]


def test_a_neuron_of_no_run_is_shown_with_both_signs(app, bundled):
    by_hand(app, "7_470")
    sides = [" ".join(code(t) for t in top_tokens(bundled, 7, 470, sign, 6)) for sign in (1.0, -1.0)]
    assert f"promotes {sides[0]}; suppresses {sides[1]} (a negative coefficient swaps the two)" in [
        c.value for c in app.caption
    ]


def test_edits_of_other_pages_are_taken_over():
    app = AppTest.from_file(APP, default_timeout=60).run()
    app.session_state["edits to add"] = [ScaleNeuron(7, 5, 0.0), ScaleNeuron(99, 0, 0.0), ScaleNeuron(7, 5, 0.0)]
    wait(app.switch_page(PAGE).run())
    assert on_bench(app).active == (ScaleNeuron(7, 5, 0.0),)
    assert "edits to add" not in app.session_state
    assert "99_0 does not exist" in told(app)
    assert not app.exception


def test_a_recipe_is_shown_as_it_was_typed(app, bundled):
    """Was: a title of $x$ became a formula, and :red[...] was red."""
    upload(app, Recipe.of(bundled, EDITS, "costs $x$ :red[much]", "**why** :smile:").to_json())
    said = next(m.value for m in app.markdown if "costs" in m.value)
    assert r"costs \$x\$ :" in said
    assert ":red[" not in said
    assert "**why**" not in said
    assert ":smile:" not in said


def test_a_recipe_file(app, bundled):
    upload(app, Recipe.of(bundled, EDITS, "Mine", "because").to_json())
    assert "**Mine**: 2 edits" in texts(app)
    press(app, "Use these edits")
    assert on_bench(app).active == EDITS
    assert app.text_input(key="edit title").value == "Mine"
    press(app, "Undo")
    assert len(on_bench(app)) == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe\x00", "not JSON"),
        ("{}", "not a recipe"),
        (" " * (2**20 + 1), "1 MB"),
        ('{"format": "abacus edit"}', "version"),
    ],
)
def test_files_that_are_no_recipe(app, content, words):
    upload(app, content)
    assert not app.exception
    assert words in app.error[0].value
    assert not any(b.label == "Use these edits" for b in app.button)


def test_a_recipe_of_another_model(app, bundled):
    recipe = json.loads(Recipe.of(bundled, EDITS).to_json())
    recipe["model"]["fingerprint"] = "0" * 16
    upload(app, json.dumps(recipe))
    press(app, "Use these edits")
    assert "another model" in told(app)
    assert len(on_bench(app)) == 0
    press(app, "Use it anyway")
    assert on_bench(app).active == EDITS
    assert "another model" not in told(app)


def test_a_recipe_that_does_not_fit(app, bundled):
    recipe = json.loads(Recipe.of(bundled, EDITS).to_json())
    recipe["model"]["shape"] = [32, 32, 11008]
    upload(app, json.dumps(recipe))
    press(app, "Use these edits")
    assert "cannot be used here" in told(app)
    assert not any(b.label == "Use it anyway" for b in app.button)
    press(app, "Do not use it")
    assert "another model" not in told(app)
    assert len(on_bench(app)) == 0


def test_a_link_brings_the_edits(bundled):
    app = open_page(edit=to_link(Recipe.of(bundled, EDITS, "Linked")), bench_prompts="9-2=")
    assert on_bench(app).active == EDITS
    assert not app.exception
    assert answers(app)["prompt"].tolist() == ["9-2="]
    app = open_page(edit="broken")
    assert "cannot be read" in told(app)
    assert len(on_bench(app)) == 0
    assert not app.exception


def test_two_sessions_have_their_own_edits():
    first, second = open_page(), open_page()
    by_hand(first, "3_7", "head")
    by_hand(second, "7_5")
    wait(first.run())
    assert on_bench(first).active == (ScaleHead(3, 7, 0.0),)
    assert on_bench(second).active == (ScaleNeuron(7, 5, 0.0),)


def test_single_edits(app):
    by_hand(app, "3_7 3_5", "head")
    by_hand(app, "7_5")
    press(app, "Measure each edit")
    table = next(d.value for d in app.dataframe if "kl_alone" in d.value.columns)
    assert table["edit"].tolist() == ["head 3_7", "head 3_5", "neuron 7_5"]
    assert not app.exception
    assert "Alone, " in texts(app)
    press(app, "All off")
    assert "Switch at least one edit on." in "\n".join(c.value for c in app.caption)


def test_keep_share_export_and_find_again(app, tmp_path):
    by_hand(app, "3_7", "head")
    by_hand(app, "7_5", "neuron", -1.5)
    app.text_input(key="edit title").set_value("Mine").run()
    wait(app)
    assert any("register_forward_pre_hook" in c.value for c in app.code)
    assert any("ScaleHead(3, 7, 0.0)" in c.value for c in app.code)
    folder = tmp_path / "edited"
    app.text_input(key="export folder").set_value(str(folder))
    press(app, "Export")
    assert "Loaded back as fp32: 2 of 2 prompts" in told(app), told(app)
    assert "# Mine" in (folder / "README.md").read_text()
    press(app, "Export")
    assert any("nothing is overwritten" in e.value for e in app.error)
    app.text_input(key="compare folder").set_value(str(folder))
    press(app, "Compare")
    assert "1 head and 1 neuron were zeroed or scaled" in texts(app)
    found = next(d.value for d in app.dataframe if "what" in d.value.columns)
    assert found["name"].tolist() == ["3_7", "7_5"]
    assert found["factor"].tolist() == [0.0, -1.5]
    press(app, "Clear")
    press(app, "Use these edits")
    assert set(on_bench(app).active) == {ScaleHead(3, 7, 0.0), ScaleNeuron(7, 5, -1.5)}


def test_comparing_with_nothing(app):
    app.text_input(key="compare folder").set_value("bundled")
    press(app, "Compare")
    assert "No difference was found" in texts(app)
    app.text_input(key="compare folder").set_value("/no/such/folder")
    press(app, "Compare")
    assert any("does not exist" in e.value for e in app.error)
    assert not app.exception


@pytest.mark.parametrize(("prompts", "words"), [("", "no prompt"), ("3 + zzyzx =", "zzyzx"), ("3 " * 400, "at most")])
def test_bad_prompts(app, prompts, words):
    app.text_area(key="bench_prompts").set_value(prompts).run()
    wait(app)
    assert not app.exception
    assert words in app.error[0].value
    app.text_area(key="bench_prompts").set_value("3+5=").run()
    wait(app)
    assert not app.error
    assert answers(app)["original"].tolist() == ["8"]


def test_another_model_empties_the_bench(app, checkpoints):
    by_hand(app, "3_7", "head")
    try:
        app.text_input(key="model source").set_value(str(checkpoints("gpt_neox"))).run()
        app.button(key="load model").click().run()
        wait(app).run()
        wait(app)
        assert not app.exception
        assert len(on_bench(app)) == 0
        by_hand(app, "2_7", "neuron", 3.0)
        assert on_bench(app).active == (ScaleNeuron(2, 7, 3.0),)
        assert not app.error
    finally:
        app.text_input(key="model source").set_value("bundled").run()
        app.button(key="load model").click().run()
        wait(app).run()
