"""Draws the figures of the study `linear_collapse` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks, side_by_side
from research.publishing.prose import listing, number, percent, points
from research.publishing.results import Results
from research.record.frames import Frames
from studies.linear_collapse import BENT, DEPTHS, EXACT, HIDDEN, LINEAR, RELU

LEAST = 1e-17  # where what is exactly the same is drawn


def from_the_product(profiles: pd.DataFrame) -> Figure:
    """How far random stacks are from the product of their weights at each depth, with activations and without."""
    figure, ax = plt.subplots(figsize=(5.6, 3.2))
    words = {"stacks": "no activation"} | {
        network: f"with {network.removeprefix('stacks-')}".replace("relu", "ReLU") for network in BENT
    }
    for place, (network, look) in enumerate(looks([*words]).items()):
        own = profiles[profiles["network"] == network]
        shift = (place - 1.5) * 0.12
        at = own["place"].map(DEPTHS.index).astype(float) + shift + 0.1 * side_by_side(own["seed"])
        ax.plot(at, own["product_at_depth"].clip(lower=LEAST), look["marker"], color=look["color"], markersize=3,
                alpha=0.6, label=words[network])  # fmt: skip
    ax.axhline(EXACT, color="black", linestyle="--", linewidth=0.8)
    ax.set_xticks(range(len(DEPTHS)), [str(depth) for depth in DEPTHS])
    ax.set(yscale="log", xlabel="hidden layers", ylabel="difference from the product")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def accuracies(runs: pd.DataFrame) -> Figure:
    """Test accuracy by the number of hidden layers, linear and with ReLU, every seed a mark."""
    figure, ax = plt.subplots(figsize=(5.6, 3.2))
    arms = {"softmax regression": ("softmax",), "linear": LINEAR, "with ReLU": RELU}
    for place, ((name, networks), look) in enumerate(zip(arms.items(), looks([*arms]).values(), strict=True)):
        own = runs[runs["network"].isin(networks)].dropna(subset="steady_test_accuracy")
        positions = {"softmax": 0.0} | {
            network: 1 + networks.index(network) + (place - 1.5) * 0.25 for network in networks if network != "softmax"
        }
        at = own["network"].map(positions)
        spread = at + 0.18 * side_by_side(own["seed"])
        ax.plot(spread, own["steady_test_accuracy"], look["marker"], color=look["color"], markersize=3, alpha=0.5)
        medians = own.groupby("network")["steady_test_accuracy"].median().reindex(networks).dropna()
        ax.plot([positions[network] for network in medians.index], medians, look["marker"], color=look["color"],
                linestyle=look["linestyle"], linewidth=1.2, markersize=5, label=name)  # fmt: skip
    ax.set_xticks(range(len(HIDDEN) + 1), ["0", *map(str, HIDDEN)])
    ax.set(xlabel="hidden layers", ylabel="test accuracy")
    ax.yaxis.set_major_formatter(lambda share, _: percent(share))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


CAPTIONS = {
    "from_the_product": "How far the outputs of random stacks are from those of the one layer that their weights "
    "multiply out to, over the largest output: a mark is the worst stack of a seed. Below the dashed line it is "
    "equality, up to rounding.",
    "accuracies": "Test accuracy of trained networks by the number of their hidden layers, a mark a seed, lines join "
    "medians.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    medians = found.runs.groupby("network")["steady_test_accuracy"].median()
    product = found.runs.groupby("network")["by_product"].max()["stacks"]
    above = found.runs.groupby("network")["above_convex_bound"].median()
    softmax = medians["softmax"]
    return f"""
### What to conclude

**The function collapses.** The worst of all random stacks is {number(product)} of its largest output away from the
product of its weights, and in whole numbers none is. So a stack can be replaced by one layer after training too.

**The training does not collapse.** Descent moves the layers, and the product moves otherwise than a single layer would.
The median test accuracy of softmax regression is {percent(softmax, 1)}; that of linear networks differs from it by
{
        listing(
            f"{points(medians[network] - softmax)} (hidden layers: {depth})"
            for depth, network in zip(HIDDEN, LINEAR, strict=True)
        )
    }. How far training got towards the least loss that
softmax regression can have is part of that: the median training loss is above it by
{
        listing(
            f"{number(above[network])} nats ({name})"
            for network, name in (("softmax", "softmax regression"), *zip(LINEAR, LINEAR, strict=True))
        )
    }.

**What an activation adds.** The same layers with ReLU between them are
{
        listing(
            f"{points(medians[relu] - medians[linear])} (hidden layers: {depth})"
            for depth, linear, relu in zip(HIDDEN, LINEAR, RELU, strict=True)
        )
    } better than without.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """How far the accuracies depend on what the documents leave open."""
    if found.universe_findings is None:
        return ""
    numbers = found.universe_findings.dropna(subset="number").query("claim == 'no-better-than-softmax'")["number"]
    return f"""
**Other choices.** The lead of nine linear layers over softmax regression is {points(numbers.min(), numbers.max())} in
the median of a universe.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    drawn = {"accuracies": accuracies(tables.runs)} if "steady_test_accuracy" in tables.runs else {}
    is_there = "product_at_depth" in tables.profiles and not tables.profiles.empty
    return ({"from_the_product": from_the_product(tables.profiles)} if is_there else {}) | drawn
