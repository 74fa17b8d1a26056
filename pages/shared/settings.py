"""Settings of a question: the one description from which its job's key, its link and its download come.

A page writes one frozen dataclass per question, in a module beside `page.py`:

    @dataclass(frozen=True)
    class SweepSettings(Settings):
        count: int = in_link("count", 25)          # "count" is the widget's key and the name in the link
        heads: tuple[Head, ...] = ()               # not in a widget of this question

    st.slider("Prompts", 5, 400, SweepSettings.count, 5, **SweepSettings.bound("count"))
    settings = SweepSettings.read(heads=tuple(picked_heads()))
    found = job_slot(lm, "sweep", settings, ...)   # the key
    downloads("sweep", lm, found.key, ...)         # the settings in the JSON file, by the names of the fields

A field's default is the widget's default, read off the class as above. `bound` gives the widget its key and binds it
to the link; `read` collects what the widgets say, after they were drawn.

The dataclass cannot stand in `page.py`: Streamlit runs that file anew each time, and a class made anew equals nothing
that was asked before.
"""

from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Literal, Self, TypedDict

import streamlit as st

_LINK, _READ, _WRITE = "link", "read", "write"


class Bound(TypedDict):
    """Arguments of a widget that is bound to the link."""

    key: str
    bind: Literal["query-params"]


@dataclass(frozen=True)
class Widget:
    """A widget by its key, and what value it takes for a setting; None: the setting's own, tuples as lists."""

    key: str
    write: Callable[[Any], Any] | None = None

    def value(self, setting: Any) -> Any:
        """The widget's value for a setting."""
        if self.write is not None:
            return self.write(setting)
        return list(setting) if isinstance(setting, tuple) else setting


def in_link(
    key: str,
    default: Any = MISSING,
    read: Callable[[Any], Any] | None = None,
    write: Callable[[Any], Any] | None = None,
) -> Any:
    """A field of `Settings` that a widget sets and the link keeps.

    Args:
        key: the widget's key, which is also the parameter in the link.
        default: of the field and the widget; without one the page gives the widget its own.
        read: makes the field's value of the widget's; lists become tuples in any case.
        write: makes the widget's value of the field's, for settings that do not come from the widget.
    """
    return field(default=default, metadata={_LINK: key, _READ: read, _WRITE: write})


@dataclass(frozen=True)
class Settings:
    """Everything that the result of a question depends on, beside the model; see the module."""

    def __init_subclass__(cls) -> None:
        if cls.__module__ == "__main__":
            raise TypeError(
                f"{cls.__name__} must stand in a module beside page.py, which Streamlit runs anew each time"
            )

    @classmethod
    def bound(cls, name: str) -> Bound:
        """The key and binding of the widget that sets a field."""
        return Bound(key=cls.__dataclass_fields__[name].metadata[_LINK], bind="query-params")

    @classmethod
    def widgets(cls) -> dict[str, Widget]:
        """The widgets by the names of the fields that they set."""
        bound = {each.name: each.metadata for each in fields(cls) if _LINK in each.metadata}
        return {name: Widget(found[_LINK], found[_WRITE]) for name, found in bound.items()}

    @classmethod
    def read(cls, **others: Any) -> Self:
        """The settings as the widgets have them now; `others` gives the fields that no widget of this question sets."""
        found = {}
        for each in fields(cls):
            if _LINK in each.metadata and each.name not in others:
                value = st.session_state[each.metadata[_LINK]]
                convert = each.metadata[_READ]
                value = convert(value) if convert is not None else value
                found[each.name] = tuple(value) if isinstance(value, list) else value
        return cls(**found, **others)

    def to_dict(self) -> dict[str, Any]:
        """By the names of the fields, for a download."""
        return asdict(self)
