"""The place of a result on a page: start, wait, what is said when it is out of date."""

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import UserError
from tests.pages.test_arithmetic_heads import wait

CALLS: list = []
MODEL: list = ["m"]


def page(main, outdated, fresh, auto, button):
    from types import SimpleNamespace

    import streamlit as st

    from pages.shared.job_slot import job_slot
    from tests.pages import test_job_slot as here

    lm = SimpleNamespace(fingerprint=here.MODEL[0], precision="fp32", device="cpu")
    word = st.text_input("word", "one")
    pressed = st.button("Go") if button or not auto else False
    start = "auto" if auto else pressed
    found = job_slot(
        lm,
        "test slot",
        word,
        lambda: f"Doing {word}",
        lambda p: here.work(word, p),
        "Press **Go**.",
        start=start,
        pressed=pressed,
        main=main,
        outdated=outdated,
        fresh=fresh,
        check=lambda: here.check(word),
    )
    st.text(f"found {found.result} of {found.key}" if found else "nothing")


def work(word, progress):
    CALLS.append(word)
    progress(0, 1)
    if word == "wrong":
        raise UserError("went wrong")
    return word.upper()


def check(word):
    if word == "bad":
        raise UserError("a bad word")


def opened(main=False, outdated="hide", fresh=False, auto=False, button=False, **query):
    app = AppTest.from_function(page, args=(main, outdated, fresh, auto, button), default_timeout=60)
    app.query_params.update(query)
    return wait(app.run())


@pytest.fixture(autouse=True)
def clean():
    from pages.shared.resources import board

    board.clear()
    CALLS.clear()
    MODEL[0] = "m"


def go(app):
    return wait(app.button[0].click().run())


def say(app, word):
    return wait(app.text_input[0].set_value(word).run())


def hints(app):
    return [c.value for c in app.caption] + [i.value for i in app.info]


def shown(app):
    assert not app.exception
    return app.text[0].value


def test_it_says_what_to_press_and_then_shows_the_result():
    app = opened()
    assert shown(app) == "nothing"
    assert hints(app) == ["Press **Go**."]
    assert not CALLS
    assert shown(go(app)) == "found ONE of one"
    assert hints(app) == []
    app.run()
    assert shown(app) == "found ONE of one"
    assert CALLS == ["one"]


def test_an_outdated_result_is_hidden_and_comes_back():
    app = say(go(opened()), "two")
    assert shown(app) == "nothing"
    assert "have changed since. Press **Go**." in hints(app)[0]
    assert shown(say(app, "one")) == "found ONE of one"
    assert shown(go(say(app, "two"))) == "found TWO of two"
    assert CALLS == ["one", "two"]


def test_an_outdated_result_may_stay_with_the_settings_it_is_of():
    app = say(go(opened(outdated="show")), "two")
    assert shown(app) == "found ONE of one"
    assert "have changed since" in hints(app)[0]


def test_a_result_of_another_model_is_never_shown():
    app = go(opened(outdated="show", fresh=True))
    MODEL[0] = "other"
    app.run()
    assert shown(app) == "nothing"
    assert "The model was changed. Press **Go**." in hints(app)[0]
    assert shown(go(app)) == "found ONE of one"
    assert CALLS == ["one", "one"]
    MODEL[0] = "m"
    app.run()
    assert shown(app) == "nothing"  # a slot holds one job


def test_refused_settings_leave_the_former_result():
    app = go(say(go(opened(outdated="show")), "bad"))
    assert [e.value for e in app.error] == ["a bad word"]
    assert shown(app) == "found ONE of one"
    assert CALLS == ["one"]
    assert opened().error == []


def test_a_failure_is_told_and_can_be_repeated():
    app = go(say(opened(), "wrong"))
    assert [e.value for e in app.error] == ["went wrong"]
    assert shown(app) == "nothing"
    go(app)
    assert CALLS == ["wrong", "wrong"]


def test_fresh_work_is_done_at_every_press_and_its_result_stays():
    app = go(go(opened(fresh=True)))
    assert CALLS == ["one", "one"]
    assert shown(say(app, "two")) == "found ONE of one"
    assert hints(app) == []


def test_the_main_question_starts_from_its_link_and_writes_it():
    app = opened(main=True)
    assert [i.value for i in app.info] == ["Press **Go**."]
    assert not CALLS
    go(app)
    assert app.query_params["run"] in ("1", ["1"])
    assert shown(opened(main=True, run="1")) == "found ONE of one"
    assert shown(opened(run="1")) == "nothing"  # any other slot waits for its button


def test_automatic_work_follows_the_settings():
    app = opened(auto=True)
    assert shown(app) == "found ONE of one"
    assert shown(say(app, "two")) == "found TWO of two"
    app.run()
    assert CALLS == ["one", "two"]
    assert hints(app) == []
    assert shown(say(app, "bad")) == "nothing"
    assert [e.value for e in app.error] == ["a bad word"]


def test_automatic_work_that_failed_waits_for_a_press():
    app = say(opened(auto=True), "wrong")
    app.run().run()
    assert CALLS == ["one", "wrong"]
    wait(next(b for b in app.button if b.label == "Compute again").click().run())
    assert CALLS == ["one", "wrong", "wrong"]
    assert shown(say(app, "two")) == "found TWO of two"
    assert not [b for b in app.button if b.label == "Compute again"]


def test_the_pages_own_button_repeats_automatic_work_that_failed():
    app = say(opened(auto=True, button=True), "wrong")
    assert CALLS == ["one", "wrong"]
    go(app)
    assert CALLS == ["one", "wrong", "wrong"]
    go(say(app, "two"))
    assert CALLS == ["one", "wrong", "wrong", "two"]  # what is done is not done again
