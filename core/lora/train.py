"""The training of one adapter, on the q, k, v and o of one attention layer; resumes where it was stopped.

CNA §5. The layers below the adapter run once for all epochs (`core.forward.layer_inputs`); the loss
is that of the answer's tokens and the token that ends it. Parameters, optimiser and curve are saved
at every point of the curve, so a killed training resumes from the last point and ends with the same
adapter, bit for bit on a CPU. The adapter that is kept is the one with the best accuracy on the
validation set; the test prompts are used once, at the end. A step whose gradients are infinite or NaN is skipped
and counted (`core.lora.loss_scale`).
"""

from contextlib import suppress
from pathlib import Path

from core.errors import UserError
from core.lora.run import CHECKPOINT, Run, write_checkpoint
from core.lora.settings import About
from core.lora.training_data import TrainingData
from core.model.adapters import AdaptedModel, save_adapter
from core.progress import Progress, Stopped, silent
from core.writing import explain_write_errors, typed_path


def train_adapter(
    data: TrainingData, layer: int, folder: str | Path, progress: Progress = silent, kept: str = ""
) -> tuple[AdaptedModel, About]:
    """Trains an adapter and saves it as a PEFT folder; resumes where an earlier call with the same folder stopped.

    Args:
        data: the training data, with its model and settings.
        layer: the attention layer that gets the adapter.
        folder: where the adapter, what is measured of it, and the checkpoint go.
        progress: called after every step; when it raises `Stopped`, the best so far is saved
            and returned, and the next call resumes.
        kept: a description of the neurons that were kept, where some were pruned.

    Returns:
        The model with the best adapter, and what was measured of it.

    Raises:
        UserError: for a layer or settings that do not exist, a folder that cannot be written, or a training all of
            whose steps had gradients that are infinite or NaN.
    """
    lm, place = data.lm, typed_path(folder, "a folder for the adapter")
    if not 0 <= layer < lm.n_layers:
        raise UserError(f"Layer {layer} does not exist: this model has layers 0 to {lm.n_layers - 1}.")
    with explain_write_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    data.move_to(layer)
    run = Run(data, layer, place)
    total = run.total + max(1, run.total // 10)  # the last part is for the test
    try:
        while run.step < run.total:
            progress(run.step, total)
            run.advance()
        progress(run.total, total)
    except Stopped:
        if run.step < run.total:
            write_checkpoint(run)
    done = _finish(run, kept)
    with suppress(Stopped):  # there is nothing left to stop
        progress(total, total)
    return done


def _finish(run: Run, kept: str) -> tuple[AdaptedModel, About]:
    """The model with its best adapter, tested and saved; the checkpoint of a finished training is removed."""
    data = run.data
    run.take_best()
    about = About(
        fingerprint=data.lm.fingerprint,
        layer=run.layer,
        settings=data.settings,
        steps=run.step,
        total=run.total,
        curve=tuple(run.curve),
        accuracy=data.tested(run.model),
        base=data.base,
        kept=kept,
        skipped=run.loss_scale.skipped,
    )
    save_adapter(run.model, run.place, about.to_json())
    if about.finished:
        (run.place / CHECKPOINT).unlink(missing_ok=True)
    return run.model, about
