"""What a ranked neuron does for the answer in the original run, and the order that its table shows.

CNA ranks neurons by change of importance. A neuron whose importance is negative can rank first: it pushes the answer
down with the heads on and further down without them, so it changes much and carries nothing.
"""

from typing import Literal, get_args

import pandas as pd

Role = Literal["carries the answer", "works against it", "neither"]
ROLES: tuple[Role, ...] = get_args(Role)
CARRIES, AGAINST, OTHERS = ROLES
Order = Literal["carriers first", "by change (CNA)"]
ORDERS: tuple[Order, ...] = get_args(Order)


def role_of(importance: float, change: float) -> Role:
    """A neuron's role.

    Args:
        importance: with all heads on (nats); below 0 it works against the answer.
        change: importance with the heads on minus importance with them off (nats).
    """
    if importance < 0:
        return AGAINST
    return CARRIES if importance > 0 and change > 0 else OTHERS


def in_order(frame: pd.DataFrame, order: Order) -> pd.DataFrame:
    """The rows of a table with columns role and rank (by change): by rank, or role by role, each by rank."""
    if order == ORDERS[1]:
        return frame.sort_values("rank", ignore_index=True)
    place = frame["role"].map({role: i for i, role in enumerate((CARRIES, OTHERS, AGAINST))})
    return frame.assign(place_of_role=place).sort_values(
        ["place_of_role", "rank"], ignore_index=True).drop(columns="place_of_role")  # fmt: skip
