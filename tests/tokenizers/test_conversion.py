"""The converted tokenizers, beside the ones of their authors: the same ids for every text."""

import base64
import json
import subprocess
import sys

import pytest
import sentencepiece
import tiktoken

from core.prompts.arithmetic import FORMS, make_prompts
from tests.some import some
from tests.tokenizers import real
from tests.tokenizers.small import BLANK_FIRST, TOKENIZERS, tokenizer

OTHERS = [
    "The man works as a nurse",
    "Paul has 3 pens and 5 cups. How many pens does Paul have?",
    "def add(a, b):\n    return a + b\n\n\nprint(add(12, 345))  # 357",
    "1234567890 and 12,345.67 - 0.5e-3; 3+5= 8, (7*6)/2=21\r\n\r\n  x",
    "Ünïcödé, Straße, naïve, 東京 2024年, Привет мир, ١٢٣, ½ ² Ⅷ, 🙂👍🏽",
    "I'm, you're, WE'LL, it's they'd; snake_case camelCase HTTPServer",
    "    return",
    "x  y",
    "a   b",
    "a    b",
    "a       b",
    "\t\tx\n        y",
    " leading",
    "trailing ",
    "  two  blanks  ",
    "tab\there",
    "\n",
    "a\n\n b",
    "=",
    "8",
    " 8",
    "  8",
]


def texts() -> list[str]:
    prompts = make_prompts(digits=(1, 2, 3), forms=FORMS, templates=range(4), count=40)
    return [text for prompt in prompts for text in (prompt.text, f"{prompt.text} {prompt.answer}")] + OTHERS


def of_sentencepiece(texts: list[str]) -> list[list[int]]:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(real.SENTENCEPIECE))
    return processor.encode(texts, add_bos=True)


def of_tekken(texts: list[str]) -> list[list[int]]:
    """As `mistral_common` runs it: tiktoken, then the special tokens' thousand added."""
    told = json.loads(real.TEKKEN.read_text(encoding="utf-8"))
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in told["vocab"][: 131072 - 1000]}
    plain = tiktoken.Encoding("tekken", pat_str=told["config"]["pattern"], mergeable_ranks=ranks, special_tokens={})
    return [[1, *(token + 1000 for token in plain.encode(text))] for text in texts]


def of_llama3(texts: list[str]) -> list[list[int]]:
    """The package's own class, in a process that finds the package."""
    code = (
        "import json, sys; from llama_models.llama3.tokenizer import Tokenizer; one = Tokenizer.get_instance();"
        "print(json.dumps([one.encode(text, bos=True, eos=False) for text in json.load(sys.stdin)]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(texts),
        env={"PYTHONPATH": str(real.PACKAGES)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("name", "theirs"), [("mistral", of_sentencepiece), ("tekken", of_tekken), ("llama3", of_llama3)]
)
def test_the_same_ids_as_the_authors_own(name, theirs):
    given = texts()
    assert len(given) > 900
    ours = tokenizer(name)
    if name == "mistral":  # transformers adds no blank to one that is there
        given = [text for text in given if not text.startswith(" ")]
        assert ours(" 8") == ours("8")
    for text, ids in some(zip(given, theirs(given), strict=True)):
        assert list(ours(text)["input_ids"]) == ids, text
        assert ours.decode(ids[1:]) == text


SPLIT = {
    "mistral": "<s>|\u2581|3|\u2581+|\u2581|5|\u2581=|\u2581|8",
    "tekken": "<s>|3|\u0120+|\u0120|5|\u0120=|\u0120|8",
    "llama3": "<|begin_of_text|>|3|\u0120+|\u0120|5|\u0120=|\u0120|8",
    "gpt2": "3|\u0120+|\u01205|\u0120=|\u01208",
    "qwen2": "3|\u0120+|\u0120|5|\u0120=|\u0120|8",
}
DIGITS_OF_345 = {"mistral": 3, "tekken": 3, "llama3": 1, "gpt2": 1, "qwen2": 3}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_how_each_writes_a_sum(name):
    used = tokenizer(name)
    assert "|".join(used.convert_ids_to_tokens(used("3 + 5 = 8")["input_ids"])).replace("<||", "<|") == SPLIT[name]
    blank = len(used(" 345", add_special_tokens=False)["input_ids"]) - DIGITS_OF_345[name]
    assert blank == (name in BLANK_FIRST)
    assert used.eos_token_id is not None


def test_gpt2s_way_splits_some_numbers():
    """As in GPT-2: numbers of one and two digits are one token, some of three digits are two."""
    used = tokenizer("gpt2")
    pieces = [len(used(f" {n}")["input_ids"]) for n in range(1000)]
    assert set(pieces[:100]) == {1}
    assert set(pieces[100:]) == {1, 2}
