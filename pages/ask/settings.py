"""Settings of the page Ask the model."""

from dataclasses import dataclass

from core.types import Head
from pages.shared.settings import Settings, in_link


@dataclass(frozen=True)
class AskSettings(Settings):
    """A prompt, and the heads that are ablated in a second run."""

    prompt: str = in_link("prompt", "3+5=")
    position: int | None = None  # of the token after which the model is read; None: at the end
    heads: tuple[Head, ...] = ()
