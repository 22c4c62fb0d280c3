"""The published tables of a study's universes: read back with every check, and what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from research.design.digests import claim_digests
from research.design.errors import UserError
from research.design.plan import Cell, Plan, Universe
from research.design.study import Claim, Study
from research.design.trials import Settings, at_edge, num_trials, searched_ranges, stands_out
from research.judging.universe_findings import Across, AcrossFinding, judge_across
from research.publishing.tables import (
    AGAIN,
    UNIVERSE_TABLES,
    changed_claims,
    check_rows,
    check_runs,
    published_plan,
    read_provenance,
    read_tables,
)

FOLDER = "universes"  # in that of the study


@dataclass(frozen=True)
class PublishedUniverses:
    """The published tables of universes, by what plan they were made, and what they say.

    `edges` gives the tuned cells whose winning setting lies at an end of its range: by the cell's name, the end of each
    such field. `plateaus` are those whose winner does not stand out from most of what was tried. `changed` names claims
    and controls that are not now what they were when the runs were made.
    """

    plan: Plan
    runs: pd.DataFrame
    tuning: pd.DataFrame
    across: Across
    edges: Mapping[str, Mapping[str, str]]
    plateaus: frozenset[str]
    changed: tuple[str, ...]


def read_universes(study: Study, folder: Path) -> PublishedUniverses | None:
    """What is published of a study's universes in the folder of the study; None where nothing is.

    Without the reference universe there is nothing to compare with: of its tables nothing is said either.
    Raises UserError for tables that are not what an export of the study writes.
    """
    folder = folder / FOLDER
    if not folder.is_dir():
        return None
    runs, tuning = read_tables(folder, UNIVERSE_TABLES, study)
    made_with = read_provenance(folder)
    plan = published_plan(study, made_with, folder)
    if not plan.of_universes:
        raise UserError(f"{folder}: holds tables of the reference universe alone; {AGAIN}")
    if plan.universes[0].levels != study.reference:
        return None
    check_rows(folder / UNIVERSE_TABLES[0], runs, plan, ())
    check_runs(folder / UNIVERSE_TABLES[0], runs, plan)
    check_trials(folder / UNIVERSE_TABLES[1], tuning, plan)
    frames = [(universe.levels, runs_of(universe, runs)) for universe in plan.universes]
    across = judge_across(study, frames, plan.num_seeds, plan.complete)
    edges, plateaus = edges_of(plan, tuning), plateaus_of(plan, tuning)
    changed = tuple(changed_claims(claim_digests(study), made_with["claims"]))
    across = with_untuned(across, plan, edges, plateaus)
    return PublishedUniverses(plan, runs, tuning, across, edges, plateaus, changed)


def runs_of(universe: Universe, runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the cells that stand in a universe."""
    return runs[runs["cell"].isin({cell.name for cell in universe.cells})]


def check_trials(path: Path, trials: pd.DataFrame, plan: Plan) -> None:
    """Raise UserError where the trials are not those of the plan's searches, each with one winner."""
    tuned = {cell.name: cell for cell in plan.cells if cell.tuning}
    settings = plan.study.tuning.ranges if plan.study.tuning else ()
    if missing := [name for name in ("cell", "trial", *settings, "value", "winner") if name not in trials]:
        raise UserError(f"{path}: has no column {missing[0]!r}; {AGAIN}")
    numbers = {name: pd.to_numeric(trials[name], errors="coerce") for name in ("trial", "value")}
    wrong = [name for name in settings if not all(is_positive(value) for value in trials[name])]
    if wrong := [*wrong, *(name for name, column in numbers.items() if (column.isna() & trials[name].notna()).any())]:
        raise UserError(f"{path}: has in column {wrong[0]!r} what no search tries; {AGAIN}")
    found = {str(name): rows for name, rows in trials.groupby("cell")}
    if wrong := sorted(set(tuned) ^ set(found)):
        raise UserError(f"{path}: has not the trials of the cells that are tuned: {wrong[0]}; {AGAIN}")
    for name, cell in tuned.items():
        expected = num_trials(cell, *tried(cell, found[name]))
        if sorted(found[name]["trial"]) != list(range(expected)) or found[name]["winner"].sum() != 1:
            raise UserError(f"{path}: {name} has not {expected} trials with one winner; {AGAIN}")


def tried(cell: Cell, rows: pd.DataFrame) -> tuple[Settings, dict[int, float]]:
    """The settings and values of a cell's trials, by their numbers, from their rows."""
    assert cell.tuning is not None
    numbers = [int(number) for number in rows["trial"]]
    fields = {name: rows[name].astype(float) for name in cell.tuning.ranges}
    settings = {number: {name: fields[name].iloc[k] for name in fields} for k, number in enumerate(numbers)}
    return settings, dict(zip(numbers, rows["value"].astype(float), strict=True))


def is_positive(value: object) -> bool:
    """Whether a value of a table is a number above zero, and finite."""
    return isinstance(value, (int, float)) and 0 < value < math.inf


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


def with_untuned(
    across: Across, plan: Plan, edges: Mapping[str, Mapping[str, str]], plateaus: frozenset[str]
) -> Across:
    """The findings, each saying in its reason which of the cells that it rests on were searched but are not tuned."""

    def told(found: AcrossFinding, claim: Claim) -> AcrossFinding:
        points = []
        for point, universe in zip(found.points, plan.universes, strict=True):
            names = [cell.name for cell in cells_of(claim, plan.study, universe)]
            ends = [f"{field} of {name} ({end} end)" for name in names for field, end in edges.get(name, {}).items()]
            ends += [f"{name} (no better than most of what was tried)" for name in names if name in plateaus]
            more = f"; not tuned: {', '.join(ends)}" if ends else ""
            points.append(replace(point, finding=replace(point.finding, reason=point.finding.reason + more)))
        return replace(found, points=tuple(points))

    claims = zip(across.claims, plan.study.claims, strict=True)
    return replace(across, claims=tuple(told(found, claim) for found, claim in claims))


def cells_of(claim: Claim, study: Study, universe: Universe) -> Iterator[Cell]:
    """The cells of a universe that a claim's number is made from."""
    for cell in universe.cells:
        if cell.levels[study.arms.name] in claim.number.arms and all(
            cell.levels[name] in levels for name, levels in claim.number.blocks.items()
        ):
            yield cell
