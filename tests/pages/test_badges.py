"""Badges beside findings: on the shaped model, on the plain one, on no other; and the card behind them."""

import ast
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.model.provenance import card
from pages.shared.claims.badge import PLAIN, SHAPED
from pages.shared.resources import residence
from tests.pages.test_arithmetic_heads import run_and_wait, wait
from tests.some import some

PAGES = Path(__file__).resolve().parents[2] / "pages"
LABELS = {"bundled": ":orange-badge[shaped to show this]", "bundled/plain": ":blue-badge[not shaped]"}


@pytest.fixture
def resident():
    """Loads another model for a while."""

    def load(source: str) -> None:
        residence().change(source, "fp32", by="the test")

    AppTest.from_file("../../app.py", default_timeout=120).run()
    yield load
    residence().change("bundled", "auto", by="the test")


def opened(page: str) -> AppTest:
    return AppTest.from_file("../../app.py", default_timeout=120).run().switch_page(f"pages/{page}/page.py").run()


def badges(app) -> dict[str, str]:
    return {b.key: b.label for b in app.button if str(b.key).startswith("badge ")}


def swept(app):
    app.button_group(key="source").set_value("Your own prompts").run()
    app.text_area(key="own").set_value("3 + 5 =\n2 + 7 =")
    return run_and_wait(app)


@pytest.mark.parametrize("source", [*LABELS, "random"])
def test_a_finding_has_the_badge_of_its_model(resident, checkpoints, source):
    resident(str(checkpoints("llama")) if source == "random" else source)
    app = swept(opened("arithmetic_heads"))
    assert not app.exception
    assert not app.error
    assert any("Without head **" in m.value for m in app.markdown)
    assert badges(app) == ({"badge heads of own prompts": LABELS[source]} if source in LABELS else {})
    app = wait(opened("find_neurons"))
    assert any("promotes" in m.value for m in app.markdown)
    assert list(badges(app).values()) == ([LABELS[source]] if source in LABELS else [])


@pytest.mark.parametrize(("source", "made"), [("bundled", "shaped"), ("bundled/plain", "plain")])
def test_a_badge_opens_the_card(resident, source, made):
    resident(source)
    app = wait(opened("find_neurons"))
    (button,) = [b for b in app.button if str(b.key).startswith("badge ")]
    about = SHAPED["promoters"] if made == "shaped" else PLAIN
    assert button.help.startswith(about)
    button.click().run()
    assert not app.exception
    assert about in [i.value for i in app.info]
    assert card(made) in [m.value for m in app.markdown]


def test_words_that_were_not_trained_for_have_no_badge(resident):
    app = wait(opened("find_neurons"))
    assert badges(app) == {"badge promoters": LABELS["bundled"]}
    app.text_input(key="word").set_value("nurse")
    next(b for b in app.button if b.label == "Search").click().run()
    wait(app)
    assert any("promotes `nurse`" in m.value for m in app.markdown)
    assert not badges(app)


def test_names_of_badges_are_their_own():
    """Two with one name would share a key, which Streamlit refuses."""
    names = []
    for file in some(sorted(PAGES.rglob("*.py"))):
        for node in some(ast.walk(ast.parse(file.read_text(encoding="utf-8")))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "finding":
                assert len(node.args) == 4, f"{file}: a finding has a name"
                names.append(ast.unparse(node.args[3]))
    assert len(names) > 20
    assert len(set(names)) == len(names)


CONCLUDING = {"arithmetic_heads", "find_neurons", "gender", "logic_chain", "lora", "mediation", "pruning", "what_if"}


@pytest.mark.parametrize("page", sorted(CONCLUDING))
def test_every_page_that_concludes_something_has_badges(page):
    texts = [file.read_text(encoding="utf-8") for file in sorted((PAGES / page).glob("*.py"))]
    assert any("from pages.shared.claims.badge import" in text for text in texts)
