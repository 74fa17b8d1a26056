"""Models with tokenizers that treat blanks as those of the papers' models do; their weights are random.

`blanks` is like SentencePiece: a blank is put before the text, and single digits stand apart, so that numbers begin
with a blank token. `bytes` is like GPT-2: a blank belongs to the word behind it, and numbers are one or two tokens.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.model.load import LoadedModel, load_model

NAMES = ("blanks", "bytes")


def tokenizer_of(name: str, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Learns a vocabulary from texts; only `blanks` has a beginning-of-sequence token."""
    special = ["<unk>", "<s>", "</s>"]
    plain = Tokenizer(models.BPE(unk_token="<unk>"))
    if name == "blanks":
        digits = pre_tokenizers.Digits(individual_digits=True)
        plain.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), digits])
        plain.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        plain.decoder, alphabet = decoders.Metaspace(), []
    else:
        plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        plain.decoder, alphabet = decoders.ByteLevel(), pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, initial_alphabet=alphabet)
    plain.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def model_of(name: str, texts: Sequence[str], folder: Path) -> LoadedModel:
    """A small random Llama that reads with such a tokenizer."""
    tokenizer = tokenizer_of(name, texts)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_model(folder, "fp32")
