"""What a page says of other people: a model they changed, and work of theirs beside one's own."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from core.model.resident import ResidentModel
from pages.shared.resources import board, residence
from tests.core.jobs.test_board import Gate, wait_until
from tests.pages.test_arithmetic_heads import texts, wait
from tests.pages.test_what_if import by_hand, on_bench

SESSION = "test session id"  # AppTest's name for every session


@pytest.fixture
def app():
    return wait(AppTest.from_file("../../app.py", default_timeout=60).run())


@pytest.fixture
def changing(checkpoints):
    """Changes the resident model as another person does; the bundled one is back at the end."""

    def change(source, by="another person"):
        residence().change(str(source), "auto", by)

    yield change
    change("bundled")


def notices(app):
    return [w.value for w in app.warning if "changed the model" in w.value]


def test_who_changed_the_model_and_when(checkpoints):
    home = ResidentModel(str(checkpoints("llama")), "fp32")
    assert home.loaded is None
    assert home.last_change is None
    home.model()
    before = time.time()
    home.change(str(checkpoints("mistral")), "fp32", by="Ada")
    assert home.loaded is home.model()
    assert home.last_change.by == "Ada"
    assert before <= home.last_change.at <= time.time()


def test_a_change_that_failed_is_no_change(checkpoints, tmp_path):
    home = ResidentModel(str(checkpoints("llama")), "fp32")
    home.change(str(checkpoints("mistral")), "fp32", by="Ada")
    with pytest.raises(Exception, match="config.json|model"):
        home.change(str(tmp_path), "fp32", by="Bob")
    assert home.last_change.by == "Ada"


def test_someone_elses_change_is_told_once_until_it_is_read(app, changing, checkpoints):
    assert notices(app) == []
    changing(checkpoints("grouped-query"))
    app.run()
    assert len(notices(app)) == 1
    assert str(checkpoints("grouped-query")) in notices(app)[0]
    assert time.strftime("%H:") in notices(app)[0] or time.strftime("%M") in ("00", "59")
    app.run()
    assert len(notices(app)) == 1
    assert not app.exception
    app.button(key="model notice read").click().run()
    assert notices(app) == []
    app.run()
    assert notices(app) == []


def test_ones_own_change_needs_no_notice(app, changing, checkpoints):
    app.text_input(key="model source").set_value(str(checkpoints("grouped-query"))).run()
    app.button(key="load model").click().run()
    wait(app).run()
    assert residence().last_change.by == SESSION
    assert notices(app) == []
    assert not app.exception


def test_a_session_that_comes_later_is_told_nothing(changing, checkpoints):
    changing(checkpoints("grouped-query"))
    assert notices(AppTest.from_file("../../app.py", default_timeout=60).run()) == []


def test_picked_heads_and_edits_come_back_with_their_model(app, changing, checkpoints):
    app.multiselect(key="heads").set_value(["4_7", "1_0"]).run()
    app = by_hand(wait(app.switch_page("pages/what_if/page.py").run()), "7_5")
    edits = on_bench(app)
    assert len(edits) == 1
    changing(checkpoints("grouped-query"))  # 3 layers of 4 heads
    wait(app.run())
    assert app.session_state["heads"] == ["1_0"]
    assert len(on_bench(app)) == 0
    changing("bundled")
    wait(app.run())
    assert app.session_state["heads"] == ["4_7", "1_0"]
    assert on_bench(app) == edits
    assert not app.exception


def test_ones_own_work_is_listed_on_every_page_and_ended(app):
    session, gate, other = SESSION, Gate(), Gate()
    job = board().submit("k", "Counting to a hundred", gate, session, seconds=0.0)
    assert gate.started.wait(20)
    theirs = board().submit("o", "Their work", other, "someone else")
    try:
        app.switch_page("pages/arithmetic_heads/page.py").run()
        listed = [c.value for c in app.caption if c.value.startswith("Counting to a hundred: ")]
        assert len(listed) == 1
        assert "**Your work**" in texts(app)
        assert "1 computation of others running or waiting." in [c.value for c in app.caption]
        assert len([b for b in app.button if b.label == "End"]) == 1
        next(b for b in app.button if b.label == "End").click().run()
        wait_until(lambda: job.ended)
        assert job.state == "stopped"
        assert not theirs.ended
        app.run()
        assert "**Your work**" not in texts(app)
        assert not app.exception
    finally:
        board().stop(job, session)
        board().stop(theirs, "someone else")


def test_a_waiting_person_is_told_what_runs_and_the_place(app):
    gate = Gate()
    job = board().submit("k", "A long sweep", gate, "someone else", seconds=30.0)
    assert gate.started.wait(20)
    try:
        app.switch_page("pages/arithmetic_heads/page.py").run()
        app.slider(key="count").set_value(5)
        next(b for b in app.button if b.label == "Run").click().run()
        told = next(i.value for i in app.info if "Another computation" in i.value)
        assert "A long sweep" in told
        assert "number 1 in the queue" in told
        assert "in about" in told
    finally:
        gate.let.set()
        wait_until(lambda: job.ended)
    wait(app)
    assert "Without head" in texts(app)


def test_stop_says_someone_else_only_when_there_is_someone_else(app):
    app.switch_page("pages/arithmetic_heads/page.py").run()
    gate = Gate()
    first = board().submit("before", "Before", gate, "someone else", seconds=0.0)
    try:
        assert gate.started.wait(20)
        next(b for b in app.button if b.label == "Run").click().run()
        (job,) = board().jobs_of(SESSION)
        board().submit(job.key, job.title, job.work, "someone else")
        next(b for b in app.button if b.label == "Stop").click().run()
        assert any("continues for someone else" in i.value for i in app.info)
        board().stop(job, "someone else")
        app.run()
        assert job.state == "stopped"
        assert not any("someone else" in i.value for i in app.info)
    finally:  # a job that is left running would hold up every later test
        gate.let.set()
        board().stop(first, "someone else")
        wait_until(lambda: first.ended)
