"""Draws the figures of the study `vanishing_gradient` from its tables, and says what to conclude from them."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from research.design.study import Level
from research.publishing.figures import draw_against, looks, place_legend
from research.publishing.prose import WITH_INTERVAL, count, listing, number, percent, universe
from research.publishing.results import Results
from research.record.frames import Frames
from studies.vanishing_gradient import ACTIVATIONS, BARELY, LEARNS, STUDY, VANISHED, passed_back, theory

ARMS = [*ACTIVATIONS, "relu-xavier"]
DEEP, STARTS = 20, ("default", "xavier", "he")
CHOICES = tuple(choice.name for choice in STUDY.choices)


def lines(ax: Any, frame: pd.DataFrame, metric: str, last: int, arms: list[str] = ARMS) -> None:
    """A metric over layers: each seed a thin line, the mean of the logarithms of each arm a thick one."""
    for arm, look in looks(ARMS).items():
        rows = frame[(frame["network"] == arm) & (frame["layer"] <= last)]
        wide = rows.pivot(index="seed", columns="layer", values=metric)
        if arm not in arms or wide.empty:
            continue
        ax.plot(wide.columns, wide.T, color=look["color"], linewidth=0.5, alpha=0.35)
        middle = np.exp(np.log(wide.where(wide > 0)).mean())
        ax.plot(wide.columns, middle, linewidth=1.2, markersize=4, markeredgecolor="white", markevery=2, **look)
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def gradients(layers: pd.DataFrame) -> Figure:
    """Signals and weights' gradients at the hidden layers of deep networks, before training and at its end."""
    figure, grid = plt.subplots(2, 2, figsize=(8.4, 6.0), sharex=True, sharey=True)
    metrics = {"signal_share": "backward signal", "weight_gradient_share": "gradient of a weight"}
    epochs = sorted({layers["epoch"].min(), layers["epoch"].max()})
    for row, epoch in zip(grid, epochs, strict=False):
        for ax, (metric, title) in zip(row, metrics.items(), strict=True):
            lines(ax, layers[layers["epoch"] == epoch], metric, DEEP)
            ax.set_title(f"{title}, {f'after epoch {epoch}' if epoch else 'before training'}")
        row[0].set_ylabel("multiple of the last layer's")
    for arm in ARMS:
        back = theory(network=arm, depth=DEEP, **STUDY.reference).backward
        grid[0][0].plot(range(1, DEEP + 1), np.exp(np.r_[np.cumsum(back[::-1])[::-1], 0]), color="black", linewidth=0.8)
    for ax in grid[1]:
        ax.set_xlabel("hidden layer")
    place_legend(figure, STUDY.factor("network"), ARMS, marked=True)
    return figure


def factors(runs: pd.DataFrame) -> Figure:
    """What a layer passes back before training, against depth, with what theory says."""
    figure, ax = plt.subplots(figsize=(5.6, 3.4))

    def predicted(network: str, depth: Level) -> float:
        return passed_back(network=network, depth=int(depth), **STUDY.reference)

    rows = runs[runs["depth"].between(2, DEEP)]
    draw_against(ax, STUDY, rows, "depth", "backward_factor", "network", list(ACTIVATIONS), predicted)
    ax.axhline(0.25, color="0.6", linewidth=0.8, linestyle=(0, (1, 2)))
    ax.set(ylim=(0, 0.8), ylabel="factor of the signal at a layer")
    place_legend(figure, STUDY.factor("network"), list(ACTIVATIONS), marked=True)
    return figure


def changes(layers: pd.DataFrame) -> Figure:
    """How far the weights of each layer have come, after an epoch and at the end."""
    epochs = [epoch for epoch in (1, layers["epoch"].max()) if epoch in set(layers["epoch"])]
    figure, row = plt.subplots(1, len(set(epochs)), figsize=(4.3 * len(set(epochs)), 3.6), sharey=True, squeeze=False)
    for ax, epoch in zip(row[0], sorted(set(epochs)), strict=True):
        lines(ax, layers[layers["epoch"] == epoch], "weight_change", DEEP + 1)
        for edge, text in ((BARELY, "barely changes"), (LEARNS, "learns")):
            ax.axhline(edge, color="0.6", linewidth=0.8)
            if ax is row[0][0]:
                ax.annotate(text, (1, edge), (0, 2), textcoords="offset points", fontsize=7, color="0.35")
        ax.set(title=f"after epoch {epoch}", xlabel=f"layer ({DEEP + 1}: the output)")
    row[0][0].set_ylabel("change of the weights")
    place_legend(figure, STUDY.factor("network"), ARMS, marked=True)
    return figure


CAPTIONS = {
    "gradients": (
        f"Networks of {DEEP} hidden layers: how large the backward signal is at each, and the gradient of a weight "
        "there, as multiples of the last one's. Thin lines are seeds, thick ones the means of their logarithms, black "
        "ones theory."
    ),
    "factors": (
        "What a layer passes back of the signal before training. Dots are seeds, marks their mean "
        f"{WITH_INTERVAL}, black lines theory at this width. The dotted line is a quarter."
    ),
    "changes": (
        f"How far the weights of each layer of {DEEP} have moved from their start, relative to their norm. Thin lines "
        "are seeds, thick ones the means of their logarithms; what did not move at all is not drawn. Between the grey "
        "lines nothing is claimed."
    ),
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    assert found.universe_runs is not None
    deep = found.universe_runs[found.universe_runs["depth"] == DEEP]
    medians: Any = deep.groupby([*CHOICES, "network"]).median(numeric_only=True)
    reference = medians.loc[tuple(STUDY.reference.values())]
    return f"""
### What to conclude

{of_factors(medians)}

**A vanished signal is not a vanished gradient.** From Xavier's start {percent(arriving(reference, "relu-xavier"), 1)}
of the signal arrive in the first of {count(DEEP)} layers of ReLU, and the first weights have gradients that are
{number(reference.loc["relu-xavier", "weight_gradient_arriving"])} times those of the last: what enters a layer is
larger at the front by what the signal is smaller. Of the whole they are all small, which a larger rate can make up for.

**Flat tails are not enough.** With standard normal weights most units of tanh are at their bounds, and the signal is
{number(arriving(reference, "tanh-normal"))} times as large in the first layer as in the last: the weights make up for
the slopes. Where only the slopes are small it vanishes.

### What is known about why

{of_learning(medians)}

**Theory** of wide layers (a Gaussian of the pre-activations' variance, followed from layer to layer from the inputs'
own second moment, with the first correction for the width) gives
{listing(f"{percent(predicted(arm), 1)} for {called(arm)}" for arm in ACTIVATIONS)} from PyTorch's start; measured were
{listing(percent(reference.loc[arm, "backward_factor"], 1) for arm in ACTIVATIONS)}.
"""


def of_factors(medians: Any) -> str:
    """What a layer of each activation passes back from each start, and what arrives through 20 and 100 of ReLU."""
    rows = {init: medians.loc[tuple({**STUDY.reference, "init": init}.values())] for init in STARTS}
    told = (
        f"{listing(percent(rows[init].loc[arm, 'backward_factor'], 1) for init in STARTS)} of {called(arm)}"
        for arm in ACTIVATIONS
    )
    gone = [called(arm) for arm in ACTIVATIONS if arriving(rows["default"], arm) < VANISHED]
    he = [called(arm) for arm in ACTIVATIONS if arriving(rows["he"], arm) < VANISHED]
    return f"""\
**What a layer passes back is its slopes and its weights, and the start decides more than the activation.** From the
starts of PyTorch, Xavier and He these are {listing(told)}. Through {count(DEEP)} layers less than a hundredth arrives
with {listing(gone, "none of them")} from PyTorch's start, and with {listing(he, "none of them")} from He's."""


def of_learning(medians: Any) -> str:
    """Where the weights of sigmoid's first layer move, and how accurate 20 layers are beside one."""
    accuracy: Any = medians["steady_test_accuracy"].unstack("network")["sigmoid"]
    learns = [name(at) for at, value in accuracy.items() if value > 1 - 2 * LEARNS]
    return f"""\
**Whether {count(DEEP)} layers of sigmoid learn** is told by their accuracy: above {percent(1 - 2 * LEARNS)} it is
{listing(learns, "in none of the universes")}. By the signal at the start alone nobody could say: Adam divides each
gradient by its size."""


def arriving(rows: Any, arm: str) -> float:
    return float(rows.loc[arm, "signal_arriving"])


def predicted(arm: str) -> float:
    return passed_back(network=arm, depth=DEEP, **STUDY.reference)


def called(arm: str) -> str:
    return STUDY.factor("network").words.get(arm, arm)


def name(at: tuple[Level, ...]) -> str:
    levels: Mapping[str, Level] = dict(zip(CHOICES, at, strict=True))
    return universe(STUDY, levels)


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    deep = tables.layers[(tables.layers["depth"] == DEEP) & tables.layers["network"].isin(ARMS)]
    if deep.empty:  # a part of the study, with none of what these figures compare
        return {}
    return {
        "gradients": gradients(deep),
        "factors": factors(tables.runs[tables.runs["network"].isin(ACTIVATIONS)]),
        "changes": changes(deep[deep["epoch"] > 0]),
    }
