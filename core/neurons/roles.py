"""Roles of ranked neurons: what each does for the answer in the original run, and an order by it.

CNA ranks neurons by change of importance. A neuron whose importance is negative can rank first: it pushes the answer
down with the heads on and further down without them, so it changes much and carries nothing. Another may add next
to nothing with the heads on and turn against the answer when they are off.
"""

from typing import Literal, get_args

import pandas as pd

Role = Literal["carries the answer", "turns against it without the heads", "works against it", "neither"]
ROLES: tuple[Role, ...] = get_args(Role)
CARRIES, TURNS, AGAINST, NEITHER = ROLES
Order = Literal["carriers first", "by change (CNA)"]
ORDERS: tuple[Order, ...] = get_args(Order)


def carried(on: float, off: float) -> float:
    """What a neuron adds to the answer with the heads on and no longer adds with them off (nats).

    The part of its change that is lost support: an importance below 0 counts as 0.
    """
    return max(on, 0.0) - max(off, 0.0)


def role_of(on: float, off: float) -> Role:
    """A neuron's role, by its importance with the heads on and with them off (nats).

    It carries the answer when at least half of its change is support that is lost with the heads.
    """
    if on < 0:
        return AGAINST
    if on <= 0 or on <= off:
        return TURNS if off < 0 else NEITHER
    return CARRIES if carried(on, off) >= -min(off, 0.0) else TURNS


def in_order(frame: pd.DataFrame, order: Order) -> pd.DataFrame:
    """The rows of a table with columns role, carried and rank (by change): by rank, or carriers first.

    Carriers stand in order of what they carried, the other roles follow by rank.
    """
    if order == ORDERS[1]:
        return frame.sort_values("rank", ignore_index=True)
    carriers = frame[frame["role"] == CARRIES].sort_values("carried", ascending=False, kind="stable")
    others = [frame[frame["role"] == role].sort_values("rank") for role in (NEITHER, TURNS, AGAINST)]
    return pd.concat([carriers, *others], ignore_index=True)
