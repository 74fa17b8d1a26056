"""Models of the Hugging Face hub: their names, what is asked before a weight is downloaded, and the download.

A name may end in a revision: "EleutherAI/gpt-j-6b@refs/pr/12" is a pull request's, since some models have safetensors
only there; a branch, a tag or a commit stands behind the @ likewise. Without the network the hub's cache on this
computer is read.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, get_safetensors_metadata, hf_hub_download, snapshot_download

from core.errors import UserError

#: Name, shape and number type of a stored tensor.
Entry = tuple[str, tuple[int, ...], str]


_FILES = ["*.json", "*.safetensors", "*.model", "*.txt"]


_PICKLES = (".bin", ".pt", ".pth")


@dataclass(frozen=True)
class HubName:
    """A repository's id, and the branch, tag, commit or pull request that is asked for; None: its main branch."""

    id: str
    revision: str | None

    @classmethod
    def of(cls, name: str) -> "HubName":
        """Reads a name such as huggyllama/llama-7b or EleutherAI/gpt-j-6b@refs/pr/12.

        Raises:
            UserError: for an @ without a revision behind it.
        """
        hub_id, at, revision = (part.strip() for part in name.partition("@"))
        if at and not revision:
            raise UserError(
                f"{name} names no revision behind the @. Write for example {hub_id}@main or leave out the @."
            )
        return cls(hub_id, revision or None)

    def __str__(self) -> str:
        """As it is typed."""
        return self.id if self.revision is None else f"{self.id}@{self.revision}"

    def described(self) -> tuple[dict[str, Any], tuple[Entry, ...], str]:
        """Configuration, headers of the weights, and commit; no weight is downloaded.

        Raises:
            UserError: for a repository without safetensors.
            Exception: of any type, when the hub cannot be asked; `not_had` says it in words.
        """
        info = HfApi().model_info(self.id, revision=self.revision)
        names = [file.rfilename for file in info.siblings or []]
        if not any(name.endswith(".safetensors") for name in names):
            raise no_weights(str(self), names, self)
        file = hf_hub_download(self.id, "config.json", revision=info.sha)
        headers = get_safetensors_metadata(self.id, revision=info.sha).files_metadata.values()
        entries = tuple((n, tuple(t.shape), t.dtype) for header in headers for n, t in header.tensors.items())
        return json.loads(Path(file).read_text(encoding="utf-8")), entries, str(info.sha)

    def downloaded(self) -> Path:
        """The folder of the model's files in the hub's cache, named after the commit; fetches what is not there.

        Asked by the revision's name and not by its commit: so the cache knows the name without the network, too.

        Raises:
            UserError: when the download fails.
        """
        try:
            return Path(snapshot_download(self.id, revision=self.revision, allow_patterns=_FILES))
        except Exception as error:  # hub, network and disk fail in many types of their own
            raise self.not_had(error) from error

    def cached(self) -> Path | None:
        """The same without asking the hub; None where it was never downloaded, or not wholly."""
        try:
            where = snapshot_download(self.id, revision=self.revision, allow_patterns=_FILES, local_files_only=True)
        except (OSError, ValueError):  # not in the cache; not an id
            return None
        return Path(where)

    def not_had(self, error: Exception) -> UserError:
        """The error of a model that could not be asked for or downloaded."""
        kind = type(error).__name__
        if kind == "GatedRepoError":
            return UserError(f"{self.id} is gated: accept its terms on its hub page, then log in with `hf auth login`.")
        if kind == "RevisionNotFoundError":
            return UserError(
                f"{self.id} has no revision {self.revision!r}. Use a branch, tag, commit or pull request, such as "
                f"{self.id}@refs/pr/1."
            )
        if isinstance(error, OSError) and error.errno == 28:
            return UserError(f"The disk is full, so {self} could not be downloaded. Free some space and try again.")
        return UserError(
            f"There is no folder {str(self)!r} here, and it could not be had from the Hugging Face hub ({kind}). "
            "Check the name and the network."
        )


def hub_id_of(name: str, commit: str | None) -> str:
    """The name that other programs know a model by: the hub id without a revision, or the local name.

    Args:
        name: as the model was asked for.
        commit: of a hub model; None for a local one.
    """
    return name if commit is None else HubName.of(name).id


def no_weights(name: str, files: list[str], hub: HubName | None = None) -> UserError:
    """The error of a folder, or a repository at a revision, that has no safetensors."""
    elsewhere = ""
    if hub is not None:
        elsewhere = (
            " Some repositories have a conversion in a pull request only: look for one under Community on the model's "
            f"hub page, and name its revision, such as {hub.id}@refs/pr/1."
        )
    pickled = [file for file in files if file.endswith(_PICKLES)]
    if pickled:
        return UserError(
            f"{name} has its weights as a pickle ({pickled[0]}), which can run any code when it is opened, so it is "
            f"refused. Convert it to safetensors first (model.save_pretrained does).{elsewhere}"
        )
    return UserError(f"{name} has no weights: there is no .safetensors file beside config.json.{elsewhere}")
