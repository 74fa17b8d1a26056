"""Settings of the papers' measurements by table: what is asked, of which prompts, without which heads.

    preset = preset("arithmetic_heads", "Table 1")
    sweep_accuracy(lm, make_prompts(**preset.settings["sweep"]))

A preset's settings stand by question, and within it by the name that the page's settings have for them; where a
question is one function of `core`, these are its arguments. What the paper leaves open is left out here too, or taken
as `note` says. Layers, heads and neurons are those of the paper's model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import UserError
from core.paper import notebook
from core.paper.models import GPT_J, LLAMA, PaperModel
from core.paper.tables import table
from core.types import Head

Page = Literal["arithmetic_heads", "logic_chain", "lora_comparison", "pruning", "gender_bias"]

_ALL = ("+", "-", "*", "/")
_LAST = 3  # row of table 14, from 0: "a + b ="
_LEADING: tuple[Head, ...] = ((17, 22), (20, 18), (14, 19))


@dataclass(frozen=True)
class Preset:
    """What one or some tables of a paper were measured with.

    Attributes:
        page: where the app measures it.
        name: the tables.
        settings: by question, by name.
        heads: (layer, head) of the heads that are ablated.
        note: what the paper says or leaves open, for the reader.
        model: which the tables are about.
    """

    page: Page
    name: str
    settings: Mapping[str, Mapping[str, Any]]
    heads: tuple[Head, ...] = ()
    note: str = ""
    model: PaperModel = LLAMA
    tables: tuple[int, ...] = field(default=())


def _sweep(digits: tuple[int, ...], count: int = 100, **others: Any) -> dict[str, dict[str, Any]]:
    asked = {"operations": _ALL, "digits": digits, "forms": ("digits",), "templates": (_LAST,), "count": count}
    return {"sweep": asked | {"pool": "inverse tables"} | others}


_ONE_DIGIT = (
    "Of one digit these are all cases: 145 answer tokens of sums, 100 of differences, 158 of products, 90 of ratios. "
    "Of two and three digits the paper does not print how many there are."
)

_HEADS = (
    Preset(
        "arithmetic_heads",
        "Table 1",
        _sweep((2,), 400, forms=("digits", "words"), templates=(0, 1, 2, 3)),
        note="1,600 sentences: 400 of each operation, in the four prompts of table 14, in digits and number words.",
        tables=(1,),
    ),
    Preset(
        "arithmetic_heads",
        "Tables 2 and 24 to 27",
        _sweep((1, 2, 3)),
        heads=_LEADING,
        note=f"The last prompt of table 14. {_ONE_DIGIT}",
        tables=(2, 24, 25, 26, 27),
    ),
    Preset(
        "arithmetic_heads",
        "Table 3",
        _sweep((2,)),
        heads=_LEADING,
        note="Memorize and change-one digits of two-digit cases; measure each head under *One head*.",
        tables=(3,),
    ),
    Preset(
        "arithmetic_heads",
        "Table 18 (GPT-J)",
        _sweep((2,)),
        note="The paper does not print how many cases; those of + and * are whole percents, as 100 cases give.",
        model=GPT_J,
        tables=(18,),
    ),
    Preset(
        "arithmetic_heads",
        "The notebook's sweep",
        {"own": {"prompts": (notebook.PROMPT,), "metric": "probability"}},
        note="The probability of the prediction of one prompt.",
    ),
)


def _shallow(
    operations: tuple[str, ...],
    digits: tuple[int, ...] = (1,),
    more_than: tuple[int, ...] = (0, 1, 2, 3),
    **others: Any,
) -> dict[str, dict[str, Any]]:
    asked = {"prompts": (operations, digits), "count": 100, "top": 50, "more_than": more_than}
    return {"shallow set": asked | {"counted": "digits and operator signs", "signs": "plus"} | others}


#: The smallest number of cases that gives every percentage of the table, rounded or cut off.
_SUBSET = "The paper's percentages fit {} cases; which these are is not printed."
_LIST = "The list of concepts is not printed: its counts fit the short one, without signs flipped."

_CHAIN = (
    Preset(
        "logic_chain",
        "Tables 4 and 7",
        {"chain": {"prompt": notebook.PROMPT, "k": 99}},
        heads=(notebook.HEAD,),
        note="One prompt, the top neurons by change.",
        tables=(4, 7),
    ),
    Preset(
        "logic_chain",
        "The notebook's neuron",
        {
            "chain": {"prompt": notebook.PROMPT, "k": 99},
            "route": {"neuron": "{}_{}".format(*notebook.NEURON), "position": str(len(notebook.tokens()) - 1)},
        },
        heads=(notebook.HEAD,),
        note="Follows head 17_22 to neuron 19_5769, looked at from the last position.",
    ),
    Preset(
        "logic_chain",
        "Tables 5 and 6",
        {"deep set": {"operations": ("+", "-"), "digits": (1,), "count": 100}},
        heads=((17, 22),),
        note=f"One-digit sums and differences: here all that the model predicts correctly. {_SUBSET.format(76)}",
        tables=(5, 6),
    ),
    Preset(
        "logic_chain",
        "Tables 15 and 16",
        {"deep set": {"operations": ("/",), "digits": (1,), "count": 100}},
        heads=((14, 19),),
        note=f"One-digit ratios: here all that the model predicts correctly. {_SUBSET.format(39)}",
        tables=(15, 16),
    ),
    Preset(
        "logic_chain",
        "Table 8",
        _shallow(("+", "-"), last=15),
        note=f"All one-digit sums and differences; the first 16 of 32 layers. {_SUBSET.format(76)} {_LIST}",
        tables=(8,),
    ),
    Preset(
        "logic_chain",
        "Table 17",
        _shallow(("/",), last=15),
        note=f"All one-digit ratios; the first 16 of 32 layers. {_SUBSET.format(39)} {_LIST}",
        tables=(17,),
    ),
    Preset(
        "logic_chain",
        "Tables 19 and 20 (GPT-J)",
        {"deep set": {"operations": ("-",), "digits": (2,), "count": 100}},
        heads=((13, 9),),
        note=f"Two-digit differences: here 100, of which those that the model predicts correctly. {_SUBSET.format(24)}",
        model=GPT_J,
        tables=(19, 20),
    ),
    Preset(
        "logic_chain",
        "Table 21 (GPT-J)",
        _shallow(("-",), digits=(2,), more_than=(1, 2, 3)),
        note=f"Two-digit differences; the layers are not printed. {_SUBSET.format(24)} {_LIST}",
        model=GPT_J,
        tables=(21,),
    ),
)

_TUNED = (
    Preset(
        "lora_comparison",
        "Figure 2: training",
        {"train": {"layers": tuple(range(1, 31)), "rank": 32, "learning_rate": 1e-3, "epochs": 4, "n_train": 18_000}},
        note="The paper takes the best of the learning rates 1e-3, 5e-4 and 1e-4: train once with each.",
        tables=(10,),
    ),
    Preset(
        "lora_comparison",
        "Table 9",
        {"prompt": {"prompt": notebook.PROMPT, "adapter": "layer 9"}},
        note="Adapters on layers 9, 15, 16, 19 and 20.",
        tables=(9,),
    ),
    Preset(
        "lora_comparison",
        "Table 10",
        {"bands": {"count": 50}},
        note="The paper does not print which cases; these are half of the one-digit ones.",
        tables=(10,),
    ),
    Preset(
        "pruning",
        "Table 11",
        {"find": {"layer": 9, "from_layer": 17, "n": 500, "n_two_digit": 0}, "train": {"share": 0.05}},
        note="The union of every one-digit case's top 500, which is 5% of the neurons of layers 17 to 31.",
        tables=(11,),
    ),
)


def _gender() -> Preset:
    professions, prompts = table(23)["rows"], table(22)["rows"]
    words = {
        "first": "woman",
        "second": "man",
        "first_words": tuple(professions["woman"]),
        "second_words": tuple(professions["man"]),
        "prompts": tuple(row[0] for row in prompts.values()),
    }
    return Preset(
        "gender_bias",
        "Tables 12 and 13",
        {"words": words, "edit": {"n": 18, "factor": 0.0}},
        note="The professions and prompts of tables 22 and 23; 18 neurons set to zero.",
        tables=(12, 13),
    )


PRESETS: tuple[Preset, ...] = (*_HEADS, *_CHAIN, *_TUNED, _gender())


def presets_of(page: Page) -> tuple[Preset, ...]:
    """The presets of one page, in order."""
    return tuple(one for one in PRESETS if one.page == page)


def preset(page: Page, name: str) -> Preset:
    """One preset.

    Raises:
        UserError: for a name that there is not.
    """
    found = {one.name: one for one in presets_of(page)}
    if name not in found:
        raise UserError(f"{page} has no preset {name!r}: use one of {', '.join(map(repr, found))}.")
    return found[name]
