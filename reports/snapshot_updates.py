"""Draws the figures of the study `snapshot_updates` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks, side_by_side
from research.publishing.prose import listing, number, percent, points
from research.publishing.results import Results
from research.record.frames import Frames
from studies.snapshot_updates import DEPTHS, ORDERS, STEPS

NAMES = {"snapshot": "from a snapshot", "as-you-go": "as you go"}
LARGEST = 100.0  # that is shown of a gradient's change; with every layer more an exponent may double


def interference(profiles: pd.DataFrame) -> Figure:
    """How far gradients are off as you go, by the number of layers that were updated before, every seed a thin line."""
    figure, ax = plt.subplots(figsize=(5.6, 3.2))
    for (case, depth), look in zip(zip(STEPS, DEPTHS, strict=True), looks(STEPS).values(), strict=True):
        own = profiles[(profiles["case"] == case) & (profiles["place"] > 0)]
        wide = own.pivot(index="place", columns="seed", values="interference_below")
        wide = wide.clip(upper=LARGEST**2)  # beyond the figure
        ax.plot(wide, color=look["color"], linewidth=0.5, alpha=0.35)
        ax.plot(wide.median(axis=1), look["marker"], color=look["color"], linestyle=look["linestyle"], markersize=3.5,
                linewidth=1.5, label=f"hidden layers: {depth}")  # fmt: skip
    ax.set(
        xlabel="layers that were updated before", ylabel="change of the gradient", yscale="log", ylim=(None, LARGEST)
    )
    ax.yaxis.set_major_formatter(lambda share, _: percent(share))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def accuracies(runs: pd.DataFrame) -> Figure:
    """Test accuracy after training in both orders, by the number of hidden layers, every seed a mark."""
    figure, ax = plt.subplots(figsize=(5.6, 3.2))
    for order, look, shift in zip(ORDERS, looks(ORDERS).values(), (-0.15, 0.15), strict=True):
        cases = [f"{order}-{depth}" for depth in DEPTHS]
        own = runs[runs["case"].isin(cases)].dropna(subset="steady_test_accuracy")
        place = own["case"].map(cases.index).astype(float) + shift
        ax.plot(place + 0.2 * side_by_side(own["seed"]), own["steady_test_accuracy"], look["marker"],
                color=look["color"], markersize=3, alpha=0.5)  # fmt: skip
        medians = own.groupby(place)["steady_test_accuracy"].median()
        ax.plot(medians, look["marker"], color=look["color"], linestyle=look["linestyle"], linewidth=1,
                label=NAMES[order])  # fmt: skip
    ax.set_xticks(range(len(DEPTHS)), [str(depth) for depth in DEPTHS])
    ax.set(xlabel="hidden layers", ylabel="test accuracy", xlim=(-0.5, len(DEPTHS) - 0.5), ylim=(0, 1.02))
    ax.yaxis.set_major_formatter(lambda share, _: percent(share))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


CAPTIONS = {
    "interference": "How far the gradient of a layer's weights is from that of the snapshot, over its norm, in the "
    "first step of updating as you go, by how many layers above have been updated by then. Thin lines are seeds, thick "
    "ones their median; a line that leaves the figure grows past what a float can hold.",
    "accuracies": "Test accuracy after training with all updates from a snapshot and with updates as you go, by the "
    "number of hidden layers. A mark a seed, lines join medians; what diverged has no mark.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    median = found.runs.drop(columns="cell").groupby("case").median()
    off, accuracy = median["interference"], median["steady_test_accuracy"]
    costs = [float(accuracy[f"snapshot-{depth}"] - accuracy[f"as-you-go-{depth}"]) for depth in DEPTHS]
    return f"""
### What to conclude

**What PyTorch does.** backward() changes no value, and a step updates by the gradients of one snapshot. Updates within
backward() come to the same where the signal has passed already, as with torch's hooks: so not the time of an update
matters, but whether the signal goes back through what it changed. That, PyTorch refuses to do.

**What interference does.** As you go the gradient of the first layer is off by
{
        listing(
            f"{percent(off[case])} of its norm (hidden layers: {depth})"
            for case, depth in zip(STEPS, DEPTHS, strict=True)
        )
    } in the first step, the median of seeds. A tenth of the rate
makes that smaller by a factor of {number(10 ** float(median["proportion"]["step-8"]))}.

**What it costs.** The median test accuracy with a snapshot is
{listing(f"{percent(accuracy[f'snapshot-{depth}'], 1)} (hidden layers: {depth})" for depth in DEPTHS)}; as you go it is
lower by {listing(f"{points(lost)} (hidden layers: {depth})" for depth, lost in zip(DEPTHS, costs, strict=True))}.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """How far the cost depends on what the document leaves open."""
    if found.universe_findings is None:
        return ""
    numbers = found.universe_findings.dropna(subset="number").query("claim == 'as-you-go-breaks'")["number"]
    assert found.universe_runs is not None
    deepest = found.universe_runs[found.universe_runs["case"] == f"snapshot-{DEPTHS[-1]}"]
    medians = deepest.groupby("cell")["steady_test_accuracy"].median()
    return f"""
**Other choices.** With the most hidden layers the median test accuracy with a snapshot is
{percent(medians.min(), 1)} to {percent(medians.max(), 1)}, and updating as you go costs
{points(numbers.min(), numbers.max())} in the median of a universe.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    drawn = {"accuracies": accuracies(tables.runs)} if "steady_test_accuracy" in tables.runs else {}
    is_there = "interference_below" in tables.profiles and not tables.profiles.empty
    return ({"interference": interference(tables.profiles)} if is_there else {}) | drawn
