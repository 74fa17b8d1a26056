"""Both models' findings read together: what is refused, and when two figures differ."""

from dataclasses import replace

import pytest

from core.errors import UserError
from core.findings.figures import Figure
from core.findings.record import FILE
from core.findings.side_by_side import beside, read_side_by_side
from core.model.provenance import FOLDERS
from tests.core.findings.made import figure, made_findings


@pytest.fixture
def folders(tmp_path):
    """Folders of both models with their own weights, and findings of them."""
    made = {}
    for name, folder in FOLDERS.items():
        made[name] = tmp_path / name
        made[name].mkdir()
        for file in ("config.json", "model.safetensors"):
            (made[name] / file).symlink_to(folder / file)
        made_findings(name, 1.0 if name == "shaped" else 0.5).write(made[name])
    return made


def test_both_are_read(folders):
    both = read_side_by_side(folders)
    assert both.shaped == made_findings("shaped")
    assert both.plain == made_findings("plain", 0.5)
    assert both.each == {"shaped": both.shaped, "plain": both.plain}


@pytest.mark.parametrize("name", ["shaped", "plain"])
def test_a_missing_or_half_file_says_what_to_do(folders, name):
    file = folders[name] / FILE
    file.write_text(file.read_text()[:500])
    with pytest.raises(UserError, match=f"findings of the {name} model cannot be shown.*make accept"):
        read_side_by_side(folders)
    file.unlink()
    with pytest.raises(UserError, match=f"findings of the {name} model cannot be shown.*make accept"):
        read_side_by_side(folders)


def test_findings_of_other_weights_are_refused(folders):
    made_findings("shaped").write(folders["plain"])
    with pytest.raises(UserError, match="beside the plain model are of another model.*make accept"):
        read_side_by_side(folders)


def test_findings_with_other_settings_do_not_compare(folders):
    found = made_findings("plain")
    replace(found, settings=replace(found.settings, pairs=10)).write(folders["plain"])
    with pytest.raises(UserError, match="do not compare.*make accept"):
        read_side_by_side(folders)


def test_figures_differ_where_their_intervals_do_not_overlap():
    assert beside(figure(0.5), figure(0.7)) == "higher"
    assert beside(figure(0.5), figure(0.3)) == "lower"
    assert beside(figure(0.5), figure(0.55)) == "cannot tell"
    assert beside(figure(0.5), Figure(0.9, None, None)) == "cannot tell"
    assert beside(figure(0.5, 0.25), figure(1.0, 0.25)) == "cannot tell"  # they touch
