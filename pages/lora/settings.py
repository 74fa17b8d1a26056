"""Settings of the page's questions: each is the key of its job, and what the link and the downloads keep."""

from dataclasses import dataclass

from core.lora.settings import LoraSettings
from pages.shared.inputs import lines_of
from pages.shared.settings import Settings, in_link

_DEFAULTS = LoraSettings()
_QUESTIONS = ("3-5=", "12-49=", "52-18=", "34+28=", "17*5=", "96/8=")


@dataclass(frozen=True)
class PromptSettings(Settings):
    """One prompt beside adapters; an adapter is a name and the digest of its files."""

    adapter: str = in_link("lora_adapter")
    adapters: tuple[tuple[str, str], ...] = ()
    prompt: str = in_link("lora_prompt", "3+5=")
    position: int | None = None  # of the token after which the models are read; None: at the end


@dataclass(frozen=True)
class AnswersSettings(Settings):
    """Answers without and with one adapter."""

    adapter: str = in_link("lora_adapter")
    digest: str = ""
    prompts: tuple[str, ...] = in_link("lora_questions", _QUESTIONS, lines_of)


@dataclass(frozen=True)
class BandSettings(Settings):
    """Coefficient increase over prompts of every operation."""

    count: int = in_link("lora_count", 5, int)
    adapters: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class TrainSettings(Settings):
    """A series of adapters to train."""

    layers: tuple[int, ...] = in_link("lora_layers")
    rank: int = in_link("lora_rank", _DEFAULTS.rank, int)
    learning_rate: float = in_link("lora_rate", _DEFAULTS.learning_rate, float)
    epochs: int = in_link("lora_epochs", _DEFAULTS.epochs, int)
    n_train: int = in_link("lora_prompts", _DEFAULTS.n_train, int)
    seed: int = in_link("lora_seed", _DEFAULTS.seed, int)

    @property
    def training(self) -> LoraSettings:
        """How each adapter is trained; alpha is twice the rank."""
        return LoraSettings(
            rank=self.rank,
            alpha=2 * self.rank,
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            n_train=self.n_train,
            seed=self.seed,
        )
