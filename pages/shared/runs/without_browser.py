"""The plan of what a page asks, and the command that measures it without a browser."""

import shlex

import streamlit as st

from core.model.load import LoadedModel
from core.plans.plan import Plan, Task

TITLE = "Run this without a browser"
_FILE, _OUT = "plan.toml", "results/"


def command(lm: LoadedModel) -> str:
    """What is typed at a terminal, in the folder of Abacus."""
    return (
        f"python -m core run {_FILE} --model {shlex.quote(lm.name)} --precision {shlex.quote(lm.precision)} "
        f"--out {_OUT}"
    )


def plan_button(form: str) -> bool:
    """The button, which stands in the form of the settings: whoever presses it wants the form as it is filled in."""
    return st.form_submit_button(
        TITLE,
        key=f"plan of {form}",
        icon=":material/terminal:",
        help="Shows the settings as a file, and the command that measures them.",
    )


@st.dialog(TITLE, width="large")
def without_browser(lm: LoadedModel, settings: object) -> None:
    """The plan of some settings as a file, and the command.

    Args:
        lm: the model.
        settings: of one of `core.plans.analyses.ANALYSES`.
    """
    plan = Plan((Task.of(settings),)).to_toml()
    st.markdown(
        f"Save this plan as `{_FILE}`. It holds what the page asks now; several `[[analysis]]` in one file run one "
        "after another."
    )
    st.code(plan, language="toml", wrap_lines=True)
    st.download_button(_FILE, plan, _FILE, "application/toml", on_click="ignore", icon=":material/download:")
    st.markdown(
        "Run it in the folder of Abacus. What is measured is kept; if the run is killed, the same command continues "
        f"it. Then name `{_OUT}` under *Open results* on this page."
    )
    st.code(command(lm), language="bash", wrap_lines=True)
