"""Draws the figures of the study `loss_convergence` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import draw_curves, looks, place_legend, side_by_side
from research.publishing.prose import BAND, controls, count, listing, number, of, percent, points, universe
from research.publishing.results import Results
from research.record.frames import Frames
from research.training.measures import CONFIDENTLY_WRONG, PROBABILITY_EDGES
from studies.loss_convergence import STUDY

ARMS = ["cross_entropy", "mse"]
TARGET, TOP = 0.95, 0.9  # of accuracy: what is to be reached, and from where the enlarged curves are shown
EVERY, LAST = 50, 20  # steps between evaluations; of how many of these the last rise is taken
NUM_VALIDATION = 5000  # examples


def learning_curves(curves: pd.DataFrame) -> Figure:
    """Validation accuracy over steps, every seed a thin line; beside it the top enlarged."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.6), sharex=True)
    for ax, (title, low) in zip(row, (("whole range", 0.0), ("its top, enlarged", TOP)), strict=True):
        draw_curves(ax, curves, "validation_accuracy", "loss", ARMS, x="step")
        ax.axhline(TARGET, color="0.4", linewidth=0.7, zorder=1)
        ax.set(title=title, xlabel="step", ylabel="validation accuracy" if ax is row[0] else "", ylim=(low, 1))
    row[0].annotate("95 %", (0, TARGET), xytext=(2, 2), textcoords="offset points", fontsize=7, color="0.3")
    place_legend(figure, STUDY.factor("loss"), ARMS, marked=False)
    return figure


def steps_to_target(runs: pd.DataFrame) -> Figure:
    """The steps to 95 % of every seed; those that never arrive are hollow and stand at the horizon."""
    figure, ax = plt.subplots(figsize=(6.4, 2.6))
    for place, (loss, look) in enumerate(looks(ARMS).items()):
        rows = runs[runs["loss"] == loss]
        height = place + 0.5 * side_by_side(rows["seed"])
        arrived = rows["reached_target"] == 1
        kind = {"marker": look["marker"], "s": 22, "linewidth": 1.1, "edgecolor": look["color"]}
        ax.scatter(rows["steps_to_target"][arrived], height[arrived], facecolor=look["color"], **kind)
        ax.scatter(rows["steps_to_target"][~arrived], height[~arrived], facecolor="white", zorder=3, **kind)
        if not arrived.all():
            ax.annotate(
                f"{(~arrived).sum()} of {len(rows)} never arrive", (rows["steps_to_target"].max(), place + 0.42),
                ha="right", va="center", fontsize=8, color="0.25",
            )  # fmt: skip
    ax.set(xlabel="steps to 95 % validation accuracy", ylim=(1.6, -0.6))
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
    place_legend(figure, STUDY.factor("loss"), ARMS, marked=True)
    return figure


CAPTIONS = {
    "learning_curves": (
        f"Validation accuracy every {EVERY} steps. Thin lines are seeds, thick ones their mean in the {BAND}."
    ),
    "steps_to_target": f"Steps until validation accuracy is first seen at {percent(TARGET)}, a mark a seed.",
    "gradient_by_probability": (
        "Norm of each loss's gradient at the logits of the networks trained with cross-entropy, over validation "
        "examples in half decades of the probability of their true class, but for the last: small marks are seeds, "
        "large ones their mean. Dashed: from the formulas, if all other probability lies on one class."
    ),
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    return f"""
### What to conclude

{of_the_rate(found)}

{of_what_is_not_known(found)}

### What was compared

Cross-entropy of a softmax, and half the squared distance between the softmax's output and the label's vector, summed
over the classes: so the document writes it. Both at the same rate. Libraries often take the mean over the classes
instead; that, other outputs and a rate for each loss are the universes.

### What is known about why

**At the start nobody is sure of anything, and squared error is slow already.** The untrained networks give each class
about a tenth. There the softmax's matrix shrinks the gradient of squared error to a tenth of cross-entropy's (put a
tenth for p into the formula). So at one and the same rate squared error begins as if its rate were ten times lower,
and a rate of its own makes up for most of it.

{of_the_wrong_class(found)}

**Not equal at the horizon.** {of_the_horizon(found)}
"""


def of_the_rate(found: Results) -> str:
    """How much sooner cross-entropy arrives at one rate and at a rate for each loss."""
    assert found.universe_findings is not None
    assert found.universe_runs is not None
    findings = found.universe_findings.set_index("claim")
    sooner = findings.loc["sooner"].query("rate == 'customary' and inside + outside == n")
    ends = usual(findings.loc[["equal-in-the-end"]]).query("rate == 'tuned' and output == 'softmax'").iloc[0]
    runs = usual(found.universe_runs).query("rate == 'tuned' and output == 'softmax' and case == 'mnist'")
    steps = runs.pivot(index="seed", columns="loss", values="steps_to_target")
    ties = (steps["mse"] == steps["cross_entropy"]).sum()
    mean = findings.loc["times-sooner"].query("rate == 'tuned' and squares == 'mean'").iloc[0]
    return f"""\
At one and the same rate cross-entropy is the sooner in {of((sooner["verdict"] == "supported").sum(), len(sooner))}
universes in which that is known, {times(found, "softmax", "customary")} times with the document's squared error. **Most
of that is the rate.** With a rate tuned for each loss it arrives {times(found, "softmax", "tuned")} times sooner, and
{of(ties, len(steps))} seeds tie; the difference between the two in the end is {points(ends["low"], ends["high"], 2)}.
With raw outputs instead of a softmax it is {times(found, "raw", "customary")} times at the common rate already. So
the document is right about the experiment that its reader would do, and cross-entropy's advantage is mostly that it
needs no other rate. With the mean over the classes and a tuned rate it is {number(mean["number"])}
times{at_an_edge(mean["reason"])}."""


def times(found: Results, output: str, rate: str) -> str:
    """How many times as many steps squared error needs, the median of seeds; at least, where one never arrives."""
    assert found.universe_runs is not None
    runs = usual(found.universe_runs).query(f"case == 'mnist' and rate == '{rate}'").set_index("seed")
    sooner = runs.query("loss == 'cross_entropy' and output == 'softmax'")["steps_to_target"]
    later = runs.query(f"loss == 'mse' and output == '{output}'")
    least = "" if later["reached_target"].all() else "at least "
    return f"{least}{number((later['steps_to_target'] / sooner).median())}"


def usual(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of universes that differ from the reference in output and rate alone."""
    rest = {name: level for name, level in STUDY.reference.items() if name not in ("output", "rate")}
    return frame[(frame[list(rest)] == pd.Series(rest)).all(axis=1)]


def at_an_edge(reason: str) -> str:
    """Whether a number rests on a rate from an end of its range."""
    return ", at a rate from the end of its range, so that this says little" if " end)" in reason else ""


def of_what_is_not_known(found: Results) -> str:
    """In which universes neither loss arrives, and which controls are open."""
    assert found.universe_findings is not None
    sooner = found.universe_findings.query("claim == 'sooner'")
    unknown = sooner.query("inside + outside == 0")
    named = listing((universe(STUDY, {name: at[name] for name in STUDY.reference}) for _, at in unknown.iterrows()))
    return f"""\
In {count(len(unknown))} universes neither loss arrives in any seed, so that which is sooner is not known: {named}.
Controls that are refuted in a universe: {controls(sooner["reason"], "refuted")}; that are open, which is said beside
the verdicts: {controls(sooner["reason"], "inconclusive")}."""


def of_the_wrong_class(found: Results) -> str:
    """Why the ratio is not that of the formula, and on how many examples it rests."""
    shares = found.runs.query("loss == 'cross_entropy' and case == 'mnist'")["confidently_wrong_share"]
    fewest, most = ((NUM_VALIDATION * end).round() for end in (shares.min(), shares.max()))
    return f"""\
**Sure of the wrong class, squared error gets little signal.** In trained networks the effect is weaker than the formula
for two classes says (the dashed line), because a network that gives the true class little often spreads the rest over
several others. The ratio rests on few examples: {count(fewest)} to {count(most)} of {count(NUM_VALIDATION)} are
confidently wrong at the end."""


def of_the_horizon(found: Results) -> str:
    """Whether squared error's accuracy still rises at the horizon."""
    curves = found.curves.query("loss == 'mse' and case == 'mnist'")
    means = curves.groupby("step")["validation_accuracy"].mean()
    late = means[means.index >= means.index[-1] - LAST * EVERY]
    gained = late.iloc[-1] - late.iloc[0]
    return f"""\
After {count(means.index[-1])} steps the accuracy of squared error is still rising, by {points(gained, places=2)} in
the last {count(LAST * EVERY)}, so this says nothing of where it would end."""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs, curves, _, profiles = (table[table["case"] == "mnist"] for table in tables)
    if runs.empty:
        return {}
    profiles = profiles[profiles["loss"] == "cross_entropy"]
    drawn = {"learning_curves": learning_curves(curves), "steps_to_target": steps_to_target(runs)}
    return drawn | ({"gradient_by_probability": gradient_by_probability(profiles)} if len(profiles) else {})
