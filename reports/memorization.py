"""Draws the figures of the study `memorization` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks, side_by_side
from research.publishing.prose import listing, percent
from research.publishing.results import Results
from research.record.frames import Frames
from studies.memorization import NETWORKS, STUDY

LABELS, WORDS, SIZES = STUDY.arms.levels, STUDY.arms.words, STUDY.blocks[0].words


def losses(curves: pd.DataFrame) -> Figure:
    """The training loss of each network on true and on random labels, every seed a thin line."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.4), sharey=True)
    for ax, labels in zip(row, LABELS, strict=True):
        for network, look in looks(NETWORKS).items():
            own = curves[(curves["labels"] == labels) & (curves["network"] == network)].dropna(subset="train_loss")
            wide = own.pivot(index="step", columns="seed", values="train_loss")
            ax.plot(wide, color=look["color"], linewidth=0.5, alpha=0.3)
            ax.plot(wide.median(axis=1), color=look["color"], linestyle=look["linestyle"], label=SIZES[network])
        ax.set(title=WORDS[labels], xlabel="step", yscale="log")
        ax.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    row[0].set_ylabel("training loss (nats)")
    row[1].legend(frameon=False, fontsize=8)
    return figure


def accuracies(runs: pd.DataFrame) -> Figure:
    """Training and test accuracy of each network on true and on random labels, a mark a seed, the bar the median."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 2.6), sharey=True)
    parts = {"steady_train_accuracy": "training part", "steady_test_accuracy": "test part"}
    for ax, labels in zip(row, LABELS, strict=True):
        for (metric, title), look, shift in zip(parts.items(), looks([*parts]).values(), (-0.18, 0.18), strict=True):
            for place, network in enumerate(NETWORKS):
                own = runs[(runs["labels"] == labels) & (runs["network"] == network)].dropna(subset=metric)
                height = place + shift + 0.2 * side_by_side(own["seed"])
                ax.plot(own[metric], height, look["marker"], color=look["color"], markersize=3.5, alpha=0.6)
                ax.plot([own[metric].median()] * 2, [place + shift - 0.16, place + shift + 0.16], color="black")
            ax.plot([], [], look["marker"], color=look["color"], label=title)
        ax.set(title=WORDS[labels], xlabel="accuracy", xlim=(0, 1.02), ylim=(len(NETWORKS) - 0.5, -0.5))
        ax.xaxis.set_major_formatter(lambda share, _: percent(share))
    row[0].set_yticks(range(len(NETWORKS)), [SIZES[network] for network in NETWORKS])
    row[0].legend(frameon=False, fontsize=8, loc="lower left")
    return figure


CAPTIONS = {
    "losses": "Mean training loss over the steps, on true and on random labels; thin lines are seeds, thick ones their "
    "median.",
    "accuracies": "Accuracy after training, on the images that were trained on and on the test set, whose labels are "
    "true in both. A mark a seed, the bar their median.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    grouped = found.runs[found.runs["network"].isin(NETWORKS)].groupby(["labels", "network"])
    train, test = grouped["steady_train_accuracy"].median(), grouped["steady_test_accuracy"].median()

    def told(numbers: pd.Series, labels: str) -> str:
        return listing(f"{percent(numbers[labels, network], 1)} ({SIZES[network]})" for network in NETWORKS)

    return f"""
### What to conclude

**By heart.** Labels that were dealt out at random can be learnt by heart alone. The median share of them that is right
after training is {told(train, "random")}; of true labels it is {told(train, "true")}.

**Nothing is learnt of the images.** On the test set, whose labels are true, who learnt random ones is right in
{told(test, "random")}: chance. Who learnt true ones is right in {told(test, "true")}. The same networks, with the same
capacity, memorise in the one case and generalise in the other, so capacity alone does not say which of them happens.

**A linear model.** Without a hidden layer, labels of so many images cannot all be had by any weights, true ones aside;
that it has more than chance of random ones right is what its own few thousand weights can hold.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """How far memorising depends on what the document leaves open."""
    if found.universe_findings is None:
        return ""
    numbers = found.universe_findings.dropna(subset="number").query("claim == 'memorises-random-labels'")["number"]
    return f"""
**Other choices.** Of random labels the larger network has {percent(numbers.min(), 1)} to {percent(numbers.max(), 1)}
right in the median of a universe.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    drawn = {}
    runs = tables.runs[tables.runs["network"].isin(NETWORKS)]
    if {"steady_train_accuracy", "steady_test_accuracy"} <= {*runs}:
        drawn["accuracies"] = accuracies(runs)
    if "train_loss" in tables.curves:
        drawn["losses"] = losses(tables.curves[tables.curves["network"].isin(NETWORKS)])
    return drawn
