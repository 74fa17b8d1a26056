"""Presets of fine-tuning, pruning and the gender bias: figure 2 and tables 9 to 13 of the CNA paper."""

from core.paper import notebook
from core.paper.preset import Preset
from core.paper.tables import table

TUNED = (
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


def gender() -> Preset:
    """Tables 12 and 13, with the words of tables 22 and 23."""
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
