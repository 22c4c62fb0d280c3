"""Optuna studies as projections of the record: the grids of a plan, a trial a cell, and the searches of its cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from research.design.errors import UserError
from research.design.plan import Cell, Plan
from research.design.trials import (
    Ranges,
)
from research.record.state import Run

if TYPE_CHECKING:
    import optuna
    import pandas as pd


import contextlib
import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from research.record.any_store import MADE_AGAIN, AnyStore
from research.record.search_trials import is_over, multiples_of, recorded_ranges, recorded_trials
from research.record.system_errors import as_user_error

if TYPE_CHECKING:
    import optuna
    import pandas as pd


def import_optuna() -> None:
    """Import Optuna and its storage, which takes half a second.

    The package comes first: of two threads that import a package, one from its top and one from within, each waits for
    the other, and Python gives one of them a module that is half imported.
    """
    importlib.import_module("optuna")
    importlib.import_module("optuna.storages._rdb.storage")


def project_grids(store: AnyStore, plan: Plan, runs: pd.DataFrame) -> None:
    """Make the Optuna study of each of the plan's experiments show its cells; see `project_grid`.

    A plan of universes, which has seeds of its own number, leaves that of the reference universe as it is.
    """
    for experiment in dict.fromkeys(cell.experiment for cell in plan.cells):
        if not (plan.of_universes and experiment == plan.experiment):
            project_grid(store, plan, runs, experiment)


def project_searches(store: AnyStore, plan: Plan, recorded: Mapping[str, Run]) -> None:
    """Show the finished search of each tuned cell as an Optuna study of its own, named by the cell's key."""
    tuned = [cell for cell in plan.cells if cell.tuning]
    if not tuned:
        return
    import optuna

    with projection(store) as storage:
        for cell in tuned:
            assert cell.tuning is not None
            runs = recorded_trials(cell, recorded)
            if not is_over(cell, runs):
                continue
            ranges = recorded_ranges(cell, runs)
            trials = [
                optuna.trial.create_trial(
                    params=multiples_of(cell, run, ranges),
                    distributions=search_space(cell, ranges),
                    value=float(run.tags["value"]),
                    user_attrs={"key": run.tags["key"], "fingerprint": run.tags["fingerprint"]},
                )
                for run in runs.values()
            ]
            shown_study(storage, cell.key, cell.tuning.direction, trials)


def project_grid(store: AnyStore, plan: Plan, runs: pd.DataFrame, experiment: str = "") -> optuna.Study:
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
    sampler = optuna.samplers.GridSampler(levels, seed=0)
    with projection(store) as storage:
        return shown_study(storage, experiment, plan.study.direction, trials, sampler)


def shown_study(
    storage: optuna.storages.RDBStorage,
    name: str,
    direction: Literal["minimize", "maximize"],
    trials: Sequence[optuna.trial.FrozenTrial],
    sampler: optuna.samplers.BaseSampler | None = None,
) -> optuna.Study:
    """The Optuna study of a name, which is made anew where it shows other trials than these."""
    import optuna

    def content(trials: Sequence[optuna.trial.FrozenTrial]) -> list[tuple[object, ...]]:
        return [(trial.params, trial.value, trial.user_attrs, trial.distributions) for trial in trials]

    def created() -> optuna.Study:
        return optuna.create_study(
            storage=storage, study_name=name, direction=direction, sampler=sampler, load_if_exists=True
        )

    study = created()
    try:
        shown = content(study.get_trials(deepcopy=False))
    except ValueError:  # what is stored is no longer JSON
        shown = None
    if shown != content(trials) or study.direction.name != direction.upper():
        optuna.delete_study(study_name=name, storage=storage)
        study = created()
        study.add_trials(trials)
    return study


@contextlib.contextmanager
def projection(store: AnyStore) -> Iterator[optuna.storages.RDBStorage]:
    """Optuna's database of a store, to be written by one process at a time: two that make its tables would collide.

    Raises UserError when it cannot be used, by this Optuna or at all.
    """
    import optuna
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    cannot = f"store {store}: {store.part(projection=True)} cannot be used"
    with (
        store.lock("projection", f"store {store}", patient=True),
        as_user_error(cannot, MADE_AGAIN, SQLAlchemyError, StorageInternalError, OSError),
    ):
        # Whole or not at all: a kill may leave tables without their indices.
        store.create(lambda uri: optuna.storages.RDBStorage(uri).engine.dispose(), projection=True)
        try:
            storage = optuna.storages.RDBStorage(store.optuna_uri)
        except RuntimeError as error:
            raise UserError(f"{cannot} (it was made by another version of Optuna); {MADE_AGAIN}") from error
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


def search_space(cell: Cell, ranges: Ranges | None = None) -> dict[str, optuna.distributions.BaseDistribution]:
    """The multiples that are searched for a cell, within its ranges or these, on a logarithmic scale."""
    import optuna

    assert cell.tuning is not None
    searched = cell.tuning.ranges if ranges is None else ranges
    return {name: optuna.distributions.FloatDistribution(*ends, log=True) for name, ends in searched.items()}
