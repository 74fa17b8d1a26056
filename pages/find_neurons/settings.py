"""Settings of the search for neurons that promote a word."""

from dataclasses import dataclass

from pages.shared.settings import Settings, in_link


@dataclass(frozen=True)
class SearchSettings(Settings):
    """A word or sign, and how many neurons are shown."""

    word: str = in_link("word", "eight", read=str.strip)
    neurons: int = in_link("found", 50)
