"""Takes a pruned model home: a folder that transformers loads, checked against the live one."""

from pathlib import Path

import streamlit as st

from core.lora.export import Exported, PrunedExportCheck, check_pruned_export, export_pruned
from core.lora.prune import kept_set
from core.lora.prune_train import Pruned
from core.model.load import LoadedModel
from core.progress import Progress
from core.prompts.signed_arithmetic import cases, negative_data
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import told
from pages.shared.resources import board, model_key, session_id
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import mono

JOB = "export job"
ZEROS, SMALLER = "with zeros", "smaller"
N_CHECK = 40


def export_here(lm: LoadedModel, pruned: Pruned) -> None:
    """Exports the pruned model with its adapter merged, and asks both the same."""
    st.subheader("Take it home")
    off = locked()
    with st.form("export"):
        first, second, third = st.columns([4, 2, 1], vertical_alignment="bottom")
        folder = first.text_input(
            "New folder on this computer", key="export folder", placeholder="~/pruned-model", disabled=off
        )
        how = second.selectbox(
            "FFNs",
            [ZEROS, SMALLER],
            key="export how",
            help="Smaller needs every layer pruned: these architectures have one width for all.",
        )
        pressed = third.form_submit_button("Export", icon=":material/save:", disabled=off)
    with told():
        if pressed and not folder.strip():
            st.error("Name a new folder, such as ~/pruned-model.", icon=":material/error:")
        elif pressed:
            check_allowed()
            key = ("export", *model_key(lm), pruned.model.fingerprint, pruned.kept, folder, how)
            st.session_state[JOB] = board().submit(
                key, "Writing and checking the model", lambda p: _work(lm, pruned, Path(folder), how, p), session_id()
            )
        job = st.session_state.get(JOB)
        if job is None or job.key[4] != pruned.model.fingerprint:
            return
        wait_for(job)
        done = outcome(job)
        if isinstance(done, tuple):
            _show(*done)


def _work(
    lm: LoadedModel, pruned: Pruned, folder: Path, how: str, progress: Progress
) -> tuple[Exported, PrunedExportCheck]:
    off = kept_set(lm, pruned.kept, pruned.from_layer)
    written = export_pruned(pruned.model, off, folder, how == SMALLER)
    prompts = [p.text for p in negative_data().test[: N_CHECK - 10]] + [p.text for p in cases(1)[::33][:10]]
    return written, check_pruned_export(pruned.model, off, written.folder, prompts, progress)


def _show(written: Exported, check: PrunedExportCheck) -> None:
    st.markdown(
        f"{mono(str(written.folder))}: {written.n_neurons} neurons a layer, {written.bytes / 2**20:.1f} MB. It gives "
        f"the same answer as the live model to **{check.same} of {len(check.prompts)}** prompts; logits differ by at "
        f"most {check.largest:.1g}. transformers loads it without this app; the adapter is merged into it."
    )
    differ = [(p, a, b) for p, a, b in zip(check.prompts, check.live, check.exported, strict=True) if a != b]
    if differ:
        st.dataframe([{"prompt": p, "live": a, "exported": b} for p, a, b in differ], hide_index=True)
