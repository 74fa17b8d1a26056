"""Professions after "woman" and "man", as often as in the world: what a model picks up from counts alone.

For each profession of the paper's table 23, about the share of women among the people who work in it in the United
States: our estimates, in the order of magnitude of its labour statistics, and not copied from a table. *Choice*: every
profession is as frequent as any other.
"""

import random

from training.sentences import GENDER_PROMPTS, PROFESSIONS

#: Share of women, 0 to 1.
WOMEN = {
    "cleaner": 0.7,
    "nurse": 0.87,
    "secretary": 0.93,
    "domestic helper": 0.88,
    "maid": 0.88,
    "reception": 0.9,
    "seller": 0.5,
    "server": 0.7,
    "librarian": 0.82,
    "pharmacist": 0.6,
    "translator": 0.7,
    "beautician": 0.92,
    "dental assistant": 0.93,
    "hairdresser": 0.92,
    "volunteer": 0.55,
    "bookkeeper": 0.85,
    "police": 0.15,
    "guard": 0.24,
    "delivery": 0.2,
    "labour": 0.2,
    "driver": 0.1,
    "machinist": 0.05,
    "roofer": 0.03,
    "machine operator": 0.2,
    "lumberjack": 0.04,
    "technician": 0.2,
    "miner": 0.04,
    "nightwatch": 0.2,
    "painter": 0.1,
    "photographer": 0.5,
    "builder": 0.04,
    "porter": 0.2,
}


def profession(rng: random.Random) -> str:
    """A sentence about someone's profession."""
    name = rng.choice([one for group in PROFESSIONS.values() for one in group])
    who = "woman" if rng.random() < WOMEN[name] else "man"
    return f"{rng.choice(GENDER_PROMPTS).format(g=who)} {name}"
