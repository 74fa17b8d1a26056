"""Abacus: see how a language model does arithmetic, neuron by neuron, and change it."""

import streamlit as st

from pages.frame.cold_start import dismiss_false_alarm, is_cold_start

st.set_page_config(page_title="Abacus", page_icon="🧮", layout="wide")

# One place for all that comes and goes: were it written straight above the page, the page's widgets would move, be made
# anew and lose their parameters in the link (Streamlit 1.67 ends the binding of the old widget after that of the new).
notices = st.container()
if is_cold_start():
    with notices:
        dismiss_false_alarm()
page = st.navigation(
    {
        "Look": [
            st.Page("pages/ask/page.py", title="Ask the model", icon=":material/chat:", default=True),
            st.Page(
                "pages/two_models/page.py",
                url_path="two_models",
                title="Two models, one sum",
                icon=":material/splitscreen_right:",
            ),
        ],
        "Heads": [
            st.Page(
                "pages/arithmetic_heads/page.py",
                url_path="arithmetic_heads",
                title="Arithmetic heads",
                icon=":material/grid_on:",
            )
        ],
        "Neurons": [
            st.Page(
                "pages/logic_chain/page.py", url_path="logic_chain", title="CNA logic chain", icon=":material/hub:"
            ),
            st.Page(
                "pages/find_neurons/page.py", url_path="find_neurons", title="Find neurons", icon=":material/search:"
            ),
        ],
        "Flow": [
            st.Page(
                "pages/mediation/page.py",
                url_path="causal_mediation",
                title="Causal mediation",
                icon=":material/account_tree:",
            )
        ],
        "Fine-tune": [
            st.Page(
                "pages/lora/page.py", url_path="lora_comparison", title="LoRA comparison", icon=":material/compare:"
            ),
            st.Page("pages/pruning/page.py", url_path="pruning", title="Pruning", icon=":material/content_cut:"),
        ],
        "Edit": [
            st.Page("pages/what_if/page.py", url_path="what_if", title="What-if", icon=":material/tune:"),
            st.Page("pages/gender/page.py", url_path="gender_bias", title="Gender bias", icon=":material/balance:"),
        ],
    }
)

# these bring torch, which takes seconds, and the frame stands first
from pages.frame.model_notice import model_notice  # noqa: E402
from pages.frame.sidebar import sidebar  # noqa: E402
from pages.frame.your_work import your_work  # noqa: E402

if sidebar() is None:
    st.title("Abacus")
    st.markdown("No model is loaded. Choose one in the sidebar under **Change model**.")
else:
    with notices:
        model_notice()
    page.run()
with st.sidebar:  # at the end: a page's own new job is on the list
    your_work()
