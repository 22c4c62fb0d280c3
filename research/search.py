"""Optuna studies as projections of the record: the grids of a plan, a trial a cell, and the searches of its cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from research.config import UserError
from research.plan import Plan
from research.store import Run, Store
from research.tuning import multiples_of, search_space

if TYPE_CHECKING:
    import optuna
    import pandas as pd


def project_grids(store: Store, plan: Plan, runs: pd.DataFrame) -> None:
    """Make the Optuna study of each of the plan's experiments show its cells; see `project_grid`.

    A plan of universes, which has seeds of its own number, leaves that of the reference universe as it is.
    """
    for experiment in dict.fromkeys(cell.experiment for cell in plan.cells):
        if not (plan.of_universes and experiment == plan.experiment):
            project_grid(store, plan, runs, experiment)


def project_searches(store: Store, plan: Plan, recorded: Mapping[str, Run]) -> None:
    """Show the finished search of each tuned cell as an Optuna study of its own, named by the cell's key."""
    tuned = [cell for cell in plan.cells if cell.tuning]
    if not tuned:
        return
    import optuna

    storage = open_storage(store)
    shown = set(optuna.get_all_study_names(storage))
    for cell in tuned:
        assert cell.tuning is not None
        runs = [recorded.get(f"{cell.key}/trial={number}") for number in range(cell.tuning.budget)]
        if cell.key in shown or None in runs:
            continue
        study = optuna.create_study(storage=storage, study_name=cell.key, direction=cell.tuning.direction)
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params=multiples_of(cell, run),
                    distributions=search_space(cell),
                    value=float(run.tags["value"]),
                    user_attrs={"key": run.tags["key"], "fingerprint": run.tags["fingerprint"]},
                )
                for run in runs
                if run
            ]
        )


def project_grid(store: Store, plan: Plan, runs: pd.DataFrame, experiment: str = "") -> optuna.Study:
    """Make the Optuna study of an experiment (the reference universe's) show its cells in `runs`, a row a replicate.

    The record decides: a grid study that says something else (levels or seeds were added, a crash came between) is made
    anew, so no extension of a study can conflict with what Optuna has stored.

    Raises UserError when the database is not one that this Optuna can use.
    """
    import optuna

    experiment = experiment or plan.experiment
    cells = [cell for cell in plan.cells if cell.experiment == experiment]
    factors = plan.study.factors if experiment != plan.experiment else (plan.study.arms, *plan.study.blocks)
    at = {cell.key: {**plan.study.universe(cell.universe), **cell.levels} for cell in cells}
    levels = {f.name: list(dict.fromkeys([*f.levels, *(place[f.name] for place in at.values())])) for f in factors}
    space: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(choices) for name, choices in levels.items()
    }
    headline = plan.study.headline[0]
    means = {str(cell): float(rows[headline].mean()) for cell, rows in runs.groupby("cell")} if headline in runs else {}
    trials = [
        optuna.trial.create_trial(
            params={factor.name: at[cell.key][factor.name] for factor in factors},
            distributions=space,
            value=means[cell.name],
            user_attrs={"key": cell.key, "fingerprint": cell.fingerprint, "metric": headline},
        )
        for cell in cells
        if math.isfinite(means.get(cell.name, math.nan))
    ]
    storage = open_storage(store)
    sampler = optuna.samplers.GridSampler(levels, seed=0)
    study = optuna.create_study(
        storage=storage, study_name=experiment, direction=plan.study.direction, sampler=sampler, load_if_exists=True
    )
    shown = [
        (trial.params, trial.value, trial.user_attrs, trial.distributions) for trial in study.get_trials(deepcopy=False)
    ]
    wanted = [(trial.params, trial.value, trial.user_attrs, trial.distributions) for trial in trials]
    if shown != wanted or study.direction.name != plan.study.direction.upper():
        optuna.delete_study(study_name=experiment, storage=storage)
        study = optuna.create_study(
            storage=storage, study_name=experiment, direction=plan.study.direction, sampler=sampler
        )
        study.add_trials(trials)
    return study


def open_storage(store: Store) -> optuna.storages.RDBStorage:
    """Optuna's database of a store. Raises UserError when it is not one that this Optuna can use."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.storages.RDBStorage(store.optuna_uri)
    except (SQLAlchemyError, RuntimeError) as error:
        reason = getattr(error, "orig", "it was made by another version of Optuna")
        raise UserError(
            f"store {store.folder}: optuna.db cannot be used ({reason}); delete it: it is made again from the record"
        ) from error
