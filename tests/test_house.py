"""The layout that CONTRIBUTING.md describes: small files, small folders, imports in one direction.

What import-linter can say stands in `pyproject.toml`; this is the rest.
"""

import ast
from pathlib import Path

import pytest

from tests.some import some

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path for room in ("core", "pages", "training", "benchmarks") for path in (ROOT / room).rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    found = set()
    for node in some(ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name(path)} imports relatively"
            found.add(str(node.module).partition(".")[0])
    return found


def test_the_house_is_where_it_is_looked_for():
    assert len(MODULES) > 150
    assert len(FOLDERS) > 20


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_file_has_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_holds_at_most_16_modules(folder):
    modules = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(modules) <= 16


def test_at_most_ten_files_stand_straight_in_core():
    assert 0 < len(list((ROOT / "core").glob("*.py"))) <= 10


def test_pages_stand_one_folder_down():
    """Files straight in `pages/` are served by Streamlit's old discovery, past `app.py`."""
    assert [path.name for path in (ROOT / "pages").glob("*.py")] == ["__init__.py"]


def test_the_app_knows_pages_only():
    assert imported(ROOT / "app.py") == {"streamlit", "pages"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_are_made_at_run_time_and_the_formatter_rules(path):
    text = path.read_text(encoding="utf-8")
    assert "TYPE_CHECKING" not in text
    assert "fmt: skip" not in text
    assert "fmt: off" not in text
    imported(path)


@pytest.mark.parametrize("path", sorted((ROOT / "pages").rglob("*.py")), ids=name)
def test_only_resources_caches(path):
    if path.name != "resources.py":
        text = path.read_text(encoding="utf-8")
        assert "cache_data" not in text
        assert "cache_resource" not in text


@pytest.mark.parametrize("path", sorted((ROOT / "pages").rglob("*.py")), ids=name)
def test_work_is_asked_for_through_slots(path):
    """Beside `job_slot` only the change of the model, which is no page's, hands work to the queue."""
    text = path.read_text(encoding="utf-8")
    assert (".submit(" in text) == (path.name in ("job_slot.py", "sidebar.py"))
