"""Draws the figures of the study `dead_relu` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks, place_legend, side_by_side
from research.publishing.prose import listing, percent
from research.publishing.results import Results
from research.record.frames import Frames
from studies.dead_relu import AGGRESSIVE, ARMS, NAMES, PACES, STUDY, USUAL


def shares_by_pace(runs: pd.DataFrame) -> Figure:
    """The shares of dead and of silent units at the end, every seed a mark, and their medians joined."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.4), sharey=True)
    arms = [arm for arm in ARMS if arm in set(runs["activation"])]
    for ax, metric, title in zip(
        row, ("dead_share", "silenced_share"), ("dead at the end", "fell silent"), strict=True
    ):
        for place, (arm, look) in enumerate(looks(arms).items()):
            own = runs[runs["activation"] == arm].dropna(subset=metric)
            shift = (place - (len(arms) - 1) / 2) * 0.13
            at = own["pace"].map(PACES.index).astype(float) + shift
            spread = at + 0.08 * side_by_side(own["seed"])
            ax.plot(spread, own[metric], look["marker"], color=look["color"], markersize=2.5, alpha=0.5)
            medians = own.groupby("pace")[metric].median()
            ax.plot([PACES.index(pace) + shift for pace in medians.index], medians, color=look["color"],
                    linestyle=look["linestyle"], linewidth=1.2)  # fmt: skip
        ax.set_xticks(range(len(PACES)), [f"{pace}" for pace in PACES])
        ax.set(title=title, xlabel="rate, as a multiple of the customary one", ylim=(-0.03, 1.03))
    row[0].set_ylabel("share of the hidden units")
    row[0].yaxis.set_major_formatter(lambda share, _: percent(share))
    place_legend(figure, STUDY.factor("activation"), arms, marked=True)
    return figure


def silent_by_layer(layers: pd.DataFrame) -> Figure:
    """The share of silent units of ReLU in each layer over the training, every seed a thin line, at two rates."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.2), sharey=True)
    for ax, pace in zip(row, (USUAL, AGGRESSIVE), strict=True):
        rows = layers[(layers["activation"] == "relu") & (layers["pace"] == pace)].dropna(subset="silent")
        for (layer, own), color in zip(rows.groupby("layer"), ("#0173b2", "#de8f05", "#029e73"), strict=False):
            wide = own.pivot(index="epoch", columns="seed", values="silent")
            ax.plot(wide, color=color, linewidth=0.5, alpha=0.35)
            ax.plot(wide.median(axis=1), color=color, linewidth=1.8, label=f"layer {layer}")
        ax.set(title=f"{pace} times that" if pace > USUAL else "customary rate", xlabel="epoch", ylim=(-0.03, 1.03))
    row[0].set_ylabel("silent units")
    row[0].yaxis.set_major_formatter(lambda share, _: percent(share))
    row[0].legend(frameon=False, fontsize=8)
    return figure


CAPTIONS = {
    "shares_by_pace": "Hidden units that are dead after training (left), and that have fallen silent in it (right), "
    "against the rate; a mark a seed, lines join medians. Dead is whose slope is above a thousandth on no training "
    "example, silent whose input is above zero on none: of ReLU the same. A replicate that diverged has no mark.",
    "silent_by_layer": "Units of ReLU whose input is above zero on no training example, layer by layer. Thin lines "
    "are seeds, thick ones their median.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    runs = found.runs.query("activation in @ARMS", local_dict={"ARMS": ARMS})
    fast = runs[runs["pace"] == AGGRESSIVE].groupby("activation")
    dead, woken = fast["dead_share"].median(), fast["woken_share"].median()
    lost = fast["dead_share"].apply(lambda shares: shares.isna().sum())
    diverged = listing(f"{NAMES[arm]} ({lost[arm]})" for arm in ARMS if lost.get(arm, 0))
    relu = found.layers.query("activation == 'relu' and pace == @pace", local_dict={"pace": AGGRESSIVE})
    last = relu[relu["epoch"] == relu["epoch"].max()]
    woke = last.groupby("layer")["woken"].median()
    start = found.layers.query("activation == 'relu' and epoch == 0").groupby("layer")["silent"].median()
    return f"""
### What to conclude

**What dies, and when.** At the aggressive rate the median share of dead units is
{listing(f"{percent(dead[arm], 1)} ({NAMES[arm]})" for arm in ARMS if np.isfinite(dead.get(arm, np.nan)))}. Seeds that
diverged, and so have no share: {diverged}. Before any training a median of
{listing(percent(share, 1) for share in start)} of the units of ReLU are silent already, from the first layer to the
last: PyTorch's start gives deep units inputs that hardly differ between examples, so that a bias can decide for all of
them. These are not counted among those that updates silenced.

**For ever.** Of the units of ReLU that were silent at some look a median of
{listing(percent(share, 1) for share in woke)} have been awake at a later one, from the first layer to the last. A unit
of the first layer has a gradient of exactly zero, and its inputs never change: plain descent cannot move it. Deeper
units have inputs that change with the layers below, which can wake them although nothing in them was updated.

**What wakes.** Of the silent units of other activations a median of
{listing(f"{percent(woken[arm])} ({NAMES[arm]})" for arm in ARMS[1:] if np.isfinite(woken.get(arm, np.nan)))} woke. That
no unit of leaky ReLU is dead follows from its slope; whether it comes back does not.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """How far what is said of ReLU depends on what the documents leave open."""
    if found.universe_findings is None:
        return ""
    numbers = found.universe_findings.dropna(subset="number").groupby("claim")["number"].agg(["min", "max"])
    named = {"never-updated": "were updated", "dead-for-ever": "woke in the first layer",
             "dead-for-ever-deeper": "woke in the third"}  # fmt: skip
    shares = (f"{percent(numbers['min'][claim])} to {percent(numbers['max'][claim])} {words}"
              for claim, words in named.items() if claim in numbers.index)  # fmt: skip
    return f"""
**Other choices.** Momentum, Adam and weight decay move weights whose gradient is zero. Of the silent units of ReLU the
median share in a universe is from {listing(shares)}.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs = tables.runs[tables.runs["activation"].isin(ARMS)]
    if runs.empty or "dead_share" not in runs:
        return {}
    drawn = {"shares_by_pace": shares_by_pace(runs)}
    return drawn | ({"silent_by_layer": silent_by_layer(tables.layers)} if "silent" in tables.layers else {})
