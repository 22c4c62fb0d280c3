"""Findings across universes -> figures: a specification curve for each claim, and the verdicts of all in one."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, SymmetricalLogLocator

from research.design.study import Factor
from research.design.wording import choice_level, factor_word
from research.judging.choice_shares import Point
from research.judging.universe_findings import Across, AcrossFinding
from research.publishing.figures import VERDICT_COLOURS
from research.publishing.pages import SIGNS

SHOWN = {**VERDICT_COLOURS, "inconclusive": "0.45", "withheld": "0.8", "not judged": "0.8"}
WIDTH = 6.5  # inches of the figure of all claims
ROW = 0.135  # inches for a level of a choice
LEFT = 122  # points on the left of the marks, at least
LETTER, LARGER = 4.1, 4.4  # points that a letter takes, of a level and of the name of a choice
OVERVIEW = (
    "In how many universes each claim holds; those that differ in nothing its number can depend on count as one. On "
    "the left is the verdict under the reference settings, judged by itself as in all; on the right what decides."
)
HOW_TO_READ = (
    "For each claim whose number can differ: a column is a universe, in the order of its number, which stands with its "
    "interval on the region in which the claim holds; the squares below are its levels. Blue is supported, red is "
    "refuted, grey is open; hollow is withheld. The bars on the right are each choice's Shapley share of the variance "
    "of the numbers: they describe its size, not the verdict."
)
FAR = 50  # numbers that differ by more than this factor do not fit one linear axis


def universe_figures(across: Across) -> dict[str, Figure]:
    """All figures by name: `universes`, the verdicts of all claims, and `universes_claims`, each claim's numbers."""
    figures = {"universes": verdicts_across(across)} if across.claims else {}
    return figures | ({"universes_claims": claims_across(across)} if varying(across) else {})


def universe_captions(across: Across) -> dict[str, str]:
    """The captions of these figures, by the same names."""
    captions = {"universes": OVERVIEW} if across.claims else {}
    return captions | ({"universes_claims": HOW_TO_READ} if varying(across) else {})


def varying(across: Across) -> list[AcrossFinding]:
    """The claims whose number can differ between universes."""
    return [claim for claim in across.claims if len(claim.distinct) > 1]


def claims_across(across: Across) -> Figure:
    """A specification curve for each claim whose number can differ, one below the other."""
    claims = varying(across)
    compared = [choices_of(claim, across.choices) for claim in claims]
    heights = [1.75 + ROW * sum(len(choice.levels) + 0.6 for choice in choices) for choices in compared]
    figure = plt.figure(figsize=(WIDTH, sum(heights)), layout="none")
    parts = figure.subfigures(len(claims), 1, height_ratios=heights, squeeze=False)
    left = max(sum(margin(choices)) for choices in compared)
    for part, claim, choices in zip(parts.flat, claims, compared, strict=True):
        specification_curve(part, claim, choices, left)
    return figure


def choices_of(finding: AcrossFinding, choices: Sequence[Factor]) -> list[Factor]:
    """The choices of which the distinct universes of a claim have several levels."""
    return [choice for choice in choices if len({point.levels[choice.name] for point in finding.distinct}) > 1]


def specification_curve(
    figure: FigureBase, finding: AcrossFinding, compared: Sequence[Factor], left: float = LEFT
) -> None:
    """Every universe in the order of its number, which stands with its interval above; below, the levels it has.

    On the right of each choice is its share in the variance of the numbers. `left` is the room for words, in points.
    """
    points = sorted(finding.distinct, key=lambda point: (math.isnan(point.finding.number), point.finding.number))
    height = ROW * sum(len(choice.levels) + 0.6 for choice in compared)
    # Placed by hand, in inches: the solver of a layout of layouts does not give the same bits each time.
    whole = 1.75 + height
    ends = {
        "left": left / (72 * WIDTH),
        "right": 0.87,
        "bottom": 0.08 / whole,
        "top": 1 - 0.52 / whole,
        "hspace": 0.06,
    }
    ratios = (1.1, max(height, 0.1))
    top, marks = figure.subplots(2, 1, height_ratios=ratios, sharex=True, gridspec_kw=ends)
    draw_numbers(top, finding, points)
    draw_levels(marks, finding, points, compared)
    title = textwrap.fill(f"{finding.text}: {finding.region}", 92)
    figure.suptitle(title, x=0.01, y=1 - 0.06 / whole, ha="left", va="top", fontsize=8.5, parse_math=False)


def margin(choices: Sequence[Factor]) -> tuple[float, float]:
    """The room in points on the left of the levels' marks: for the words of levels, and for the names of choices."""
    levels = max((len(choice_level(choice, level)) for choice in choices for level in choice.levels), default=0)
    names = max((len(line) for choice in choices for line in name_lines(choice)), default=0)
    of_levels = max(41, 10 + LETTER * levels)
    return of_levels, max(LEFT - of_levels, 4 + LARGER * names)


def name_lines(choice: Factor) -> list[str]:
    """The name of a choice in lines that are no longer than need be."""
    return textwrap.wrap(factor_word(choice), 16)


def draw_numbers(ax: Axes, finding: AcrossFinding, points: Sequence[Point]) -> None:
    """The number of each universe with its interval, in the colour of its verdict, on the claim's region as a band.

    A withheld verdict is hollow, in the colour of what it would be; the reference is a diamond. What is beyond the axis
    stands at its edge as a triangle.
    """
    scale = 100 if finding.unit else 1
    bottom, top = set_scale(ax, finding, scale)
    above, below = (scale * edge for edge in (finding.above, finding.below))
    if above < top and below > bottom:
        ax.axhspan(max(above, bottom), min(below, top), color="0.92", linewidth=0, zorder=0)
    for edge in (above, below):
        if bottom < edge < top:
            ax.axhline(edge, color="0.55", linewidth=0.8, zorder=1)
    for place, point in enumerate(points):
        found = point.finding
        low, high, number = (scale * value for value in (found.low, found.high, found.number))
        look = marker(point, reference=point is finding.points[0])
        if low == low:
            ax.plot([place, place], np.clip([low, high], bottom, top), color=look["color"], linewidth=1.2, zorder=2)
        if number == number:
            outside = {"marker": "^" if number > top else "v"} if not bottom <= number <= top else {}
            ax.plot(place, np.clip(number, bottom, top), zorder=3, clip_on=False, **{**look, **outside})
    place = mark_reference(ax, finding, points)
    ax.annotate(
        "reference", (place, 1), xycoords=("data", "axes fraction"), xytext=(0, 2), textcoords="offset points",
        ha="center", va="bottom", fontsize=7, color="0.3",
    )  # fmt: skip
    ax.set_ylabel(finding.unit or "number", fontsize=8)
    ax.tick_params(axis="x", length=0, labelbottom=False)
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(False, axis="x")


def mark_reference(ax: Axes, finding: AcrossFinding, points: Sequence[Point]) -> int:
    """Draw a line where the reference stands, and give its place."""
    place = next(place for place, point in enumerate(points) if point is finding.points[0])
    ax.axvline(place, color="0.75", linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)
    return place


def set_scale(ax: Axes, finding: AcrossFinding, scale: float) -> tuple[float, float]:
    """Set the y axis and give its ends: all numbers, the region's edges, and intervals as far as they are not far off.

    Numbers above zero that span more than FAR are on a logarithmic scale; others, of which some are that far from the
    usual size, on one that is linear to twice the usual size and logarithmic beyond.
    """
    numbers = np.array([scale * point.finding.number for point in finding.distinct])
    edges = [scale * edge for edge in (finding.above, finding.below) if math.isfinite(edge)]
    shown = np.array([*numbers[np.isfinite(numbers)], *edges])
    shown = shown if len(shown) else np.array([0.0, 1.0])
    least, most, usual = shown.min(), shown.max(), float(np.median(np.abs(shown)))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    if least > 0 and (finding.logarithmic or most > FAR * least):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=5))
        bottom, top = least / (most / least) ** 0.08 / 1.2, most * (most / least) ** 0.08 * 1.2
    elif usual and np.abs(shown).max() > FAR * usual:
        ax.set_yscale("symlog", linthresh=2 * usual)
        locator = SymmetricalLogLocator(base=10, linthresh=2 * usual)
        locator.set_params(numticks=5)
        ax.yaxis.set_major_locator(locator)
        bottom, top = (3 * least if least < 0 else -usual / 2), 3 * most
    else:
        size = (most - least) or 1.0
        ends = np.array([scale * end for point in finding.distinct for end in (point.finding.low, point.finding.high)])
        near = ends[(ends > least - size) & (ends < most + size)]
        least, most = min(least, *near, most), max(most, *near, least)
        margin = 0.06 * ((most - least) or 1.0)
        bottom, top = least - margin, most + margin
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylim(bottom, top)
    return float(bottom), float(top)


def marker(point: Point, reference: bool) -> dict[str, Any]:
    """How a universe's number is drawn."""
    found = point.finding
    colour = SHOWN[found.would_be]
    filled = found.verdict not in ("withheld", "not judged")
    return {
        "color": colour,
        "marker": "D" if reference else "o",
        "markersize": 5.5 if reference else 4.5,
        "markerfacecolor": colour if filled else "white",
        "markeredgecolor": colour,
        "linestyle": "none",
    }


def draw_levels(ax: Axes, finding: AcrossFinding, points: Sequence[Point], choices: Sequence[Factor]) -> None:
    """A row for each level, grouped by choice: filled where a universe has it, light where it has not."""
    shares = {share.choice: share.shapley for share in finding.shares}
    places, colours = np.arange(len(points)), np.array([SHOWN[point.finding.would_be] for point in points])
    height, ticks, labels = 0.0, [], []
    for choice in choices:
        start = height
        for level in choice.levels:
            has = np.array([point.levels[choice.name] == level for point in points])
            ax.scatter(places[~has], np.full((~has).sum(), height), s=6, marker="s", color="0.9", linewidth=0)
            ax.scatter(places[has], np.full(has.sum(), height), s=18, marker="s", color=colours[has], linewidth=0)
            ticks.append(height)
            labels.append(choice_level(choice, level))
            height += 1
        middle = (start + height - 1) / 2
        look: dict[str, Any] = {"va": "center", "fontsize": 7.5, "parse_math": False}
        by_axes = ax.get_yaxis_transform()
        ax.annotate(
            "\n".join(name_lines(choice)), (0, middle), (-margin(choices)[0], 0), by_axes, "offset points",
            ha="right", **look,
        )  # fmt: skip
        share = shares.get(choice.name, 0.0)
        corner, size = (1.02, middle - 0.4), (0.1 * max(share, 0.002), 0.8)
        ax.add_patch(Rectangle(corner, *size, color="0.6", linewidth=0, transform=by_axes, clip_on=False))
        ax.text(1.03 + size[0], middle, f"{100 * share:.0f} %", ha="left", transform=by_axes, **look)
        height += 0.6
    if choices:
        head: dict[str, Any] = {"ha": "left", "va": "bottom", "fontsize": 7, "color": "0.3"}
        ax.text(1.02, -0.8, "share of\nvariance", transform=ax.get_yaxis_transform(), **head)
        mark_reference(ax, finding, points)
    ax.set_yticks(ticks, labels, fontsize=7, parse_math=False)
    ax.set(xlim=(-0.7, len(points) - 0.3), ylim=(height - 0.5, -0.7), xticks=[])
    ax.tick_params(axis="y", length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def verdicts_across(across: Across) -> Figure:
    """A bar for each claim: in how many distinct universes which verdict was given; beside it the reference's, and what
    decides.

    What a withheld verdict would be is not shown.
    """
    claims = across.claims
    sentences = [textwrap.fill(claim.sentence, 64) for claim in claims]
    heights = np.array([max(0.52, 0.12 + 0.12 * (sentence.count("\n") + 1)) for sentence in sentences])  # inches
    rows = heights.cumsum() - heights / 2
    figure, ax = plt.subplots(figsize=(9.2, 0.7 + heights.sum()))
    for row, claim, sentence in zip(rows, claims, sentences, strict=True):
        left = 0
        for verdict, count in claim.counts.items():
            if not count:
                continue
            ax.barh(row, count, left=left, height=0.32, color=SHOWN[verdict], edgecolor="white", linewidth=0.8)
            light = verdict in ("withheld", "not judged")
            text = f"{SIGNS[verdict]} {count}" if count > 1 else f"{count}"
            ax.text(
                left + count / 2, row, text, ha="center", va="center", fontsize=7.5, color="0.2" if light else "white"
            )
            left += count
        sign = SIGNS[claim.reference.verdict]
        ax.text(
            -0.02, row, sign, transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=9, weight="bold",
            color=VERDICT_COLOURS.get(claim.reference.verdict, "0.35"),
        )  # fmt: skip
        ax.text(1.02, row, sentence, transform=ax.get_yaxis_transform(), va="center", fontsize=6.5, parse_math=False)
    texts = [textwrap.fill(claim.text, 48) for claim in claims]
    ax.set_yticks(rows, texts, fontsize=7.5)
    ax.tick_params(axis="y", length=0, pad=22)
    ax.set(xlim=(0, max(len(claim.distinct) for claim in claims)), ylim=(heights.sum(), 0))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("universes", fontsize=8)
    for place, align, text in (
        (-0.02, "right", "reference"),
        (1.02, "left", "what decides"),
    ):
        ax.text(place, -0.03, text, transform=ax.get_yaxis_transform(), ha=align, va="bottom", fontsize=7, color="0.3")
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    given = [verdict for verdict in SHOWN if any(claim.counts[verdict] for claim in claims)]  # type: ignore[index]
    handles = [
        Line2D([], [], marker="s", linestyle="none", color=SHOWN[verdict], label=f"{SIGNS[verdict]} {verdict}")
        for verdict in given
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, handlelength=1)
    return figure
