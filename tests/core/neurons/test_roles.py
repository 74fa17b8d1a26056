"""Roles of ranked neurons."""

import pandas as pd
import pytest

from core.neurons.roles import ORDERS, carried, in_order, role_of


@pytest.mark.parametrize(
    ("on", "off", "role", "lost"),
    [
        (-1.88, -17.6, "works against it", 0.0),
        (-1.0, -0.5, "works against it", 0.0),
        (2.0, 1.0, "carries the answer", 1.0),
        (2.0, -1.5, "carries the answer", 2.0),
        (2.0, 3.0, "neither", -1.0),
        (0.004, -11.0, "turns against it without the heads", 0.004),
        (0.0, -1.0, "turns against it without the heads", 0.0),
        (0.0, 0.0, "neither", 0.0),
    ],
)
def test_roles(on, off, role, lost):
    assert role_of(on, off) == role
    assert carried(on, off) == lost


def test_carriers_stand_first():
    both = {"a": (-1.0, -9.0), "b": (2.0, 1.0), "c": (3.0, 0.0), "d": (2.0, 3.0)}
    frame = pd.DataFrame({"name": both, "rank": range(1, 5)}, index=range(4)).assign(name=list(both))
    frame["role"] = [role_of(*pair) for pair in both.values()]
    frame["carried"] = [carried(*pair) for pair in both.values()]
    assert in_order(frame, ORDERS[0])["name"].tolist() == ["c", "b", "d", "a"]
    assert in_order(frame, ORDERS[1])["name"].tolist() == ["a", "b", "c", "d"]
