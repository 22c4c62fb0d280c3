"""Draws the figures of the study `relu_speed` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from research.publishing.figures import draw_curves, looks, place_legend, side_by_side
from research.publishing.prose import BAND, between, count, listing, number, percent, points
from research.publishing.results import Results
from research.record.frames import Frames
from studies.relu_speed import COMPARED, EVERY, SPARSE, STUDY, TARGET

TOP = 0.85  # of accuracy: from where the curves are enlarged
NAMES = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU", "leaky_relu": "leaky ReLU"}


def learning_curves(curves: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """Validation accuracy over steps, whole and enlarged, and the steps to the target, a mark a seed."""
    figure, row = plt.subplots(1, 3, figsize=(10.4, 3.5), width_ratios=(1, 1, 0.9))
    for ax, (title, low) in zip(row, (("whole range", 0.0), ("its top, enlarged", TOP)), strict=False):
        draw_curves(ax, curves, "validation_accuracy", "activation", COMPARED, x="step")
        ax.axhline(TARGET, color="0.4", linewidth=0.7, zorder=1)
        ax.set(title=title, xlabel="step", ylabel="validation accuracy" if ax is row[0] else "", ylim=(low, 1))
    ax = row[2]
    for place, (arm, look) in enumerate(looks(COMPARED).items()):
        own = runs[runs["activation"] == arm]
        arrived = own["reached_target"] == 1
        height = place + 0.5 * side_by_side(own["seed"])
        kind = {"marker": look["marker"], "s": 18, "linewidth": 1.0, "edgecolor": look["color"]}
        ax.scatter(own["steps_to_target"][arrived], height[arrived], facecolor=look["color"], **kind)
        ax.scatter(own["steps_to_target"][~arrived], height[~arrived], facecolor="white", **kind)
    ax.set(title=f"steps to {percent(TARGET)}", xlabel="step", ylim=(len(COMPARED) - 0.4, -0.6))
    ax.set_xlim(0, 1.05 * runs["steps_to_target"].max())
    ax.set_yticks(range(len(COMPARED)), [NAMES[arm] for arm in COMPARED])
    place_legend(figure, STUDY.factor("activation"), COMPARED, marked=False)
    return figure


def zeros_by_layer(layers: pd.DataFrame) -> Figure:
    """The share of activations of ReLU that are zero in each layer, over the training."""
    figure, ax = plt.subplots(figsize=(5.6, 3.2))
    for (layer, own), color in zip(layers.groupby("layer"), ("#0173b2", "#de8f05", "#029e73"), strict=False):
        wide = own.pivot(index="step", columns="seed", values="zero")
        ax.plot(wide, color=color, linewidth=0.5, alpha=0.35)
        ax.plot(wide.median(axis=1), color=color, linewidth=1.8, marker="o", markersize=4, label=f"layer {layer}")
    ax.axhline(0.5, color="0.4", linewidth=0.7, linestyle="--", zorder=1)
    ax.set(xlabel="step", ylabel="activations that are zero", ylim=(0, 1))
    ax.yaxis.set_major_formatter(lambda share, _: percent(share))
    ax.legend(frameon=False, fontsize=8, loc="lower right", ncols=3)
    return figure


def overfitting(runs: pd.DataFrame) -> Figure:
    """Test accuracy and generalisation gap on few images, a mark a seed, the median a bar."""
    figure, row = plt.subplots(1, 2, figsize=(8.4, 2.6))
    titles = {"steady_test_accuracy": "test accuracy", "steady_generalisation_gap": "generalisation gap"}
    for ax, (metric, title) in zip(row, titles.items(), strict=True):
        for place, (arm, look) in enumerate(looks(SPARSE).items()):
            own = runs[runs["activation"] == arm].dropna(subset=metric)
            height = place + 0.5 * side_by_side(own["seed"])
            ax.plot(own[metric], height, look["marker"], color=look["color"], markersize=3.5, alpha=0.6)
            ax.plot([own[metric].median()] * 2, [place - 0.38, place + 0.38], color="black", linewidth=1.2)
        ax.set(xlabel=title, ylim=(len(SPARSE) - 0.4, -0.6))
        ax.set_yticks(range(len(SPARSE)), [NAMES[arm] for arm in SPARSE] if ax is row[0] else [])
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(lambda share, _: percent(share, 2))
    return figure


CAPTIONS = {
    "learning_curves": f"Validation accuracy on all images, every {count(EVERY)} steps. Thin lines are seeds, thick "
    f"ones their mean in the {BAND}. Right: the first step at which {percent(TARGET)} were seen, a mark a seed; who "
    "never arrives is hollow and stands where the training ends.",
    "zeros_by_layer": "Activations of ReLU that are exactly zero, over units and validation images, layer by layer. "
    "Thin lines are seeds, thick ones their median; dashed is a half, which theory gives before any training.",
    "overfitting": "Test accuracy after training on few images, and by how much training accuracy is above it; a mark "
    "a seed, the bar their median.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    every, few = found.runs.query("case == 'all'"), found.runs.query("case == 'few'")
    late = {arm: (own["reached_target"] == 0).sum() for arm, own in every.groupby("activation")}
    layers = found.layers.query("case == 'all' and activation == 'relu'")
    last = layers[layers["step"] == layers["step"].max()].dropna(subset="zero").groupby("layer")["zero"].median()
    accuracy = few.pivot(index="seed", columns="activation", values="steady_test_accuracy")
    gap = few.groupby("activation")["steady_generalisation_gap"].median()
    leak = (accuracy["relu"] - accuracy["leaky_relu"]).median()
    return f"""
### What to conclude

**How many times sooner.** Sigmoid takes {times(every, "sigmoid")} times as many steps as ReLU to the target, tanh
{times(every, "tanh")} times, the median of seeds at one rate for all. Seeds that never arrive:
{listing(f"{count(late[arm])} ({NAMES[arm]})" for arm in COMPARED)}.{tuned(found)}

**Mostly zero.** After training the median share of zeros is {listing(percent(share) for share in last)}, from the
first layer to the last. Before training it is a half by symmetry, so what is more than that was learnt.

**What the zeros do.** Leaky ReLU is ReLU without its zeros and nearly nothing else. The median difference in test
accuracy between the two is {points(leak, places=2)}; the generalisation gap is
{listing(f"{percent(gap[arm], 2)} ({NAMES[arm]})" for arm in SPARSE if np.isfinite(gap.get(arm, np.nan)))}.
"""


def times(runs: pd.DataFrame, slower: str) -> str:
    """How many times as many steps as ReLU an activation needs, the median of seeds; at least, where one is late."""
    wide = runs.pivot(index="seed", columns="activation", values="steps_to_target")
    least = (
        "at least "
        if (runs.query("activation == @slower", local_dict={"slower": slower})["reached_target"] == 0).any()
        else ""
    )
    return f"{least}{number((wide[slower] / wide['relu']).median())}"


def tuned(found: Results) -> str:
    """The same with a rate tuned for each, where these universes were run."""
    if found.universe_runs is None:
        return ""
    rest = {name: level for name, level in STUDY.reference.items() if name != "rate"}
    runs = found.universe_runs.query("case == 'all' and rate == 'tuned'")
    runs = runs[(runs[list(rest)] == pd.Series(rest)).all(axis=1)]
    if runs.empty:
        return ""
    return f""" With a rate tuned for each activation, as in the paper that the document
cites, it is {times(runs, "sigmoid")} times for sigmoid and {times(runs, "tanh")} times for tanh. {across(found)}"""


def across(found: Results) -> str:
    """From what to what the factor of tanh goes, where it is known, in all universes."""
    assert found.universe_findings is not None
    numbers = found.universe_findings.query("claim == 'six-times'")["number"].dropna()
    return f"Where it is known, tanh's factor is {between(numbers.min(), numbers.max())} in all universes."


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs, curves, layers, _ = tables
    every, few = runs[runs["case"] == "all"], runs[runs["case"] == "few"]
    if every.empty or few.empty or "steps_to_target" not in every:
        return {}
    drawn = {"learning_curves": learning_curves(curves[curves["case"] == "all"], every)}
    if "zero" in layers:
        rows = layers[(layers["case"] == "all") & (layers["activation"] == "relu")]
        drawn["zeros_by_layer"] = zeros_by_layer(rows[rows["zero"].notna()])
    return drawn | ({"overfitting": overfitting(few)} if "steady_generalisation_gap" in few else {})
