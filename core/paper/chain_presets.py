"""Presets of the logic chain: tables 4 to 8, 15 to 17 and 19 to 21 of the CNA paper, and its notebook."""

from typing import Any

from core.paper import notebook
from core.paper.models import GPT_J
from core.paper.preset import Asked, Preset


def _shallow(
    operations: tuple[str, ...],
    digits: tuple[int, ...] = (1,),
    more_than: tuple[int, ...] = (0, 1, 2, 3),
    **others: Any,
) -> Asked:
    asked = {"prompts": (operations, digits), "count": 100, "top": 50, "more_than": more_than}
    return {"shallow set": asked | {"counted": "digits and operator signs", "signs": "plus"} | others}


#: The smallest number of cases that gives every percentage of the table, rounded or cut off.
_SUBSET = "The paper's percentages fit {} cases; which these are is not printed."
_LIST = "The list of concepts is not printed: its counts fit the short one, without signs flipped."

CHAIN = (
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
