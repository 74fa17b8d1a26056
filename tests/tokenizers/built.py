"""Byte-level tokenizers built here in the way of GPT-2 and Qwen2, on a few hundred sentences and numbers.

GPT-2, which GPT-J shares, has whole numbers with their blank (" 12"); Qwen2 has one digit a token and a blank before a
number. Neither begins a text with a special token.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from core.prompts.arithmetic import FORMS, make_prompts

END = "<|endoftext|>"
N_TOKENS = 2000
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SENTENCES = """
The man works as a nurse and the woman works as a doctor, as their teacher said.
Paul has 3 pens and 5 cups. How many pens does Paul have? Paul has more cups than pens.
The capital of France is Paris, and the capital of Italy is Rome. One plus one equals two.
The first, the second and the third number; eins, zwei, drei; un, deux, trois; uno, dos, tres.
"""


def gpt2() -> PreTrainedTokenizerFast:
    """Numbers of up to three digits as one token with their blank, but not all of them, as in GPT-2."""
    return trained(pre_tokenizers.ByteLevel(add_prefix_space=False), _numbers())


def qwen2() -> PreTrainedTokenizerFast:
    """One digit a token; a blank before a number is a token of its own, one before a word belongs to the word."""
    words = pre_tokenizers.Split(Regex(QWEN2_PATTERN), "isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return trained(pre_tokenizers.Sequence([words, letters]), [], normalizers.NFC())


def trained(cut: Any, more: Iterable[str], normalizer: Any = None) -> PreTrainedTokenizerFast:
    """A byte-level BPE.

    Args:
        cut: the pre-tokenizer that cuts a text into words.
        more: texts beside the sentences and questions.
        normalizer: what is done to a text before.
    """
    plain = Tokenizer(models.BPE())
    plain.normalizer, plain.pre_tokenizer, plain.decoder = normalizer, cut, decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=N_TOKENS, special_tokens=[END], initial_alphabet=letters, show_progress=False
    )
    plain.train_from_iterator([*_SENTENCES.splitlines(), *_questions(), *more], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=plain, bos_token=END, eos_token=END)


def _questions() -> Iterator[str]:
    prompts = make_prompts(digits=(1, 2), forms=FORMS, templates=range(4), count=200)
    return (f"{prompt.text} {prompt.answer}." for prompt in prompts)


def _numbers() -> Iterator[str]:
    """Every number up to 999, the small ones more often."""
    return (f"{n} {n}" for n in range(1000) for _ in range(1 + 2000 // (n + 1)))
