"""Charts, tables, downloads and messages, drawn the same on every page."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
import vl_convert

from core.errors import UserError
from core.model.load import LoadedModel
from pages.shared.settings import Settings
from pages.shared.theme import PRINTED
from pages.shared.words import of_n, plain

ChartMaker = Callable[[bool], alt.TopLevelMixin]
#: What a download says that it was computed with.
Asked = Settings | Mapping[str, Any]


@contextmanager
def told() -> Iterator[None]:
    """Shows a `UserError` as a message at this place; the rest of the page stays."""
    try:
        yield
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")


def heading(title: str, question: str) -> None:
    """A page's title and the one question it answers."""
    st.title(title)
    st.markdown(question)


def short_number(label: str, about: str | None = None) -> Any:
    """A column of numbers with three significant digits."""
    return st.column_config.NumberColumn(label, format="%.3g", help=about)


def _printed(maker: ChartMaker) -> dict[str, Any]:
    return {**maker(False).to_dict(), "config": PRINTED}


def as_png(maker: ChartMaker) -> bytes:
    """A chart as a PNG on white, at twice the size."""
    return vl_convert.vegalite_to_png(_printed(maker), scale=2)


def as_svg(maker: ChartMaker) -> bytes:
    """A chart as an SVG on white."""
    return vl_convert.vegalite_to_svg(_printed(maker)).encode()


def as_json(lm: LoadedModel, settings: Asked, frame: pd.DataFrame) -> str:
    """A result with everything needed to compute it again."""
    return with_rows(_run(lm, settings), frame)


def _run(lm: LoadedModel, settings: Asked) -> dict[str, Any]:
    return {
        "model": lm.name,
        "fingerprint": lm.fingerprint,
        "revision": lm.revision,
        "precision": lm.precision,
        "settings": settings.to_dict() if isinstance(settings, Settings) else dict(settings),
    }


def with_rows(about: Mapping[str, Any], frame: pd.DataFrame) -> str:
    """A table as JSON, behind what it is about."""
    return json.dumps({**about, "rows": json.loads(frame.to_json(orient="records"))}, indent=1, ensure_ascii=False)


def table_below(name: str, lm: LoadedModel, settings: Asked, frame: pd.DataFrame, maker: ChartMaker) -> None:
    """The part under a chart: its numbers as a table that unfolds, and the downloads."""
    with st.expander("Table"):
        st.dataframe(frame, hide_index=True)
    downloads(name, lm, settings, frame, maker)


def downloads(name: str, lm: LoadedModel, settings: Asked, frame: pd.DataFrame, maker: ChartMaker) -> None:
    """A menu with the table as CSV and JSON and the chart as PNG and SVG."""
    download_menu(name, _run(lm, settings), frame, maker)


def download_menu(name: str, about: Mapping[str, Any], frame: pd.DataFrame, maker: ChartMaker) -> None:
    """The same for what no model that is loaded computed; `about` stands in the JSON file."""
    files: list[tuple[str, Callable[[], str | bytes], str]] = [
        ("csv", lambda: frame.to_csv(index=False), "text/csv"),
        ("json", lambda: with_rows(about, frame), "application/json"),
        ("png", lambda: as_png(maker), "image/png"),
        ("svg", lambda: as_svg(maker), "image/svg+xml"),
    ]
    with st.popover("Download", icon=":material/download:"):
        for ending, content, mime in files:
            st.download_button(
                ending.upper(),
                content,
                file_name=f"{name}.{ending}",
                mime=mime,
                on_click="ignore",
                key=f"download {name} {ending}",
                width="stretch",
            )


def accuracies(original: dict[str, float], edited: dict[str, float], asked: dict[str, int]) -> pd.DataFrame:
    """Rows original, edited and change (percentage points), one column per group of prompts, as text."""
    rows = {
        "original": [of_n(original[name], asked[name]) for name in asked],
        "edited": [of_n(edited[name], asked[name]) for name in asked],
        "change": [points(edited[name] - original[name]) for name in asked],
    }
    return pd.DataFrame(rows, index=list(asked)).T


def points(change: float) -> str:
    """A change of a share in percentage points, with its sign."""
    if change != change:
        return "–"
    return f"{100 * change:+.1f} points".replace("-", "−") if abs(change) >= 0.0005 else "0 points"
