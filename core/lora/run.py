"""One training of an adapter, step by step, and the checkpoint from which a stopped one resumes.

A checkpoint holds the whole state in one safetensors file, which replaces the last one in a single move.
"""

import json
import math
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from core.errors import UserError
from core.forward.replay import read_logits
from core.lora.loss_scale import LossScale
from core.lora.settings import AtLeastOne, LoraSettings, Loss, Point
from core.lora.training_data import TrainingData
from core.model.adapters import new_adapter
from core.model.hub import hub_id_of
from core.model.load import LoadedModel, full_memory_told
from core.reading import read_as, read_json, strict
from core.writing import explain_write_errors

_CURVE_POINTS = 20


_WARM_UP = 20


_MOST_BYTES = 8 * 2**20  # of a checkpoint's header


class Run:
    """One training, with everything that it needs to resume.

    Args:
        data: the training data, with its model and settings, moved to the layer.
        layer: the attention layer that gets the adapter.
        place: the folder of the checkpoint; a checkpoint of the same training is resumed.
    """

    def __init__(self, data: TrainingData, layer: int, place: Path):
        settings = data.settings
        self.data, self.layer, self.place = data, layer, place
        self.model = new_adapter(data.lm, lora_config(data.lm, layer, settings), f"an adapter on layer {layer}")
        self.parameters = self.model.trainable()
        self._initialise(torch.Generator().manual_seed(settings.seed))
        self.optimizer = torch.optim.AdamW(self.parameters.values(), weight_decay=0.0)
        self.best = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.curve: list[Point] = []
        self.step, self.best_accuracy = 0, -1.0
        self.losses: list[float] = []
        self.loss_scale = LossScale.of(self.model.precision)
        self.in_epoch = math.ceil(len(data.train.rows) / settings.batch)
        self.total = settings.epochs * self.in_epoch
        self.every = max(1, self.total // _CURVE_POINTS)
        read_checkpoint(self)

    def _initialise(self, draw: torch.Generator) -> None:
        """PEFT's initial weights, drawn with this training's seed: A random, B zero, so that nothing changes yet."""
        for name, parameter in self.parameters.items():
            if "lora_A" in name:
                drawn = nn.init.kaiming_uniform_(torch.empty(parameter.shape), a=math.sqrt(5), generator=draw)
                parameter.data = drawn.to(parameter.device)
            else:
                nn.init.zeros_(parameter)

    def advance(self) -> None:
        """One step, and a point of the curve when one is due; gradients that are not finite change nothing.

        Raises:
            UserError: when no step could be taken.
        """
        settings, model = self.data.settings, self.model
        epoch, at = divmod(self.step, self.in_epoch)
        order = self.data.order(epoch)
        some = order[at * settings.batch : (at + 1) * settings.batch]
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * self._learning_rate_factor()
        factor = self.loss_scale.factor
        with torch.enable_grad(), model.lock, full_memory_told(), self.data.pruned(model):
            loss = self._loss(some)
            self.optimizer.zero_grad()
            (loss * factor).backward()
        for parameter in self.parameters.values():
            if parameter.grad is not None:
                parameter.grad /= factor
        finite = bool(nn.utils.clip_grad_norm_(self.parameters.values(), 1.0).isfinite())
        if finite:
            self.optimizer.step()
        self.loss_scale = self.loss_scale.after(finite)
        self.losses.append(float(loss.detach()))
        self.step += 1
        self.loss_scale.check(self.step, self.total, model.precision)
        if self.step % self.every == 0 or self.step == self.total:
            self.add_point()

    def _learning_rate_factor(self) -> float:
        """A short linear warm-up, then a half-cosine decay to a twentieth."""
        return min(1.0, (self.step + 1) / _WARM_UP) * (0.525 + 0.475 * math.cos(math.pi * self.step / self.total))

    def _loss(self, some: Tensor) -> Tensor:
        inputs, model = self.data.train, self.model
        rows = inputs.rows.some(some)
        is_target = rows.answer | rows.end
        stream = inputs.through(model, some)
        logits = read_logits(model, stream[is_target.to(stream.device)])
        return nn.functional.cross_entropy(logits.float(), rows.wanted[is_target].to(stream.device))

    def add_point(self) -> None:
        """Adds a point to the curve: measures on the validation set, and keeps the best adapter."""
        accuracy = self.data.accuracy(self.model, self.data.validation)
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
        base_model_name_or_path=hub_id_of(lm.name, lm.revision),
        revision=lm.revision,
        task_type="CAUSAL_LM",
    )


CHECKPOINT = "checkpoint.safetensors"


_ADAMW_STATE = ("step", "exp_avg", "exp_avg_sq")  # of each parameter


_WHAT, _REMEDY = "This checkpoint", "Remove it and train again."


@strict
@dataclass(frozen=True)
class Header:
    """What a checkpoint says beside its tensors.

    Attributes:
        asked: model, layer and settings of the training, which a training that resumes must share.
        step: steps done.
        best: the best accuracy on the validation set so far.
        losses: of the steps since the last point.
        curve: the points so far.
        loss_scale: of the next step; None in checkpoints of earlier versions, which skipped no steps.
    """

    asked: dict[str, Any]
    step: AtLeastOne
    best: float
    losses: list[Loss]
    curve: list[Point]
    loss_scale: LossScale | None = None

    @classmethod
    def read(cls, kept: Any) -> "Header":
        """Reads the header of an open checkpoint.

        Raises:
            UserError: when it is something else; names the field.
        """
        told = (kept.metadata() or {}).get("told", "")
        return read_as(cls, read_json(told, _WHAT, _REMEDY, _MOST_BYTES), _WHAT, _REMEDY)

    @property
    def n_taken(self) -> int:
        """Steps that changed the adapter; before the first one the optimiser has no state."""
        return self.step - (self.loss_scale.skipped if self.loss_scale else 0)


def _identity(run: Run) -> dict[str, Any]:
    """What a checkpoint must share with a training to be resumed by it."""
    lm, scaled = run.data.lm, run.data.scaled
    off = None if scaled is None else [scaled.neurons, scaled.factor, str(scaled.others_in)]
    identity = {
        "fingerprint": lm.fingerprint,
        "precision": lm.precision,
        "layer": run.layer,
        "off": off,
        **asdict(run.data.settings),
    }
    return json.loads(json.dumps(identity))


def write_checkpoint(run: Run) -> None:
    """Saves the parameters, the best ones so far, the optimiser's state, and the curve.

    Raises:
        UserError: for a folder that cannot be written, or a full disk; the previous checkpoint stays.
    """
    tensors = {f"best/{name}": value for name, value in run.best.items()}
    for name, parameter in run.parameters.items():
        tensors[f"now/{name}"] = parameter.detach()
        tensors |= {f"{key}/{name}": value for key, value in run.optimizer.state.get(parameter, {}).items()}
    header = Header(_identity(run), run.step, run.best_accuracy, run.losses, run.curve, run.loss_scale)
    tensors = {name: value.cpu().contiguous().clone() for name, value in tensors.items()}
    part = run.place / f"{CHECKPOINT}.part"
    with explain_write_errors(run.place):
        try:
            save_file(tensors, part, metadata={"told": json.dumps(asdict(header))})
            os.replace(part, run.place / CHECKPOINT)
        finally:
            part.unlink(missing_ok=True)


def read_checkpoint(run: Run) -> None:
    """Resumes from the folder's checkpoint, if it is of the same training; otherwise leaves the run as it is."""
    file = run.place / CHECKPOINT
    if not file.is_file():
        return
    with suppress(OSError, SafetensorError, UserError), safe_open(file, framework="pt") as kept:
        header = Header.read(kept)
        shapes = {n: tuple(kept.get_slice(n).get_shape()) for n in kept.keys()}  # noqa: SIM118 - not a dictionary
        if header.asked != _identity(run) or header.step > run.total or header.n_taken < 0:
            return
        if shapes != _shapes(run, header.n_taken > 0):
            return
        tensors = {name: kept.get_tensor(name) for name in shapes}  # all of them, before anything is changed
        for name, parameter in run.parameters.items():
            parameter.data = tensors[f"now/{name}"].to(parameter.device)
            run.best[name] = tensors[f"best/{name}"].to(parameter.device)
            if header.n_taken:
                run.optimizer.state[parameter] = {
                    key: tensors[f"{key}/{name}"].to("cpu" if key == "step" else parameter.device)
                    for key in _ADAMW_STATE
                }
        run.step, run.best_accuracy = header.step, header.best
        run.losses, run.curve = header.losses, header.curve
        run.loss_scale = header.loss_scale or run.loss_scale


def _shapes(run: Run, has_state: bool) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that a run's checkpoint has; the optimiser's after the first step it took."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, parameter in run.parameters.items():
        whole = tuple(parameter.shape)
        shapes |= {f"{key}/{name}": whole for key in ("now", "best")}
        if has_state:
            shapes |= {f"{key}/{name}": whole for key in ("exp_avg", "exp_avg_sq")} | {f"step/{name}": ()}
    return shapes


def curve_so_far(folder: Path) -> list[Point]:
    """The curve of a running or stopped training, from its checkpoint; empty where there is none."""
    with suppress(OSError, SafetensorError, UserError), safe_open(folder / CHECKPOINT, framework="pt") as kept:
        return Header.read(kept).curve
    return []
