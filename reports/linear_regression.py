"""Draws the figures of the study `linear_regression` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks
from research.publishing.prose import number
from research.publishing.results import Results
from research.record.frames import Frames
from studies.linear_regression import CONVERGED, STUDY

DESCENTS = ("sgd", "sgd-noiseless", "full-batch")
WORDS = STUDY.arms.words


def approach(curves: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """The loss above the minimum over passes over the data, every seed a thin line, the first passes and all."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.4), sharey=True)
    for ax, last in zip(row, (5, int(curves["epoch"].max())), strict=True):
        for learner, look in looks(DESCENTS).items():
            wide = curves[curves["learner"] == learner].pivot(index="epoch", columns="seed", values="excess")
            wide = wide[wide.index <= last]
            ax.plot(wide, color=look["color"], linewidth=0.5, alpha=0.3)
            ax.plot(wide.median(axis=1), color=look["color"], linestyle=look["linestyle"], label=WORDS[learner])
        ax.axhline(CONVERGED, color="0.5", linewidth=0.8)
        ax.set(yscale="log", xlabel="passes over the data", xlim=(0, last), ylim=(1e-34, 3))
    start = (runs.loc[runs["learner"] == "sgd", "furthest"] ** 2).median()  # the start is furthest off
    floor = STUDY.predicted("theory", {"learner": "sgd"})
    row[1].axhline(floor / start, color="black", linestyle=":", linewidth=1.2, label="theory, of SGD")
    row[0].set_ylabel("loss above the minimum,\nover that of the start")
    row[1].legend(frameon=False, fontsize=8, loc="center right")
    return figure


def ends(profiles: pd.DataFrame) -> Figure:
    """The losses at which the ten starts of each seed end, over the least of them."""
    figure, row = plt.subplots(1, 2, figsize=(7.4, 3.0), sharey=True)
    for ax, learner in zip(row, ("linear-starts", "deep-starts"), strict=True):
        wide = profiles[profiles["learner"] == learner].pivot(index="place", columns="seed", values="end_loss")
        ax.plot(wide.index + 1, wide, "o-", color="#0173b2", markersize=2.5, linewidth=0.6, alpha=0.5)
        ax.set(title=WORDS[learner], xlabel="start, the best first", xticks=range(1, len(wide) + 1))
    row[0].set_ylabel("loss at the end, over the best")
    return figure


CAPTIONS = {
    "approach": "Loss above the minimum over passes over the data, the first of them (left) and all (right): thin "
    "lines are seeds, thick ones their median. Below the grey line counts as converged; dotted is where theory says"
    " that SGD stays on noisy data.",
    "ends": "Where trainings from different starts end, in order: a line a seed. At the height of the first mark all "
    "ends are as good as the best.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    runs = found.runs.groupby("learner")
    passes, left = runs["epochs_to_converge"].median(), runs["distance_left"].median()
    functions, minima = runs["functions"].median(), runs["distinct_minima"].median()
    full, measured = passes["full-batch"] / passes["sgd"], found.runs.query("learner == 'sgd'")["floor"].median()
    theory = STUDY.predicted("theory", {"learner": "sgd"})
    return f"""
### What to conclude

**How long.** Minibatches converge after a median of {number(passes["sgd"])} passes over the data, descent on all
examples after {number(passes["full-batch"])}: {number(full)} times as many. With independent columns each step of
minibatches is nearly as good as one on all examples, and a pass has many of them. How many passes it takes is decided
by the rate and by how the columns depend on each other, not by the number of examples alone.

**How near.** On noisy data the loss stays above the minimum by {number(measured)}, theory says {number(theory)}: what
is left is the noise of the batches, and a lower rate makes it smaller. Without noise each step shrinks the distance by
a factor, so that it is never zero in exact arithmetic; in double precision what is left is
{number(left["sgd-noiseless"])} of the distance of the start, which is rounding.

**How many minima.** Ten starts end in a median of {number(minima["linear-starts"])} point without hidden layers and in
{number(functions["deep-starts"])} different functions with two. Units that change places are not counted: with them
every minimum of a deep network is there many times over. The deep network is small and has a small penalty, so that
every end could be followed to where the slope is gone.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """What depends on the columns."""
    if found.universe_findings is None:
        return ""
    own = found.universe_findings.dropna(subset="number")
    passes = own.query("claim == 'tens-of-epochs'")["number"]
    ratios = own.query("claim == 'full-batch-slow'")["number"]
    return f"""
**Other choices.** Where one column is another once more, XᵀX has no inverse and a whole line of weights is as good:
the document's formula and its one critical point need columns that do not depend on each other. Minibatches converge
after {number(passes.min())} to {number(passes.max())} passes in the median of a universe, descent on all examples
takes {number(ratios.min())} to {number(ratios.max())} times as many.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    drawn = {}
    if {"excess", "learner"} <= {*tables.curves} and {*DESCENTS} <= {*tables.curves["learner"]}:
        drawn["approach"] = approach(tables.curves.dropna(subset="excess"), tables.runs)
    if "end_loss" in tables.profiles:
        drawn["ends"] = ends(tables.profiles.dropna(subset="end_loss"))
    return drawn
