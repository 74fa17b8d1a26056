"""PEFT adapter folders: is one safe to load, and made for this model? Asked before anything is attached."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, with_config

from core.errors import UserError
from core.model.hub import HubName
from core.model.load import LoadedModel
from core.model.source import is_local, locate
from core.reading import STRICT, named, read_as, read_json_file
from core.writing import typed_path

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


#: What Abacus writes beside an adapter that it trained: the base model's fingerprint, settings and accuracies.
ABOUT = "abacus.json"


_REMEDY = "Choose a folder that peft saved, or train the adapter again."


#: Starting points of LoRA that leave the base weights as they are; others (PiSSA, OLoRA ...) rewrite them.
_STARTS = (True, False, "gaussian", "eva", "orthogonal")


@with_config({**STRICT, "extra": "ignore"})  # the whole record is read by core.lora.settings
@dataclass(frozen=True)
class _Record:
    """What an adapter's record says of the base model."""

    fingerprint: Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(frozen=True)
class AdapterFolder:
    """An adapter on disk: where it is, its PEFT settings, and the base model's fingerprint where Abacus trained it."""

    folder: Path
    settings: dict[str, Any]
    fingerprint: str | None

    @classmethod
    def read(cls, folder: str | Path) -> "AdapterFolder":
        """Reads the settings of an adapter folder.

        Raises:
            UserError: says what is missing or not supported.
        """
        place = typed_path(folder, "a folder that peft saved")
        if not os.path.isfile(place / CONFIG):  # also of a name that is too long to ask for
            raise UserError(f"{folder} is not a PEFT adapter: it has no {CONFIG}. Choose a folder that peft saved.")
        if not (place / WEIGHTS).is_file():
            pickled = (place / "adapter_model.bin").is_file()
            why = "has its weights as a pickle, which can run any code when it is opened" if pickled else "has none"
            raise UserError(f"The adapter in {folder} {why}. It needs {WEIGHTS} (save_pretrained writes it).")
        settings = read_json_file(place / CONFIG, _REMEDY, ours=False)
        if str(start := settings.get("init_lora_weights", True)).lower() not in [str(s).lower() for s in _STARTS]:
            raise UserError(
                f"The adapter in {folder} was started with {start}, which rewrites the base model's weights. "
                "Convert it to a plain LoRA first (save_pretrained with path_initial_model_for_weight_conversion)."
            )
        record = place / ABOUT
        if not record.is_file():
            return cls(place, settings, None)
        made_for = read_as(_Record, read_json_file(record, _REMEDY), named(record), _REMEDY)
        return cls(place, settings, made_for.fingerprint)

    def config(self) -> Any:
        """The PEFT configuration, for use without training.

        Raises:
            UserError: for a kind of adapter that is not supported.
        """
        from peft import PeftConfig

        try:
            config = PeftConfig.from_pretrained(str(self.folder))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{CONFIG} of {self.folder} cannot be used: {error}") from error
        if config.is_prompt_learning or config.is_adaption_prompt:
            raise UserError(
                f"{self.folder} holds {config.peft_type.value}, which adds tokens rather than changes layers. "
                "Use an adapter on the model's layers, such as LoRA."
            )
        config.inference_mode = True
        return config

    def check_made_for(self, lm: LoadedModel) -> None:
        """Raises `UserError` when the adapter says that it was made for another model."""
        if self.fingerprint not in (None, lm.fingerprint):
            raise self.does_not_fit(lm, "it was trained on other weights")
        named = str(self.settings.get("base_model_name_or_path") or "")
        if not named or self.fingerprint:
            return
        if is_local(named):
            try:
                other = locate(named).fingerprint()
            except UserError:  # the model is not there any more, or is not one that is supported
                return
            if other != lm.fingerprint:
                raise self.does_not_fit(lm, f"it was made for {named}")
        elif lm.revision is not None and not _same_repository(named, lm.name):
            raise self.does_not_fit(lm, f"it was made for {named}")

    def does_not_fit(self, lm: LoadedModel, why: str) -> UserError:
        """The error of an adapter for another model."""
        made_for = self.settings.get("base_model_name_or_path") or "another model"
        first = (why.strip().splitlines() or ["unknown"])[0][:200]
        return UserError(
            f"The adapter in {self.folder} does not fit the model {lm.name} ({first}). "
            f"Its base model is given as {made_for}: load that one, or choose another adapter."
        )

    def digest(self) -> str:
        """Hash of the settings and weights."""
        found = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode())
        found.update((self.folder / WEIGHTS).read_bytes())
        return found.hexdigest()[:16]


def _same_repository(named: str, name: str) -> bool:
    """Whether two hub names end in the same model; owners and revisions may differ, as in copies and conversions."""
    one, other = (HubName.of(some).id.rsplit("/")[-1].lower() for some in (named, name))
    return one == other
