"""Draws the figures of the study `softmax_regression` from its tables, and says what to conclude from them."""

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks, side_by_side
from research.publishing.prose import between, listing, number, percent
from research.publishing.results import Results
from research.record.frames import Frames
from studies.softmax_regression import BATCHES, LARGEST, MEAN, ROWS, SUM

POSITIONS = {size: place for place, size in enumerate(BATCHES)}


def gradients(profiles: pd.DataFrame) -> Figure:
    """The norm of a batch's gradient by its size, of the mean and of the sum, before and after training."""
    figure, row = plt.subplots(1, 2, figsize=(7.4, 3.2))
    own = profiles[profiles["case"] == "digits"].dropna(subset="size")
    at = own["place"].map(POSITIONS) + 0.3 * side_by_side(own["seed"])
    whens = {"before training": "", "after training": "_trained"}
    ticks = {"mean": (0.1, 0.3, 1, 3), "sum": (10, 30, 100, 300)}
    for ax, kind in zip(row, ticks, strict=True):
        factor = own["place"] if kind == "sum" else own["place"] ** 0
        for (when, suffix), look in zip(whens.items(), looks([*whens]).values(), strict=True):
            ax.plot(at, own[f"size{suffix}"] * factor, look["marker"], color=look["color"], markersize=3, alpha=0.5,
                    label=when)  # fmt: skip
            theory = (own[f"theory{suffix}"] * factor).groupby(own["place"]).median()
            ax.plot(range(len(theory)), theory, color=look["color"], linestyle=look["linestyle"], linewidth=1)
        ax.set_xticks(range(len(BATCHES)), [str(size) for size in BATCHES])
        ax.set(title=f"of the {kind} of the losses", xlabel="examples in a batch", yscale="log")
        ax.set_yticks(ticks[kind], [f"{tick:g}" for tick in ticks[kind]])
        ax.set_yticks([], minor=True)
    row[0].set_ylabel("norm of the gradient")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def trainings(runs: pd.DataFrame) -> Figure:
    """How far training comes on the mean and on the sum, by the size of the batch, every seed a mark."""
    figure, ax = plt.subplots(figsize=(5.6, 3.2))
    arms = {"mean of the losses": MEAN, "sum of the losses": SUM}
    for (name, cases), look, shift in zip(arms.items(), looks([*arms]).values(), (-0.15, 0.15), strict=True):
        own = runs[runs["case"].isin(cases)].dropna(subset="train_progress")
        place = own["case"].map(cases.index).astype(float) + shift
        ax.plot(place + 0.2 * side_by_side(own["seed"]), own["train_progress"], look["marker"], color=look["color"],
                markersize=3, alpha=0.5)  # fmt: skip
        medians = own.groupby(place)["train_progress"].median()
        ax.plot(medians, look["marker"], color=look["color"], linestyle=look["linestyle"], linewidth=1, label=name)
    ax.axhline(0, color="black", linestyle="--", linewidth=0.8)
    ax.set_yscale("symlog", linthresh=1)
    ax.set_xticks(range(len(BATCHES)), [str(size) for size in BATCHES])
    ax.set(xlabel="examples in a batch", ylabel="training progress", xlim=(-0.5, len(BATCHES) - 0.5))
    ax.yaxis.set_major_formatter(lambda share, _: percent(share))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def overflow(profiles: pd.DataFrame) -> Figure:
    """The share of losses that are no number where cross-entropy is written as its formula, by the largest logit."""
    figure, ax = plt.subplots(figsize=(4.6, 2.4))
    own = profiles[profiles["case"] == "losses"].dropna(subset="lost_at")
    at = own["place"].map(LARGEST.index).astype(float) + 0.3 * side_by_side(own["seed"])
    ax.plot(at, own["lost_at"], "o", color="#0173b2", markersize=3, alpha=0.6)
    ax.set_xticks(range(len(LARGEST)), [f"{logit:,}" for logit in LARGEST])
    ax.set(xlabel="largest logit", ylabel="lost losses", ylim=(-0.05, 1.05))
    ax.yaxis.set_major_formatter(lambda share, _: percent(share))
    return figure


CAPTIONS = {
    "gradients": "Norm of the gradient of a batch of digits by the batch's size, its root mean square over random "
    "batches, for the mean of the losses (left) and their sum (right). A mark a seed; lines are what theory gives: the "
    "gradient of all examples and, by the size of the batch, the variance of one.",
    "trainings": "How far training comes at one rate for all sizes of batches, from the best constant prediction (the "
    "dashed line) towards no loss. A mark a seed, lines join medians; what diverged has no mark.",
    "overflow": "Share of the losses that are no number in single precision where cross-entropy is computed as its "
    "formula is written, by the largest logit; a mark a seed. Computed in one function none is lost.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    median = found.runs.drop(columns="cell").groupby("case").median()
    before, after, sums = (float(median[name]["digits"]) for name in ("mean_ratio", "mean_ratio_trained", "sum_ratio"))
    progress, moved = median["train_progress"], float(median["argmax_moved"]["softmax-close"])
    ratio = BATCHES[-1] // BATCHES[0]
    return f"""
### What to conclude

**The formulas are right**, to the last digits that rounding leaves, up to one: softmax keeps the order of numbers, but
outputs that differ in their last bit can become the same probability, and whoever takes the first of equals then takes
another class. It happened in {percent(moved / ROWS)} of rows that were made to be that close (the median).

**The size of the gradient.** What a batch adds is noise, whose square falls with its size. Before training the gradient
of the mean is {number(before)} times as large for the smallest batches as for the largest, which have
{ratio} times as many examples; after training, {number(after)} times, towards the
{number(math.sqrt(ratio))} times of noise alone. So the mean keeps the size of the gradient where there is much to
learn, and less and less later. Of the sum it grows {number(sums)} times, not {ratio} times, for the same
reason.

**Mean or sum.** At one rate for all sizes the median progress of training on the mean is
{listing(f"{percent(progress[case])} ({case.removeprefix('mean-')})" for case in MEAN if case in progress)} by the
number of examples in a batch, and on the sum
{listing(f"{percent(progress[case])} ({case.removeprefix('sum-')})" for case in SUM if case in progress)}. The sum is
the mean at as many times the rate, so what fails is too high a rate for the larger batches.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """How far it depends on what the document leaves open."""
    if found.universe_findings is None:
        return ""
    numbers = found.universe_findings.dropna(subset="number").groupby("claim")["number"].agg(["min", "max"])
    low, high, lost = numbers["min"], numbers["max"], "overflows-on-digits"
    return f"""
**Other choices.** In the median of a universe training on the sum of the largest batches comes to
{percent(low["sum-unstable"])} to {percent(high["sum-unstable"])}, and {between(low[lost], high[lost])} images have a
loss that is no number where it is computed as it is written.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    drawn = {"trainings": trainings(tables.runs)} if "train_progress" in tables.runs else {}
    if not {"size", "lost_at"} <= {*tables.profiles}:
        return drawn
    return {"gradients": gradients(tables.profiles), **drawn, "overflow": overflow(tables.profiles)}
