"""Where results come from: model, precision, versions and machine, written before anything is measured."""

import platform
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import torch
import transformers

from core.edits.recipe import app_version
from core.model.load import LoadedModel, threads_for
from core.reading import strict

FORMAT: Literal["abacus results"] = "abacus results"


@strict
@dataclass(frozen=True)
class Origin:
    """What the numbers of a results folder depend on, beside the plan.

    Attributes:
        format: marks the file.
        begun: when, in UTC, as text.
        model: what was asked for: a folder, a hub id, or a bundled model.
        fingerprint: of its weights.
        revision: of a hub model.
        precision: of its weights in memory.
        device: cpu or cuda, and which.
        threads: that the processor computes with; their number changes last bits.
        versions: of Abacus, Python and the packages that compute.
        machine: its name, system and processor.
    """

    format: Literal["abacus results"]
    begun: str
    model: str
    fingerprint: str
    revision: str | None
    precision: str
    device: str
    threads: int
    versions: dict[str, str]
    machine: str

    @classmethod
    def of(cls, lm: LoadedModel) -> "Origin":
        """Of what is about to be measured here."""
        device = str(lm.device)
        if lm.device.type == "cuda":
            device = f"{device}, {torch.cuda.get_device_name(lm.device)}"
        return cls(
            format=FORMAT,
            begun=now(),
            model=lm.name,
            fingerprint=lm.fingerprint,
            revision=lm.revision,
            precision=lm.precision,
            device=device,
            threads=threads_for(lm),
            versions={
                "abacus": app_version(),
                "python": ".".join(map(str, sys.version_info[:3])),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            },
            machine=f"{platform.node()}, {platform.system()}, {platform.machine()}",
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def other_model(self, lm: LoadedModel) -> str | None:
        """In words, how the model that was measured differs from a loaded one; None: it is the same."""
        if self.fingerprint == lm.fingerprint:
            return None
        return f"of another model: {self.model} (fingerprint {self.fingerprint[:12]}, not {lm.fingerprint[:12]})"

    def difference(self, lm: LoadedModel) -> str | None:
        """In words, why these results cannot be continued with a model here to the same numbers; None: they can."""
        here = Origin.of(lm)
        if (other := self.other_model(lm)) is not None:
            return other
        if (self.precision, self.device) != (here.precision, here.device):
            return f"in {self.precision} on {self.device}, not in {here.precision} on {here.device}"
        changed = [name for name, version in here.versions.items() if self.versions.get(name) != version]
        if changed:
            return "by other versions: " + ", ".join(
                f"{name} {self.versions.get(name, 'unknown')}, not {here.versions[name]}" for name in changed
            )
        return None


def now() -> str:
    """The time in UTC, as text."""
    return datetime.now(UTC).isoformat(timespec="seconds")
