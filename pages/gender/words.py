"""The form for groups, professions and prompts, from the paper or one's own."""

import streamlit as st

from core.bias.measure import SLOT, BiasWords, LeftOut, paper_words
from pages.shared.settings import Widget
from pages.shared.words import mono, plain

#: The form's widgets by what they set.
WORD_WIDGETS = {
    "first": Widget("bias_group_0"),
    "second": Widget("bias_group_1"),
    "first_words": Widget("bias_words_0", "\n".join),
    "second_words": Widget("bias_words_1", "\n".join),
    "prompts": Widget("bias_prompts", "\n".join),
}


def controls() -> tuple[bool, BiasWords]:
    """The form; whether Run was pressed, and the words."""
    words = paper_words()
    with st.form("bias words"):
        with st.expander("Groups, professions and prompts (tables 22 and 23 of the paper; write your own)"):
            first, second = st.columns(2)
            names, lists = [], []
            for place, number, label in ((first, 0, "first"), (second, 1, "second")):
                names.append(
                    place.text_input(
                        f"The {label} group", words.groups[number], key=f"bias_group_{number}", bind="query-params"
                    )
                )
                lists.append(
                    place.text_area(
                        f"Words of the {label} group, one per line",
                        "\n".join(words.professions[number]),
                        height=200,
                        key=f"bias_words_{number}",
                        bind="query-params",
                    )
                )
            prompts = st.text_area(
                f"Prompts, one per line, with {SLOT} where the group's name goes; the first one locates the neurons",
                "\n".join(words.prompts),
                height=200,
                key="bias_prompts",
                bind="query-params",
            )
        pressed = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
    own = BiasWords((names[0].strip(), names[1].strip()), (_lines(lists[0]), _lines(lists[1])), _lines(prompts))
    return pressed, own


def _lines(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def show_left_out(left: tuple[LeftOut, ...]) -> None:
    """Says which words and prompts the model cannot take."""
    if not left:
        return
    st.warning(
        f"{len(left)} word{'s or prompts' if len(left) > 1 else ' or prompt'} had to be left out: the model "
        "cannot take them.",
        icon=":material/warning:",
    )
    for one in left[:10]:
        st.caption(f"{mono(one.text[:60])}: {plain(one.reason)}")
    if len(left) > 10:
        st.caption(f"... and {len(left) - 10} more.")
