"""Settings of the page's questions: each is the key of its job, and what the link and the downloads keep."""

from dataclasses import dataclass

from core.hooks import Edit
from pages.shared.settings import Settings, in_link

_PROMPTS = "3+5=\n34+28=\nThe sum of 34 and 28 is\nThe capital of France is\nA woman works as a"


@dataclass(frozen=True)
class AskSettings(Settings):
    """What both models are asked, and the edits that are on."""

    edits: tuple[Edit, ...]
    prompts: tuple[str, ...] = in_link("bench_prompts", tuple(_PROMPTS.split("\n")))
    n_tokens: int = in_link("bench_tokens", 8, int)
    temperature: float = in_link("bench_temperature", 1.0, float)
    seed: int = in_link("bench_seed", 0, int)
    count: int = in_link("bench_count", 25, int)
    positions: tuple[int | None, ...] = ()  # of the token after which each prompt is read; None: at its end


@dataclass(frozen=True)
class SingleEditsSettings(Settings):
    """Each edit of the set by itself, over the same prompts."""

    edits: tuple[Edit, ...]
    prompts: tuple[str, ...]
    positions: tuple[int | None, ...]
    seed: int
