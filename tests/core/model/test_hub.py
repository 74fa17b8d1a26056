"""Hub models: at a revision, before and after the download, without the network; no test asks the real hub."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import OfflineModeIsEnabled, RevisionNotFoundError

from core.edits.export import model_card
from core.edits.recipe import Recipe
from core.edits.snippets import core_snippet, plain_snippet
from core.errors import UserError
from core.hooks import ScaleHead
from core.lora.run import lora_config
from core.lora.settings import LoraSettings
from core.model import hub, source
from core.model.adapter_files import AdapterFolder
from core.model.hub import HubName, hub_id_of
from core.model.load import load_model
from core.model.source import is_local, locate, read_folder

MAIN, PULL = "a" * 40, "b" * 40
NAME = "someone/model"


class FakeHub:
    """One repository, `someone/model`: the files of a folder for each commit, and a real cache on disk."""

    def __init__(self, place: Path, commits: dict[str, Path], refs: dict[str, str]):
        self.cache, self.commits, self.refs = place / "models--someone--model", commits, refs
        self.online, self.downloads = True, []

    def commit(self, revision: str | None) -> str:
        if not self.online:
            raise OfflineModeIsEnabled("no network")
        wanted = self.refs.get(revision or "main", revision)
        if wanted not in self.commits:
            raise RevisionNotFoundError("404", response=SimpleNamespace(headers={}, request=None))
        return wanted

    def model_info(self, _api, hub_id, revision=None):
        assert hub_id == NAME
        sha = self.commit(revision)
        return SimpleNamespace(
            sha=sha, siblings=[SimpleNamespace(rfilename=f.name) for f in self.commits[sha].iterdir()]
        )

    def metadata(self, hub_id, revision):
        found = read_folder("x", self.commits[self.commit(revision)])
        tensors = {n: SimpleNamespace(shape=list(s), dtype=d) for n, s, d in found.entries}
        return SimpleNamespace(files_metadata={"model.safetensors": SimpleNamespace(tensors=tensors)})

    def file(self, hub_id, name, revision):
        sha = self.commit(revision)
        place = self.cache / "snapshots" / sha / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return shutil.copy(self.commits[sha] / name, place)

    def snapshot(self, hub_id, revision=None, local_files_only=False, **how):
        """As the hub's own function: a folder for each commit, a file that says a name's commit."""
        assert not any("bin" in pattern for pattern in how["allow_patterns"])
        if local_files_only or not self.online:
            return huggingface_hub.snapshot_download(hub_id, revision=revision, local_files_only=True, **how)
        self.downloads.append((hub_id, revision))
        sha = self.commit(revision)
        ref = self.cache / "refs" / (revision or "main")
        if revision != sha:
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(sha)
        return str(shutil.copytree(self.commits[sha], self.cache / "snapshots" / sha, dirs_exist_ok=True))


@pytest.fixture
def the_hub(checkpoints, tmp_path, monkeypatch):
    """A pickle on the main branch, its conversion in pull request 12."""
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(checkpoints("llama") / "config.json", old)
    (old / "pytorch_model.bin").write_bytes(b"pickle")
    fake = FakeHub(tmp_path / "cache", {MAIN: old, PULL: checkpoints("llama")}, {"main": MAIN, "refs/pr/12": PULL})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub.HfApi, "model_info", lambda api, *a, **k: fake.model_info(api, *a, **k))
    monkeypatch.setattr(hub, "get_safetensors_metadata", fake.metadata)
    monkeypatch.setattr(hub, "hf_hub_download", fake.file)
    monkeypatch.setattr(hub, "snapshot_download", fake.snapshot)
    return fake


@pytest.mark.parametrize("revision", ["refs/pr/12", PULL])
def test_a_model_at_a_revision(the_hub, checkpoints, revision):
    lm = load_model(f"{NAME}@{revision}", "fp32")
    local = load_model(checkpoints("llama"), "fp32")
    assert (lm.name, lm.revision) == (f"{NAME}@{revision}", PULL)
    assert lm.fingerprint == local.fingerprint
    assert torch.equal(lm.logits([0, 5]), local.logits([0, 5]))
    assert the_hub.downloads == [(NAME, revision)]


def test_a_model_without_a_revision_is_that_of_the_main_branch(the_hub):
    the_hub.refs["main"] = PULL
    plain, named = load_model(NAME, "fp32"), load_model(f"{NAME}@main", "fp32")
    assert plain.revision == named.revision == PULL
    assert plain.fingerprint == named.fingerprint
    assert the_hub.downloads == [(NAME, None), (NAME, "main")]


@pytest.mark.parametrize("name", [NAME, f"{NAME}@main", f"{NAME}@{MAIN}"])
def test_a_pickle_is_refused_and_the_conversion_named(the_hub, name):
    with pytest.raises(UserError, match=r"pickle \(pytorch_model.bin\).*pull request.*someone/model@refs/pr/1\."):
        load_model(name)
    (the_hub.commits[MAIN] / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match=r"no weights.*pull request.*someone/model@refs/pr/1\."):
        load_model(name)
    assert the_hub.downloads == []


def test_a_folders_pickle_says_nothing_of_pull_requests(the_hub):
    with pytest.raises(UserError, match="pickle") as refused:
        load_model(the_hub.commits[MAIN])
    assert "pull request" not in str(refused.value)


def test_a_model_is_checked_before_it_is_downloaded(the_hub, monkeypatch):
    monkeypatch.setattr(source, "free_memory", lambda device: 10_000)
    with pytest.raises(UserError, match="someone/model@refs/pr/12 needs about"):
        load_model(f"{NAME}@refs/pr/12")
    assert the_hub.downloads == []


@pytest.mark.parametrize("revision", ["refs/pr/12", PULL])
def test_without_the_network_the_cache_is_read(the_hub, revision):
    name = f"{NAME}@{revision}"
    before = load_model(name, "fp32")
    assert (the_hub.cache / "refs" / "refs" / "pr" / "12").is_file() == (revision != PULL)
    the_hub.online = False
    again = load_model(name, "fp32")
    assert (again.name, again.revision, again.fingerprint) == (name, PULL, before.fingerprint)
    with pytest.raises(UserError, match="Check the name and the network"):
        load_model(f"{NAME}@refs/pr/13")
    with pytest.raises(UserError, match="Check the name and the network"):
        load_model(NAME)


def test_a_model_that_was_only_looked_up_is_not_in_the_cache(the_hub):
    the_hub.refs["main"] = PULL
    locate(NAME)
    ref = the_hub.cache / "refs" / "main"
    ref.parent.mkdir()
    ref.write_text(PULL)
    assert [file.name for file in (the_hub.cache / "snapshots" / PULL).iterdir()] == ["config.json"]
    the_hub.online = False
    with pytest.raises(UserError, match=r"could not be had .*OfflineModeIsEnabled.* Check the name and the network"):
        load_model(NAME)


def test_what_moves_between_look_up_and_download_keeps_its_own_commit(the_hub, checkpoints):
    the_hub.refs["main"] = PULL
    found = locate(NAME)
    the_hub.commits["c" * 40] = checkpoints("tied")
    the_hub.refs["main"] = "c" * 40
    fetched = found.fetched()
    assert (found.revision, fetched.revision) == (PULL, "c" * 40)
    assert fetched.config["tie_word_embeddings"]


def test_revisions_that_are_not_there(the_hub):
    with pytest.raises(
        UserError, match=r"someone/model has no revision 'nowhere'\. Use a branch, tag, commit or pull request"
    ):
        load_model(f"{NAME}@nowhere")
    for name in (f"{NAME}@", f"{NAME}@ "):
        with pytest.raises(UserError, match="names no revision behind the @"):
            load_model(name)


def test_an_unknown_id_says_what_to_check(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("nobody/nothing-here", "nobody/nothing-here@main", "not an id@main"):
        with pytest.raises(UserError, match="Check the name and the network"):
            load_model(name)


def test_a_folder_with_an_at_sign_is_that_folder(checkpoints, tmp_path, monkeypatch, the_hub):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(checkpoints("llama"), tmp_path / "model@refs")
    shutil.copytree(checkpoints("llama"), tmp_path / "someone" / "model@refs")
    for name in ("model@refs", "someone/model@refs", str(tmp_path / "model@refs"), "./model@refs"):
        assert is_local(name)
        lm = load_model(name, "fp32")
        assert (lm.name, lm.revision) == (name, None)
        assert hub_id_of(lm.name, lm.revision) == name
    assert not is_local(f"{NAME}@refs/pr/12")
    assert is_local("a/b/model@refs")
    assert is_local("./someone/model@refs/pr/12")
    assert the_hub.downloads == []


def test_names():
    assert HubName.of("a/b@refs/pr/1") == HubName("a/b", "refs/pr/1")
    assert HubName.of("gpt2") == HubName("gpt2", None)
    assert [str(HubName.of(name)) for name in ("a/b", "a/b@c", " a/b @ c ")] == ["a/b", "a/b@c", "a/b@c"]


def test_recipes_cards_code_and_adapters_name_repository_and_commit(the_hub, tmp_path):
    """Other programs know the repository without the revision; what repeats a result names the commit."""
    lm = load_model(f"{NAME}@refs/pr/12", "fp32")
    recipe = Recipe.of(lm, [ScaleHead(1, 2, 0.0)])
    assert (recipe.model.name, recipe.model.revision) == (lm.name, PULL)
    assert f'base_model: "{NAME}"' in model_card(recipe)
    assert f"`{lm.name}`, revision `{PULL}`" in model_card(recipe)
    assert f"load_model('{NAME}@{PULL}', precision='fp32')" in core_snippet(lm, recipe)
    assert f"source = '{NAME}'\n" in plain_snippet(lm, recipe)
    assert f"revision='{PULL}'" in plain_snippet(lm, recipe)
    config = lora_config(lm, 1, LoraSettings())
    assert (config.base_model_name_or_path, config.revision) == (NAME, PULL)
    settings = {"base_model_name_or_path": "another/MODEL"}
    AdapterFolder(tmp_path, settings, None).check_made_for(lm)
    with pytest.raises(UserError, match="it was made for another/one"):
        AdapterFolder(tmp_path, {"base_model_name_or_path": "another/one"}, None).check_made_for(lm)


def test_a_local_folder_is_no_base_model_of_a_card(either):
    recipe = Recipe.of(either, [ScaleHead(1, 2, 0.0)])
    assert "base_model" not in model_card(recipe)
    config = lora_config(either, 1, LoraSettings())
    assert (config.base_model_name_or_path, config.revision) == (either.name, None)
