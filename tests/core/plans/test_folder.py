"""Results folders: what is in the way stays as it is, and is said."""

import json
from dataclasses import replace

import pytest

from core.errors import UserError
from core.heads.study import SetSweep
from core.plans.folder import ResultsFolder, stored_in
from core.plans.plan import Plan, Task
from core.plans.run import run_plan
from tests.core.plans.small_plan import Silent
from tests.some import some

TASK = Task.of(SetSweep(("+",), (1,), count=1))
PLAN = Plan((TASK, TASK))


@pytest.fixture
def begun(bundled, tmp_path) -> ResultsFolder:
    return ResultsFolder.begun(tmp_path / "a" / "results", bundled, PLAN)


@pytest.fixture(scope="module")
def results(bundled, tmp_path_factory) -> ResultsFolder:
    return run_plan(bundled, PLAN, tmp_path_factory.mktemp("done") / "results", Silent())


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_it_is_begun_once(bundled, begun):
    assert begun.plan == PLAN
    assert begun.origin.fingerprint == bundled.fingerprint
    assert ResultsFolder.begun(begun.path, bundled, PLAN) == begun == ResultsFolder.read(begun.path)


def test_results_of_something_else_stay(bundled, begun, monkeypatch):
    before = files(begun.path)
    with pytest.raises(UserError, match="results of another plan, which stay as they are. Choose another folder"):
        ResultsFolder.begun(begun.path, bundled, Plan((TASK,)))
    with monkeypatch.context() as patch:
        patch.setattr(bundled, "fingerprint", "another")
        with pytest.raises(UserError, match="of another model: bundled.*They stay as they are.*Choose another folder"):
            ResultsFolder.begun(begun.path, bundled, PLAN)
    other = replace(begun.origin, precision="bf16").to_json()
    (begun.path / "results.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match="in bf16 on cpu, not in fp32"):
        ResultsFolder.begun(begun.path, bundled, PLAN)
    (begun.path / "results.json").write_bytes(before[begun.path / "results.json"])
    assert files(begun.path) == before


def test_a_folder_of_something_else_stays(bundled, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something already, and nothing is overwritten"):
        ResultsFolder.begun(tmp_path, bundled, PLAN)
    with pytest.raises(UserError, match="is a file"):
        ResultsFolder.begun(tmp_path / "mine.txt", bundled, PLAN)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_half_written_files_are_told(begun):
    for name in some(("results.json", "plan.toml")):
        file = begun.path / name
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2 + 3])
        with pytest.raises(UserError, match=f"{name} of "):
            ResultsFolder.read(begun.path)
        file.write_bytes(content)
    assert ResultsFolder.read(begun.path) == begun


def test_one_process_writes_at_a_time(begun):
    with begun.held(), pytest.raises(UserError, match="Another process is writing into"), begun.held():
        pass
    with begun.held():
        pass


def test_what_is_finished_is_stored(results):
    found = stored_in(results.path)
    assert [one.name for one in found] == ["1-sweep", "2-sweep"]
    assert [one.name for one in stored_in(results.path / "2-sweep")] == ["2-sweep"]
    assert found[0].task == TASK
    about = json.loads((results.entry(0) / "settings.json").read_text())
    assert about["settings"]["count"] == 1
    assert about["fingerprint"] == results.origin.fingerprint
    assert about["finished"] == results.finished(0).at


def test_what_is_not_stored_is_told(begun, tmp_path):
    with pytest.raises(UserError, match="is not a results folder"):
        stored_in(tmp_path)
    with pytest.raises(UserError, match="Nothing in .* is finished yet"):
        stored_in(begun.path)
    with pytest.raises(UserError, match="1-sweep of .* is not finished"):
        begun.finished(0)
    with pytest.raises(UserError, match="Name a results folder"):
        stored_in(" ")


def test_a_result_that_is_cut_off_is_told(bundled, results, tmp_path):
    begun = ResultsFolder.begun(tmp_path / "results", bundled, PLAN)
    begun.entry(0).mkdir()
    whole = (results.entry(0) / "result.safetensors").read_bytes()
    (begun.entry(0) / "result.safetensors").write_bytes(whole[:-9])
    with pytest.raises(UserError, match="Remove it and run the plan again: the rest stays"):
        begun.finished(0)
