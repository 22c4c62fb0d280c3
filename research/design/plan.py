"""A study at a tier -> its cells and stacks, each with a readable key and a fingerprint. Imports nothing heavy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from research.design.errors import UserError
from research.design.identity import NUMERICS, identity
from research.design.study import Factor, Level, Levels, Study, Tuning
from research.design.task import Task, field_types
from research.design.tiers import MOST_SEEDS
from research.design.tuned_cells import check_tuned, tuning_of
from research.design.universes import ALL, REFERENCE, asked_for, departures, nearest

TUNING = "-tuning"  # ends the name of the experiment with the trials of searches


@dataclass(frozen=True)
class Cell:
    """One combination of levels: one Optuna trial, one MLflow parent run. `levels` keeps the order of the factors.

    `universe` holds the choices in which it differs from the reference universe. With a `tuning` the task is the one
    that the search starts from; the winner takes its place once it is known, under the same identity. `trial` is the
    number of a trial of such a search.
    """

    study: str
    variant: str
    levels: Levels
    task: Task
    identity: str
    stack_size: int
    universe: Levels = field(default_factory=dict)
    tuning: Tuning | None = None
    revision: int = 1
    same_as: Mapping[str, str] = field(default_factory=dict)
    trial: int | None = None

    @property
    def key(self) -> str:
        """The readable address, such as `activation_depth/full/activation=relu/depth=4/init=he`."""
        placed = {**self.levels, **self.universe, **self._trial}
        return "/".join([self.study, self.variant, *(f"{name}={level}" for name, level in placed.items())])

    @property
    def name(self) -> str:
        """The key's short form for lists and legends, such as `relu depth=4`: an arm that is a word stands alone."""
        (factor, arm), *blocks = self.levels.items()
        first = arm if isinstance(arm, str) else f"{factor}={arm}"
        return " ".join(
            [first, *(f"{name}={level}" for name, level in (*blocks, *self.universe.items(), *self._trial.items()))]
        )

    @property
    def experiment(self) -> str:
        """The MLflow experiment: the study's own for the full tier in the reference universe, others for all else."""
        more = "-universes" if self.universe else ""
        return experiment_name(self.study, self.variant) + (more if self.trial is None else TUNING)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the identity, in hexadecimal digits."""
        return hashlib.sha256(self.identity.encode()).hexdigest()

    @property
    def _trial(self) -> Levels:
        return {} if self.trial is None else {"trial": self.trial}


def experiment_name(study: str, variant: str) -> str:
    """The MLflow experiment and Optuna study of a variant in the reference universe."""
    return study if variant == "full" else f"{study}-{variant}"


@dataclass(frozen=True)
class Stack:
    """The seeds of a cell that train together: the unit of work and of the record."""

    cell: Cell
    seeds: tuple[int, ...]

    @property
    def key(self) -> str:
        """The cell's key with the seeds behind it."""
        return f"{self.cell.key}/seeds={self.seeds[0]}-{self.seeds[-1]}"

    @property
    def nominal_seconds(self) -> float:
        """What the cost model expects it to take on one core."""
        return self.cell.task.seconds(len(self.seeds))


@dataclass(frozen=True)
class Universe:
    """A level of every choice, and the cells that stand there; universes share those in which they do not differ."""

    levels: Levels
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Plan:
    """What a study needs at a tier: num_seeds seeds of every cell of the universes, from the tier's first on.

    Its stacks are whole: where a user asks for another number of seeds, the last may have some that are not reported.

    `variant` is the tier and behind it the fields that were set by hand, such as `full+lr=0.01`; it is in the keys.
    `whole` says that no cell was left out; `scope` is how the universes were asked for. `numerics` is this source's,
    unless the plan is that of results which were made before.
    """

    study: Study
    tier: str
    variant: str
    num_seeds: int
    whole: bool
    cells: tuple[Cell, ...]
    stacks: tuple[Stack, ...]
    scope: tuple[str, ...] = (REFERENCE,)
    universes: tuple[Universe, ...] = ()
    numerics: int = NUMERICS

    @property
    def of_universes(self) -> bool:
        """Whether it is about other universes than the reference."""
        return self.scope != (REFERENCE,)

    @property
    def seeds(self) -> range:
        """The seeds that are asked for, and no others are reported."""
        first = self.study.tiers[self.tier].first_seed
        return range(first, first + self.num_seeds)

    @property
    def complete(self) -> bool:
        """Whether its universes are as declared: all of the full tier with its own number of seeds."""
        return self.whole and self.variant == "full" and self.num_seeds == self._declared_seeds

    @property
    def declared(self) -> bool:
        """Whether this is the study as declared, in the reference universe or in all that it compares."""
        return self.complete and self.scope in ((REFERENCE,), (ALL,))

    @property
    def experiment(self) -> str:
        """The MLflow experiment and Optuna study of the reference universe; others never mix with it."""
        return experiment_name(self.study.name, self.variant)

    @property
    def experiments(self) -> tuple[str, ...]:
        """Every MLflow experiment that it is recorded in: those of its cells, and that of the trials of searches."""
        of_cells = dict.fromkeys(cell.experiment for cell in self.cells)
        return (*of_cells, *([self.experiment + TUNING] if self.is_tuned else []))

    @property
    def is_tuned(self) -> bool:
        """Whether any of its cells is tuned."""
        return any(cell.tuning for cell in self.cells)

    @property
    def columns(self) -> tuple[Factor, ...]:
        """The factors that its tables have columns for: arms, blocks and, with other universes, the choices."""
        return self.study.factors if self.of_universes else (self.study.arms, *self.study.blocks)

    def placed(self, cell: Cell) -> dict[str, Level]:
        """The level of each of the columns at which a cell stands."""
        levels = {**cell.levels, **self.study.universe(cell.universe)}
        return {factor.name: levels[factor.name] for factor in self.columns}

    def reported(self, cell: Cell) -> range:
        """The seeds that a cell's parent run sums up: of a shared one never fewer than the reference universe has."""
        own = own_seeds(self.study, self.tier, False) if self.of_universes and not cell.universe else 0
        return range(self.seeds.start, self.seeds.start + max(self.num_seeds, own))

    @property
    def report_name(self) -> str:
        """The folder for tables and figures: the experiment's name, and what else differs from the declared study."""
        scope = f"-universes-{'-'.join(self.scope)}" if self.of_universes else ""
        seeds = "" if self.num_seeds == self._declared_seeds else f"-{self.num_seeds}-seeds"
        return self.experiment + scope + seeds + ("" if self.whole else "-part")

    @property
    def _declared_seeds(self) -> int:
        return own_seeds(self.study, self.tier, self.of_universes)


def own_seeds(study: Study, tier: str, of_universes: bool) -> int:
    """How many seeds a cell has at a tier, in the reference universe or in others, unless a user asks for more."""
    size = study.tiers[tier]
    return size.universe_seeds or size.seeds if of_universes else size.seeds


def make_plan(
    study: Study,
    tier: str = "full",
    num_seeds: int | None = None,
    only: Mapping[str, tuple[str, ...]] | None = None,
    settings: Mapping[str, str] | None = None,
    scope: tuple[str, ...] = (REFERENCE,),
    numerics: int = NUMERICS,
) -> Plan:
    """The plan of a study: of the cells that have the levels in `only`, with the fields in `settings` set by hand.

    Levels and values are as a user writes them; `scope` asks for universes (`universes.asked_for`). Raises UserError
    for a tier, factor, level, field or value that does not exist, for fewer than one seed, and if no cell is left.
    """
    if tier not in study.tiers:
        raise UserError(f"{study.name}: no tier {tier!r}; it has {', '.join(study.tiers)}")
    asked = asked_for(study, scope, tier)
    num_seeds = own_seeds(study, tier, scope != (REFERENCE,)) if num_seeds is None else num_seeds
    if num_seeds < 1:
        raise UserError(f"--seeds {num_seeds}: at least one seed is needed")
    if num_seeds > MOST_SEEDS:
        raise UserError(f"--seeds {num_seeds}: at most {MOST_SEEDS} seeds can be planned")
    values = {name: _field_value(study, name, text) for name, text in sorted((settings or {}).items())}
    if factors := [factor.name for factor in (study.arms, *study.blocks) if factor.name in values]:
        raise UserError(f"--set {factors[0]}: is a factor of {study.name}; choose its levels with --only")
    variant = "+".join([tier, *(f"{name}={value}" for name, value in values.items())])
    every = [Universe(levels, tuple(_cells(study, tier, variant, values, levels, numerics))) for levels in asked]
    universes = tuple(
        replace(universe, cells=tuple(cell for cell in universe.cells if _is_wanted(study, cell, only or {})))
        for universe in every
    )
    cells = {cell.key: cell for universe in universes for cell in universe.cells}
    if not cells:
        raise UserError(f"{study.name}: tier {tier!r} has no cell with {_written(only or {})}")
    stacks = [stack for cell in cells.values() for stack in _stacks(study, tier, cell, num_seeds)]
    whole = universes == tuple(every)
    planned = tuple(cells.values())
    return Plan(study, tier, variant, num_seeds, whole, planned, tuple(stacks), scope, universes, numerics)


def _stacks(study: Study, tier: str, cell: Cell, num_seeds: int) -> Iterator[Stack]:
    """The stacks in which a cell's first seeds lie: its own number of seeds in parts, then as many more, and so on.

    So seed s is in the same stack however many are asked for, and the study as declared trains none for nothing.
    """
    first, own = study.tiers[tier].first_seed, own_seeds(study, tier, bool(cell.universe))
    for block in range(first, first + num_seeds, own):
        for start in range(block, min(block + own, first + num_seeds), cell.stack_size):
            yield Stack(cell, tuple(range(start, min(start + cell.stack_size, block + own))))


def in_one_pass(stacks: Iterable[Stack]) -> list[tuple[Stack, ...]]:
    """The stacks that can train together, in groups: the same seeds, nothing different but the horizon, longest first.

    The groups are in the order of their first members. Stacks of tuned cells, whose configuration is not known or comes
    one at a time, and trials of different numbers are in groups of their own.
    """
    groups: dict[object, list[Stack]] = {}
    for stack in stacks:
        cell = stack.cell
        apart = cell.key if cell.tuning else cell.trial
        groups.setdefault((cell.task.in_one_pass(), stack.seeds, apart), []).append(stack)
    return [tuple(sorted(group, key=lambda stack: -stack.cell.task.length)) for group in groups.values()]


def _field_value(study: Study, name: str, text: str) -> str | int | float:
    """The value of a field of the study's tasks from what a user wrote."""
    first = {factor.name: factor.levels[0] for factor in study.factors}
    kinds = field_types(type(study.task(first)))
    readers: dict[str, type[str] | type[int] | type[float]] = {"str": str, "int": int, "float": float}
    reader = readers.get(kinds.get(name, ""))
    if reader is None:
        settable = [field for field, kind in kinds.items() if kind in readers]
        raise UserError(f"--set {name}={text}: no such field; there are {', '.join(settable)}")
    try:
        return reader(text)
    except ValueError as error:
        raise UserError(f"--set {name}={text}: not {'a whole number' if reader is int else 'a number'}") from error


def _is_wanted(study: Study, cell: Cell, only: Mapping[str, tuple[str, ...]]) -> bool:
    known = {name: {str(one[name]) for one in (cell.levels, *study.cells())} for name in cell.levels}
    choices = [choice.name for choice in study.choices]
    for name, levels in only.items():
        if name not in known:
            hint = "choose it with --universes" if name in choices else f"there are {', '.join(known)}"
            raise UserError(f"--only {name}={','.join(levels)}: no factor {name!r}; {hint}")
        if unknown := set(levels) - known[name]:
            hint = nearest(min(unknown), sorted(known[name]))
            raise UserError(f"--only {name}={','.join(levels)}: no level {min(unknown)!r}; {hint}")
    return all(str(cell.levels[name]) in levels for name, levels in only.items())


def _written(only: Mapping[str, tuple[str, ...]]) -> str:
    return " and ".join(f"{name}={','.join(levels)}" for name, levels in only.items())


def _cells(
    study: Study, tier: str, variant: str, values: Mapping[str, Any], universe: Levels, numerics: int
) -> list[Cell]:
    """The cells of a universe: those of the grids first, then what the controls need."""
    cells: dict[str, Cell] = {}
    for levels in study.cells(tier):
        cell = _cell(study, tier, variant, values, levels, universe, numerics)
        cells.setdefault(cell.key, cell)
    return list(cells.values())


def _cell(
    study: Study,
    tier: str,
    variant: str,
    values: Mapping[str, Any],
    levels: Levels,
    universe: Levels,
    numerics: int,
) -> Cell:
    def configure(choices: Levels) -> Task:
        task = study.task({**choices, **levels}, tier)
        if foreign := [name for name in values if name not in field_types(type(task))]:
            has = f"{type(task).__name__} has no such field, and every cell must have it"
            raise UserError(f"--set {foreign[0]}={values[foreign[0]]}: {has}")
        task = replace(task, **values)
        if idle := [name for name in values if name in task.unused]:
            raise UserError(f"--set {idle[0]}={values[idle[0]]}: has no effect on {study.name}, by what else is set")
        return task

    departing = departures(study, universe, configure)
    task = configure(study.universe(departing))
    tuning = tuning_of(study.tuning, study.choices, study.universe(departing), configure)
    if tuning is not None:  # a study checks its grid when it is built; here are the cells of its controls, at any tier
        tuning = replace(tuning, budget=min(tuning.budget, study.tiers[tier].trials or tuning.budget))
        named = ", ".join(f"{name}={level}" for name, level in levels.items())
        check_tuned(f"{study.name}: the cell {named}", task, tuning)
    size = task.seeds_together(own_seeds(study, tier, bool(departing)))
    what = identity(task, size, study.revision, tuning, numerics, study.same_as)
    return Cell(study.name, variant, levels, task, what, size, departing, tuning, study.revision, study.same_as)
