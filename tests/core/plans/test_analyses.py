"""The registry of analyses."""

from dataclasses import dataclass, fields

import pytest

from core.heads.study import SetSweep
from core.plans.analyses import ANALYSES, name_of, plain_settings
from tests.some import some


@dataclass(frozen=True)
class OfAPage(SetSweep):
    extra: int = 3


def test_settings_have_defaults_and_are_strict():
    for each in some(ANALYSES.values()):
        assert each.settings() == each.settings()
        assert each.settings.__pydantic_config__["extra"] == "forbid"
        assert "what" not in [one.name for one in fields(each.settings)]


def test_a_pages_settings_are_those_of_the_analysis():
    assert name_of(OfAPage()) == "sweep"
    assert plain_settings(OfAPage(count=9)) == SetSweep(count=9)
    assert name_of(object()) is None
    with pytest.raises(TypeError, match="object are settings of no analysis"):
        plain_settings(object())
