"""The published trials of searches: checked, and which cells were searched but are not tuned by them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from research.design.errors import UserError
from research.design.plan import Cell, Plan, Universe
from research.design.study import Claim
from research.design.trials import Settings, at_edge, num_trials, searched_ranges, stands_out
from research.judging.findings import Finding
from research.publishing.tables import AGAIN


@dataclass(frozen=True)
class Trials:
    """The trials of a plan's searches, a row each, and which of its cells were searched but are not tuned.

    `edges` gives the cells whose winning setting lies at an end of its range: by the cell's name, the end of each such
    field. `plateaus` are those whose winner does not stand out from most of what was tried.
    """

    table: pd.DataFrame
    edges: Mapping[str, Mapping[str, str]]
    plateaus: frozenset[str]


def checked_trials(path: Path, table: pd.DataFrame | None, plan: Plan) -> Trials:
    """The trials of a plan's searches from their table; none where it has none, since nothing is tuned.

    Raises UserError where they are not those of the plan's searches, each with one winner.
    """
    if table is None:
        return Trials(pd.DataFrame(), {}, frozenset())
    check_trials(path, table, plan)
    return Trials(table, edges_of(plan, table), plateaus_of(plan, table))


def check_trials(path: Path, trials: pd.DataFrame, plan: Plan) -> None:
    """Raise UserError where the trials are not those of the plan's searches, each with one winner."""
    tuned = {cell.name: cell for cell in plan.cells if cell.tuning}
    settings = plan.study.tuning.ranges if plan.study.tuning else ()
    if missing := [name for name in ("cell", "trial", *settings, "value", "winner") if name not in trials]:
        raise UserError(f"{path}: has no column {missing[0]!r}; {AGAIN}")
    found = {str(name): rows for name, rows in trials.groupby("cell")}
    if wrong := sorted(set(tuned) ^ set(found)):
        raise UserError(f"{path}: has not the trials of the cells that are tuned: {wrong[0]}; {AGAIN}")
    numbers = {name: pd.to_numeric(trials[name], errors="coerce") for name in ("trial", "value")}
    wrong = [name for name in settings for cell in tuned.values() if not is_tried(name, cell, found[cell.name])]
    if wrong := [*wrong, *(name for name, column in numbers.items() if (column.isna() & trials[name].notna()).any())]:
        raise UserError(f"{path}: has in column {wrong[0]!r} what no search tries; {AGAIN}")
    for name, cell in tuned.items():
        expected = num_trials(cell, *tried(cell, found[name]))
        if sorted(found[name]["trial"]) != list(range(expected)) or found[name]["winner"].sum() != 1:
            raise UserError(f"{path}: {name} has not {expected} trials with one winner; {AGAIN}")


def is_tried(field: str, cell: Cell, rows: pd.DataFrame) -> bool:
    """Whether a cell's trials have what its search tries of a field: numbers above zero, nothing where it has none."""
    assert cell.tuning is not None
    if field not in cell.tuning.ranges:
        return bool(rows[field].isna().all())
    return all(isinstance(value, (int, float)) and 0 < value < math.inf for value in rows[field])


def tried(cell: Cell, rows: pd.DataFrame) -> tuple[Settings, dict[int, float]]:
    """The settings and values of a cell's trials, by their numbers, from their rows."""
    assert cell.tuning is not None
    numbers = [int(number) for number in rows["trial"]]
    fields = {name: rows[name].astype(float) for name in cell.tuning.ranges}
    settings = {number: {name: fields[name].iloc[k] for name in fields} for k, number in enumerate(numbers)}
    return settings, dict(zip(numbers, rows["value"].astype(float), strict=True))


def edges_of(plan: Plan, trials: pd.DataFrame) -> dict[str, dict[str, str]]:
    """The tuned cells whose winner lies at an end of a range, with the end of each such field.

    Of a range that was widened the end is where it was moved to.
    """
    found = {}
    for cell in plan.cells:
        if cell.tuning:
            rows = trials[trials["cell"] == cell.name]
            settings, values = tried(cell, rows)
            winner = int(rows.loc[rows["winner"].astype(bool), "trial"].iloc[0])
            if ends := at_edge(cell, settings[winner], searched_ranges(cell, settings, values)):
                found[cell.name] = ends
    return found


def plateaus_of(plan: Plan, trials: pd.DataFrame) -> frozenset[str]:
    """The tuned cells whose winner does not stand out; none where it was not recorded how the seeds scatter."""
    if "scatter" not in trials:
        return frozenset()
    found = set()
    for cell in plan.cells:
        if cell.tuning:
            rows = trials[trials["cell"] == cell.name]
            values, scatters = (rows[name].astype(float).tolist() for name in ("value", "scatter"))
            if not stands_out(cell.tuning, values, scatters):
                found.add(cell.name)
    return frozenset(found)


def with_untuned(finding: Finding, claim: Claim, universe: Universe, trials: Trials) -> Finding:
    """The finding of a universe, saying in its reason which of the cells that it rests on are not tuned."""
    names = [cell.name for cell in cells_of(claim, universe)]
    ends = [f"{field} of {name} ({end} end)" for name in names for field, end in trials.edges.get(name, {}).items()]
    ends += [f"{name} (no better than most of what was tried)" for name in names if name in trials.plateaus]
    return replace(finding, reason=finding.reason + (f"; not tuned: {', '.join(ends)}" if ends else ""))


def cells_of(claim: Claim, universe: Universe) -> Iterator[Cell]:
    """The cells of a universe that a claim's number is made from."""
    for cell in universe.cells:
        arm, *blocks = cell.levels
        if cell.levels[arm] in claim.number.arms and all(
            cell.levels[name] in claim.number.blocks[name] for name in blocks
        ):
            yield cell
