"""Draws the figure of the study `pretraining` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks, side_by_side
from research.publishing.prose import listing, percent, points
from research.publishing.results import Results
from research.record.frames import Frames
from studies.pretraining import DEEP, NETWORKS, SHALLOW, STUDY

ORDER = (*NETWORKS, "svm")


def accuracies(runs: pd.DataFrame) -> Figure:
    """Test accuracy of each learner, deep and shallow, and what its features tell before any label; a mark a seed."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.4), sharey=True)
    titles = {"steady_test_accuracy": "after training", "feature_accuracy": "from features before any label"}
    words = STUDY.arms.words
    for ax, (metric, title) in zip(row, titles.items(), strict=True):
        for depth, look, shift in zip((DEEP, SHALLOW), looks(["deep", "shallow"]).values(), (-0.2, 0.2), strict=True):
            for place, learner in enumerate(ORDER):
                own = runs[(runs["learner"] == learner) & (runs["depth"] == depth)].dropna(subset=metric)
                height = place + shift + 0.25 * side_by_side(own["seed"])
                color = "0.35" if learner == "svm" else look["color"]
                ax.plot(own[metric], height, look["marker"], color=color, markersize=3.5, alpha=0.6)
                ax.plot([own[metric].median()] * 2, [place + shift - 0.17, place + shift + 0.17], color="black")
            if ax is row[0]:
                ax.plot([], [], look["marker"], color=look["color"], label=f"hidden layers: {depth}")
        ax.set(title=title, xlabel="test accuracy", xlim=(0, 1), ylim=(len(ORDER) - 0.4, -0.6))
        ax.xaxis.set_major_formatter(lambda share, _: percent(share))
    row[0].set_yticks(range(len(ORDER)), [words.get(learner, learner) for learner in ORDER])
    row[0].legend(frameon=False, fontsize=8, loc="lower left")
    return figure


CAPTIONS = {
    "accuracies": "Left: test accuracy after training with labels. Right: that of a ridge regression on the outputs of "
    "the last hidden layer, before the network has seen a label. A mark a seed, the bar their median; the SVM has no "
    "layers.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    runs = found.runs[found.runs["learner"].isin(ORDER)]
    deep = runs[runs["depth"] == DEEP].groupby("learner")
    after, before = deep["steady_test_accuracy"].median(), deep["feature_accuracy"].median()
    shallow = runs[runs["depth"] == SHALLOW].groupby("learner")["steady_test_accuracy"].median()
    words = STUDY.arms.words
    return f"""
### What to conclude

**Deep networks and the SVM.** With labels, the median test accuracy of the deep learners is
{listing(f"{percent(after[arm], 1)} ({words.get(arm, arm)})" for arm in ORDER)}. With one hidden layer it is
{listing(f"{percent(shallow[arm], 1)} ({words.get(arm, arm)})" for arm in NETWORKS)}.

**Is it the pretraining?** Pretraining and Xavier's start differ by {points(after["pretrained"] - after["xavier"])} of
median accuracy. Xavier's sees no data at all, so how near it comes says how much of a rescue is the scale of the
weights alone.

**Features.** Before any label was seen, a ridge regression on the last layer is right in
{listing(f"{percent(before[arm], 1)} ({words.get(arm, arm)})" for arm in NETWORKS if np.isfinite(before[arm]))} of the
test images. A random layer tells digits too, as far as the images' differences survive it.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """How far the rescue depends on what the document leaves open."""
    if found.universe_findings is None:
        return ""
    numbers = found.universe_findings.dropna(subset="number").query("claim == 'rescues-deep-sigmoid'")["number"]
    return f"""
**Other choices.** What pretraining adds to the random start is {points(numbers.min(), numbers.max())} in the median of
a universe.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs = tables.runs[tables.runs["learner"].isin(ORDER)]
    return {"accuracies": accuracies(runs)} if {"feature_accuracy", "steady_test_accuracy"} <= {*runs} else {}
