"""Draws the figures of the study `loss_convergence` from its tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from research.figures import draw_curves, looks, place_legend
from research.measured import Frames
from research.measures import CONFIDENTLY_WRONG, PROBABILITY_EDGES

ARMS = ["cross_entropy", "mse"]
CASES = {"mnist": "the usual start", "wrong-start": "a start that is sure of one class"}
TARGET = 0.95


def learning_curves(curves: pd.DataFrame) -> Figure:
    """Validation accuracy over steps from both starts, every seed a thin line."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.6), sharex=True, sharey=True)
    for ax, (case, title) in zip(row, CASES.items(), strict=True):
        draw_curves(ax, curves[curves["case"] == case], "validation_accuracy", "loss", ARMS, x="step")
        ax.axhline(TARGET, color="0.4", linewidth=0.7, zorder=1)
        ax.set(title=title, xlabel="step", ylabel="validation accuracy" if ax is row[0] else "", ylim=(0, 1))
    row[0].annotate("95 %", (0, TARGET), xytext=(2, 2), textcoords="offset points", fontsize=7, color="0.3")
    place_legend(figure, ARMS, marked=False)
    return figure


def steps_to_target(runs: pd.DataFrame) -> Figure:
    """The steps to 95 % of every seed; those that never arrive are hollow and stand at the horizon."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 2.6), sharey=True)
    for ax, (case, title) in zip(row, CASES.items(), strict=True):
        for place, (loss, look) in enumerate(looks(ARMS).items()):
            rows = runs[(runs["case"] == case) & (runs["loss"] == loss)]
            height = place + 0.5 * (rows["seed"] / max(1, runs["seed"].max()) - 0.5)
            arrived = rows["reached_target"] == 1
            kind = {"marker": look["marker"], "s": 22, "linewidth": 1.1, "edgecolor": look["color"]}
            ax.scatter(rows["steps_to_target"][arrived], height[arrived], facecolor=look["color"], **kind)
            ax.scatter(rows["steps_to_target"][~arrived], height[~arrived], facecolor="white", zorder=3, **kind)
            if not arrived.all():
                ax.annotate(
                    f"{(~arrived).sum()} of {len(rows)} never arrive", (rows["steps_to_target"].max(), place + 0.42),
                    ha="right", va="center", fontsize=8, color="0.25",
                )  # fmt: skip
        ax.set(title=title, xlabel="steps to 95 % validation accuracy", ylim=(1.6, -0.6))
        ax.set_xlim(0, 1.04 * runs["steps_to_target"].max())
        ax.set_yticks(range(len(ARMS)), ["cross-entropy", "squared error"])
    return figure


def gradient_by_probability(profiles: pd.DataFrame) -> Figure:
    """The gradient at the logits against what the true class is given, in the trained networks and in theory."""
    figure, ax = plt.subplots(figsize=(6.4, 4.0))
    p = np.logspace(-6.5, 0, 400)
    theory = {"cross_entropy": np.sqrt(2) * (1 - p), "mse": 2 * np.sqrt(2) * p * (1 - p) ** 2}
    centres = np.sqrt(np.maximum(PROBABILITY_EDGES[:-1], PROBABILITY_EDGES[1] / 10**0.5) * PROBABILITY_EDGES[1:])
    for loss, look in looks(ARMS).items():
        ax.plot(p, theory[loss], color=look["color"], linewidth=0.9, linestyle=(0, (4, 2)))
        wide = profiles.pivot(index="place", columns="seed", values=f"{loss}_gradient")
        wide = wide.dropna(how="all").iloc[:-1]  # nearly all examples of the last bin lie at its end
        ax.plot(centres[wide.index], wide, look["marker"], color=look["color"], markersize=2.5, alpha=0.4)
        ax.plot(
            centres[wide.index], wide.mean(axis=1), color=look["color"], marker=look["marker"], markersize=5,
            markeredgecolor="white", linewidth=1.4, linestyle=look["linestyle"],
        )  # fmt: skip
    ax.axvspan(p[0], CONFIDENTLY_WRONG, color="0.94", linewidth=0, zorder=0)
    ax.annotate("confidently wrong", (0.8 * CONFIDENTLY_WRONG, 1.5e-5), fontsize=8, color="0.3", ha="right")
    ax.set(xscale="log", yscale="log", xlim=(p[0], 1), ylim=(1e-5, 4))
    ax.set(xlabel="p(true class)", ylabel="norm of the gradient at the logits")
    place_legend(figure, ARMS, marked=True)
    return figure


CAPTIONS = {
    "learning_curves": (
        "Validation accuracy every 50 steps. Thin lines are seeds, thick ones their mean in the band of its 95 % "
        "interval."
    ),
    "steps_to_target": "Steps until validation accuracy is first seen at 95 %, a mark a seed.",
    "gradient_by_probability": (
        "Norm of each loss's gradient at the logits of the networks trained with cross-entropy, over validation "
        "examples in half decades of the probability of their true class, up to 0.3: small marks are seeds, large ones "
        "their mean. Dashed: from the formulas, if all other probability lies on one class."
    ),
}
NOTES = """
### What to conclude

At one and the same rate cross-entropy is the sooner in every universe in which it is known, about five times with the
document's squared error. **Most of that is the rate.** With a rate tuned for each loss it arrives 1.2 times sooner,
and one of six seeds ties; the two end within a quarter of a point of each other. With raw outputs instead of a
softmax squared error is nearly as fast at the common rate already. So the document is right about the experiment that
its reader would do, and cross-entropy's advantage is mostly that it needs no other rate. Taking the mean over the
classes makes squared error slower still, and the range in which its rate was tuned ends before what it would need:
that universe says little.

At a tenth of the rate and with sigmoid hidden units neither loss arrives, so that which is sooner is not known. From
the start that is sure of one class neither arrives there either. With sigmoid outputs at a tuned rate squared error
gets away from that start sooner than cross-entropy in five of six seeds: its own slowness there is cured by the rate.

### What was compared

Cross-entropy of a softmax, and half the squared distance between the softmax's output and the label's vector, summed
over the classes: so the document writes it. Both at the same rate. Libraries often take the mean over the classes
instead; that, other outputs and a rate for each loss are the universes.

### What is known about why

**At the start nobody is sure of anything, and squared error is slow already.** The untrained networks give each class
about a tenth. There the softmax's matrix shrinks the gradient of squared error to a tenth of cross-entropy's (put p =
1/10 into the formula). So at one and the same rate squared error begins as if its rate were ten times lower, and a
rate of its own makes up for most of it.

**Sure of the wrong class, squared error hardly learns.** In the control that starts so, its accuracy stays at that of
one class for thousands of steps, while cross-entropy learns as from the usual start. In trained networks the effect
is weaker than the formula for two classes says (the dashed line), because a network that gives the true class little
often spreads the rest over several others. The ratio rests on few examples: some 15 to 30 of 5,000 are confidently
wrong at the end.

**Not equal at the horizon.** After 20 epochs the accuracy of squared error is still rising, so this says nothing of
where it would end.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs, curves = (table[table["case"].isin(CASES)] for table in (tables.runs, tables.curves))
    if set(runs["case"]) < set(CASES):
        return {}
    profiles = tables.profiles[(tables.profiles["case"] == "mnist") & (tables.profiles["loss"] == "cross_entropy")]
    drawn = {"learning_curves": learning_curves(curves), "steps_to_target": steps_to_target(runs)}
    return drawn | ({"gradient_by_probability": gradient_by_probability(profiles)} if len(profiles) else {})
