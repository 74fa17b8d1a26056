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

A question that `core` can answer without a page has its settings there; the page adds the widgets' keys only:

    @dataclass(frozen=True)
    class SetSettings(SetSweep, Settings, links={"count": link("count")}): ...

The dataclass cannot stand in `page.py`: Streamlit runs that file anew each time, and a class made anew equals nothing
that was asked before.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, TypedDict

import streamlit as st

_LINK = "link"


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


@dataclass(frozen=True)
class Link:
    """How a widget sets a field: its key, and what makes the field's value of the widget's, and the other way."""

    key: str
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any], Any] | None = None


def link(key: str, read: Callable[[Any], Any] | None = None, write: Callable[[Any], Any] | None = None) -> Link:
    """What `in_link` says of a field of the page's own, of a field that stands in `core`; same arguments."""
    return Link(key, read, write)


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
    return field(default=default, metadata={_LINK: Link(key, read, write)})


@dataclass(frozen=True)
class Settings:
    """Everything that the result of a question depends on, beside the model; see the module."""

    _links: ClassVar[Mapping[str, Link]] = {}

    def __init_subclass__(cls, links: Mapping[str, Link] | None = None) -> None:
        """Takes the widgets of fields that stand in `core`, by the names of the fields."""
        if links is not None:
            cls._links = links
        if cls.__module__ == "__main__":
            raise TypeError(
                f"{cls.__name__} must stand in a module beside page.py, which Streamlit runs anew each time"
            )

    @classmethod
    def linked(cls) -> dict[str, Link]:
        """The links of the fields that widgets set, by the names of the fields."""
        own = {each.name: each.metadata[_LINK] for each in fields(cls) if _LINK in each.metadata}
        return {**cls._links, **own}

    @classmethod
    def bound(cls, name: str) -> Bound:
        """The key and binding of the widget that sets a field."""
        return Bound(key=cls.linked()[name].key, bind="query-params")

    @classmethod
    def widgets(cls) -> dict[str, Widget]:
        """The widgets by the names of the fields that they set."""
        return {name: Widget(found.key, found.write) for name, found in cls.linked().items()}

    @classmethod
    def read(cls, **others: Any) -> Self:
        """The settings as the widgets have them now; `others` gives the fields that no widget of this question sets."""
        found = {}
        for name, its in cls.linked().items():
            if name not in others:
                value = st.session_state[its.key]
                value = its.read(value) if its.read is not None else value
                found[name] = tuple(value) if isinstance(value, list) else value
        return cls(**found, **others)

    def to_dict(self) -> dict[str, Any]:
        """By the names of the fields, for a download."""
        return asdict(self)
