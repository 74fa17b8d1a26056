"""Settings of a question: read off the widgets, equal and hashable as a job's key, in a download."""

from dataclasses import dataclass

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.shared.settings import Settings, in_link


@dataclass(frozen=True)
class Sweep(Settings):
    count: int = in_link("count", 25)
    digits: tuple[int, ...] = in_link("digits", (1, 2))
    words: tuple[str, ...] = in_link("words", ("a", "b"), read=lambda text: tuple(text.split()))
    head: tuple[int, int] = (0, 0)


def page():
    import streamlit as st

    from tests.pages.test_settings import Sweep

    st.slider("Count", 5, 50, Sweep.count, **Sweep.bound("count"))
    st.pills("Digits", [1, 2, 3], selection_mode="multi", default=Sweep.digits, **Sweep.bound("digits"))
    st.text_input("Words", " ".join(Sweep.words), **Sweep.bound("words"))
    st.session_state["found"] = Sweep.read(head=(3, 1))


def test_it_has_what_the_widgets_say():
    app = AppTest.from_function(page).run()
    first = app.session_state["found"]
    assert first == Sweep(head=(3, 1))
    assert hash(first) == hash(Sweep(head=(3, 1)))
    app.slider(key="count").set_value(30)
    app.button_group(key="digits").set_value([3])
    app.text_input(key="words").set_value("x y z").run()
    assert app.session_state["found"] == Sweep(30, (3,), ("x", "y", "z"), (3, 1)) != first


def test_a_link_sets_it():
    app = AppTest.from_function(page)
    app.query_params.update({"count": "40", "digits": "3"})
    assert app.run().session_state["found"] == Sweep(40, (3,), head=(3, 1))


def test_a_field_can_be_given():
    app = AppTest.from_function(page).run()
    for key in ("count", "digits", "words"):
        st.session_state[key] = app.session_state[key]
    try:
        assert Sweep.read(words=("given",)) == Sweep(words=("given",))
    finally:
        for key in ("count", "digits", "words"):
            del st.session_state[key]


def test_a_download_names_the_fields():
    assert Sweep().to_dict() == {"count": 25, "digits": (1, 2), "words": ("a", "b"), "head": (0, 0)}


def test_a_class_of_a_page_itself_is_refused():
    """Streamlit runs page.py anew each time, so such a class would equal nothing that was asked before."""
    with pytest.raises(TypeError, match="beside page.py"):
        type("Mine", (Settings,), {"__module__": "__main__"})
