"""Word lists for the templates of prompt pairs, beside those of table 14; the model decides which it knows."""

from collections.abc import Callable

#: The word that names the operation in each template of `core.prompts.arithmetic`.
OPERATOR_WORDS: dict[str, tuple[str, str, str, str]] = {
    "+": ("sum", "plus", "plus", "+"),
    "-": ("difference", "minus", "minus", "-"),
    "*": ("product", "times", "times", "*"),
    "/": ("ratio", "divides", "divides", "/"),
}


#: A calculation with three operands: template with signs, template as a sentence (both with their two operators as
#: {o} and {p}), the operators in the sentence and as signs, and the function that computes the result.
Three = tuple[str, str, tuple[tuple[str, str], tuple[str, str]], Callable[[int, int, int], int]]


THREE: tuple[Three, ...] = (
    (
        "({a} {o} {b}) {p} {c} =",
        "The {o} of the {p} of {a} and {b} and {c} is",
        (("product", "sum"), ("+", "*")),
        lambda a, b, c: (a + b) * c,
    ),
    (
        "({a} {o} {b}) {p} {c} =",
        "The {o} of the {p} between {a} and {b} and {c} is",
        (("product", "difference"), ("-", "*")),
        lambda a, b, c: (a - b) * c,
    ),
    (
        "{a} {o} {b} {p} {c} =",
        "The {o} of the {p} of {a} and {b} and {c} is",
        (("sum", "sum"), ("+", "+")),
        lambda a, b, c: a + b + c,
    ),
    (
        "{a} {o} {b} {p} {c} =",
        "The {o} between the {p} of {a} and {b} and {c} is",
        (("difference", "sum"), ("+", "-")),
        lambda a, b, c: a + b - c,
    ),
)


NAMES = "Paul Mary Tom Anna Peter Lucy Emma Ben Adam Alice Simon Laura Martin Daniel Helen".split()


THINGS = """pens cups books chairs tables lamps boxes bags bottles plates knives forks spoons keys clocks coins balls
hats coats shoes shirts rings apples pears plums oranges lemons bananas cherries carrots eggs nuts""".split()


#: Beginnings of sentences about a subject, with their completions.
FACTS: dict[str, dict[str, str]] = {
    "The capital of {subject} is": {
        "France": "Paris",
        "Italy": "Rome",
        "Spain": "Madrid",
        "Germany": "Berlin",
        "Austria": "Vienna",
        "Greece": "Athens",
        "Portugal": "Lisbon",
        "Poland": "Warsaw",
        "Norway": "Oslo",
        "Sweden": "Stockholm",
        "Finland": "Helsinki",
        "Denmark": "Copenhagen",
        "Ireland": "Dublin",
        "Hungary": "Budapest",
        "Russia": "Moscow",
        "Japan": "Tokyo",
        "China": "Beijing",
        "Egypt": "Cairo",
        "Kenya": "Nairobi",
        "Cuba": "Havana",
        "Peru": "Lima",
        "Chile": "Santiago",
        "Canada": "Ottawa",
        "Turkey": "Ankara",
        "Iran": "Tehran",
    },
    "The language of {subject} is": {
        "France": "French",
        "Italy": "Italian",
        "Spain": "Spanish",
        "Germany": "German",
        "Greece": "Greek",
        "Portugal": "Portuguese",
        "Poland": "Polish",
        "Norway": "Norwegian",
        "Sweden": "Swedish",
        "Denmark": "Danish",
        "Russia": "Russian",
        "Japan": "Japanese",
        "China": "Chinese",
        "Turkey": "Turkish",
        "Finland": "Finnish",
    },
    "The opposite of {subject} is": {
        "hot": "cold",
        "big": "small",
        "young": "old",
        "light": "dark",
        "rich": "poor",
        "happy": "sad",
        "long": "short",
        "strong": "weak",
        "full": "empty",
        "early": "late",
        "up": "down",
        "left": "right",
        "day": "night",
        "love": "hate",
    },
    "The color of {subject} is": {
        "snow": "white",
        "grass": "green",
        "coal": "black",
        "blood": "red",
        "gold": "yellow",
        "ash": "grey",
    },
}
