"""A plan of seconds that has every analysis, and ends of runs."""

from core.ablation.study import MaskKeepSet, ShallowSet
from core.chain.study import NeuronSearch
from core.heads.study import OwnSweep, SetSweep
from core.mediation.study import DrawnPairs, TypedPair
from core.plans.plan import Plan, Task
from core.vocabulary.concepts import EVERY_FORM

#: Each in more than one chunk.
SETTINGS = {
    "sweep": SetSweep(("+", "-"), (1, 2), count=12),
    "sweep-prompts": OwnSweep(tuple(f"The sum of {n} and 5 is" for n in range(3, 20)), "logit difference"),
    "neurons": NeuronSearch(k=7),
    "mask-keep": MaskKeepSet(("+",), (1, 2), 9, ((5, 2), (4, 1))),
    "shallow": ShallowSet(1, 20, (8, 12), 2, EVERY_FORM, "both", "all four operations", 3),
    "mediation": DrawnPairs(count=3, operations=("+",), digits=(1, 2), sites=("ffn", "attention")),
    "mediation-pair": TypedPair(sites=("embedding", "ffn")),
}
PLAN = Plan(tuple(map(Task.of, SETTINGS.values())))


class Silent:
    """A watch that notes what it is told."""

    def __init__(self):
        self.told: list[tuple[str, bool]] = []
        self.computed = 0

    def begins(self, number: int, of: int, what: str, finished: bool) -> None:
        self.told.append((what, finished))

    def computes(self) -> None:
        self.computed += 1

    def progress(self, done: int, total: int) -> None:
        assert 0 <= done <= total


class Killed(BaseException):
    """Like Ctrl-C."""


class EndsAfter(Silent):
    """Ends the run when so many chunks were computed."""

    def __init__(self, chunks: int):
        super().__init__()
        self.chunks = chunks

    def computes(self) -> None:
        if self.computed == self.chunks:
            raise Killed
        super().computes()
