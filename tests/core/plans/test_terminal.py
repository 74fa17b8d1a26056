"""What a run prints."""

from core.plans import terminal
from core.plans.terminal import Terminal, in_words


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_the_pace_is_that_of_computing_not_of_reading(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "time", clock := Clock())
    told = Terminal()
    told.begins(2, 3, "sweep", False)
    told.progress(50, 100)  # was there
    told.computes()
    clock.now += 30
    told.progress(60, 100)
    clock.now += 1
    told.progress(61, 100)  # too soon for another line
    clock.now += 100
    told.progress(100, 100)
    told.begins(3, 3, "mediation", True)
    assert capsys.readouterr().out.splitlines() == [
        "2 of 3, sweep: begins",
        "2 of 3, sweep: 50%",
        "2 of 3, sweep: 60%, 2 min left",
        "2 of 3, sweep: 100%",
        "3 of 3, mediation: there already",
    ]


def test_times_in_words():
    assert [in_words(s) for s in (0.2, 59.0, 60.0, 7100.0, 12000.0)] == [
        "1 s",
        "59 s",
        "1 min",
        "118 min",
        "3 h 20 min",
    ]
