"""Settings of the sweep over all heads: a set of arithmetic prompts, or a person's own ones."""

from dataclasses import dataclass

from core.heads.study import OwnSweep, SetSweep
from core.prompts.arithmetic import POOLS
from core.types import Head
from pages.shared.inputs import lines_of
from pages.shared.settings import Settings, in_link, link

_SET = ("operations", "digits", "forms", "templates", "count", "seed", "pool")
_OWN = {"prompts": link("own", lines_of, "\n".join), "metric": link("metric")}


@dataclass(frozen=True)
class SetSettings(SetSweep, Settings, links={name: link(name) for name in _SET}):
    """A sweep over arithmetic prompts."""


@dataclass(frozen=True)
class OwnSettings(OwnSweep, Settings, links=_OWN):
    """A sweep over prompts that a person typed."""


@dataclass(frozen=True)
class BeforeAfterSettings(Settings):
    """Answers with and without the heads that are picked in the sidebar."""

    heads: tuple[Head, ...]
    prompts: tuple[str, ...] = in_link("questions", tuple("3+5= 9-2= 6*7= 56/8= 34+28= 92-47= 17*5= 96/8=".split()))
    pool: str = in_link("pool", POOLS[0])


@dataclass(frozen=True)
class OneHeadSettings(Settings):
    """One head by digits and kinds; `count` prompts for each operation and number of digits."""

    head: Head
    count: int = 100
    pool: str = in_link("pool", POOLS[0])
