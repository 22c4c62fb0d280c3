"""The trials of searches as they were recorded, and what they say of a search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from research.design.plan import Cell, Plan, Stack
from research.design.trials import (
    MORE_TRIALS,
    Ranges,
    Settings,
    best_trial,
    num_trials,
    searched_ranges,
    trial_stack,
)
from research.record.state import Run

if TYPE_CHECKING:
    import pandas as pd


def trials_frame(plan: Plan, recorded: Mapping[str, Run]) -> pd.DataFrame:
    """The finished trials of a plan's searches: a row each, with the settings tried, the value and whether it won."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    for cell in plan.cells:
        if cell.tuning is None:
            continue
        runs = recorded_trials(cell, recorded)
        values = values_of(runs)
        best = best_trial(cell.tuning, values) if is_over(cell, runs) else None
        for number, value in values.items():
            head: dict[str, object] = {"cell": cell.name, **plan.placed(cell), "trial": number}
            numbers = {"value": value, "scatter": float(runs[number].tags.get("scatter", "nan"))}
            rows.append({**head, **settings_of(cell, runs[number]), **numbers, "winner": number == best})
    ranges = plan.study.tuning.ranges if plan.study.tuning else {}
    factors = (factor.name for factor in plan.columns)
    return pd.DataFrame(rows, columns=["cell", *factors, "trial", *ranges, "value", "scatter", "winner"])


def recorded_trials(cell: Cell, recorded: Mapping[str, Run]) -> dict[int, Run]:
    """The finished trials of a tuned cell's search, by their numbers."""
    assert cell.tuning is not None
    most = cell.tuning.budget + MORE_TRIALS * cell.tuning.widen
    keys = {number: f"{cell.key}/trial={number}" for number in range(most)}
    found = {number: recorded[key] for number, key in keys.items() if key in recorded}
    last = num_trials(cell, all_settings(cell, found), values_of(found))
    return {number: run for number, run in found.items() if number < last}


def is_over(cell: Cell, runs: Mapping[int, Run]) -> bool:
    """Whether a cell's search is over, with those of its recorded trials: all of its budget, and beyond an edge."""
    return len(runs) == num_trials(cell, all_settings(cell, runs), values_of(runs))


def recorded_ranges(cell: Cell, runs: Mapping[int, Run]) -> Ranges:
    """The `searched_ranges` of a cell's recorded trials."""
    return searched_ranges(cell, all_settings(cell, runs), values_of(runs))


def values_of(trials: Mapping[int, Run]) -> dict[int, float]:
    """What recorded trials came to, by their numbers."""
    return {number: float(run.tags["value"]) for number, run in trials.items()}


def all_settings(cell: Cell, runs: Mapping[int, Run]) -> Settings:
    """The settings that each of the recorded trials of a cell's search has tried."""
    return {number: settings_of(cell, run) for number, run in runs.items()}


def settings_of(cell: Cell, run: Run) -> dict[str, float]:
    """The settings that a recorded trial of a cell's search has tried."""
    assert cell.tuning is not None
    config = json.loads(run.tags["identity"])["config"]
    return {name: config[name] if name in config else getattr(type(cell.task), name) for name in cell.tuning.ranges}


def as_won(cell: Cell, recorded: Mapping[str, Run]) -> Cell:
    """A tuned cell with the settings that won in the record; as it is where its search is not over, or it has none."""
    if cell.tuning is None:
        return cell
    runs = recorded_trials(cell, recorded)
    if not is_over(cell, runs):
        return cell
    settings: dict[str, Any] = settings_of(cell, runs[best_trial(cell.tuning, values_of(runs))])
    return replace(cell, task=replace(cell.task, **settings))


def multiples_of(cell: Cell, run: Run, ranges: Ranges) -> dict[str, float]:
    """The same as multiples of what `configure` sets, within these ranges: a setting is rounded."""
    multiples = {name: value / getattr(cell.task, name) for name, value in settings_of(cell, run).items()}
    return {name: min(max(multiples[name], low), high) for name, (low, high) in ranges.items()}


def trials_to_come(cell: Cell, recorded: Mapping[str, Run]) -> list[Stack]:
    """Stand-ins for the trials of a cell's search that are not in the record: their keys and what they cost."""
    runs = recorded_trials(cell, recorded)
    most = num_trials(cell, all_settings(cell, runs), values_of(runs))
    every = [trial_stack(cell, number, {}) for number in range(most)]
    return [stack for stack in every if stack.cell.key not in recorded]
