"""Closes the false "Page not found" message that a link shows right after the server's start.

Streamlit 1.67 takes a folder `pages/` for its old multipage layout until `st.navigation`
was called once. The very first session of a server is therefore told "Page not found"
for a link to any page but the first, although the page is then shown. Nothing of the
app runs before that message is sent, so all that is left is to close it.

Every cold deep link also leaves two 404 in the browser's console, for `<page>/_stcore/health`
and `<page>/_stcore/host-config`. They are harmless and stay. The page that Streamlit serves does not
say at which path the app lives, so its script guesses: it asks at the link's own path first and at
the folder above next, which answers (in its bundle: the list of at most two addresses made from
`location.pathname`). `server.baseUrlPath` does not help, since it is not told to that script: under
a base path the link's own path is still asked first. Only `window.__streamlit.BACKEND_BASE_URL` would
skip the guess, which a site that embeds Streamlit sets in its own HTML; here that would mean to
edit the installed package. Answering 200 there would be worse: the script would then take the page's
path for the app's, and its web socket would end nowhere.
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
