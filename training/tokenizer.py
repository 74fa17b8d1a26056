"""The tokenizer of the bundled model: words, single digits, single signs; no white space.

"3+5=" and "3 + 5 =" are both `<s> 3 + 5 =`, and "seventy-three" is "seventy three". A word outside the vocabulary
becomes `<unk>`, which `LoadedModel.encode` refuses.
"""

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from core.prompts.arithmetic import TEMPLATES
from core.prompts.number_words import LANGUAGES, ordinal, roman, words
from training.lexicon import EXTRA
from training.sentences import vocabulary_words

SPECIAL = ("<s>", "</s>", "<unk>")
SPLIT = r"\d|\p{L}+|[^\s\p{L}\d]"

#: The word that asks for the answer in a form: "3 + V est" wants Roman numerals.
ANSWER_WORDS = {"digits": "=", "words": "is", "roman": "est", "fr": "font", "de": "ist", "it": "fa", "es": "son"}


def _splitter() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(SPECIAL)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"(?<=\p{L})-(?=\p{L})"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), behavior="removed", invert=True)
    return tokenizer


def vocabulary() -> list[str]:
    """All tokens in order: special, digits, signs, number words, then everything else by first use."""
    texts = ["0 1 2 3 4 5 6 7 8 9", "+ - * / ="]
    texts += [words(n) for n in range(100)] + ["hundred thousand"]
    texts += [ordinal(n) for n in range(1, 13)]
    texts += [roman(n) for n in range(1, 21)]
    texts += [words(n, code) for code in LANGUAGES for n in range(21)]
    texts += list(ANSWER_WORDS.values())
    texts += [t.format(a="", b="") for group in TEMPLATES.values() for t in group]
    texts += vocabulary_words() + EXTRA
    split = _splitter()
    seen = dict.fromkeys(SPECIAL)
    for text in texts:
        normal = split.normalizer.normalize_str(text)
        seen.update(dict.fromkeys(piece for piece, _ in split.pre_tokenizer.pre_tokenize_str(normal)))
    return list(seen)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Builds the tokenizer that ships with the bundled model."""
    tokenizer = _splitter()
    tokenizer.model = models.WordLevel({t: i for i, t in enumerate(vocabulary())}, unk_token="<unk>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix="##", cleanup=False),
            decoders.Fuse(),
            decoders.Replace(Regex(r"(?<=\d) (?=\d)| (?=[.,:?!'])|(?<=') (?=s )"), ""),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )
