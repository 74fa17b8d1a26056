"""The package that `pip install` makes of core: complete, with the pinned requirements, and found beside its model."""

import os
import shutil
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The files a build reads, outside the repository, for a build writes beside them."""
    place = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place)
    shutil.copytree(ROOT / "core", place / "core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pages", "training", "benchmarks", "tests", "docs"):  # what a search for packages could also find
        (place / name).mkdir()
        (place / name / "__init__.py").touch()
    (place / "bundled").symlink_to(ROOT / "bundled", target_is_directory=True)
    return place


def built(source: Path, hook: str, place: Path) -> Path:
    """Builds without a network, as pip does with `--no-build-isolation`, and unpacks what came out."""
    code = f"import sys; from setuptools.build_meta import {hook} as build; build(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(place)], cwd=source, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    with ZipFile(wheel) as files:
        files.extractall(place / "site")
    return place / "site"


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return built(source, "build_wheel", tmp_path_factory.mktemp("wheel"))


def python(code: str, site: Path) -> str:
    """What a fresh Python prints that has `site` among its site-packages and stands elsewhere."""
    return subprocess.run(
        [sys.executable, "-c", f"import site; site.addsitedir({str(site)!r})\n{code}"],
        cwd=site,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_a_wheel_holds_core_and_nothing_else(wheel):
    packed = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    here = {str(path.relative_to(ROOT)) for kind in ("*.py", "*.json") for path in (ROOT / "core").rglob(kind)}
    assert {"core/paper/tables.json", "core/mediation/cma.json", "core/mediation/facts.json"} <= here
    assert len(here) > 90
    assert {name for name in packed if ".dist-info" not in name} == here


def test_a_wheel_asks_for_the_pinned_requirements(wheel):
    (metadata,) = wheel.glob("*.dist-info/METADATA")
    told = message_from_bytes(metadata.read_bytes())
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    assert told.get_all("Requires-Dist") == [line for line in lines if line]
    assert (told["Name"], told["License-Expression"]) == ("abacus", "Apache-2.0")


def test_an_installed_wheel_says_where_the_bundled_models_are(wheel):
    code = """
from core import paper
from core.errors import UserError
from core.model import load_model
print(paper.__file__, bool(paper.table(1)))
try:
    load_model("bundled")
except UserError as error:
    print(error)
"""
    place, told = python(code, wheel).splitlines()
    assert place == f"{wheel / 'core' / 'paper' / '__init__.py'} True"
    assert "in Abacus's repository, not in the installed package" in told


def test_an_editable_install_finds_the_bundled_model(source, tmp_path):
    site = built(source, "build_editable", tmp_path)
    code = "import core.model.source as s; print(s.__file__); print(len(s.locate('bundled').shapes) > 0)"
    assert python(code, site).splitlines() == [str(source / "core" / "model" / "source.py"), "True"]
