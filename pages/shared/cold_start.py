"""Why does a link opened right after the server's start not complain? Because this takes the complaint away.

Streamlit 1.67 takes a folder `pages/` for its old multipage layout until `st.navigation`
was called once. The very first session of a server is therefore told "Page not found"
for a link to any page but the first, although the page is then shown. Nothing of the
app runs before that message is sent, so all that is left is to close it.
"""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

_CLOSE = """<script>
const end = Date.now() + 4000;
const close = () => {
  const dialog = document.querySelector('[role="dialog"]');
  if (dialog && dialog.textContent.includes("Page not found")) {
    dialog.querySelector('button[aria-label="Close"]')?.click();
  } else if (Date.now() < end) {
    setTimeout(close, 30);
  }
};
close();
</script>"""


def is_cold_start() -> bool:
    """Whether this is the server's first run; ask before `st.navigation` is called."""
    return bool(PagesManager.uses_pages_directory)


def dismiss_false_alarm() -> None:
    """Closes the "Page not found" message of a first session."""
    st.html(_CLOSE, unsafe_allow_javascript=True)
