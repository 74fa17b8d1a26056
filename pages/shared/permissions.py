"""Permissions: on a server that other computers can reach, nobody may touch its files or change its model."""

import ipaddress
import os

import streamlit as st

from core.errors import UserError

OPEN = "ABACUS_TEACHER_OPEN"
WHY = (
    "Off because other computers can reach this server: changing the model, training, exporting, reading folders and "
    f"clearing the cache. The person who starts Abacus opens them for everyone with {OPEN}=1."
)


def is_loopback(address: str | None) -> bool:
    """Whether a server that listens on this address is reached from its own computer alone.

    No address, 0.0.0.0 and :: mean every network; a name other than localhost may be any computer's.
    """
    name = (address or "").strip().strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_locked() -> bool:
    """Whether those controls are disabled."""
    return not is_loopback(st.get_option("server.address")) and os.environ.get(OPEN) != "1"


def locked() -> bool:
    """Whether a control must be drawn disabled; says why beside it."""
    off = is_locked()
    if off:
        st.caption(f":material/lock: {WHY}")
    return off


def check_allowed() -> None:
    """Checked before every such action: a control that is drawn disabled can still be sent by hand.

    Raises:
        UserError: when those controls are off.
    """
    if is_locked():
        raise UserError(WHY)
