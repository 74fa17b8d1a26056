"""One training of an adapter, step by step, in a state that can be kept and gone on from.

Where did a training stop? Its whole state in one safetensors file, moved in whole.
"""

import json
import math
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from core.forward.layer_inputs import through
from core.lora.settings import LoraSettings, Point
from core.lora.training_data import TrainingData
from core.model.adapters import new_adapter
from core.model.load import LoadedModel, full_memory_told
from core.writing import writing_told

_POINTS = 20


_RISE = 20


_HALF = 2.0**10  # keeps half-precision gradients away from zero


class Run:
    """One training and everything that it would need to go on.

    Args:
        lesson: model, data and settings, moved to the layer.
        layer: the attention layer that gets the adapter.
        place: the folder of the checkpoint; one of the same training is gone on from.
    """

    def __init__(self, lesson: TrainingData, layer: int, place: Path):
        settings = lesson.settings
        self.lesson, self.layer, self.place = lesson, layer, place
        self.model = new_adapter(lesson.lm, lora_config(lesson.lm, layer, settings), f"an adapter on layer {layer}")
        self.parameters = self.model.trainable()
        self._start(torch.Generator().manual_seed(settings.seed))
        self.optimizer = torch.optim.AdamW(self.parameters.values(), weight_decay=0.0)
        self.best = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.curve: list[Point] = []
        self.step, self.best_accuracy = 0, -1.0
        self.losses: list[float] = []
        self.in_epoch = math.ceil(len(lesson.train.rows) / settings.batch)
        self.total = settings.epochs * self.in_epoch
        self.every = max(1, self.total // _POINTS)
        read_checkpoint(self)

    def _start(self, draw: torch.Generator) -> None:
        """PEFT's own start, drawn by this training's seed: A random, B zero, so that nothing changes yet."""
        for name, parameter in self.parameters.items():
            if "lora_A" in name:
                drawn = nn.init.kaiming_uniform_(torch.empty(parameter.shape), a=math.sqrt(5), generator=draw)
                parameter.data = drawn.to(parameter.device)
            else:
                nn.init.zeros_(parameter)

    def advance(self) -> None:
        """One step, and a point of the curve when it is time."""
        settings, model = self.lesson.settings, self.model
        epoch, at = divmod(self.step, self.in_epoch)
        order = self.lesson.order(epoch)
        some = order[at * settings.batch : (at + 1) * settings.batch]
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * self._pace()
        scale = _HALF if model.precision in ("fp16", "int8") else 1.0
        with torch.enable_grad(), model.lock, full_memory_told(), self.lesson.pruned(model):
            loss = self._loss(some)
            self.optimizer.zero_grad()
            (loss * scale).backward()
        for parameter in self.parameters.values():
            if parameter.grad is not None:
                parameter.grad /= scale
        nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimizer.step()
        self.losses.append(float(loss.detach()))
        self.step += 1
        if self.step % self.every == 0 or self.step == self.total:
            self.note()

    def _pace(self) -> float:
        """A short rise, then the fall of a half cosine to a twentieth."""
        return min(1.0, (self.step + 1) / _RISE) * (0.525 + 0.475 * math.cos(math.pi * self.step / self.total))

    def _loss(self, some: Tensor) -> Tensor:
        inputs, model = self.lesson.train, self.model
        rows = inputs.rows.some(some)
        taught = rows.answer | rows.end
        x = through(model, inputs.of(some), inputs.arguments, inputs.layer, model.n_layers)
        logits = model.modules.unembedding(model.modules.final_norm(x[taught.to(x.device)]))
        return nn.functional.cross_entropy(logits.float(), rows.wanted[taught].to(x.device))

    def note(self) -> None:
        """A point of the curve: measures on the prompts set aside, and keeps the best."""
        accuracy = self.lesson.accuracy(self.model, self.lesson.aside)
        self.curve.append(Point(self.step, sum(self.losses) / len(self.losses), accuracy))
        self.losses = []
        if accuracy >= self.best_accuracy:
            self.best_accuracy = accuracy
            self.best = {name: p.detach().clone() for name, p in self.parameters.items()}
        if self.step < self.total:
            write_checkpoint(self)

    def take_best(self) -> None:
        """Puts the best parameters so far into the model (before the first point: the last ones), and ends training."""
        for name, parameter in self.parameters.items():
            parameter.data = (self.best[name] if self.curve else parameter.detach()).clone()
            parameter.grad = None
            parameter.requires_grad_(False)


def lora_config(lm: LoadedModel, layer: int, settings: LoraSettings) -> Any:
    """The PEFT configuration of an adapter on the attention maps of a layer."""
    from peft import LoraConfig

    row = lm.architecture
    maps = "|".join(path.replace(".", r"\.") for path in (*row.query_key_value, row.head_output))
    layers = row.layers.replace(".", r"\.")
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=rf"{layers}\.{layer}\.({maps})",
        base_model_name_or_path=lm.name,
        task_type="CAUSAL_LM",
    )


CHECKPOINT = "checkpoint.safetensors"


_STATE = ("step", "exp_avg", "exp_avg_sq")  # what AdamW remembers of a parameter


def _asked(run: Run) -> dict[str, Any]:
    """What a checkpoint must agree with."""
    lm, scaled = run.lesson.lm, run.lesson.scaled
    off = None if scaled is None else [scaled.neurons, scaled.factor, str(scaled.others_in)]
    asked = {
        "fingerprint": lm.fingerprint,
        "precision": lm.precision,
        "layer": run.layer,
        "off": off,
        **asdict(run.lesson.settings),
    }
    return json.loads(json.dumps(asked))


def write_checkpoint(run: Run) -> None:
    """Keeps parameters, the best ones, the optimiser's state, and the curve.

    Raises:
        UserError: for a folder that cannot be written, or a full disk; the checkpoint before stays.
    """
    tensors = {f"best/{name}": value for name, value in run.best.items()}
    for name, parameter in run.parameters.items():
        tensors[f"now/{name}"] = parameter.detach()
        tensors |= {f"{key}/{name}": value for key, value in run.optimizer.state[parameter].items()}
    told = {
        "asked": _asked(run),
        "step": run.step,
        "best": run.best_accuracy,
        "losses": run.losses,
        "curve": [asdict(point) for point in run.curve],
    }
    tensors = {name: value.cpu().contiguous().clone() for name, value in tensors.items()}
    part = run.place / f"{CHECKPOINT}.part"
    with writing_told(run.place):
        try:
            save_file(tensors, part, metadata={"told": json.dumps(told)})
            os.replace(part, run.place / CHECKPOINT)
        finally:
            part.unlink(missing_ok=True)


def read_checkpoint(run: Run) -> None:
    """Goes on from the folder's checkpoint, if it is of the same training; leaves the run as it is otherwise."""
    file = run.place / CHECKPOINT
    if not file.is_file():
        return
    with suppress(OSError, SafetensorError, KeyError, ValueError), safe_open(file, framework="pt") as kept:
        told = json.loads(kept.metadata()["told"])
        if told["asked"] != _asked(run) or not told["step"]:
            return
        found = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118 - not a dictionary
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
    with (
        suppress(OSError, SafetensorError, KeyError, ValueError, TypeError),
        safe_open(folder / CHECKPOINT, framework="pt") as kept,
    ):
        return [Point(**point) for point in json.loads(kept.metadata()["told"])["curve"]]
    return []
