"""In which phases was the bundled model trained? `python -m training.train --out work/run` runs them all."""

from dataclasses import dataclass, field

from training.penalties import Design
from training.samples import Mixture


@dataclass(frozen=True)
class Phase:
    """Training up to step `until`, under a learning rate that would reach its end at step `schedule`."""

    until: int
    schedule: int
    design: Design
    mixture: Mixture = field(default_factory=Mixture)


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

BUNDLED = Recipe(
    phases=(
        # 1: operations find heads of their own; numbers are prepared before layer 3
        Phase(
            1500,
            6000,
            Design(apart="none", few_heads=0.0, few_neurons=0.3, quiet=0.0, late_heads=0.0, carried=0.0),
            _START,
        ),
        # 2: one-token operands are kept apart until the answer; few heads from step 2000 on
        Phase(
            3000,
            6000,
            Design(apart="single", few_heads=0.2, few_neurons=0.3, quiet=0.0, late_heads=0.0, carried=0.0),
            _START,
        ),
        # 3: operands are fetched in layers 3 to 5 only
        Phase(
            4500,
            8000,
            Design(last_look=5, few_heads=0.3, few_neurons=0.3, quiet=0.0, late_heads=0.0, carried=0.0),
            _START,
        ),
        # 4: numbers asked for again in another form; sparser
        Phase(5500, 9000, Design(last_look=5, few_heads=0.3, quiet=0.0, late_heads=0.0, carried=0.0)),
        # 5: what attention carries names its number; last layers' heads and idle neurons fall silent; the rate falls
        Phase(11500, 11500, Design(last_look=5)),
    )
)
