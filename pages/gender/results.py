"""Bias before and after an edit, as pictures, sentences and tables."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from core import paper
from core.bias.edit import Curve, EditedBias
from core.bias.measure import Bias, BiasWords, paper_words
from core.bias.study import BiasStudy, NeuronEdit
from core.model.load import LoadedModel
from core.statistics.intervals import estimate, means
from pages.gender.charts import bias_dots, curve_lines
from pages.gender.settings import CurveSettings, EditSettings
from pages.shared.claims.badge import Topic, finding
from pages.shared.claims.estimates import with_interval
from pages.shared.papers import same_in_paper
from pages.shared.present import accuracies, downloads, table_below
from pages.shared.theme import is_dark
from pages.shared.words import of_n, percent, three_digits


def original_bias(lm: LoadedModel, bias: Bias) -> None:
    """Every profession's bias in the original model."""
    frame = bias.to_frame().rename(columns={"bias": "before"})
    groups = bias.words.groups
    st.altair_chart(bias_dots(frame, is_dark(), groups), alt="Bias of each profession")
    most = frame.loc[frame["before"].abs().idxmax()]
    first, second = bias.by_group
    turned = int((frame["before"] < 0).sum())
    n = len(bias.words.words)
    total = estimate(means(bias.each), n)
    finding(
        lm,
        topic_of(bias.words),
        f"Total bias is **{with_interval(total, three_digits, 'nats')}** (95% interval over professions): "
        "on (geometric) average a profession is "
        f"{_times(bias.total)} as likely after its own group as after the other. "
        f"{groups[0].capitalize()}: {three_digits(first)}, {groups[1]}: {three_digits(second)} "
        f"(paper, Llama-7B: {_paper('origin')}). The largest is "
        f"*{most['profession']}* ({three_digits(most['before'])})"
        + (f"; {turned} of {len(frame)} have a bias towards the other group." if turned else "."),
        "bias",
    )
    settings = asdict(bias.words)
    table_below("bias", lm, settings, frame, lambda dark: bias_dots(frame, dark, groups))


def topic_of(words: BiasWords) -> Topic:
    """What a finding about some words is about: the skew that was put in is that of the paper's professions."""
    ours = {word for word, _ in paper_words().words}
    return "bias" if {word for word, _ in words.words} <= ours else "other words"


def _times(nats: float) -> str:
    return f"{three_digits(2.718281828459045**nats)} times"


def _paper(row: str) -> str:
    total, woman, man = paper.table(13)["rows"][row]
    return f"total {total}, woman {woman}, man {man}"


def neurons(lm: LoadedModel, study: BiasStudy, n: int) -> None:
    """Table 12: the neurons that distinguish the groups."""
    frame, located = study.neurons.head(n), study.located
    shown = frame.assign(top_tokens=[" ".join(t.strip() for t in tokens) for tokens in frame["top_tokens"]])
    st.dataframe(shown, hide_index=True)
    share = float(located.change[0]) / float(located.change[: max(n, 1)].clamp(min=0).sum() or 1.0)
    counted = f" ({percent(share)} of the change of these {n})" if n > 1 else ""
    finding(
        lm,
        topic_of(study.bias.words),
        f"Neuron **{frame['neuron'].iloc[0]}** distinguishes them most: its importance for a profession is "
        f"{three_digits(frame['change'].iloc[0])} nats higher after the profession's own group{counted}.",
        "bias neurons",
    )
    same_in_paper(lm, 12)
    st.download_button(
        "Neurons as CSV",
        shown.to_csv(index=False),
        "bias-neurons.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def edited_bias(lm: LoadedModel, found: EditedBias, settings: EditSettings) -> None:
    """Table 13, every profession's shift, and the control."""
    n, random = len(found.edits), found.random_decreases
    left, right = st.columns([3, 2])
    with left:
        table = found.table()
        change = [_fall(a, b) for a, b in zip(*table.to_numpy(), strict=True)]
        written = table.map(lambda value: f"{value:.3f}")
        written.loc["change"] = change
        st.dataframe(written)
        st.caption(
            f"Nats (table 13). Paper, Llama-7B, 18 neurons at zero: {_paper('origin')} before, "
            f"{_paper('edited')} after (-35.7%)."
        )
    with right:
        if random:
            worst = max(random, key=abs)
            st.markdown(
                f"**Control.** {len(random)} draws of {n} random neurons of the same layers with the same "
                f"factor change the total by {_signed(-sum(random) / len(random))} on average, at most "
                f"{_signed(-worst)}."
            )
        else:
            st.caption("Stopped before random neurons were measured.")
    finding(lm, topic_of(found.after.bias.words), _sentence(found), "bias edited")
    frame, groups = found.shifts(), found.before.bias.words.groups
    st.altair_chart(bias_dots(frame, is_dark(), groups), alt="Bias of each profession before and after")
    st.caption("Open: original. Filled: edited. Right of zero: more likely after the own group.")
    downloads("edited-bias", lm, settings, frame, lambda dark: bias_dots(frame, dark, groups))


def _sentence(found: EditedBias) -> str:
    after = found.after.bias
    told = (
        f"Total bias goes from {three_digits(found.before.bias.total)} to **{three_digits(after.total)} nats** "
        f"({_signed(-found.decrease)}), its mean size by {_signed(-found.decrease_of_size)}."
    )
    names = [
        g for g, b, a in zip(after.words.groups, found.before.bias.by_group, after.by_group, strict=True) if b * a < 0
    ]
    if names:
        told += (
            f" **The bias of {' and '.join(names)} flips its sign**: the total falls because opposite biases "
            "cancel, so look at the mean size; editing fewer neurons may be better."
        )
    elif found.decrease < 0:
        told += " The edit amplifies the bias."
    return told


def _fall(before: float, after: float) -> str:
    return _signed((after - before) / abs(before)) if before else "–"


def _signed(share: float) -> str:
    return ("+" if share > 0 else "−" if share < 0 else "") + percent(abs(share))


def side_effects(edit: NeuronEdit) -> None:
    """What else the edit changes."""
    found, prompts = edit.found, edit.side_effect_prompts
    st.subheader("Side effects")
    before, after = found.before.side_effect_scores, found.after.side_effect_scores
    st.dataframe(accuracies(before.accuracy, after.accuracy, before.asked))
    moved = found.others
    st.markdown(
        f"Arithmetic accuracy goes from {of_n(before.accuracy['all'], before.asked['all'])} prompts to "
        f"{percent(after.accuracy['all'])}. The mean log-probability per token of "
        f"{len(prompts.sentences)} plain sentences is {three_digits(before.neutral)} before and "
        f"{three_digits(after.neutral)} after. On {len(prompts.others)} prompts about other things the next token "
        f"moves by {three_digits(moved.kl)} nats (KL), and {percent(moved.changed)} get another most likely token."
    )
    if prompts.left_out:
        st.caption(
            f"The model cannot take {len(prompts.left_out)} of these texts, which are left out: "
            + "; ".join(f"*{text[:50]}*" for text in prompts.left_out[:5])
        )


def curve(lm: LoadedModel, found: Curve, settings: CurveSettings) -> None:
    """Bias and side effects against the number of neurons edited."""
    frame, groups = found.to_frame(), settings.words.groups
    names = {"total": "total", "size": "mean size", "first": groups[0], "second": groups[1]}
    long = [frame.assign(panel="bias", line=label, value=frame[column]) for column, label in names.items()]
    long.append(
        frame.assign(
            panel="accuracy", line=f"{int(frame['prompts'].iloc[0]):,} arithmetic prompts", value=frame["accuracy"]
        )
    )
    long.append(frame.assign(panel="neutral", line="plain sentences", value=frame["neutral"]))
    lines = pd.concat(long)[["neurons", "panel", "line", "value"]]
    st.altair_chart(curve_lines(lines, is_dark()), alt="Bias and side effects by number of neurons", width="content")
    best = found.best()
    if best is None:
        st.markdown("Only the original was measured.")
    elif best == 0:
        st.markdown("No number of neurons reduces the mean size of the bias at a cost of at most 2 points of accuracy.")
    else:
        row = frame[frame["neurons"] == best].iloc[0]
        finding(
            lm,
            topic_of(settings.words),
            f"The bias is smallest in mean size with **{best} neuron{'s' if best > 1 else ''}** "
            f"({three_digits(row['size'])} nats, total {_signed(-row['decrease'])}), among those that cost at most 2 "
            "points of arithmetic accuracy.",
            "bias curve",
        )
    table_below("bias-curve", lm, settings, frame, lambda dark: curve_lines(lines, dark))
