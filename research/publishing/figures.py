"""Tidy frames -> axes, with seaborn. No input or output: a figure is a function of its tables."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from research.design.study import Factor, Study
from research.design.wording import label, level_label
from research.judging.margins import WHAT, Margin
from research.judging.stats import mean_interval
from research.publishing.pages import IN_SEEDS, margin_words, measured, seeds_text, verdict_words

if TYPE_CHECKING:
    from research.judging.findings import Finding

DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1)), "-")
MARKERS = ("o", "s", "^", "D", "v", "P")
STEPS = (1, 2, 2.5, 5, 10)  # between the numbers of an axis, of which few are written, since some are long
FAR = 50  # numbers that differ by more than this factor stand on a logarithmic axis
VERDICT_COLOURS = {"supported": "#00588f", "refuted": "#a33d00"}  # those of the HTML page


def use_style() -> None:
    """Fonts, lines and colours of all figures: readable in print at one column, the same bytes each time.

    Whatever a user's own matplotlibrc says.
    """
    mpl.rcdefaults()
    sns.set_theme(
        style="ticks",
        palette="colorblind",
        context="paper",
        rc={
            "axes.titlesize": 9,
            "figure.max_open_warning": 0,  # a study has a figure for each margin
            "axes.labelsize": 9,
            "legend.fontsize": 8.5,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.35,
            "grid.linewidth": 0.5,
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 200,
            "svg.hashsalt": "research",  # else no two SVGs are the same
        },
    )


def looks(levels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker of each level, told apart without colour too."""
    colours = sns.color_palette("colorblind", len(levels))
    return {
        level: {"color": colour, "linestyle": dash, "marker": marker}
        for level, colour, dash, marker in zip(
            levels, colours, itertools.cycle(DASHES), itertools.cycle(MARKERS), strict=False
        )
    }


def intervals(frame: pd.DataFrame, by: list[str], y: str) -> pd.DataFrame:
    """Mean of y, bounds of Student's 95 % interval and n over seeds, a row for each combination of `by`."""
    rows = [
        {**dict(zip(by, key, strict=True)), **mean_interval(group[y])._asdict()}
        for key, group in frame.groupby(by, sort=False)
    ]
    return pd.DataFrame(rows)


def draw_curves(ax: Axes, frame: pd.DataFrame, y: str, arms: str, levels: Sequence[str], x: str = "epoch") -> None:
    """Curves of y over time: each seed as a thin line, each arm's mean as a thick one in its interval's band."""
    for level, look in looks(levels).items():
        rows = frame[frame[arms] == level].dropna(subset=[y])
        if rows.empty:
            continue
        sns.lineplot(
            rows,
            x=x,
            y=y,
            units="seed",
            estimator=None,
            ax=ax,
            color=look["color"],
            linewidth=0.5,
            alpha=0.35,
            legend=False,
        )
        summary = intervals(rows, [x], y)
        ax.plot(summary[x], summary["mean"], color=look["color"], linestyle=look["linestyle"], linewidth=1.8)
        ax.fill_between(summary[x], summary["low"], summary["high"], color=look["color"], alpha=0.2, linewidth=0)


def side_by_side(seeds: pd.Series[int]) -> pd.Series[float]:
    """Places from -0.5 to 0.5 for seeds, in their order: so far apart are their dots."""
    first, last = seeds.min(), seeds.max()
    return (seeds - first) / max(1, last - first) - 0.5


def draw_against(
    ax: Axes,
    study: Study,
    frame: pd.DataFrame,
    x: str,
    y: str,
    arms: str,
    levels: Sequence[str],
    predicted: Callable[[str, Any], float] | None = None,
) -> None:
    """y against the levels of x: each seed as a dot, beside it its arm's mean with its interval; arms side by side.

    What is `predicted` for an arm and a level of x is a thin black line behind them.
    """
    places = {value: place for place, value in enumerate(sorted(frame[x].unique()))}
    width = 0.17
    for row, (level, look) in enumerate(looks(levels).items()):
        rows = frame[frame[arms] == level].dropna(subset=[y])
        if rows.empty:
            continue
        shift = (row - (len(levels) - 1) / 2) * width
        if predicted is not None:
            theory = [predicted(level, value) for value in places]
            ax.plot([at + shift for at in places.values()], theory, color="black", linewidth=0.7, zorder=1)
        jitter = side_by_side(rows["seed"]) * width * 0.5
        ax.scatter(
            rows[x].map(places) + shift + jitter, rows[y], s=5, color=look["color"], alpha=0.45, linewidth=0, zorder=2
        )
        summary = intervals(rows, [x], y)
        at = summary[x].map(places) + shift
        ax.plot(at, summary["mean"], color=look["color"], linestyle=look["linestyle"], linewidth=1.2, zorder=3)
        ax.errorbar(
            at, summary["mean"], (summary["mean"] - summary["low"], summary["high"] - summary["mean"]), fmt="none",
            ecolor=look["color"], elinewidth=1, capsize=2, zorder=3,
        )  # fmt: skip
        ax.plot(
            at, summary["mean"], look["marker"], color=look["color"], markersize=4.5, markeredgecolor="white", zorder=4
        )
    ax.set_xticks(list(places.values()), [str(value) for value in places])
    ax.set_xlabel(label(x, study), parse_math=False)
    ax.set_ylabel(label(y, study), parse_math=False)


def draw_layers(ax: Axes, frame: pd.DataFrame, y: str, arms: str, levels: Sequence[str]) -> None:
    """y of each layer as a share of the last one's, over the layers between; log scale, every seed a thin line."""
    for level, look in looks(levels).items():
        wide = frame[frame[arms] == level].pivot(index="seed", columns="layer", values=y)
        if wide.empty:
            continue
        shares = wide.div(wide.iloc[:, -1], axis=0)
        distance = shares.shape[1] - 1 - np.arange(shares.shape[1])
        ax.plot(distance, shares.T, color=look["color"], linewidth=0.5, alpha=0.35)
        # The mean of the logarithms: what a layer passes on multiplies.
        ax.plot(distance, np.exp(np.log(shares).mean()), linewidth=1.2, markersize=4.5, markeredgecolor="white", **look)
    ax.set_yscale("log")


def findings_figure(findings: Sequence[Finding]) -> Figure:
    """A row for each finding: its sentence, its seeds and interval on its region, its verdict and number."""
    figure, grid = plt.subplots(
        len(findings), 3, figsize=(9.2, 0.3 + 0.66 * len(findings)), width_ratios=(3.5, 3.6, 2.1), squeeze=False
    )
    for (left, ax, right), finding in zip(grid, findings, strict=True):
        text = finding.text if finding.passage else f"Control: {finding.text}"
        left.text(0, 0.5, textwrap.fill(text, 54), va="center", fontsize=8, parse_math=False)
        colour = VERDICT_COLOURS.get(finding.verdict, "0.35")
        verdict = textwrap.fill(verdict_words(finding), 34)
        number = textwrap.fill(measured(finding), 40)
        lines = verdict.count("\n") + number.count("\n") + 2
        right.text(0, 0.5 + 0.15 * lines, verdict, va="top", fontsize=8, weight="bold", color=colour)
        right.text(0, 0.5 - 0.15 * lines, number, va="bottom", fontsize=7, color="0.3")
        for side in (left, right):
            side.set_ylim(0, 1)
            side.axis("off")
        draw_finding(ax, finding, colour)
    return figure


def draw_finding(ax: Axes, finding: Finding, colour: str) -> None:
    """A finding's region as a band, its seeds as dots, its number and interval above them.

    The scale is logarithmic for an identity and where numbers lie so far apart that another would hide which are
    inside. Where seeds are counted it is written how many lie inside; those whose number is not known are no dots.
    """
    scale = 100 if finding.unit else 1
    above, below, number, low, high = (
        scale * value for value in (finding.above, finding.below, finding.number, finding.low, finding.high)
    )
    seeds = [scale * value for value in finding.values if np.isfinite(value)]
    edges = [edge for edge in (above, below) if np.isfinite(edge)]
    if is_identity := finding.kind == "identity" and min(seeds, default=0.0) > 0:
        edges = [edge for edge in edges if edge > 0]
    shown = [*edges, *seeds, *(value for value in (number, low, high) if np.isfinite(value))] or [0.0]
    logarithmic = is_identity or (min(shown) > 0 and max(shown) > FAR * min(shown))
    if logarithmic:
        ax.set_xscale("log")
        left, right = min(shown) / 10, max(shown) * 10
    else:
        margin = 0.08 * (max(shown) - min(shown) or 1.0)
        left, right = min(shown) - margin, max(shown) + margin
    ax.axvspan(max(above, left), min(below, right), color="0.9", linewidth=0)
    for edge in edges:
        ax.axvline(edge, color="0.55", linewidth=0.8)
    ax.scatter(seeds, dodged(seeds, left, right, logarithmic), s=7, color="0.35", alpha=0.6, linewidth=0)
    ax.plot(np.clip([low, high], left, right), [0.68, 0.68], color=colour, linewidth=1.8)
    ax.plot(number, 0.68, "o", color=colour, markersize=4.5)
    if finding.kind in IN_SEEDS and finding.values:
        half = 0.16  # of the text, as a share of the axis
        place = np.log if logarithmic else np.asarray
        ends = place(np.array([left, max(above, left), min(below, right), right]))
        middle = np.clip((ends[1:3].mean() - ends[0]) / np.ptp(ends), half, 1 - half)
        text = f"{seeds_text(finding)} inside"
        ax.text(middle, 0.9, text, ha="center", va="center", fontsize=7, color=colour, transform=ax.transAxes)
    ax.set(xlim=(left, right), ylim=(0, 1), yticks=[])
    ax.tick_params(labelsize=7, length=2, pad=1)
    if logarithmic:
        ax.xaxis.set_major_locator(LogLocator(numticks=5))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(7, steps=STEPS))
    ax.spines["left"].set_visible(False)
    ax.grid(False)


def margins_figure(finding: Finding) -> Figure:
    """How many seeds lie inside at other margins, for each of a claim's, with the one that was chosen as a line.

    The grey band is where the verdict would be the same.
    """
    margins = moved_margins(finding)
    figure, row = plt.subplots(1, len(margins), figsize=(3.4 * len(margins), 2.2), squeeze=False)
    for ax, margin in zip(row[0], margins, strict=True):
        scale = 100 if finding.unit and margin.what != "threshold" else 1
        steps = sorted(margin.steps)
        places, counts = [scale * place for place, _ in steps], [count for _, count in steps]
        if places[0] <= 0 < places[1]:  # nothing changes before the second, so a logarithmic axis can begin there
            places[0] = places[1] / 2
        where = "post" if margin.what == "above" else "pre"  # regions are open: a seed at a margin is outside
        ax.step(places, counts, where=where, color=VERDICT_COLOURS["supported"], linewidth=1.2)
        left, right = places[0], places[-1]
        ax.axvspan(max(scale * margin.low, left), min(scale * margin.high, right), color="0.9", linewidth=0, zorder=0)
        ax.axvline(scale * margin.chosen, color=VERDICT_COLOURS["refuted"], linewidth=1)
        if left > 0 and right > FAR * left:
            ax.set_xscale("log")
        else:
            ax.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
        unit = "" if margin.what == "threshold" else finding.unit
        ax.set(xlim=(left, right), ylim=(-0.03 * finding.n, 1.03 * finding.n))
        ax.set_xlabel(f"{WHAT[margin.what]} ({unit})" if unit else WHAT[margin.what])
        ax.set_ylabel("seeds inside")
        ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def margin_figures(findings: Sequence[Finding]) -> dict[str, Figure]:
    """A figure for each claim of which a margin was chosen by hand, by its name: `margin_CLAIM`."""
    return {f"margin_{finding.name}": margins_figure(finding) for finding in findings if moved_margins(finding)}


def moved_margins(finding: Finding) -> list[Margin]:
    """The margins of a claim that were chosen by hand and are known to matter somewhere."""
    return [margin for margin in finding.margins if len(margin.steps) > 1]


def margin_captions(findings: Sequence[Finding], by_hand: Mapping[str, str]) -> dict[str, str]:
    """The captions of these figures; `by_hand` says by the claims' names where their margins come from."""
    captions = {}
    for finding in findings:
        if moved_margins(finding):
            margins = "; ".join(margin_words(margin, finding.unit) for margin in finding.margins)
            captions[f"margin_{finding.name}"] = (
                f"{finding.text}: seeds inside at other margins. The line is what was chosen: {by_hand[finding.name]}. "
                f"In grey the verdict is the same: {margins}."
            )
    return captions


def dodged(values: Sequence[float], left: float, right: float, logarithmic: bool) -> list[float]:
    """A height for each dot between 0.12 and 0.5, so that dots do not cover each other."""
    place = np.log if logarithmic else np.asarray
    width = float(np.ptp(place(np.array([left, right]))))
    heights: list[float] = []
    taken: dict[int, int] = {}
    for value in values:
        column = round(float(place(np.array(value)) - place(np.array(left))) / width * 90)
        heights.append(0.12 + 0.075 * (taken.get(column, 0) % 6))
        taken[column] = taken.get(column, 0) + 1
    return heights


def lean_svg(content: bytes) -> bytes:
    """An SVG with coordinates to a hundredth of a point, short names of glyphs and no indentation: half as large, and
    nobody can see it."""

    def rounded(match: re.Match[bytes]) -> bytes:
        return match[1] + re.sub(rb"-?\d+\.\d{3,}", lambda number: b"%g" % round(float(number[0]), 2), match[2])

    glyph = rb'(<use xlink:href="#[^"]+") transform="translate\((-?[\d.]+) 0\)"/>'  # a letter's place in its line
    content = re.sub(glyph, rb'\1 x="\2"/>', content.replace(b"DejaVuSans-", b"g"))
    return re.sub(rb"\s*\n\s*", b"\n", re.sub(rb"(\s(?:d|x|y)=\")([^\"]+)", rounded, content))


def place_legend(figure: Figure, factor: Factor, levels: Sequence[str], marked: bool) -> None:
    """One legend for the whole figure, above it: a line for each level of a factor, with its marker or without."""
    size: dict[str, Any] = {"linewidth": 1.8, "markersize": 4.5}
    handles = [
        Line2D([], [], label=level_label(factor, level), **size, **(look if marked else {**look, "marker": None}))
        for level, look in looks(levels).items()
    ]
    legend = figure.legend(
        handles=handles, loc="outside upper center", ncols=len(levels), frameon=False, handlelength=3.5
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
