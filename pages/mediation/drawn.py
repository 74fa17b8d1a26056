"""The controls for drawn pairs: which kind, from which templates, with which numbers."""

import streamlit as st

from core.mediation.operands import NUMBER_RANGES
from core.mediation.study import DrawnPairs
from core.mediation.tasks import PAIR_KINDS, Task, template_names
from core.mediation.words import COMMON_RELATIONS, LAMA_RELATIONS, RELATIONS, TEMPLATE_SETS
from core.prompts.arithmetic import FORMS, OPERATIONS

MOST_PAIRS = 200
ABOUT = {
    "other operands": "same operation, both operands differ",
    "same result": "other operands, same result",
    "other operator": "same operands, another operation",
    "number retrieval": "the prompt gives two numbers, and the other one is asked for",
    "facts": "a fact about another subject",
    "three operands": "two operations in one prompt",
}


def what_is_drawn() -> Task:
    """Kind, template set and numbers: the choices on which the others depend."""
    first, second, third = st.columns(3)
    kind = first.selectbox(
        "Kind of pair",
        PAIR_KINDS,
        key="pair_kind",
        bind="query-params",
        help="  \n".join(f"*{kind}*: {ABOUT[kind]}" for kind in PAIR_KINDS),
    )
    template_set = second.selectbox(
        "Template set",
        TEMPLATE_SETS,
        key="pair_set",
        bind="query-params",
        help="*CNA*: the four templates of its table 14, and wordings of this app for three operands and number "
        "retrieval.  \n*CMA*: six templates for two operands, 29 for three, eight for number retrieval, word for word "
        "from its authors' repository. Facts are the same in both.",
    )
    numbers = third.selectbox(
        "Numbers",
        NUMBER_RANGES,
        key="pair_range",
        bind="query-params",
        help="*By digits*: of the first operand; 2 to 9 in number retrieval, 1 to 9 in three operands.  \n"
        "*CMA, up to 300*: operands and results, as the authors draw them for GPT-J and Pythia.  \n*CMA, one-digit "
        "results*: of 1 to 8, as they draw them for LLaMA and Goat, with operands up to 300 (of three: 50).",
    )
    return Task(kind, template_set=template_set, number_range=numbers)


def drawn_controls(what: Task) -> DrawnPairs:
    """The other choices, for a form."""
    first, second = st.columns([4, 2])
    count = first.slider("Pairs answered correctly", 5, MOST_PAIRS, 50, 5, key="pairs", bind="query-params")
    seed = second.number_input("Seed", 0, 10**6, 0, key="pair_seed", bind="query-params")
    first, second, third = st.columns([4, 2, 2])
    operations = first.pills(
        "Operations",
        OPERATIONS,
        selection_mode="multi",
        default=OPERATIONS,
        key="pair_operations",
        bind="query-params",
        format_func=lambda o: f"\\{o}",
        help="For kinds with two operands.",
    )
    digits = second.pills(
        "Digits",
        [1, 2, 3],
        selection_mode="multi",
        default=[1],
        key="pair_digits",
        bind="query-params",
        help="For kinds with two operands, with numbers by digits.",
    )
    forms = third.pills(
        "Written as", FORMS, selection_mode="multi", default=["digits"], key="pair_forms", bind="query-params"
    )
    templates = _templates(what)
    relations = _relations() if what.kind == "facts" else COMMON_RELATIONS
    classes = what.kind == "number retrieval" and what.template_set == "CMA" and _classes()
    return DrawnPairs(
        kind=what.kind,
        count=int(count),
        operations=tuple(operations),
        digits=tuple(digits),
        forms=tuple(forms),
        templates=templates,
        seed=int(seed),
        template_set=what.template_set,
        number_range=what.number_range,
        relations=relations,
        classes=classes,
    )


def _templates(what: Task) -> tuple[int, ...] | None:
    """Rows of the template set; a list of its own for each kind of CMA, so that a link means the same rows."""
    names = template_names(what.template_set, what.kind)
    if not names:
        return None
    key = "pair_templates"
    if what.template_set == "CMA":
        key = {"number retrieval": "pair_cma_retrieval", "three operands": "pair_cma_three"}.get(what.kind, "pair_cma")
    chosen = st.multiselect(
        "Templates",
        range(len(names)),
        default=list(what.rows) if what.template_set == "CNA" else [],
        key=key,
        bind="query-params",
        placeholder="all" if what.template_set == "CMA" else None,
        format_func=lambda row: names[row],
        help="For kinds with operands; three operands have signs and one sentence."
        if what.template_set == "CNA"
        else "Shown for +; every operation has its own words."
        if key == "pair_cma"
        else None,
    )
    return tuple(chosen) or (None if what.template_set == "CMA" else ())


def _relations() -> tuple[str, ...]:
    ours = [name for name in RELATIONS if name not in LAMA_RELATIONS.values()]
    chosen = st.multiselect(
        "Relations",
        list(RELATIONS),
        default=list(COMMON_RELATIONS),
        key="pair_relations",
        bind="query-params",
        help="Facts of this app. The authors use six relations of LAMA ("
        + ", ".join(f"{name}: {number}" for number, name in LAMA_RELATIONS.items())
        + f"); {' and '.join([', '.join(ours[:-1]), ours[-1]])} are not among them.",
    )
    return tuple(chosen)


def _classes() -> bool:
    return st.toggle(
        "Ask for the class",
        key="pair_classes",
        bind="query-params",
        help="*How many fruits*, where the prompt names apples: the authors' variant with classes of things.",
    )
