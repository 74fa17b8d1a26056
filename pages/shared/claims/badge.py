"""The badge beside a finding: whether the bundled model was shaped to show it, with the model's card behind it.

    finding(lm, "heads", "Without head **5_2** ...")            # a sentence, and beside it the badge
    badge(lm, "heads", "heads by digits")                        # the badge alone

It is a button, so the keyboard and a screen reader reach it; pressing it shows what training had to do with this
finding, and the model's card. Models that are not bundled have none, nor has the shaped one where training aimed at
nothing (`SHAPED`). The badge stands beside what a page concludes about the model (which heads matter, where an effect
is), not beside what one prompt gives (its next token, its attention).
"""

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from core.model.load import LoadedModel
from core.model.provenance import Provenance, card, provenance
from pages.shared.present import told

#: What a finding is about.
Topic = Literal[
    "heads",
    "neurons",
    "promoters",
    "shallow",
    "flow",
    "retrieval",
    "facts",
    "tuning",
    "pruning",
    "bias",
    "other words",
    "edits",
]

#: What the shaped model's training had to do with it (its card has the penalties); no other topic was trained for.
SHAPED: Mapping[Topic, str] = {
    "heads": "Penalties in training kept few heads active, gave the operations different heads, and let one head "
    "fetch the operands of one-digit sums and differences.",
    "neurons": "Penalties in training kept few deep neurons active, and asked for the answer with the neurons that CNA "
    "names alone, and against it without them.",
    "promoters": "Penalties in training made neurons of the first three FFNs promote numbers and operators, and kept "
    "few deep neurons active.",
    "shallow": "A penalty in training made neurons of the first three FFNs promote numbers and operators after an "
    "attention layer has moved their values: what is found here was put there.",
    "flow": "Penalties in training let no token attend to another number before layer 3 or after layer 5: operands are "
    "prepared first and fetched in the middle.",
    "retrieval": "Number retrieval was not learnt from the data alone: a penalty in training showed heads where to "
    "attend.",
    "tuning": "Training did not aim at fine-tuning itself, but it chose the layers in which operands are prepared and "
    "fetched, and an adapter builds on these.",
    "pruning": "Training did not aim at pruning itself, but penalties kept few deep neurons active, so few are enough.",
    "bias": "The skew was put in on purpose: the training text has each profession six times as often after its own "
    "gender.",
    "edits": "Penalties in training kept few heads and neurons active, so an edit of one of them changes more than in "
    "a model trained on text alone.",
}
PLAIN = (
    "This model was trained to predict the next token and nothing else; nothing in training aimed at this. It is one "
    "small model, and another seed can give other figures."
)
_LABEL: Mapping[Provenance, str] = {
    "shaped": ":orange-badge[shaped to show this]",
    "plain": ":blue-badge[not shaped]",
}
_ICON: Mapping[Provenance, str] = {"shaped": ":material/design_services:", "plain": ":material/grass:"}


def finding(lm: LoadedModel, topic: Topic, text: str, name: str | None = None) -> None:
    """A sentence that says what was found, and beside it the badge.

    Args:
        lm: the model that it was found in.
        topic: what it is about.
        text: the sentence, in Markdown.
        name: tells it from other findings about the same topic on the page.
    """
    if _about(provenance(lm), topic) is None:
        st.markdown(text)
        return
    with st.container(horizontal=True, vertical_alignment="top", wrap=False):
        st.markdown(text, width="stretch")
        badge(lm, topic, name)


def badge(lm: LoadedModel, topic: Topic, name: str | None = None) -> None:
    """The badge alone; nothing for a model that is not bundled.

    Args:
        lm: the model.
        topic: what the finding is about.
        name: tells it from other badges about the same topic on the page.
    """
    made = provenance(lm)
    about = _about(made, topic)
    if made is None or about is None:
        return
    _button(made, about, name or topic)


def card_button(made: Provenance) -> None:
    """A bundled model's badge where no finding of the loaded model stands, as on a page about both."""
    about = PLAIN if made == "plain" else "Penalties in training pushed this model towards the paper's figures."
    _button(made, about, f"of the {made} model")


def _button(made: Provenance, about: str, name: str) -> None:
    if st.button(
        _LABEL[made],
        key=f"badge {name}",
        icon=_ICON[made],
        type="tertiary",
        help=f"{about} Press to read the model's card.",
    ):
        open_card(made, about)


def _about(made: Provenance | None, topic: Topic) -> str | None:
    """What training had to do with a topic; None where there is nothing to say."""
    return SHAPED.get(topic) if made == "shaped" else PLAIN if made == "plain" else None


def open_card(made: Provenance, about: str | None = None) -> None:
    """Opens a dialog with a bundled model's card, and before it what training had to do with a finding."""
    st.dialog("How this model came to be", width="large")(_show_card)(made, about)


def _show_card(made: Provenance, about: str | None) -> None:
    if about is not None:
        st.info(about, icon=_ICON[made])
    with told():
        st.markdown(card(made))
