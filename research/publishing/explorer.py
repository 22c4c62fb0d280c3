"""The explorer: published tables -> what a reader can pick universes and metrics of, and the page that draws it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from research.design.levels import Level
from research.design.plan import Plan, Universe
from research.design.study import Factor, Study
from research.design.wording import choice_level, factor_word, label, level_label, number_words
from research.judging.stats import mean_interval
from research.publishing.html_pages import html_page
from research.publishing.index import Entry
from research.publishing.pages import measured, verdict_words

if TYPE_CHECKING:
    from research.judging.findings import Finding
    from research.publishing.results import Published

CLOCKS = ("epoch", "step")
Summary = list[list[float | None] | None]
MOST_TIMES = 40  # of a curve: no screen shows more of them apart in a chart of this size
DIGITS = 6  # those of the tables


def explored(published: Published) -> dict[str, Any]:
    """What the explorer shows of a judged study, as plain data: means over seeds with intervals, verdicts, curves.

    `positions` are the cells by the places of their levels in `factors`; a universe gives for each of them the place
    of its summary in `summaries`, or null. Cells of controls are not among them. The first universe is the reference,
    with the study's own seeds and verdicts. A summary has for each metric null or [mean, low, high, n, how many seeds
    have no number, how many never arrived]: the mean is that of n, and the interval Student's, of 95 %.
    """
    study, universes = published.study, published.universes
    cells = (*published.plan.cells, *(universes.plan.cells if universes else ()))
    positions = [*dict.fromkeys(place for cell in cells if (place := position(cross(study), cell.levels)))]
    summaries: list[Summary] = []
    assert published.judgement is not None
    (reference,) = published.plan.universes
    places = summarised(published.plan, published.tables.runs, summaries)
    found = [told(finding) for finding in published.judgement.claims]
    shown = [universe_of(published.plan, reference, positions, places, found)]
    if universes:
        places = summarised(universes.plan, universes.runs, summaries)
        for number, universe in enumerate(universes.plan.universes[1:], 1):
            points = [claim.points[number] for claim in universes.across.claims]
            found = [[*told(point.finding), *([1] if point.same_as == 0 else [])] for point in points]
            shown.append(universe_of(universes.plan, universe, positions, places, found))
    return {
        "question": study.question,
        "factors": [factor_of(study.factor(factor.name)) for factor in cross(study)],
        "choices": [choice_of(study.factor(choice.name)) for choice in study.choices],
        "metrics": [metric_of(study, name) for name in study.headline],
        "claims": [
            [claim.name, claim.text, f"{number_words(claim.number, study)} is {finding.region}"]
            for claim, finding in zip(study.claims, published.judgement.claims, strict=True)
        ],
        "positions": positions,
        "summaries": summaries,
        "universes": shown,
        "curves": curves_of(study, published.plan, published.tables.curves),
    }


def explorer_html(entries: Sequence[Entry]) -> str:
    """The page, with what it shows of all studies inside."""
    data = json.dumps(
        {entry.study.name: entry.explored for entry in entries}, separators=(",", ":"), ensure_ascii=False,
        allow_nan=False,
    )  # fmt: skip
    for sign in "<>&":  # so that no text ends the element or begins another
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    return html_page("explorer.html", "explorer.js", data=Markup(data), studies=[entry.study for entry in entries])


def cross(study: Study) -> tuple[Factor, ...]:
    """Arms and blocks."""
    return (study.arms, *study.blocks)


def position(factors: Sequence[Factor], levels: Mapping[str, Level]) -> tuple[int, ...]:
    """Where a cell stands: the place of its level in each factor; nothing for one that stands beside them."""
    if any(levels[factor.name] not in factor.levels for factor in factors):
        return ()
    return tuple(factor.levels.index(levels[factor.name]) for factor in factors)


def factor_of(factor: Factor) -> dict[str, Any]:
    """An arm or block factor: how it and its levels are called; `numbers` where these are a scale."""
    numbers = [level for level in factor.levels if not isinstance(level, str) and level not in factor.words]
    return {
        "label": factor_word(factor),
        "levels": [level_label(factor, level) for level in factor.levels],
        "numbers": numbers if len(numbers) == len(factor.levels) else None,
    }


def choice_of(choice: Factor) -> dict[str, Any]:
    """A choice: how it and its levels are called, and their names as in keys."""
    return {
        "name": choice.name,
        "label": factor_word(choice),
        "levels": [choice_level(choice, level) for level in choice.levels],
        "names": [str(level) for level in choice.levels],
    }


def metric_of(study: Study, name: str) -> dict[str, Any]:
    """A metric: its name in the tables, how it is called, whether it is a share, which is told in percent."""
    return {"name": name, "label": label(name, study), "percent": study.metric(name).unit == "%"}


def told(finding: Finding) -> list[Any]:
    """A finding as the explorer tells it: its verdict, the same in words, what was measured, n."""
    return [finding.verdict, verdict_words(finding), measured(finding), finding.n]


def summarised(plan: Plan, runs: pd.DataFrame, summaries: list[Summary]) -> dict[str, int]:
    """The summaries of a plan's cells, added to those that are there; their places by the names of the cells."""
    places = {}
    rows = dict(tuple(runs.groupby("cell", sort=False)))
    for cell in plan.cells:
        if position(cross(plan.study), cell.levels):
            places[cell.name] = len(summaries)
            summaries.append([summary(plan.study, rows[cell.name], name) for name in plan.study.headline])
    return places


def summary(study: Study, rows: pd.DataFrame, name: str) -> list[float | None] | None:
    """A metric of a cell; nothing where it has none."""
    if name not in rows or not (known := rows[name].notna()).any():
        return None
    mean, low, high, n = mean_interval(rows[name])
    arrived = study.metric(name).arrived
    late = int((rows[arrived][known] == 0).sum()) if arrived in rows else 0
    return [*map(rounded, (mean, low, high)), n, len(rows) - n, late]


def universe_of(
    plan: Plan,
    universe: Universe,
    positions: Sequence[tuple[int, ...]],
    places: Mapping[str, int],
    found: Sequence[Sequence[Any]],
) -> dict[str, Any]:
    """A universe: the places of its levels, its number of seeds, its cells' summaries, what was found of each claim."""
    at = {position(cross(plan.study), cell.levels): places.get(cell.name) for cell in universe.cells}
    return {
        "at": [choice.levels.index(universe.levels[choice.name]) for choice in plan.study.choices],
        "seeds": plan.num_seeds,
        "cells": [at.get(place) for place in positions],
        "found": found,
    }


def curves_of(study: Study, plan: Plan, curves: pd.DataFrame) -> dict[str, Any]:
    """The curves of each metric over time in each cell: means over seeds, and half of their 95 % intervals."""
    head = {"cell", "seed", *CLOCKS, *(factor.name for factor in study.factors)}
    names = [str(name) for name in curves if name not in head and curves[name].notna().any()]
    lines = []
    for cell in plan.cells:
        rows, place, clock = curves[curves["cell"] == cell.name], position(cross(study), cell.levels), cell.task.clock
        for number, name in enumerate(names):
            known = rows.dropna(subset=[name]) if place else rows[:0]
            if known.empty:
                continue
            times = thinned(sorted(known[clock].unique()))
            found = [mean_interval(known[name][known[clock] == time]) for time in times]
            lines.append(
                {
                    "at": place, "metric": number, "clock": clock, "times": [int(time) for time in times],
                    "mean": [rounded(one.mean, 4) for one in found],
                    "half": [rounded(one.high - one.mean, 3) for one in found],
                }
            )  # fmt: skip
    return {"metrics": [metric_of(study, name) for name in names], "lines": lines}


def thinned(times: Sequence[float]) -> list[float]:
    """At most so many of the times of a curve that a chart can show, evenly among them, with both ends."""
    last = len(times) - 1
    if last < MOST_TIMES:
        return list(times)
    return [times[round(last * place / (MOST_TIMES - 1))] for place in range(MOST_TIMES)]


def rounded(value: float, digits: int = DIGITS) -> float | None:
    """A number with the digits of the tables; nothing where it is not known."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
