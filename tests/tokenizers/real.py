"""Tokenizers of published models, converted to what a model's folder holds: tokenizer.json and its configuration.

Their files come from two packages that `make test` unpacks (requirements.txt beside this file).
"""

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode, generate_merges

PACKAGES = Path(sys.prefix) / "vocabularies"
SENTENCEPIECE = PACKAGES / "mistral_common/data/tokenizer.model.v1"
TEKKEN = PACKAGES / "mistral_common/data/tekken_240911.json"
LLAMA3 = PACKAGES / "llama_models/llama3/tokenizer.model"
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def mistral() -> LlamaTokenizer:
    """The first Mistral's 32,000 pieces, made as those of Llama-1 and 2: one digit a token, a blank before a number."""
    pieces = SentencePieceProcessor(model_file=str(found(SENTENCEPIECE)))
    vocabulary = {pieces.id_to_piece(i): i for i in range(len(pieces))}
    scores = {piece: pieces.get_score(i) for piece, i in vocabulary.items()}  # runs of blanks are merged last
    return LlamaTokenizer(vocabulary, generate_merges(vocabulary, scores), add_bos_token=True)


def tekken() -> PreTrainedTokenizerFast:
    """Mistral Nemo's 131,072 tokens: byte-level, one digit a token, a thousand special tokens first."""
    told = json.loads(found(TEKKEN).read_text(encoding="utf-8"))
    n_special = told["config"]["default_num_special_tokens"]
    n_plain = told["config"]["default_vocab_size"] - n_special
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in told["vocab"][:n_plain]}
    special = ["<unk>", "<s>", "</s>", *(f"<SPECIAL_{i}>" for i in range(3, n_special))]
    return byte_level(ranks, told["config"]["pattern"], special, special_first=True, bos="<s>", eos="</s>")


def llama3() -> PreTrainedTokenizerFast:
    """Llama-3's 128,256 tokens: byte-level, up to three digits a token, a blank before a number."""
    lines = found(LLAMA3).read_text(encoding="utf-8").splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    special = ["<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{i}|>" for i in range(254))]
    return byte_level(ranks, LLAMA3_PATTERN, special, bos=special[0], eos=special[1])


def byte_level(
    ranks: Mapping[bytes, int],
    pattern: str,
    special: Sequence[str],
    *,
    special_first: bool = False,
    bos: str,
    eos: str,
) -> PreTrainedTokenizerFast:
    """A byte-level BPE from the order in which its tokens were merged.

    Args:
        ranks: every token's bytes, and its place in that order.
        pattern: what cuts a text into words.
        special: names of special tokens.
        special_first: whether the special tokens have the first ids or the last ones.
        bos: the special token that begins every text.
        eos: the one that ends a text.
    """
    letters = bytes_to_unicode()
    shift = len(special) if special_first else 0
    begin = 0 if special_first else len(ranks)

    def written(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    vocabulary = {written(token): rank + shift for token, rank in ranks.items()}
    vocabulary |= {name: begin + i for i, name in enumerate(special)}
    merges = []
    for token in sorted(ranks, key=ranks.__getitem__):
        halves = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        halves.sort(key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
        merges += [(written(left), written(right)) for left, right in halves]
    plain = Tokenizer(models.BPE(vocabulary, merges, fuse_unk=False, ignore_merges=True))
    plain.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    plain.decoder = decoders.ByteLevel()
    plain.add_special_tokens([AddedToken(name, normalized=False) for name in special])
    plain.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, begin + special.index(bos))]),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=plain, bos_token=bos, eos_token=eos)


def found(path: Path) -> Path:
    """A package's file, which has to be there."""
    assert path.exists(), f"{path} is missing: `make test` unpacks the packages of tests/tokenizers/requirements.txt"
    return path
