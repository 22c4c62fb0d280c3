"""Draws the figures of the study `width_sine` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from research.design.study import Level
from research.publishing.figures import intervals, side_by_side
from research.publishing.prose import WITH_INTERVAL, between, count, listing, number, of, universe
from research.publishing.results import Results
from research.record.frames import Frames
from research.training.piecewise import asymptotic_limit, capacity_limit
from studies.width_sine import LINE_WIDTH, PANEL_HEIGHT, STUDY, VISIBLE, Y_RANGE

X = np.linspace(-2 * np.pi, 2 * np.pi, 4096)
BLUE, ORANGE = "#0173b2", "#de8f05"
SHOWN = (8, 32, 128, 512, 2048)  # the document's widths
CHOICES = tuple(choice.name for choice in STUDY.choices)
LATE, JUMP, HIGH = 10, 6, 0.1  # the last evaluations; how many times the one before; an error that stands out
LARGEST_COMPUTED = 256  # more kinks than the 4,096 points can tell apart: theory


def fits(runs: pd.DataFrame, profiles: pd.DataFrame) -> Figure:
    """The fitted curves over sin x, width by width, in the size that the study's measure of "visible" assumes."""
    widths = [width for width in SHOWN if width in set(runs["width"])]
    panel, left, right, bottom, top = 1.62, 0.5, 0.1, 0.5, 0.62
    gap = 0.12
    size = (left + len(widths) * (panel + gap) - gap + right, bottom + PANEL_HEIGHT + top)
    figure = plt.figure(figsize=size)
    figure.set_layout_engine("none")  # the panels have a size of their own
    step = len(X) // (profiles["place"].max() + 1)
    for column, width in enumerate(widths):
        box = (left + column * (panel + gap), bottom, panel, PANEL_HEIGHT)
        ax = figure.add_axes((box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1]))
        drawn = X[: step * profiles["place"].max() + 1]  # the fits are known up to there
        ax.plot(drawn, np.sin(drawn), color="0.15", linewidth=LINE_WIDTH, label="sin x")
        errors = runs[runs["width"] == width].set_index("seed")["test_sup_error"]
        middle = errors.sort_values().index[(len(errors) - 1) // 2]
        for seed, rows in profiles[profiles["width"] == width].groupby("seed"):
            line = ax.plot(X[rows["place"] * step], rows["fit"], color=ORANGE, linewidth=0.4, alpha=0.5)[0]
            if seed == middle:
                line.set(linewidth=LINE_WIDTH, alpha=1, zorder=3, label="the seed with the median error")
        ax.set(ylim=(-Y_RANGE / 2, Y_RANGE / 2), xlim=(X[0], X[-1]), title=f"{width} units")
        ax.set_xticks(np.pi * np.array([-2, -1, 0, 1, 2]), ["", "-π", "0", "π", ""])
        if column:
            ax.set_yticklabels([])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=2, frameon=False)
    return figure


def error_by_width(runs: pd.DataFrame) -> Figure:
    """Largest and root mean square error against width, beside what any curve with as many kinks is bound to."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 4.0), sharex=True)
    widths = sorted(runs["width"].unique())
    computed = capacity_limit(X, np.sin(X), [width for width in widths if width <= LARGEST_COMPUTED])
    beyond = [(width, asymptotic_limit(width + 1)) for width in widths if width > LARGEST_COMPUTED]
    for ax, metric, name in zip(row, ("steady_test_sup_error", "steady_test_rmse"), ("sup", "rmse"), strict=True):
        draw_errors(ax, runs, metric)
        limits = [(limit.num_kinks, getattr(limit, name)) for limit in computed]
        ax.plot(*zip(*limits, strict=True), color="0.3", linewidth=1.2)
        if beyond:
            theory = [limits[-1], *((width, getattr(limit, name)) for width, limit in beyond)]
            ax.plot(*zip(*theory, strict=True), color="0.3", linewidth=1.2, linestyle=(0, (4, 2)))
        ax.annotate(
            "the best curve with as many kinks", limits[-1], xytext=(-8, -3), textcoords="offset points", ha="right",
            va="top", fontsize=7.5, color="0.3",
        )  # fmt: skip
        lowest = min(error for _, error in limits + ([(width, getattr(limit, name)) for width, limit in beyond]))
        ax.set(xscale="log", yscale="log", xlabel="hidden units", ylim=(lowest / 2, 2 * runs[metric].max()))
        ax.set_xticks(widths, [str(width) if width not in (48, 96, 160) else "" for width in widths])
        ax.xaxis.set_minor_locator(NullLocator())
    row[0].axhline(VISIBLE, color="#d55e00", linewidth=1)
    row[0].annotate(
        "visible above, not below", (widths[-1], VISIBLE), xytext=(-6, -3), textcoords="offset points", ha="right",
        va="top", fontsize=7.5, color="#d55e00",
    )  # fmt: skip
    row[0].axvspan(64, 160, color="0.92", linewidth=0, zorder=0)
    row[0].set(title="largest error", ylabel="error at 4,096 points")
    row[1].set_title("root mean square error")
    return figure


def draw_errors(ax: Axes, runs: pd.DataFrame, metric: str) -> None:
    """Each seed a dot, each width's mean with its 95 % interval."""
    shift = 1 + 0.06 * side_by_side(runs["seed"])
    ax.scatter(runs["width"] * shift, runs[metric], s=7, color=BLUE, alpha=0.45, linewidth=0)
    summary = intervals(runs, ["width"], metric).sort_values("width")
    low = np.maximum(summary["low"], 1e-12)  # an interval that reaches zero ends below the axis, which is logarithmic
    ax.errorbar(
        summary["width"], summary["mean"], (summary["mean"] - low, summary["high"] - summary["mean"]), color=BLUE,
        linewidth=1.2, elinewidth=1, capsize=2, marker="o", markersize=4.5, markeredgecolor="white",
    )  # fmt: skip


def error_over_steps(curves: pd.DataFrame) -> Figure:
    """The largest error in the course of training, a line a width: what more steps would still bring."""
    figure, ax = plt.subplots(figsize=(6.4, 3.6))
    widths = [width for width in SHOWN if width in set(curves["width"])]
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.8, len(widths)))
    for width, colour in zip(widths, colours, strict=True):
        wide = curves[curves["width"] == width].pivot(index="step", columns="seed", values="test_sup_error")
        ax.plot(wide, color=colour, linewidth=0.4, alpha=0.4)
        ax.plot(wide.index, wide.median(axis=1), color=colour, linewidth=1.8)
        ax.annotate(
            f"{width} units", (wide.index[-1], wide.median(axis=1).iloc[-1]), xytext=(4, 0), va="center",
            textcoords="offset points", fontsize=8, color=colour,
        )  # fmt: skip
    ax.axhline(VISIBLE, color="#d55e00", linewidth=1)
    ax.annotate(
        "visible above, not below", (0, VISIBLE), xytext=(3, -3), textcoords="offset points", va="top", fontsize=7.5,
        color="#d55e00",
    )  # fmt: skip
    ax.set(yscale="log", xlabel="step", ylabel="largest error", xlim=(0, 1.16 * curves["step"].max()))
    return figure


CAPTIONS = {
    "fits": (
        "Fits of sin x by one hidden layer. All seeds as thin lines, the one with the median error as wide as the "
        "curve itself: what can be told apart here is what the study calls visible."
    ),
    "error_by_width": (
        f"Error against width after training. Dots are seeds, marks their mean {WITH_INTERVAL}; one that leaves "
        "the axis reaches below zero. Grey is the least-squares best curve with as many kinks as units, computed up to "
        f"{LARGEST_COMPUTED} and from theory beyond. The grey band is where the claim has the first width without a "
        "visible difference."
    ),
    "error_over_steps": "Largest error in the course of training. Thin lines are seeds, thick ones their median.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    return f"""
### What to conclude

{of_the_width(found)}

### What is known about why

{of_biases(found)}

{of_units(found)}

{of_the_narrowest(found)}

{of_jumps(found)}
"""


def of_the_width(found: Results) -> str:
    """Which widths look right, and in which universes."""
    assert found.universe_runs is not None
    runs = found.universe_runs[found.universe_runs["case"] == "sine"]
    errors = runs["steady_test_sup_error"].where(runs["diverged_step"].isna(), np.inf)
    right = runs.assign(error=errors).pivot_table("error", list(CHOICES), "width", aggfunc="median") < VISIBLE
    some = right[right.any(axis=1)]
    each = "; ".join(f"{name(at)} {listing(right.columns[right.loc[at]])}" for at in some.index)
    with_sgd = right[[at[1] == "sgd" for at in right.index]].any(axis=1)
    return f"""\
"About a hundred units" is not a property of sin x. The median largest error is below what can be seen in
{of(len(some), len(right))} universes, at these widths: {each}. In the others no width looks right; of those with
**SGD** {of(with_sgd.sum(), len(with_sgd))} has one that does. So the document's sentence is right about some networks
and wrong about others, and it does not say which it means."""


def of_biases(found: Results) -> str:
    """What is left where the start has no biases."""
    assert found.universe_runs is not None
    runs = found.universe_runs.query("case == 'sine' and init != 'default' and inputs == 'raw' and width in (32, 128)")
    errors = runs.groupby(["init", "width"])["steady_test_sup_error"].median()
    return f"""\
**Without biases the fit stops half way.** From the start of He or Glorot all kinks begin at zero. In the end
{listing(sorted(runs["width"].unique()))} units follow the inner arches and miss the outer ones, with largest errors of
{between(errors.min(), errors.max())} from either. A separate program in plain PyTorch ends there too."""


def of_units(found: Results) -> str:
    """How far the networks stay above the best curve with as many kinks."""
    medians = found.runs[found.runs["case"] == "sine"].groupby("width")["steady_test_sup_error"].median()
    limits = {
        limit.num_kinks: limit.sup for limit in capacity_limit(X, np.sin(X), [w for w in medians.index if w <= 128])
    }
    enough = min((kinks for kinks, limit in limits.items() if limit < VISIBLE), default=0)
    wide = max(limits)
    return f"""\
**Units are not what is missing.** From {enough} units on, the best curve with as many kinks (grey) lies below what the
eye can see, and the trained networks stay far above it: with {wide} units the median largest error is
{number(medians[wide])}, and that of the best curve {number(limits[wide])}. So at this start, rate and number of steps
the answer to "how wide?" is mostly one to "how well trained?". More steps, another rate and another start are choices
that the document leaves open: see the universes above."""


def of_the_narrowest(found: Results) -> str:
    """How many of the four arches the narrowest networks follow."""
    runs = found.runs[(found.runs["case"] == "sine") & (found.runs["width"] == min(SHOWN))]
    arches = runs["steady_extrema_right"].value_counts().sort_index(ascending=False)
    each = listing(f"{count(seeds)} follow {count(float(str(number_of)))}" for number_of, seeds in arches.items())
    return f"""\
**{count(min(SHOWN)).capitalize()} units do not draw a near-straight line.** Of {count(len(runs))} seeds and four
arches, {each}."""


def of_jumps(found: Results) -> str:
    """How often the error of the widest networks jumps late in training."""
    curves = found.curves[(found.curves["case"] == "sine") & (found.curves["width"] == max(SHOWN))]
    late = curves.pivot(index="step", columns="seed", values="test_sup_error").iloc[-LATE:]
    jumped = of((late.iloc[-1] > JUMP * late.iloc[-2]).sum(), late.shape[1])
    return f"""\
**Wide networks jump.** With this rate and all points at each step, the error of the widest networks shoots up now and
then, tenfold and more, and is back at the next evaluation. {jumped.capitalize()} seeds of {max(SHOWN)} units end on
such a jump, so that what is read after the last step says little. It is not the harness: a separate program in plain
PyTorch jumps as often (`python -m benchmarks.plain_sine`). Of the evaluations from step {number(late.index[0])} on,
{of((late > HIGH).to_numpy().sum(), late.size)} find an error above {number(HIGH)} here."""


def name(at: tuple[Level, ...]) -> str:
    """A universe in words."""
    return universe(STUDY, dict(zip(CHOICES, at, strict=True)))


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs, curves, _, profiles = (table[table["case"] == "sine"] for table in tables)
    if runs.empty:
        return {}
    return {
        "fits": fits(runs, profiles),
        "error_by_width": error_by_width(runs),
        "error_over_steps": error_over_steps(curves),
    }
