"""How is one adapter trained? On the q, k, v and o of one attention layer, from where it stopped last time.

CNA §5. The layers below the adapter run once for all epochs (`core.forward.layer_inputs`); the loss
is that of the answer's tokens and the token that ends it. Parameters, optimiser and curve
are kept in a file at every point of the curve, so a killed training goes on from the last
point, and ends with the same adapter, bit for bit on a CPU. The adapter that counts is the
one with the best accuracy on prompts set aside; the test prompts are used once, at the end.
"""

from contextlib import suppress
from pathlib import Path

from core.errors import UserError
from core.lora.run import CHECKPOINT, Run, write_checkpoint
from core.lora.settings import About
from core.lora.training_data import TrainingData
from core.model.adapters import AdaptedModel, save_adapter
from core.progress import Progress, Stopped, silent
from core.writing import typed_path, writing_told


def train_adapter(
    lesson: TrainingData, layer: int, folder: str | Path, progress: Progress = silent, kept: str = ""
) -> tuple[AdaptedModel, About]:
    """Trains an adapter and saves it as a PEFT folder; goes on where an earlier call with the same folder stopped.

    Args:
        lesson: model, data and settings.
        layer: the attention layer that gets the adapter.
        folder: where the adapter, what is measured of it, and the checkpoint go.
        progress: told after every step; when it raises `Stopped`, the best so far is saved
            and returned, and the next call goes on.
        kept: what to say of the pruned neurons, if there are any.

    Returns:
        The model with the best adapter, and what was measured of it.

    Raises:
        UserError: for a layer or settings that do not exist, or a folder that cannot be written.
    """
    lm, place = lesson.lm, typed_path(folder, "a folder for the adapter")
    if not 0 <= layer < lm.n_layers:
        raise UserError(f"Layer {layer} does not exist: this model has layers 0 to {lm.n_layers - 1}.")
    with writing_told(place):
        place.mkdir(parents=True, exist_ok=True)
    lesson.move_to(layer)
    run = Run(lesson, layer, place)
    total = run.total + max(1, run.total // 10)  # the last part is the test
    try:
        while run.step < run.total:
            progress(run.step, total)
            run.advance()
        progress(run.total, total)
    except Stopped:
        if run.step < run.total:
            write_checkpoint(run)
    done = _finish(run, kept)
    with suppress(Stopped):  # it is done
        progress(total, total)
    return done


def _finish(run: Run, kept: str) -> tuple[AdaptedModel, About]:
    """The model with its best adapter, tested and saved; the checkpoint goes when there is nothing left to do."""
    lesson = run.lesson
    run.take_best()
    about = About(
        fingerprint=lesson.lm.fingerprint,
        layer=run.layer,
        settings=lesson.settings,
        steps=run.step,
        total=run.total,
        curve=tuple(run.curve),
        accuracy=lesson.tested(run.model),
        base=lesson.base,
        kept=kept,
    )
    save_adapter(run.model, run.place, about.to_json())
    if about.finished:
        (run.place / CHECKPOINT).unlink(missing_ok=True)
    return run.model, about
