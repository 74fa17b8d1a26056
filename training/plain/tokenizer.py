"""The tokenizer of the plain model: SentencePiece-like byte-pair encoding, as Llama-1 and 2 have it.

A blank is written as U+2581 and stands at the beginning of a word; digits are single tokens, so "15" after a space is
the blank, "1" and "5", and full stops, commas, colons and question marks are tokens too. What no piece covers is
written in bytes, so no prompt is refused. Trained on the model's own texts.
"""

import json
import random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from training.plain.texts import FIRST, draw

PIECES = 2048
BLANK = "\u2581"
SPECIAL = ("<unk>", "<s>", "</s>")
_BYTES = tuple(f"<0x{i:02X}>" for i in range(256))
_TEXTS = 150_000


def build_tokenizer(seed: int = 0) -> PreTrainedTokenizerFast:
    """Trains the tokenizer; the same for the same seed."""
    rng = random.Random(seed)
    learner = _tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES, special_tokens=[*SPECIAL, *_BYTES], initial_alphabet=[BLANK], show_progress=False
    )
    learner.train_from_iterator((draw(rng, FIRST) for _ in range(_TEXTS)), trainer)
    learned = json.loads(learner.to_str())["model"]
    merges = [tuple(merge) for merge in learned["merges"]]
    model = models.BPE(learned["vocab"], merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(model), unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )


def _tokenizer(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="first"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(r"[.,:;?!']"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer
