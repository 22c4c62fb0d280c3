"""The search for a cell's nuisance settings: which trials come next, given those before, and which one wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from research.design.errors import UserError
from research.design.plan import Cell, Stack
from research.design.study import Tuning
from research.design.trials import (
    best_trial,
    further_multiples,
    objective,
    trial_stack,
    tuned,
)
from research.record.optuna_studies import search_space
from research.record.state import Run, check_fingerprint

if TYPE_CHECKING:
    import optuna


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
            trial.number: {name: getattr(trial.stack.cell.task, name) for name in self.tuning.ranges}
            for trial in self.trials
        }

    @property
    def winner(self) -> Trial:
        """The best trial, of equal ones the first."""
        return self.trials[best_trial(self.tuning, dict(enumerate(self.values)))]


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
