"""The search for a cell's nuisance settings: which trials come next, given those before, and which one wins."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import stdev
from typing import TYPE_CHECKING, Any

from research.config import TrainConfig, UserError
from research.design import Tuning
from research.identity import identity
from research.plan import Cell, Plan, Stack
from research.state import Run, check_fingerprint
from research.tiers import TUNING_SEED
from research.trials import MORE_TRIALS, Ranges, Settings, best_trial, further_multiples, num_trials, searched_ranges

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from research.train import StackResult

DIGITS = 4  # of a tuned setting: more would differ between platforms and tell nobody anything


@dataclass(frozen=True)
class Trial:
    """One trial of a search: its number, what it multiplies each tuned field with, and what is to be trained for it."""

    number: int
    multiples: Mapping[str, float]
    stack: Stack


class Search:
    """Optuna's TPE over the ranges of a cell's tuning, asked for a batch at a time and told of it in its order.

    So it is a function of the trials' values alone, whoever trained them when. The first trial is at what `configure`
    sets, the next two are half way to either end of the ranges. Once the budget is spent come those beyond an edge,
    where there are any (`further_multiples`).
    """

    def __init__(self, cell: Cell) -> None:
        import optuna

        assert cell.tuning is not None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.cell, self.tuning = cell, cell.tuning
        # The same seed for all cells: each arm has the same chances. Other arguments of the sampler are deprecated.
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=3, n_ei_candidates=24, seed=0, multivariate=True, group=False, constant_liar=True
        )
        self.study = optuna.create_study(direction=self.tuning.direction, sampler=sampler)
        self.space: dict[str, optuna.distributions.BaseDistribution] = search_space(cell)
        halves = [{name: ends[side] ** 0.5 for name, ends in self.tuning.ranges.items()} for side in (0, 1)]
        for multiples in (dict.fromkeys(self.tuning.ranges, 1.0), *halves):
            self.study.enqueue_trial(multiples)
        self.trials: list[Trial] = []
        self.values: list[float] = []

    def ask(self) -> list[Trial]:
        """The next trials; none once the budget is spent. Those before must have been told."""
        left = self.tuning.budget - len(self.trials)
        multiples: list[dict[str, float]] = []
        if left > 0:
            multiples = [self.study.ask(self.space).params for _ in range(min(left, self.tuning.at_once))]
        elif not left:
            multiples = further_multiples(self.cell, self._settings, dict(enumerate(self.values)))
        found = [
            Trial(number, chosen, trial_stack(self.cell, number, chosen))
            for number, chosen in enumerate(multiples, start=len(self.trials))
        ]
        self.trials += found
        return found

    def tell(self, values: Sequence[float]) -> None:
        """Say what the trials that were asked for last came to, in their order."""
        for value in values:
            if len(self.values) < self.tuning.budget:
                self.study.tell(len(self.values), value)
            self.values.append(value)

    @property
    def _settings(self) -> dict[int, dict[str, float]]:
        return {
            trial.number: {name: getattr(trial.stack.cell.config, name) for name in self.tuning.ranges}
            for trial in self.trials
        }

    @property
    def winner(self) -> Trial:
        """The best trial, of equal ones the first."""
        return self.trials[best_trial(self.tuning, dict(enumerate(self.values)))]


def search_space(cell: Cell, ranges: Ranges | None = None) -> dict[str, optuna.distributions.BaseDistribution]:
    """The multiples that are searched for a cell, within its ranges or these, on a logarithmic scale."""
    import optuna

    assert cell.tuning is not None
    searched = cell.tuning.ranges if ranges is None else ranges
    return {name: optuna.distributions.FloatDistribution(*ends, log=True) for name, ends in searched.items()}


def tuned(cell: Cell, multiples: Mapping[str, float]) -> Cell:
    """A cell with its tuned fields multiplied: the same cell, whose configuration is now known."""
    values: dict[str, Any] = {
        name: float(f"{getattr(cell.config, name) * multiple:.{DIGITS}g}") for name, multiple in multiples.items()
    }
    return replace(cell, config=replace(cell.config, **values))


def trial_stack(cell: Cell, number: int, multiples: Mapping[str, float]) -> Stack:
    """What is trained for a trial: the tuning seeds, with the fields multiplied."""
    assert cell.tuning is not None
    seeds = tuple(range(TUNING_SEED, TUNING_SEED + cell.tuning.seeds))
    config = tuned(cell, multiples).config
    what = identity(config, len(seeds), cell.revision)
    return Stack(replace(cell, config=config, identity=what, stack_size=len(seeds), tuning=None, trial=number), seeds)


def trial_value(tuning: Tuning, result: StackResult) -> float:
    """What a trial came to: the mean over its seeds; the worst there is where one has come to nothing."""
    return value_of(objective(tuning), result)


def value_of(wanted: str, result: StackResult) -> float:
    """The same for a search whose `objective` is in these words."""
    direction, _ = wanted.split(" ")
    values = seed_values(wanted, result)
    mean = sum(values) / len(values)
    return mean if math.isfinite(mean) else math.inf if direction == "minimize" else -math.inf


def seed_values(wanted: str, result: StackResult) -> list[float]:
    """What each seed of a trial came to, of a search whose `objective` is in these words."""
    _, metric = wanted.split(" ")
    return [
        replicate.curves[metric][-1][1] if metric in replicate.curves else replicate.metrics[metric]
        for replicate in result.replicates
    ]


def trial_scatter(tuning: Tuning, result: StackResult) -> float:
    """The standard deviation of a trial's seeds; NaN of a single one, and where one has come to nothing."""
    values = seed_values(objective(tuning), result)
    return stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else math.nan


def objective(tuning: Tuning) -> str:
    """What a trial's value is, in words: `minimize validation_loss`."""
    return f"{tuning.direction} {tuning.metric}"


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
    return {name: config.get(name, getattr(TrainConfig, name)) for name in cell.tuning.ranges}


def as_won(cell: Cell, recorded: Mapping[str, Run]) -> Cell:
    """A tuned cell with the settings that won in the record; as it is where its search is not over, or it has none."""
    if cell.tuning is None:
        return cell
    runs = recorded_trials(cell, recorded)
    if not is_over(cell, runs):
        return cell
    settings: dict[str, Any] = settings_of(cell, runs[best_trial(cell.tuning, values_of(runs))])
    return replace(cell, config=replace(cell.config, **settings))


def multiples_of(cell: Cell, run: Run, ranges: Ranges) -> dict[str, float]:
    """The same as multiples of what `configure` sets, within these ranges: a setting is rounded."""
    multiples = {name: value / getattr(cell.config, name) for name, value in settings_of(cell, run).items()}
    return {name: min(max(multiples[name], low), high) for name, (low, high) in ranges.items()}


def trials_to_come(cell: Cell, recorded: Mapping[str, Run]) -> list[Stack]:
    """Stand-ins for the trials of a cell's search that are not in the record: their keys and what they cost."""
    runs = recorded_trials(cell, recorded)
    most = num_trials(cell, all_settings(cell, runs), values_of(runs))
    every = [trial_stack(cell, number, {}) for number in range(most)]
    return [stack for stack in every if stack.cell.key not in recorded]


class Searches:
    """The searches of a plan's tuned cells, side by side: what is to be trained next, given what is known so far.

    `stacks` are those of the tuned cells that are missing, `recorded` the runs of finished trials by their key. Raises
    UserError where a recorded trial is not the one that the search asks for.
    """

    def __init__(self, stacks: Iterable[Stack], recorded: Mapping[str, Run]) -> None:
        self.recorded = recorded
        self.known: dict[str, float] = {}
        self.stacks: dict[str, list[Stack]] = {}
        for stack in stacks:
            self.stacks.setdefault(stack.cell.key, []).append(stack)
        self.searches = {key: Search(waiting[0].cell) for key, waiting in self.stacks.items()}
        self.asked: dict[str, list[Trial]] = {}
        self.cell_of: dict[str, str] = {}

    @property
    def are_over(self) -> bool:
        """Whether every search has its winner, or was given up."""
        return not self.searches

    def first(self) -> list[Stack]:
        """What is to be trained to begin with."""
        return [stack for key in list(self.searches) for stack in self._ask(key)]

    def told(self, trial: Stack, value: float) -> list[Stack]:
        """What is to be trained now that a trial's value is known: nothing, the next ones, or the cell's own stacks."""
        self.known[trial.cell.key] = value
        key = self.cell_of[trial.cell.key]
        if key not in self.searches or not all(asked.stack.cell.key in self.known for asked in self.asked[key]):
            return []
        self.searches[key].tell([self.known[asked.stack.cell.key] for asked in self.asked[key]])
        return self._ask(key)

    def tuning_of(self, trial: Stack) -> Tuning:
        """How the cell is tuned that a trial is for."""
        tuning = self.stacks[self.cell_of[trial.cell.key]][0].cell.tuning
        assert tuning is not None
        return tuning

    def give_up(self, trial: Stack) -> list[Stack]:
        """The stacks that cannot be trained, because a trial has failed."""
        key = self.cell_of[trial.cell.key]
        return self.stacks[key] if self.searches.pop(key, None) else []

    def _ask(self, key: str) -> list[Stack]:
        """What a cell's search asks for and is not in the record; once it is over, the cell's own stacks."""
        search = self.searches[key]
        while trials := search.ask():
            self.asked[key] = trials
            self.cell_of |= {trial.stack.cell.key: key for trial in trials}
            self.known |= {run.tags["key"]: float(run.tags["value"]) for run in self._runs(trials)}
            if unknown := [trial.stack for trial in trials if trial.stack.cell.key not in self.known]:
                return unknown
            search.tell([self.known[trial.stack.cell.key] for trial in trials])
        del self.searches[key]
        return [replace(stack, cell=tuned(stack.cell, search.winner.multiples)) for stack in self.stacks[key]]

    def _runs(self, trials: list[Trial]) -> list[Run]:
        """The recorded runs of trials."""
        found = [(trial.stack, self.recorded.get(trial.stack.cell.key)) for trial in trials]
        for stack, run in found:
            check_fingerprint(stack.cell, run)
            wanted = objective(self.tuning_of(stack))
            if run and run.tags.get("objective", wanted) != wanted:
                raise UserError(
                    f"{stack.cell.key}: the store holds the trial of another search ({run.tags['objective']}, now "
                    f"{wanted}); undo the change, choose another store with --store, or replace it with --redo"
                )
        return [run for _, run in found if run]
