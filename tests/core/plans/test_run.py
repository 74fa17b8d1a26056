"""Runs of plans: killed anywhere, they continue to the same numbers, bit for bit."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import UserError
from core.heads.study import OwnSweep, SetSweep
from core.kept.records import same
from core.plans.analyses import ANALYSES
from core.plans.folder import ResultsFolder
from core.plans.plan import Plan, Task
from core.plans.run import run_plan
from tests.core.plans.small_plan import PLAN, SETTINGS, EndsAfter, Killed, Silent
from tests.some import some

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def whole(bundled, tmp_path_factory) -> ResultsFolder:
    """Run without an end in between."""
    return run_plan(bundled, PLAN, tmp_path_factory.mktemp("whole") / "results", Silent())


def test_the_small_plan_has_every_analysis():
    assert list(SETTINGS) == list(ANALYSES)


def test_every_analysis_is_finished_with_its_tables(bundled, whole):
    for number, task in enumerate(some(PLAN.tasks)):
        entry = whole.entry(number)
        kept = whole.finished(number).kept
        for name, table in some(task.analysis.tables(bundled, task.settings, kept).items()):
            assert (entry / f"{name}.csv").read_text() == table.to_csv(index=False)
        assert not (entry / "chunks").exists()
    assert (whole.path / "plan.toml").read_text() == PLAN.to_toml()


def test_it_measures_what_the_pages_measure(bundled, whole):
    asked = SETTINGS["sweep"]
    assert same(whole.finished(0).kept, asked.run(bundled))


@pytest.mark.parametrize("what", list(SETTINGS))
def test_a_run_that_ends_at_each_chunk_continues_to_the_same_bits(bundled, whole, tmp_path, what):
    number = list(SETTINGS).index(what)
    plan = Plan((PLAN.tasks[number],))
    ends = 0
    while True:  # one chunk at a time
        watch = EndsAfter(1)
        try:
            results = run_plan(bundled, plan, tmp_path / "results", watch)
            break
        except Killed:
            ends += 1
            assert not ResultsFolder.read(tmp_path / "results").is_finished(0)
    assert ends >= 1, "it has one chunk only"
    assert same(results.finished(0).kept, whole.finished(number).kept)
    tables = sorted(file.name for file in results.entry(0).glob("*.csv"))
    for name in some(tables):
        assert (results.entry(0) / name).read_bytes() == (whole.entry(number) / name).read_bytes()


def test_nothing_is_measured_twice(bundled, whole):
    watch = Silent()
    run_plan(bundled, PLAN, whole.path, watch)
    assert watch.told == [(what, True) for what in SETTINGS]
    assert not watch.computed


def test_kill_9(bundled, tmp_path):
    """A process of its own, killed while it computes."""
    plan = Plan((Task.of(SetSweep(count=12)), Task.of(SETTINGS["mediation"])))
    (tmp_path / "plan.toml").write_text(plan.to_toml())
    out = tmp_path / "results"
    command = [sys.executable, "-m", "core", "run", str(tmp_path / "plan.toml"), "--out", str(out)]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 240
        while len(list(out.glob("1-sweep/chunks/*.safetensors"))) < 2:
            assert run.poll() is None, "it ended before it was killed"
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(run.pid, signal.SIGKILL)
    finally:
        run.kill()
        run.wait()
    begun = ResultsFolder.read(out)
    assert not begun.is_finished(0)
    there = len(list(out.glob("1-sweep/chunks/*.safetensors")))
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stderr
    assert "1 of 2, sweep: 100%" in again.stdout
    whole = run_plan(bundled, plan, tmp_path / "whole", Silent())
    assert there >= 2
    for number in range(2):
        assert same(begun.finished(number).kept, whole.finished(number).kept)


def test_settings_are_checked_before_anything_is_written(bundled, tmp_path):
    with pytest.raises(UserError, match="Analysis 2 of the plan"):
        run_plan(bundled, Plan((PLAN.tasks[0], Task.of(OwnSweep(())))), tmp_path / "results", Silent())
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_what_is_measured(bundled, whole, tmp_path, monkeypatch):
    plan = Plan(PLAN.tasks[:1])
    with pytest.raises(Killed):
        run_plan(bundled, plan, tmp_path / "results", EndsAfter(2))
    real = os.fsync

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"sweep, analysis 1 of 1: .*the disk is full. Free some space"):
        run_plan(bundled, plan, tmp_path / "results", Silent())
    monkeypatch.setattr(os, "fsync", real)
    watch = Silent()
    results = run_plan(bundled, plan, tmp_path / "results", watch)
    assert same(results.finished(0).kept, whole.finished(0).kept)
    fresh = Silent()
    run_plan(bundled, plan, tmp_path / "fresh", fresh)
    assert watch.computed == fresh.computed - 2
