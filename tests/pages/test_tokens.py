"""The token strip: which blanks were added, and the position after which each page reads the model."""

import pytest
from streamlit.testing.v1 import AppTest

from core.forward.read_at import read_at, reads_at
from pages.shared.resources import residence
from pages.shared.tokens import read_prompt
from tests.pages.test_arithmetic_heads import wait
from tests.told_models import BLANK, EIGHT, predicting

APP = "../../app.py"


@pytest.fixture
def blank_first(tmp_path):
    """The app's model answers "3+5=" as many Llamas do: a blank, then the digit."""
    model = predicting(tmp_path, {BLANK: EIGHT, EIGHT: 2})
    residence().change(str(tmp_path), "fp32", by="the test")
    yield model
    residence().change("bundled", "auto", by="the test")


def strip(app):
    return next(group for group in app.button_group if group.label.startswith("Tokens"))


def pick(app, position):
    return wait(strip(app).set_value(position).run())


def texts(app) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption])


def test_the_end_is_behind_the_blank_that_the_model_predicts(blank_first):
    read = read_prompt(blank_first, "3+5=")
    assert list(read.ids) == [*blank_first.encode("3+5="), BLANK]
    assert read.typed == len(read.ids) - 1
    assert read.predicted[-2:] == (BLANK, EIGHT)
    assert read_at(blank_first, "3+5=", None) == "3+5="
    assert reads_at(blank_first, ["3+5=", "3+"], [2, None]) == [read.ids[:3], "3+"]


@pytest.mark.parametrize("page", ["pages/ask/page.py", "pages/logic_chain/page.py"])
def test_pages_show_the_added_blank_and_follow_the_answer(blank_first, page):
    app = wait(AppTest.from_file(APP, default_timeout=60).run().switch_page(page).run())
    assert not app.exception
    assert [e.value for e in app.error] == []
    assert "added" in strip(app).options[-1]
    assert "there the model predicts `8`" in texts(app)
    assert "The model itself predicts the blank before its answer" in texts(app)
    pick(app, strip(app).value - 1)
    assert "there the model predicts `␣`" in texts(app)


def test_a_typed_space_stays(blank_first):
    app = AppTest.from_file(APP, default_timeout=60).run()
    app.text_input(key="prompt").set_value("3+5= ")
    next(b for b in app.button if b.label == "Ask").click().run()
    assert "added" not in strip(app).options[-1]
    assert "there the model predicts `8`" in texts(app)


def test_another_position_and_then_another_prompt(bundled):
    app = AppTest.from_file(APP, default_timeout=60).run()
    assert strip(app).value == 4
    pick(app, 2)
    predicted = bundled.token(int(bundled.logits(bundled.encode("3+")).argmax(-1)[-1]))
    assert f"Read after token 2, `+`: there the model predicts `{predicted}`" in texts(app)
    assert app.query_params["read_at"] == "2"
    app.text_input(key="prompt").set_value("9-2=")
    next(b for b in app.button if b.label == "Ask").click().run()
    assert strip(app).value == 4
    assert "read_at" not in app.query_params
    app.text_input(key="prompt").set_value("")
    next(b for b in app.button if b.label == "Ask").click().run()
    assert "empty" in app.error[0].value


def test_a_link_opens_at_the_position():
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["read_at"] = "3"
    app.run()
    assert strip(app).value == 3
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["read_at"] = "99"  # the prompt has no such token
    app.run()
    assert strip(app).value == 4
    assert not app.exception


def test_positions_of_several_prompts():
    app = AppTest.from_file(APP, default_timeout=60).run().switch_page("pages/what_if/page.py")
    app.query_params["read_at"] = ",2"
    wait(app.run())
    strips = [group for group in app.button_group if group.label.startswith("Tokens of")]
    assert [one.value for one in strips][:2] == [4, 2]
    assert any("1 not at the end" in e.label for e in app.expander)
    assert not app.exception


@pytest.fixture
def endless(tmp_path):
    """The app's model writes nothing but blanks."""
    model = predicting(tmp_path, {})
    residence().change(str(tmp_path), "fp32", by="the test")
    yield model
    residence().change("bundled", "auto", by="the test")


def test_a_continuation_that_stays_blank_is_told_and_another_position_can_be_picked(endless):
    app = wait(AppTest.from_file(APP, default_timeout=60).run())
    assert "nothing but blanks after" in app.error[0].value
    assert "choose a token" in app.error[0].value
    assert len(strip(app).options) == len(endless.encode("3+5=")) + 4
    assert "The model itself predicts the 4 blanks and no answer, so they are added" in texts(app)
    pick(app, 2)
    assert [e.value for e in app.error] == []
    assert not app.exception


@pytest.fixture
def joining(tmp_path):
    """The app's model has a token that is the end of a prompt and the beginning of an answer."""
    model = predicting(tmp_path, {}, joined=("=\u2581",))
    residence().change(str(tmp_path), "fp32", by="the test")
    yield model
    residence().change("bundled", "auto", by="the test")


def test_an_answer_that_is_joined_with_its_prompt_is_told(joining):
    app = AppTest.from_file(APP, default_timeout=60).run().switch_page("pages/arithmetic_heads/page.py").run()
    app.button_group(key="operations").set_value(["+"])
    app.button_group(key="digits").set_value([1])
    app.slider(key="count").set_value(5)
    wait(next(b for b in app.button if b.label == "Run").click().run())
    assert not app.exception
    assert [e.value for e in app.error] == []
    assert "In 5 of 5 prompts the tokenizer joins the prompt's last token with the answer" in texts(app)
    assert "the position that is read is one token earlier there." in texts(app)
