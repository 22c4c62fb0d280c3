"""Draws the figures of the study `initialization` from its tables, and says what to conclude from them."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.design.study import Level
from research.publishing.figures import looks, place_legend, side_by_side
from research.publishing.prose import count, listing, number, of, percent, points, universe
from research.publishing.results import Results
from research.record.frames import Frames
from studies.initialization import (
    ACTIVATIONS,
    DEEP,
    EXPLODED,
    FLAT,
    NAMES,
    STARTS,
    STEPS,
    STUDY,
    VANISHED,
    WORD,
    backward,
    forward,
)

SHOWN = [start for start in STARTS if start != "zero"]  # at this depth
CHOICES = tuple(choice.name for choice in STUDY.choices)


def dots(ax: Any, runs: pd.DataFrame, metric: str) -> None:
    """Each seed a dot over its start, activations side by side, each median a mark."""
    for row, (activation, look) in enumerate(looks(list(ACTIVATIONS)).items()):
        rows = runs[runs["activation"] == activation].dropna(subset=[metric])
        at = rows["start"].map(SHOWN.index).astype(float) + 0.24 * (row - 1)
        jitter = 0.12 * side_by_side(rows["seed"])
        ax.scatter(at + jitter, rows[metric], s=7, color=look["color"], alpha=0.4, linewidth=0)
        middle = rows.groupby("start")[metric].median()
        places = [SHOWN.index(str(start)) + 0.24 * (row - 1) for start in middle.index]
        ax.plot(places, middle, look["marker"], color=look["color"], markersize=5, markeredgecolor="white")
    ax.set_xticks(range(len(SHOWN)), [NAMES[start] for start in SHOWN])
    ax.set_xlim(-0.5, len(SHOWN) - 0.5)


def factors(runs: pd.DataFrame) -> Figure:
    """What a layer makes of activations and signals before training, with what theory says."""
    figure, column = plt.subplots(2, 1, figsize=(7.2, 6.0), sharex=True)
    told = (("forward_factor", forward, "factor of activations"), ("backward_factor", backward, "factor of the signal"))
    for ax, (metric, theory, label) in zip(column, told, strict=True):
        ax.axhspan(VANISHED ** (1 / STEPS), EXPLODED ** (1 / STEPS), color="0.93", linewidth=0, zorder=0)
        dots(ax, runs, metric)
        for place, start in enumerate(SHOWN):
            for row, activation in enumerate(ACTIVATIONS):
                middle = place + 0.24 * (row - 1)
                expected = theory(start=start, activation=activation, depth=DEEP, **STUDY.reference)
                ax.plot([middle - 0.1, middle + 0.1], [expected] * 2, color="black", linewidth=0.9)
        ax.set_yscale("log")
        ax.set_ylabel(label)
    column[0].set_title(f"{DEEP} hidden layers, before training")
    place_legend(figure, STUDY.factor("activation"), list(ACTIVATIONS), marked=True)
    return figure


def trained(runs: pd.DataFrame) -> Figure:
    """How accurate deep networks become from each start."""
    figure, ax = plt.subplots(figsize=(7.2, 3.4))
    dots(ax, runs, "steady_test_accuracy")
    lost: Any = runs["steady_test_accuracy"].isna().groupby([runs["start"], runs["activation"]]).sum()
    for (start, unit), times in lost[lost > 0].items():
        place = SHOWN.index(start) + 0.24 * (ACTIVATIONS.index(unit) - 1)
        ax.annotate(f"{times} lost", (place, 0.02), ha="center", fontsize=7, color="0.3")
    ax.set(ylim=(0, 1), ylabel="steady test accuracy")
    place_legend(figure, STUDY.factor("activation"), list(ACTIVATIONS), marked=True)
    return figure


CAPTIONS = {
    "factors": (
        "What a hidden layer multiplies the root mean square of its activations by, and the norm of the backward "
        "signal. Dots are seeds, marks their medians, black strokes theory at this width. In the grey band it neither "
        f"vanishes nor explodes over {STEPS} layers."
    ),
    "trained": (
        f"Test accuracy of networks of {DEEP} layers after training at one rate, from each start. Dots are seeds, "
        "marks their medians; those whose loss was not finite are counted as lost."
    ),
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    assert found.universe_runs is not None
    every: Any = found.universe_runs.groupby([*CHOICES, "depth", "start", "activation"]).median(numeric_only=True)
    reference = every.loc[tuple(STUDY.reference.values())]
    deep = reference.loc[DEEP]
    library: Any = found.runs.groupby("start")[["library_variance", "library_wide_over_square"]].median()
    arriving = {each: deep.loc[("normal", each), "signal_arriving"] for each in ACTIVATIONS}
    stuck = reference.loc[(2, "zero"), "train_progress"]
    return f"""
### What to conclude

**PyTorch's default is not He's.** Times the number of inputs, a weight has a variance of
{number(library.loc["default", "library_variance"])}, where He's has {
        number(library.loc["he", "library_variance"])
    }. And
Xavier's does not go by the inputs alone: with four times the outputs it is
{number(library.loc["xavier", "library_wide_over_square"])} of what it was.

**A standard normal start does not make everything explode.** Activations of ReLU grow by
{number(deep.loc[("normal", "relu"), "forward_factor"])} a layer; those of tanh and sigmoid are bounded and stay. The
signal in the first of {count(DEEP)} layers is {
        listing(f"{number(arriving[each])} times the last's with {WORD[each]}" for each in ACTIVATIONS)
    }.

{of_training(every)}

**From zeros** two layers come {
        listing(f"{percent(stuck[each])} of the way with {WORD[each]}" for each in ACTIVATIONS)
    }.

### What is known about why

Theory of wide layers follows the variance of pre-activations from layer to layer, from the inputs' own second moment,
with the first correction for the width. Of a layer's backward signal it gives
{listing(f"{percent(expected(start, each), 1)} for {WORD[each]} from {NAMES[start]} start" for start, each in MATCHED)};
measured were {listing(percent(deep.loc[pair, "backward_factor"], 1) for pair in MATCHED)}. Where most units are
saturated few carry the signal, and a correction of first order is not enough: a layer of tanh from a standard normal
start passes back {number(deep.loc[("normal", "tanh"), "backward_factor"])} times the signal, by theory
{number(expected("normal", "tanh"))}.
"""


MATCHED = (("xavier", "tanh"), ("he", "relu"))


def of_training(every: Any) -> str:
    """What the matched starts gain, and where a standard normal start can be trained."""
    deep = every.xs(DEEP, level="depth")
    accuracy: Any = deep["steady_test_accuracy"].unstack("start")
    gaps = accuracy["xavier"] - accuracy["he"]
    tanh, relu = (gaps.xs(each, level="activation") for each in ("tanh", "relu"))
    progress: Any = deep["train_progress"].unstack("start")["normal"]
    trains = {
        each: [name(at) for at, value in progress.xs(each, level="activation").items() if value > FLAT]
        for each in ACTIVATIONS
    }
    told = (f"{WORD[each]} {listing(at, 'nowhere')}" for each, at in trains.items())
    return f"""\
**Which start suits which unit.** In the medians Xavier's start is ahead of He's with tanh in
{of((tanh > 0).sum(), len(tanh))} universes (in the reference by {points(float(tanh.loc[usual()]))}), and He's ahead of
Xavier's with ReLU in {of((relu < 0).sum(), len(relu))} (by {points(-float(relu.loc[usual()]))}). From standard normal
weights more than a tenth of the way is made by {listing(told)}."""


def usual() -> tuple[Level, ...]:
    return tuple(STUDY.reference.values())


def expected(start: str, activation: str) -> float:
    return backward(start=start, activation=activation, depth=DEEP, **STUDY.reference)


def name(at: tuple[Level, ...]) -> str:
    return universe(STUDY, dict(zip(CHOICES, at, strict=True)))


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    deep = tables.runs[(tables.runs["depth"] == DEEP) & tables.runs["start"].isin(SHOWN)]
    deep = deep[deep["activation"].isin(ACTIVATIONS)]
    return {"factors": factors(deep), "trained": trained(deep)} if len(deep) else {}
