"""A loaded model, which gives logits for token ids: `lm = load_model("bundled")`.

Only safetensors weights and only code of the transformers library are ever loaded. A small model
computes on one of torch's threads, a large one on all.
"""

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from core.errors import UserError
from core.model.architectures import Architecture, Modules, architecture_of, windows_of
from core.model.encode import TextEncoder, stays_blank
from core.model.linear_maps import n_inputs
from core.model.precision import DTYPES, check_precision, choose_device, choose_precision
from core.model.source import Source, locate
from core.types import PromptLike

#: How many blanks `LoadedModel.encode_for_answer` adds at most: a model that only writes blanks has no answer.
MAX_BLANKS = 4

#: What a model reads before it is handed over, to see that its precision suits it.
_PROBE = "Question: What is 3 plus 5? Answer: 3 + 5 ="

transformers_logging.disable_progress_bar()


@dataclass(eq=False)
class LoadedModel(TextEncoder):
    """A model that is ready to be measured, with its tokenizer and its dimensions.

    Attributes:
        name: what was asked for: a bundled model ("bundled" for the shaped one), a folder, or a hub id with or
            without a revision.
        fingerprint: hash of the configuration and weights files; names caches.
        revision: the hub commit, or None.
        precision: fp32, bf16, fp16 or int8.
        model: the transformers model, in evaluation mode. Leave its weights alone.
        tokenizer: the transformers tokenizer.
        ends: ids of the tokens that end a text.
        lock: held during every forward pass, so that sessions take turns.
    """

    name: str
    fingerprint: str
    revision: str | None
    precision: str
    model: Any
    tokenizer: Any
    architecture: Architecture
    modules: Modules = field(init=False, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __post_init__(self) -> None:
        config = self.model.config
        self.modules = Modules(self.model, self.architecture)
        self.n_layers = len(self.modules.layers)
        self.n_heads = int(config.num_attention_heads)
        self.d_model = int(config.hidden_size)
        self.d_head = n_inputs(self.modules.head_output(0)) // self.n_heads
        self.n_neurons = n_inputs(self.modules.neuron_output(0))
        self.n_vocab = int(self.modules.embedding.num_embeddings)
        self.n_context = int(getattr(config, "max_position_embeddings", 2048))
        self.device: torch.device = self.modules.embedding.weight.device
        self.windows = windows_of(config)
        ends = getattr(self.model.generation_config, "eos_token_id", None)
        ends = ends if isinstance(ends, list) else [ends]
        self.ends = {int(i) for i in [*ends, self.tokenizer.eos_token_id] if i is not None}
        self.dtype: torch.dtype = self.modules.embedding.weight.dtype

    def tensor(self, ids: list[int]) -> Tensor:
        """Token ids as a batch of one on the model's device [1, pos], checked.

        Raises:
            UserError: for no ids, ids outside the vocabulary, or more than the context.
        """
        if len(ids) == 0:
            raise UserError("There are no tokens to run. Type something such as 3+5=")
        if not all(0 <= int(i) < self.n_vocab for i in ids):
            raise UserError(f"A token id lies outside this model's vocabulary, 0 to {self.n_vocab - 1}.")
        self.check_length(len(ids))
        return torch.tensor([[int(i) for i in ids]], device=self.device)

    def encode_for_answer(self, text: str, predict: Callable[[list[int]], int] | None = None) -> list[int]:
        """A prompt's token ids, and the blanks that the model itself predicts before its answer.

        Many tokenizers write the answer of "3 + 5 =" as a blank token and "8". What follows the returned ids is
        then the answer's first visible token. In an `intervene` block the intervened model predicts.

        Args:
            text: a prompt.
            predict: the most likely token after some ids; None: `most_likely`.

        Returns:
            The ids of `encode`, extended greedily while the most likely next token is only white space: by at
            most `MAX_BLANKS` tokens, and never beyond the context.

        Raises:
            UserError: for text that the model cannot take.
        """
        ids = self.encode(text)
        for _ in range(min(MAX_BLANKS, self.n_context - len(ids))):
            best = (predict or self.most_likely)(ids)
            if not self.goes_on_blank(best):
                break
            ids.append(best)
        return ids

    def goes_on_blank(self, token: int) -> bool:
        """Whether a predicted token is white space that comes before an answer; what ends the text is not."""
        return token not in self.ends and self.is_blank(token)

    def prompt_ids(self, prompt: PromptLike, predict: Callable[[list[int]], int] | None = None) -> list[int]:
        """The token ids after which a prompt's answer is read: the one rule for every analysis.

        Args:
            prompt: text, which is extended by `encode_for_answer`; or token ids, which are taken as they are (cut them
                to read another position).
            predict: as of `encode_for_answer`.

        Raises:
            UserError: for a prompt that the model cannot take, or a text after which it writes nothing but blanks.
        """
        if not isinstance(prompt, str):
            return [int(i) for i in self.tensor(list(prompt))[0]]
        ids = self.encode_for_answer(prompt, predict)
        added = len(ids) - len(self.encode(prompt))
        cut_off = added == MAX_BLANKS or len(ids) == self.n_context  # else an answer was seen to come next
        if cut_off and self.goes_on_blank((predict or self.most_likely)(ids)):
            raise stays_blank(prompt, added)
        return ids

    def most_likely(self, ids: list[int]) -> int:
        """The most likely token after some ids, by one run."""
        return int(self.logits(ids)[-1].argmax())

    @torch.no_grad()
    def logits(self, ids: list[int]) -> Float[Tensor, "pos vocab"]:
        """Next-token logits after every position, in float32 on the CPU.

        With no `intervene` block around it there is no intervention.

        Raises:
            UserError: for ids the model cannot take, or when the device's memory is full.
        """
        batch = self.tensor(ids)
        return self.run(batch)[0].float().cpu()

    def run(self, batch: Tensor, **kwargs: Any) -> Tensor:
        """One forward pass [batch, pos] -> logits [batch, pos, vocab] on the device, taking turns."""
        with self.lock, full_memory_told():
            return self.model(input_ids=batch, use_cache=False, **kwargs).logits


class full_memory_told:  # noqa: N801 - reads as a clause at the place of use
    """Turns a full GPU into a `UserError` that says what to do."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Frees what the failed run held, and tells."""
        if isinstance(error, torch.OutOfMemoryError):
            torch.cuda.empty_cache()
            raise UserError(
                "The GPU's memory is full. Use fewer or shorter prompts, or load the model as int8."
            ) from error
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error)):
            raise UserError("The computer's memory is full. Use fewer or shorter prompts.") from error


def load_model(source: str | Path = "bundled", precision: str = "auto") -> LoadedModel:
    """Loads a model onto the GPU, or onto the CPU where there is none.

    The calling thread then computes with as many threads as suit this model's size (`core.model.load`).

    Args:
        source: "bundled" (or "bundled/shaped"), "bundled/plain", a local folder, or a hub id such as
            "huggyllama/llama-7b", at a revision where one is named: "EleutherAI/gpt-j-6b@refs/pr/12".
        precision: fp32, bf16, fp16, int8 (bitsandbytes; also runs on a CPU, slowly), or auto
            (`core.model.precision`): on a GPU the checkpoint's own 16 bits, on a CPU fp32.

    Raises:
        UserError: for a folder that is not a model, weights that are not safetensors, an
            unsupported architecture, a missing tokenizer, too little memory, or logits that are not
            finite in this precision.
    """
    device = choose_device()
    check_precision(precision)
    where = locate(str(source))
    chosen = choose_precision(precision, device, where.stored)
    where.check_memory(chosen, device)
    where = where.fetched()
    tokenizer = _load_tokenizer(where)
    model = _load_weights(where, chosen, device)
    lm = LoadedModel(
        name=where.name,
        fingerprint=where.fingerprint(),
        revision=where.revision,
        precision=chosen,
        model=model,
        tokenizer=tokenizer,
        architecture=architecture_of(where.model_type),
    )
    use_threads(threads_for(lm))
    if chosen != "fp32" and not _is_finite(lm):
        del lm, model
        release_memory()
        raise _not_finite(where.name, chosen)
    return lm


def _is_finite(lm: LoadedModel) -> bool:
    """Whether a short text gives logits that are all finite; its tokens count, also unknown ones, not its meaning."""
    ids = [i for i in lm.tokenizer(_PROBE)["input_ids"] if 0 <= i < lm.n_vocab][: lm.n_context]
    return bool(lm.logits(ids or [0]).isfinite().all())


def _not_finite(name: str, precision: str) -> UserError:
    what = f"As {precision}, {name} gives logits that are infinite or NaN, so nothing can be measured."
    if precision == "bf16":
        return UserError(f"{what} Load it as fp32; if that is no better, its files are damaged: download it again.")
    return UserError(f"{what} Its activations are too large for 16-bit numbers of that kind. Load it as bf16 or fp32.")


def release_memory() -> None:
    """Frees what models that nobody holds any more have taken."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load_tokenizer(where: Source) -> Any:
    try:
        return AutoTokenizer.from_pretrained(str(where.folder), trust_remote_code=False)
    except Exception as error:  # whatever a tokenizer's files can do wrong
        raise UserError(
            f"{where.name} has no tokenizer that can be read ({_first_line(error)}). "
            "Put tokenizer.json and tokenizer_config.json of the model into its folder."
        ) from error


def _load_weights(where: Source, precision: str, device: torch.device) -> Any:
    quantize = BitsAndBytesConfig(load_in_8bit=True) if precision == "int8" else None
    try:
        with full_memory_told():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                str(where.folder),
                dtype=DTYPES[precision],
                quantization_config=quantize,
                device_map={"": device},
                attn_implementation="eager",
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"The weights of {where.name} cannot be loaded: {_first_line(error)}") from error
    model, report = loaded
    if report["missing_keys"] or report["mismatched_keys"]:
        some = ", ".join(str(key) for key in [*report["missing_keys"], *report["mismatched_keys"]][:3])
        raise UserError(f"The weights of {where.name} do not fit its config.json (for example {some}).")
    return model.eval().requires_grad_(False)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


#: Parameters below which a matrix product ends sooner than the threads are gathered for it.
SMALL = 20_000_000

#: What torch found at its start: the machine's cores, or OMP_NUM_THREADS.
ALL = torch.get_num_threads()


def threads_for(lm: LoadedModel) -> int:
    """How many threads a model computes with; a model on a GPU leaves the CPU's threads as they were."""
    small = sum(parameter.numel() for parameter in lm.model.parameters()) < SMALL
    return 1 if small and lm.device.type == "cpu" else ALL


def use_threads(count: int) -> None:
    """Sets the calling thread's number, and that of threads which have not computed yet.

    Every thread has a number of its own once it has computed, so each thread that works for a model asks for it.
    """
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
