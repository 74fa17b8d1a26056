"""What the papers printed and used: tables beside our own results, and presets that set a page as a table was measured.

    place = st.container()                      # above the page's controls
    ...                                         # the controls are drawn
    preset_menu(lm, place, "arithmetic_heads", {"sweep": SetSettings.widgets()})

The menu looks at what the widgets say: it shows a preset as long as they have its values, whoever set them, and "own
settings" otherwise. So the link keeps it without a parameter of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import paper
from core.model.load import LoadedModel
from core.paper.models import LLAMA, PaperModel, is_about, model_of, table_for
from core.paper.preset import Page, Preset
from core.paper.presets import presets_of
from core.paper.tables import source_of
from pages.shared.inputs import HEADS
from pages.shared.settings import Widget
from pages.shared.words import head_name, listed


def same_in_paper(lm: LoadedModel, *numbers: int, title: str | None = None) -> None:
    """An expander with tables of the paper and their notes.

    Args:
        lm: the model; where the paper has a table of GPT-J, that one is shown beside GPT-J.
        numbers: of the tables about Llama-7B.
        title: of the expander; a model is added.
    """
    model = model_of(lm)
    shown = [table_for(number, model) for number in numbers]
    with st.expander(expander_title(model, all(is_about(number, model) for number in shown), title)):
        told: PaperModel | None = None
        for number in shown:
            of: PaperModel = paper.table(number)["model"]
            if of != told:
                not_ours(source_of(number), model, of)
            _table(number)
            told = of


def expander_title(model: PaperModel | None, same: bool, title: str | None = None) -> str:
    """The title of what the paper has about the loaded model, or about another one.

    Args:
        model: which of the paper's models is loaded.
        same: whether everything in the expander is about it.
        title: what is in it; None: "The same in the paper".
    """
    if same:
        return f"{title or 'The same in the paper'}: {model}"
    return f"{title or 'In the paper'}: {LLAMA}, another model" if model is None else title or "In the paper"


def not_ours(source: str, model: PaperModel | None, of: PaperModel) -> None:
    """A caption about numbers that were not measured here, with a mark when they are of another model."""
    st.caption(f"{source}. The paper's numbers, not measured here.")
    if model != of:
        st.caption(
            f":material/info: **Another model than the loaded one**: layers, heads and neurons are those of {of}, and "
            "compare in kind, not by number."
        )


def _table(number: int) -> None:
    printed = paper.table(number)
    st.markdown(f"**Table {number}.** {printed['title']} ({printed['unit']})")
    st.dataframe(paper.frame(number))
    if printed.get("note"):
        st.caption(printed["note"])


#: By question: the widgets of its settings, by name.
Wiring = Mapping[str, Mapping[str, Widget]]
#: Whether the page can take a setting of a question: question, name, value.
Takes = Callable[[str, str, Any], bool]


@dataclass(frozen=True)
class Filled:
    """A preset as widgets of this page and model: their values by key, and what could not be set."""

    preset: Preset
    values: Mapping[str, Any]
    missing: tuple[str, ...]

    @property
    def is_set(self) -> bool:
        """Whether all widgets have these values."""
        return all(key in st.session_state and _same(st.session_state[key], v) for key, v in self.values.items())


def preset_menu(
    lm: LoadedModel,
    place: DeltaGenerator,
    page: Page,
    wiring: Wiring,
    shows: Mapping[str, Mapping[str, Any]] | None = None,
    takes: Takes | None = None,
) -> None:
    """Draws the menu of a page's presets; call it after the widgets, with a place above them.

    Args:
        lm: the model.
        place: where it stands.
        page: whose presets.
        wiring: the page's widgets.
        shows: by question, values of other widgets that bring its widgets on the page.
        takes: whether a setting fits the model and the page; None: always.
    """
    found = {one.name: fill(lm, one, wiring, shows or {}, takes or _always) for one in presets_of(page)}
    _restore(page)
    key, picked = f"preset {page}", f"preset picked {page}"
    fitting = [name for name, one in found.items() if one.is_set]
    last = st.session_state.get(picked)
    st.session_state[key] = last if last in fitting else next(iter(fitting), None)
    with place:
        name = st.selectbox(
            "Preset",
            list(found),
            index=None,
            key=key,
            placeholder="own settings",
            on_change=_apply,
            args=(page, {name: one.values for name, one in found.items()}),
            help="Sets the page as a table of the paper was measured. Then press the page's own button.",
        )
        if name is not None:
            st.caption(_about(lm, found[name]))


def fill(
    lm: LoadedModel, preset: Preset, wiring: Wiring, shows: Mapping[str, Mapping[str, Any]], takes: Takes
) -> Filled:
    """A preset's values for the widgets of a page; heads and settings that the model or page lacks are left out."""
    values: dict[str, Any] = {}
    missing = []
    for question, settings in preset.settings.items():
        values |= shows.get(question, {})
        for name, value in settings.items():
            if takes(question, name, value):
                widget = wiring[question][name]
                values[widget.key] = widget.value(value)
            else:
                missing.append(f"{name.replace('_', ' ')} {_text(value)}")
    there = [head for head in preset.heads if head[0] < lm.n_layers and head[1] < lm.n_heads]
    if there:
        values[HEADS] = [head_name(*head) for head in there]
    missing += [f"head {head_name(*head)}" for head in preset.heads if head not in there]
    return Filled(preset, values, tuple(missing))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{value[0]} to {value[-1]}" if len(value) > 4 else ", ".join(map(str, value))
    return str(value)


def _always(question: str, name: str, value: Any) -> bool:
    return True


def _same(first: Any, second: Any) -> bool:
    both_lists = isinstance(first, (list, tuple)) and isinstance(second, (list, tuple))
    return sorted(map(str, first)) == sorted(map(str, second)) if both_lists else bool(first == second)


def _apply(page: Page, values: Mapping[str, Mapping[str, Any]]) -> None:
    name = st.session_state[f"preset {page}"]
    if name is not None:
        st.session_state[f"preset picked {page}"] = name
        st.session_state[f"preset values {page}"] = dict(values[name])
        st.session_state.update(values[name])


def _restore(page: Page) -> None:
    """Keeps what a preset set until its widgets are drawn: Streamlit forgets what is not drawn in a run.

    A page that waits for a new result does not draw the parts below it.
    """
    values: dict[str, Any] = st.session_state.get(f"preset values {page}", {})
    for key in values:
        values[key] = st.session_state.setdefault(key, values[key])  # or what the person made of it since


def _about(lm: LoadedModel, filled: Filled) -> str:
    preset = filled.preset
    told = [f"Set as in the paper, {preset.model}.", preset.note]
    if model_of(lm) != preset.model:
        told.append(f"The loaded model is another one: layers, heads and neurons of {preset.model} mean others here.")
    if filled.missing:
        told.append(f"Not set, because it is not there: {listed(list(filled.missing))}.")
    return " ".join(text for text in told if text)
