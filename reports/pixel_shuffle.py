"""Draws the figures of the study `pixel_shuffle` from its tables, and says what to conclude from them."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.publishing.figures import draw_curves, intervals, looks, place_legend, side_by_side
from research.publishing.prose import BAND, WITH_INTERVAL, controls, count, listing, of, percent, points, universe
from research.publishing.results import Results
from research.record.frames import Frames
from research.training.examples import moved_pixels
from studies.pixel_shuffle import STUDY

EXAMPLES = Path(__file__).parent / "mnist_examples.png"  # the first eight test images, so that drawing needs no data
KINDS = {
    "original": "as they are",
    "permuted": "one permutation\nfor all images",
    "scrambled": "another permutation\nfor each image",
    "sorted": "sorted by value",
}
NETWORKS = ["mlp", "cnn"]


def images() -> Figure:
    """Eight images as each kind of network gets them."""
    figure, grid = plt.subplots(len(KINDS), 8, figsize=(7.6, 4.0))
    pixels = np.rint(255 * plt.imread(EXAMPLES)[..., 0]).astype(np.uint8)
    originals = np.stack(np.split(pixels, 8, axis=1)).reshape(8, -1)
    moved = {
        "original": originals,
        "sorted": np.sort(originals, axis=1),
        **{kind: moved_pixels(originals, kind, seed=0, part="test") for kind in ("permuted", "scrambled")},
    }
    for row, (kind, name) in zip(grid, KINDS.items(), strict=True):
        for ax, image in zip(row, moved[kind], strict=True):
            ax.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            for spine in ax.spines.values():
                spine.set(visible=True, linewidth=0.5, color="0.7")
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    return figure


def accuracy(runs: pd.DataFrame) -> Figure:
    """Test accuracy by what is done to the pixels, and what each seed loses by the permutation."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.8), width_ratios=(3, 2))
    kinds = list(KINDS)
    for shift, (network, look) in zip((-0.12, 0.12), looks(NETWORKS).items(), strict=True):
        rows = runs[runs["network"] == network]
        jitter = 0.1 * side_by_side(rows["seed"])
        left.scatter(
            rows["pixels"].map(kinds.index).astype(float) + shift + jitter, rows["steady_test_accuracy"], s=7,
            color=look["color"], alpha=0.5, linewidth=0,
        )  # fmt: skip
        draw_means(left, intervals(rows, ["pixels"], "steady_test_accuracy"), kinds, shift, look)
        wide = rows.pivot(index="seed", columns="pixels", values="steady_test_accuracy")
        lost = 100 * (wide["original"] - wide["permuted"]).rename("lost").reset_index()
        place = NETWORKS.index(network)
        right.scatter(
            place + 2 * jitter.iloc[: len(lost)].to_numpy(), lost["lost"], s=12, color=look["color"], alpha=0.5,
            linewidth=0,
        )  # fmt: skip
        summary = intervals(lost.assign(network=network), ["network"], "lost")
        draw_means(right, summary.rename(columns={"network": "pixels"}), NETWORKS, 0, look)
    left.axhline(0.45, color="0.4", linewidth=0.7)
    left.annotate("0.45", (-0.45, 0.45), va="bottom", fontsize=7, color="0.3")
    left.set_xticks(range(len(kinds)), KINDS.values())
    left.set(ylim=(0, 1), xlim=(-0.5, len(kinds) - 0.5), ylabel="test accuracy")
    right.axhspan(-0.5, 0.5, color="0.92", linewidth=0, zorder=0)
    right.axhline(0, color="0.4", linewidth=0.7)
    right.set_xticks(range(len(NETWORKS)), ["MLP", "CNN"])
    right.set(xlim=(-0.5, 1.5), ylabel="points of accuracy lost by the permutation")
    place_legend(figure, STUDY.factor("network"), NETWORKS, marked=True)
    return figure


def draw_means(ax: Axes, summary: pd.DataFrame, places: list[str], shift: float, look: dict[str, object]) -> None:
    """Means with their 95 % intervals at the places of their kinds."""
    ax.errorbar(
        summary["pixels"].map(places.index).astype(float) + shift, summary["mean"],
        (summary["mean"] - summary["low"], summary["high"] - summary["mean"]), fmt=str(look["marker"]),
        color=look["color"], markersize=5, markeredgecolor="white", elinewidth=1, capsize=2, zorder=3,
    )  # fmt: skip


def learning_curves(curves: pd.DataFrame) -> Figure:
    """Validation accuracy over epochs on original and on permuted pixels, every seed a thin line."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.4), sharex=True, sharey=True)
    for ax, network in zip(row, NETWORKS, strict=True):
        rows = curves[curves["network"] == network]
        draw_curves(ax, rows, "validation_accuracy", "pixels", ["original", "permuted"])
        ax.set(title=network.upper(), xlabel="epoch", ylabel="validation accuracy" if network == "mlp" else "")
    trained = curves.loc[(curves["epoch"] > 0) & curves["pixels"].isin(["original", "permuted"]), "validation_accuracy"]
    row[0].set_ylim(max(0, trained.min() - 0.02), 1)
    place_legend(figure, STUDY.factor("pixels"), ["original", "permuted"], marked=False)
    return figure


CAPTIONS = {
    "images": "The first eight test images, as the networks get them with the first of all seeds.",
    "accuracy": (
        f"Left: test accuracy by what is done to the pixels; dots are seeds, marks their mean {WITH_INTERVAL}. "
        "Right: what each seed loses by the permutation, with the band in which the MLP's mean must lie."
    ),
    "learning_curves": (
        "Validation accuracy over epochs, from the first on. Thin lines are seeds, thick ones their mean in the "
        f"{BAND}."
    ),
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    return f"""
### What to conclude

{of_the_order(found)}

{of_what_is_withheld(found)}

### What is known about why

**For the MLP it is a symmetry, not an approximation.** The first layer sums over all pixels, each with a weight of its
own, and these start at random: permuting the pixels is the same as permuting the rows of its weights. With the rows
permuted alike the two trainings agree to rounding. With a start of its own each, as here, they are two draws from one
distribution{of_single_seeds(found)}

{of_values_alone(found)}

**The CNN loses and still learns**, likely because its dense layer sees all of its maps; that was not tested.
"""


def of_the_order(found: Results) -> str:
    """What the MLP's mean changes by, and what the CNN loses."""
    assert found.universe_findings is not None
    findings = found.universe_findings.query("verdict != 'withheld'").set_index("claim")
    unchanged, lost = findings.loc["unchanged"], findings.loc["cnn-loses"]
    sure = unchanged[unchanged["verdict"] == "supported"]
    left = unchanged[unchanged["verdict"] == "inconclusive"]
    seeds = count(unchanged["n"].max())
    named = listing(universe(STUDY, {name: at[name] for name in STUDY.reference}) for _, at in left.iterrows())
    every = lost.query("verdict == 'supported' and training_size == 'all'")
    by_horizon = every.groupby("horizon")["number"].agg(["min", "max"])
    losses = listing(f"{points(low, high)} after {horizon} epochs" for horizon, low, high in by_horizon.itertuples())
    return f"""\
The MLP does not care about the order of pixels: in {of(len(sure), len(unchanged))} universes that can be judged its
mean changes by {points(sure["number"].abs().max(), places=2)} at most, and the interval stays within half a point.
Elsewhere single seeds differ so much that {seeds} of them leave it open: {named}. With all examples the CNN loses more
than the MLP by {losses}."""


def of_what_is_withheld(found: Results) -> str:
    """Which controls are refuted or open in universes, and how accurate the networks are that have learnt least."""
    assert found.universe_findings is not None
    assert found.universe_runs is not None
    lost = found.universe_findings.query("claim == 'cnn-loses'")["reason"]
    original = found.universe_runs.query("pixels == 'original'")
    means = original.groupby([*STUDY.reference, "network"])["steady_test_accuracy"].mean()
    lowest: Any = means.idxmin()
    at = dict(zip([*STUDY.reference, "network"], lowest, strict=True))
    network = at.pop("network")
    return f"""\
Controls that are refuted in a universe: {controls(lost, "refuted")}; that are open: {controls(lost, "inconclusive")}.
Networks that have learnt little have little to lose: least accurate on the original images is the {network.upper()}
{universe(STUDY, at)}, with {percent(means.min())}."""


def of_single_seeds(found: Results) -> str:
    """How far single seeds of the MLP differ between original and permuted pixels."""
    mlp = found.runs[found.runs["network"] == "mlp"].pivot(
        index="seed", columns="pixels", values="steady_test_accuracy"
    )
    lost = mlp["original"] - mlp["permuted"]
    return f""", so single seeds differ by up to {points(lost.abs().max())} and the mean by
{points(lost.mean(), places=2)}."""


def of_values_alone(found: Results) -> str:
    """What networks reach that are shown nothing but the values of the pixels."""
    means = found.runs[found.runs["network"] == "mlp"].groupby("pixels")["steady_test_accuracy"].mean()
    return f"""\
**What is left where nothing but the values is.** With another permutation for each image only the set of pixel values
stays the same, and {percent(means["scrambled"])} are classified right. A network that is shown the values in order
comes to {percent(means["sorted"])}."""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    if not {"original", "permuted"} <= set(tables.runs["pixels"]):
        return {}
    return {
        "images": images(),
        "accuracy": accuracy(tables.runs[tables.runs["pixels"].isin(KINDS)]),
        "learning_curves": learning_curves(tables.curves),
    }
