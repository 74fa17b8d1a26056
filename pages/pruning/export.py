"""Export of a pruned model: a folder that transformers loads, checked against the live model."""

from pathlib import Path

import streamlit as st

from core.errors import UserError
from core.lora.export import Exported, PrunedExportCheck, export_and_check
from core.lora.prune_train import Pruned
from core.model.load import LoadedModel
from pages.shared.job_slot import job_slot
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import told
from pages.shared.words import mono

ZEROS, SMALLER = "with zeros", "smaller"


def export_here(lm: LoadedModel, pruned: Pruned) -> None:
    """Exports the pruned model with its adapter merged, and asks both the same."""
    st.subheader("Export")
    off = locked()
    with st.form("export"):
        first, second, third = st.columns([4, 2, 1], vertical_alignment="bottom")
        folder = first.text_input(
            "New folder on this computer", key="export_folder", placeholder="~/pruned-model", disabled=off
        )
        how = second.selectbox(
            "FFNs",
            [ZEROS, SMALLER],
            key="export_how",
            bind="query-params",
            help="Smaller FFNs need every layer pruned, because these architectures have one width for all layers.",
        )
        pressed = third.form_submit_button("Export", icon=":material/save:", disabled=off)
    with told():
        found = job_slot(
            lm,
            f"pruned export {pruned.model.fingerprint}",
            (pruned.kept, folder, how),
            "Writing and checking the model",
            lambda progress: export_and_check(pruned, lm, Path(folder), how == SMALLER, progress),
            "Name a new folder and press **Export**.",
            start=pressed,
            fresh=True,
            kind="pruned export",
            check=lambda: _check(folder),
        )
        if found is not None:
            _show(*found.result)


def _check(folder: str) -> None:
    check_allowed()
    if not folder.strip():
        raise UserError("Name a new folder, such as ~/pruned-model.")


def _show(written: Exported, check: PrunedExportCheck) -> None:
    st.markdown(
        f"{mono(str(written.folder))}: {written.n_neurons:,} neurons per layer, {written.bytes / 2**20:.1f} MB. It "
        f"gives the same answer as the live model to **{check.same} of {len(check.prompts)}** prompts; the logits "
        f"differ by at most {check.largest:.1g}. transformers loads it without this app; the adapter is merged."
    )
    differ = [(p, a, b) for p, a, b in zip(check.prompts, check.live, check.exported, strict=True) if a != b]
    if differ:
        st.dataframe([{"prompt": p, "live": a, "exported": b} for p, a, b in differ], hide_index=True)
