"""Draws the figures of the study `output_heads` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from research.publishing.figures import side_by_side
from research.publishing.prose import between, listing, number
from research.publishing.results import Results
from research.record.frames import Frames
from studies.output_heads import FORETOLD, HEADS, MATCHING, STUDY, gap_foretold

TARGETS = {case: STUDY.arms.words[case].removesuffix(" targets") for case in MATCHING}


def losses(runs: pd.DataFrame) -> Figure:
    """What each head loses on targets of each distribution, the median of seeds; the matching head has a frame."""
    figure, ax = plt.subplots(figsize=(7, 3.4))
    there = [case for case in MATCHING if case in set(runs["case"])]
    table = runs.groupby("case")[[f"loss_{head}" for head in HEADS]].median().loc[there].to_numpy().T
    ax.imshow(np.clip(table, 1e-3, None), cmap="Blues", norm=LogNorm(0.01, 4), aspect="auto")
    for row, head in enumerate(HEADS):
        for column, case in enumerate(there):
            value = table[row, column]
            ax.text(column, row, f"{value:.3f}", ha="center", va="center", color="white" if value > 0.6 else "black")
            if MATCHING[case] == head:
                ax.add_patch(Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, lw=2, ec="#de8f05"))
    ax.set_xticks(range(len(there)), [TARGETS[case] for case in there])
    ax.set_yticks(range(len(HEADS)), list(HEADS.values()))
    ax.set(xlabel="targets", ylabel="head")
    ax.grid(False)
    return figure


def gaps(runs: pd.DataFrame) -> Figure:
    """By how much the matching identity head leads the other, every seed a dot, beside what theory says."""
    figure, ax = plt.subplots(figsize=(5, 2.2))
    for place, case in enumerate(("normal", "laplace")):
        own = runs[runs["case"] == case]
        ax.plot(own["identity_gap"], place + 0.15 * side_by_side(own["seed"]), "o", color="#0173b2", ms=4, alpha=0.6)
        ax.plot([gap_foretold(case)] * 2, [place - 0.35, place + 0.35], color="black", label="theory" * (not place))
    ax.set_yticks((0, 1), ["normal", "Laplace"])
    ax.set(xlabel="lead of the matching head (nats)", ylabel="targets", ylim=(1.6, -0.6), xlim=(0, None))
    ax.legend(frameon=False)
    return figure


CAPTIONS = {
    "losses": "Nats that each head loses on unseen targets, against the true distribution: the median of seeds. The "
    "orange frame is the head that the documents give the targets. The darker, the more is lost.",
    "gaps": "Lead of the matching identity head over the other, a dot a seed. The line is what theory says where only "
    "the scale has to be learnt.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    numbers = found.findings.set_index("name")["number"]
    places = {claim.name: claim for claim in STUDY.claims if claim.number.metric == "lead"}
    leads = listing(f"{number(numbers[name])} ({TARGETS[str(claim.number.arms[0])]})" for name, claim in places.items())
    return f"""
### What to conclude

**The lead of the matching head**, in nats over the best of the others, is a median of {leads}. Between a sigmoid and a
softmax of two it is {number(numbers["one-sigmoid-is-enough"])} on average: they are one distribution.

**Why.** A head loses what it cannot say and what it has to learn. A normal head cannot say a Laplace distribution, and
the other way round: measured over foretold is {listing(number(numbers[name]) for name in FORETOLD)}. Sigmoids on
classes that exclude each other leave probability to none and to several. A softmax over all values can say everything
and has the most to learn, so that its loss depends on the number of examples most.{across(found)}

**A generalised linear model.** Trained to its end, a last layer predicts what scikit-learn's model predicts, to
{number(numbers["head-is-glm"])}, and its signal is mean less target. That is not so of absolute error: the Laplace
distribution is no exponential family, its signal is a sign ({number(numbers["laplace-signal-is-the-error"])} off).
"""


def across(found: Results) -> str:
    """From what to what leads go in universes."""
    if found.universe_findings is None:
        return ""
    ends = found.universe_findings.dropna(subset="number").groupby("claim")["number"].agg(["min", "max"])
    shown = {
        "categorical-best": "on categorical targets",
        "gaussian-best": "on normal ones",
        "poisson-best": "on counts",
    }
    leads = listing(
        f"{between(ends['min'][name], ends['max'][name])} {words}"
        for name, words in shown.items()
        if name in ends.index
    )
    return f" In all universes the lead is {leads}."


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs = tables.runs[tables.runs["case"].isin(MATCHING)]
    if runs.empty or f"loss_{next(iter(HEADS))}" not in runs:
        return {}
    return {"losses": losses(runs), "gaps": gaps(runs)}
