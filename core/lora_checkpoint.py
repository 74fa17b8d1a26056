"""Where did a training stop? Its whole state in one safetensors file, moved in whole."""

import json
import os
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from core.lora_settings import Point
from core.writing import writing_told

if TYPE_CHECKING:
    from core.lora_run import Run

CHECKPOINT = "checkpoint.safetensors"
_STATE = ("step", "exp_avg", "exp_avg_sq")  # what AdamW remembers of a parameter


def _asked(run: "Run") -> dict[str, Any]:
    """What a checkpoint must agree with."""
    lm, scaled = run.lesson.lm, run.lesson.scaled
    off = None if scaled is None else [scaled.neurons, scaled.factor, str(scaled.others_in)]
    asked = {"fingerprint": lm.fingerprint, "precision": lm.precision, "layer": run.layer, "off": off,
             **asdict(run.lesson.settings)}  # fmt: skip
    return json.loads(json.dumps(asked))


def write_checkpoint(run: "Run") -> None:
    """Keeps parameters, the best ones, the optimiser's state, and the curve.

    Raises:
        UserError: for a folder that cannot be written, or a full disk; the checkpoint before stays.
    """
    tensors = {f"best/{name}": value for name, value in run.best.items()}
    for name, parameter in run.parameters.items():
        tensors[f"now/{name}"] = parameter.detach()
        tensors |= {f"{key}/{name}": value for key, value in run.optimizer.state[parameter].items()}
    told = {"asked": _asked(run), "step": run.step, "best": run.best_accuracy, "losses": run.losses,
            "curve": [asdict(point) for point in run.curve]}  # fmt: skip
    tensors = {name: value.cpu().contiguous().clone() for name, value in tensors.items()}
    part = run.place / f"{CHECKPOINT}.part"
    with writing_told(run.place):
        try:
            save_file(tensors, part, metadata={"told": json.dumps(told)})
            os.replace(part, run.place / CHECKPOINT)
        finally:
            part.unlink(missing_ok=True)


def read_checkpoint(run: "Run") -> None:
    """Goes on from the folder's checkpoint, if it is of the same training; leaves the run as it is otherwise."""
    file = run.place / CHECKPOINT
    if not file.is_file():
        return
    with suppress(OSError, SafetensorError, KeyError, ValueError), safe_open(file, framework="pt") as kept:
        told = json.loads(kept.metadata()["told"])
        if told["asked"] != _asked(run) or not told["step"]:
            return
        found = {name: kept.get_tensor(name) for name in kept.keys()}
        for name, parameter in run.parameters.items():
            parameter.data = found[f"now/{name}"].to(parameter.device)
            run.best[name] = found[f"best/{name}"].to(parameter.device)
            run.optimizer.state[parameter] = {
                key: found[f"{key}/{name}"].to("cpu" if key == "step" else parameter.device) for key in _STATE
            }
        run.step, run.best_accuracy, run.losses = told["step"], told["best"], told["losses"]
        run.curve = [Point(**point) for point in told["curve"]]


def curve_so_far(folder: Any) -> list[Point]:
    """The curve of a training that is under way or was stopped, from its checkpoint; empty where there is none."""
    with suppress(OSError, SafetensorError, KeyError, ValueError, TypeError):
        with safe_open(folder / CHECKPOINT, framework="pt") as kept:
            return [Point(**point) for point in json.loads(kept.metadata()["told"])["curve"]]
    return []
