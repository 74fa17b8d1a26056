"""How torch's threads wait, and how many there are, wherever Abacus starts."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from core.model.load import ALL, SMALL, load_model, threads_for, use_threads

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
SPY = """
import os, sys
class Spy:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            sys.meta_path.remove(self)
            print("at torch:", os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
sys.meta_path.insert(0, Spy())
"""


def fresh_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a new process that inherits none of the settings under test."""
    inherited = {name: value for name, value in os.environ.items() if name not in NAMES}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**inherited, **environment},
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "start",
    [
        "import core.edits.detect",
        "import benchmarks.heads",
        "import training.accept",
        "import pytest; pytest.main(['-s', '--collect-only', 'tests/core/jobs/test_board.py'])",
        "from streamlit.testing.v1 import AppTest; AppTest.from_file('app.py', default_timeout=120).run()",
    ],
)
def test_waiting_threads_are_told_to_sleep_before_torch_is_imported(start):
    assert "at torch: PASSIVE 0" in fresh_python(SPY + start).stdout.splitlines()


def test_a_value_set_by_the_person_stays():
    told = fresh_python("import os, core; print(os.environ['OMP_WAIT_POLICY'])", OMP_WAIT_POLICY="ACTIVE")
    assert told.stdout.strip() == "ACTIVE"


@pytest.mark.skipif(sys.platform != "linux", reason="only libgomp prints its settings in these words")
def test_libgomp_reads_them():
    told = fresh_python("import core.model.load", OMP_DISPLAY_ENV="verbose").stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in told
    assert "GOMP_SPINCOUNT = '0'" in told


@pytest.fixture
def own_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def two(own_threads):
    torch.set_num_threads(2)


def test_a_small_model_gets_one_thread_and_a_large_one_all(bundled, monkeypatch):
    assert threads_for(bundled) == 1
    monkeypatch.setattr("core.model.load.SMALL", 1000)
    assert threads_for(bundled) == ALL
    assert SMALL == 20_000_000


def test_loading_sets_the_threads_of_this_thread_and_of_new_ones(two, checkpoints):
    load_model(checkpoints("llama"))
    seen = []
    new = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    new.start()
    new.join()
    assert (torch.get_num_threads(), seen) == (1, [1])


def test_a_thread_that_has_computed_before_asks_for_itself(two):
    go, asked, seen = threading.Event(), threading.Event(), []

    def work():
        seen.append(torch.get_num_threads())  # from here on this thread has a number of its own
        asked.set()
        go.wait(20)
        seen.append(torch.get_num_threads())
        use_threads(1)
        seen.append(torch.get_num_threads())

    worker = threading.Thread(target=work)
    worker.start()
    asked.wait(20)
    use_threads(1)
    go.set()
    worker.join()
    assert seen == [2, 2, 1]
