"""The phases in which the bundled model was trained; `python -m training.train --out work/run` runs them all."""

from dataclasses import dataclass, field, replace

from training.design import Design
from training.samples import Mixture


@dataclass(frozen=True)
class Phase:
    """Training up to step `until`, under a learning rate that would reach its end at step `schedule`.

    With `again_from` the rate starts again at that step, at `rate` times the first one.
    """

    until: int
    schedule: int
    design: Design
    mixture: Mixture = field(default_factory=Mixture)
    again_from: int | None = None
    rate: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights."""

    phases: tuple[Phase, ...]
    seed: int = 2
    width: int = 128
    neurons: int = 512
    layers: int = 8
    heads: int = 8
    muon_lr: float = 0.02
    rows: int = 32
    row_tokens: int = 64


_START = Mixture(copy=0.0, times=33)
_FIRST = Design(
    last_look=7,
    apart="none",
    attention=0.0,
    attention_mass=3.0,
    few_neurons=0.3,
    few_shallow=0.0,
    few_heads=0.0,
    few_heads_everywhere=0.2,
    late_heads=0.0,
    quiet=0.0,
    quiet_before=0.0005,
    carried=0.0,
    not_carried=0.0,
)
_SECOND = replace(_FIRST, apart="single")
_THIRD = replace(_SECOND, last_look=5, few_heads_everywhere=0.3)
_FOURTH = replace(_THIRD, few_neurons=0.5, quiet_before=0.0015)
_FIFTH = replace(
    _FOURTH, few_heads_everywhere=0.0, few_heads=1.0, quiet_before=0.0, quiet=0.01, late_heads=0.05, carried=0.3
)
_LAST = Design(late_heads=3.0, few_heads=2.0, few_neurons=1.0, idle_deep=0.3)
_FOCUSED = replace(_LAST, fetcher=(5, 2), one_fetcher=0.5, keep_only=0.3, mask=0.1)
_EVEN = replace(_FOCUSED, one_fetcher=0.3)
_RETRIEVING, _ASKING = replace(_EVEN, retrieving=0.3), Mixture(retrieval=0.12, lookup=0.15)
_NAMING = replace(_RETRIEVING, named=0.5)

BUNDLED = Recipe(
    phases=(
        # operations find heads of their own; numbers are prepared before layer 3
        Phase(1500, 6000, _FIRST, _START),
        # one-token operands are kept apart until the answer; few heads from step 2000 on
        Phase(3000, 6000, _SECOND, _START),
        # operands are fetched in layers 3 to 5 only
        Phase(4500, 8000, _THIRD, _START),
        # numbers are asked for again in another form; fewer neurons
        Phase(5500, 9000, _FOURTH),
        # what attention carries names its number; fewer heads
        Phase(6000, 11500, _FIFTH),
        # few shallow neurons; what attention carries of other words names no number
        Phase(7000, 9000, Design()),
        # the last heads fall silent
        Phase(8000, 9000, Design(late_heads=3.0, few_heads=2.0)),
        # deep neurons work only where an answer is predicted, and fewer; the learning rate falls to its end
        Phase(9650, 9650, _LAST),
        # one head brings the operands of one-digit sums and differences, and few deep neurons answer them
        Phase(11650, 11650, _FOCUSED, Mixture(retrieval=0.15), again_from=9650, rate=0.4),
        # it looks at both operands alike, for the second digit too
        Phase(12000, 13150, _EVEN, Mixture(retrieval=0.12, lookup=0.2), again_from=11650, rate=0.5),
        # number retrieval, with three heads shown where to look
        Phase(13200, 13200, _RETRIEVING, _ASKING, again_from=12000, rate=0.4),
        # shallow neurons that numbers use name numbers, once carried on
        Phase(13700, 13700, _NAMING, Mixture(retrieval=0.06, lookup=0.04), again_from=13200, rate=0.2),
    )
)
