"""Numbers that are read elsewhere than in the table of runs, or over a prediction, as columns of that table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from research.design.claims import Number
from research.design.errors import UserError
from research.design.study import Study

if TYPE_CHECKING:
    import pandas as pd


def with_columns(
    study: Study, runs: pd.DataFrame, curves: pd.DataFrame, layers: pd.DataFrame, profiles: pd.DataFrame
) -> pd.DataFrame:
    """The table of runs with the columns that the study's claims and controls need beside its metrics.

    The names of metrics stay in alphabetical order. A column that is there already stays as it is. Raises UserError
    where a table has no row at such a place.
    """
    numbers = {judged.number.column: judged.number for judged in study.judged if judged.number.at or judged.number.over}
    found = {
        column: values_of(study, number, runs, curves, layers, profiles)
        for column, number in numbers.items()
        if column not in runs
    }
    if not found:
        return runs
    head = [name for name in runs if name in ("cell", "seed") or name in {factor.name for factor in study.factors}]
    whole = runs.assign(**found)
    return whole[[*head, *sorted(set(map(str, whole)) - set(head))]]


def values_of(
    study: Study,
    number: Number,
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    layers: pd.DataFrame,
    profiles: pd.DataFrame,
) -> np.ndarray:
    """The values [rows of runs] of a number's column; NaN where a replicate has none."""
    values = runs.reindex(columns=[number.metric])[number.metric].to_numpy(float)
    if number.at:
        table = profiles if "place" in number.at else layers if "layer" in number.at else curves
        at = table.reindex(columns=[*number.at, number.metric])
        chosen = table[(at[list(number.at)] == list(number.at.values())).all(axis=1)]
        if number.metric not in table or chosen[number.metric].isna().all():
            where = ", ".join(f"{name} {value}" for name, value in number.at.items())
            raise UserError(f"{study.name}: no run has {number.metric} at {where}")
        by_run = dict(zip(zip(chosen["cell"], chosen["seed"], strict=True), chosen[number.metric], strict=True))
        values = np.array([by_run.get(run, np.nan) for run in zip(runs["cell"], runs["seed"], strict=True)])
    if number.over:
        names = [factor.name for factor in study.factors if factor.name in runs]
        rows = list(runs[names].itertuples(index=False, name=None))
        cells = {levels: dict(zip(names, levels, strict=True)) for levels in rows}
        predicted = {levels: study.predicted(number.over, cell) for levels, cell in cells.items()}
        values = values / np.array([predicted[levels] for levels in rows])
    return values
