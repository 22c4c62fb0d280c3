"""Studies as frozen values: factors, tiers, tuning and what is claimed, checked when they are built."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cached_property
from typing import Any, Literal

from research.design.claims import ANYTHING, COUNTED, PROMISED, Claim, Control, MainEffect, Number, check_line
from research.design.errors import UserError
from research.design.levels import Factor, Level, Levels, check_levels, is_level
from research.design.task import Metric, Replicate, Task
from research.design.tiers import LAST_FIRST_SEED, MOST_SEEDS, TUNED, Tier, Tuning
from research.design.tuned_cells import check_tuned, tuning_of
from research.design.type_checks import check_types

__all__ = [
    "FAMILY_ERROR",
    "TUNED",
    "Amendment",
    "Claim",
    "Control",
    "Factor",
    "Level",
    "Levels",
    "MainEffect",
    "Metric",
    "Number",
    "Replicate",
    "Study",
    "Task",
    "Tier",
    "Tuning",
    "crossed",
]

DOCUMENTS = {
    "A": "Multilayer Perceptron / Feedforward Neural Network (lecture notes)",
    "B": "ML Foundations (6/9), Neural Networks: From Perceptron to MLP",
}
FAMILY_ERROR = 0.05  # how often a study's claims together may go wrong, in either way, and each control
STUDY_NAME = "[a-z][a-z0-9_]*"
TRIAL_COLUMNS = ("trial", "value", "scatter", "winner")  # of the table of trials, beside the tuned fields
# Names that the tables, keys and params have beside the factors, and those that findings in universes have.
RESERVED = {"cell", "seed", "seeds", "trial", "epoch", "step", "layer", "place", "diverged_step"}
OF_FINDINGS = {"claim", "universe", "same_as", "number", "low", "high", "n", "inside", "outside", "num_diverged"}
OF_FINDINGS |= {"num_late", "verdict", "would_be", "reason"}
OF_EXPERIMENTS = {"universes", "tuning", "part"}  # what the names of experiments and folders end in beside tiers


def crossed(**levels: tuple[Level, ...]) -> tuple[Levels, ...]:
    """Every combination of the named choices' levels."""
    return tuple(dict(zip(levels, point, strict=True)) for point in itertools.product(*levels.values()))


@dataclass(frozen=True)
class Amendment:
    """A change of what a study declares, made after results were seen, and judged on seeds that nobody had seen.

    `date` is the day, such as 2026-11-28; `what` was changed, `why`, and what had been `seen` by then: a line each.
    """

    date: str
    what: str
    why: str
    seen: str

    def __post_init__(self) -> None:
        check_types("amendment", self)
        try:
            is_day = date.fromisoformat(self.date).isoformat() == self.date
        except ValueError:
            is_day = False
        if not is_day:
            raise UserError(f"amendment: date={self.date!r} must be a day such as 2026-11-28")
        for name in ("what", "why", "seen"):
            check_line(f"amendment of {self.date}", name, getattr(self, name))


@dataclass(frozen=True)
class Study:
    """One question with its design. `configure` is a pure function from levels, given by name, to a task.

    `passage` names places in DOCUMENTS, `says` is what they say, paraphrased. `headline` names the metrics that are
    shown first, `direction` which way the first is better; a change in the meaning of the same task needs a higher
    `revision`. Where the code of a task of the study's own was changed in a way that changes no result, `same_as` maps
    its digest to that of the code that the results were made by.

    `predictions` are what theory says of a metric, by name: functions of the levels, each given by name as to
    `configure`, that claims can divide what is measured by (`Number.over`) and figures draw.

    Arms are crossed with blocks. Where not all of these cells are wanted, `grids` names those that are: each grid
    crosses the levels that it names, and all levels of a factor that it does not name.

    `choices` are what the documents leave open; `universes` the combinations of them that are compared, each as the
    levels in which it differs from the reference, and `universe_reasons` why these and what was left out. With a
    `tuning` cells are tuned where a choice is at the level "tuned", which may be the first; every cell of every
    universe where no choice has that level.
    `main_effects` are claims about all of them together. `amendments` say what was changed after results were seen, the
    oldest first; an amended study has seeds of its own (`Tier.first_seed`).

    Raises UserError, naming both sides, for a wrong name, a level that a claim, control, tier or universe does not find
    among the factors, levels that could not be told apart, a factor that `configure` ignores, a control whose cells are
    not there or that guards no claim of the study, or fewer seeds than could give a verdict.
    """

    name: str
    question: str
    passage: str
    configure: Callable[..., Task]
    arms: Factor
    blocks: tuple[Factor, ...]
    tiers: Mapping[str, Tier]
    headline: tuple[str, ...]
    direction: Literal["maximize", "minimize"] = "maximize"
    says: str = ""
    grids: tuple[Mapping[str, tuple[Level, ...]], ...] = ()
    choices: tuple[Factor, ...] = ()
    universes: tuple[Levels, ...] = ()
    universe_reasons: str = ""
    tuning: Tuning | None = None
    controls: tuple[Control, ...] = ()
    claims: tuple[Claim, ...] = ()
    main_effects: tuple[MainEffect, ...] = ()
    amendments: tuple[Amendment, ...] = ()
    revision: int = 1
    same_as: Mapping[str, str] = field(default_factory=dict)
    predictions: Mapping[str, Callable[..., float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_types(f"study {self.name!r}", self)
        if not re.fullmatch(STUDY_NAME, self.name):
            raise UserError(f"study name {self.name!r} must be lower-case letters, digits and _")
        check_line(self.name, "question", self.question)
        names = [factor.name for factor in self.factors]
        if len(set(names)) < len(names):
            raise UserError(f"{self.name}: factors need names of their own: {', '.join(names)}")
        metrics = {*self.headline, *(j.number.metric for j in self.judged), *(a.metric for a in self.main_effects)}
        if taken := sorted((RESERVED | metrics) & set(names) | OF_FINDINGS & {choice.name for choice in self.choices}):
            raise UserError(
                f"{self.name}: factors need names of their own: {taken[0]!r} is that of a column of the tables"
            )
        findings = [judged.name for judged in (*self.judged, *self.main_effects)]
        if len(set(findings)) < len(findings):
            raise UserError(f"{self.name}: two claims or controls have the same name: {', '.join(findings)}")
        if self.direction not in ("maximize", "minimize"):
            raise UserError(f"{self.name}: direction={self.direction!r} is not one of maximize, minimize")
        if not self.headline:
            raise UserError(f"{self.name}: headline must name at least one metric")
        if "full" not in self.tiers:
            raise UserError(f"{self.name}: needs a tier 'full', has {', '.join(self.tiers)}")
        for place, levels in self._named_levels():
            self._check_levels(place, levels)
        self._check_amendments()
        self._check_controls()
        self._check_universes()
        self._check_seeds()
        self._check_configure()
        known = self.metrics
        for judged in self.judged:
            if judged.number.over and judged.number.over not in self.predictions:
                there = ", ".join(self.predictions) or "none"
                over = f"is over the prediction {judged.number.over!r}"
                raise UserError(f"{self.name}: {judged.name!r} {over}, the study has {there}")
            if known.get(judged.number.metric, Metric()).arrived and judged.number.missing == ANYTHING:
                raise UserError(
                    f"{self.name}: {judged.name!r}: {judged.number.metric} may never arrive; its number must say in "
                    "which interval it lies then, such as missing=(0.0, float('inf'))"
                )

    def predicted(self, name: str, levels: Levels) -> float:
        """What a prediction gives at these levels, other choices at the reference. Raises UserError if no number."""
        call = f"{self.name}: prediction {name!r} at {', '.join(f'{n}={level}' for n, level in levels.items())}"
        try:
            found = self.predictions[name](**{**self.reference, **levels})
        except (Exception, SystemExit) as error:  # it is code that a user wrote
            raise UserError(f"{call} raises {type(error).__name__}: {error}") from error
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found) or not found:
            raise UserError(f"{call} is {found!r}, which nothing can be divided by")
        return float(found)

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Arms, block factors and choices, in the order of the key."""
        return (self.arms, *self.blocks, *self.choices)

    @property
    def reference(self) -> Levels:
        """The first level of each choice."""
        return {choice.name: choice.levels[0] for choice in self.choices}

    def universe(self, levels: Levels) -> Levels:
        """A universe as a level of every choice, of those in which it differs from the reference."""
        return {**self.reference, **levels}

    @property
    def designed(self) -> tuple[Levels, ...]:
        """The reference and the universes that are compared with it, each once, as a level of every choice."""
        every = (self.reference, *map(self.universe, self.universes))
        return tuple({tuple(levels.items()): levels for levels in every}.values())

    @property
    def judged(self) -> tuple[Control | Claim, ...]:
        """All that gets a finding: controls, then claims."""
        return (*self.controls, *self.claims)

    @property
    def num_promised(self) -> int:
        """How many claims share the promise that few verdicts are false: main effects too."""
        return sum(claim.kind in PROMISED for claim in self.claims) + len(self.main_effects)

    def in_grid(self, cell: Levels, *grids: Mapping[str, tuple[Level, ...]]) -> bool:
        """Whether a cell is in one of these grids, of those of the study if none is given; else it is for a control."""
        crossing = {factor.name: factor.levels for factor in (self.arms, *self.blocks)}
        crossings = ({**crossing, **grid} for grid in grids or self.grids or ({},))
        return any(all(cell[name] in levels for name, levels in one.items()) for one in crossings)

    def cells(self, tier: str = "full") -> tuple[Levels, ...]:
        """The cells at a tier, each once, as a level of arms and each block: those of the grids, then of controls."""
        kept, factors = self.tiers[tier].levels, (self.arms, *self.blocks)
        crossing = crossed(**{factor.name: kept.get(factor.name, factor.levels) for factor in factors})
        own = ({f.name: cell[f.name] for f in factors} for control in self.controls for cell in control.cells)
        cells = (*filter(self.in_grid, crossing), *own)
        return tuple({tuple(cell.values()): cell for cell in cells}.values())

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of all cells of the reference universe, those of controls too. `configure` is pure: once asked."""
        return tuple(map(self.task, self.cells()))

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """What is known of the metrics of these."""
        return {name: metric for task in self.tasks for name, metric in task.gives().items()}

    @cached_property
    def words(self) -> Mapping[str, str]:
        """How these call fields and their values for people."""
        return {name: word for task in self.tasks for name, word in task.words.items()}

    def factor(self, name: str) -> Factor:
        """The factor of this name, with the words of the tasks where it has none of its own."""
        return self._told[name]

    @cached_property
    def _told(self) -> Mapping[str, Factor]:
        return {factor.name: self._with_words(factor) for factor in self.factors}

    def _with_words(self, factor: Factor) -> Factor:
        phrases = (task.phrases[factor.name] for task in self.tasks if factor.name in task.phrases and not factor.label)
        return replace(
            factor,
            label=factor.label or self.words.get(factor.name, ""),
            phrase=factor.phrase or next(phrases, ""),
            words=dict[Level, str](itertools.chain(self.words.items(), factor.words.items())),
        )

    def metric(self, name: str) -> Metric:
        """What is known of a metric, one that no cell has too."""
        return self.metrics.get(name, Metric())

    def task(self, levels: Levels, tier: str = "full") -> Task:
        """A cell's task: `configure` at its levels, other choices at the reference, the tier's overrides.

        Of these a task takes those that are fields of it; what is a field of no task of the study is refused.
        """
        task, overrides = self._configured({**self.reference, **levels}), self.tiers[tier].overrides
        own = {f.name: overrides[f.name] for f in fields(task) if f.name in overrides}
        if (others := set(overrides) - set(own)) and (unknown := others - self._fields):
            raise UserError(
                f"{self.name}: tier {tier!r} overrides {', '.join(sorted(unknown))}, no field of {type(task).__name__}"
            )
        try:
            return replace(task, **own) if own else task
        except UserError as error:
            raise UserError(f"{self.name}: tier {tier!r}: {error}") from error

    @cached_property
    def _fields(self) -> frozenset[str]:
        """The names of the fields that its tasks have, of whatever kind they are."""
        tasks = (self._configured({**self.reference, **levels}) for levels in self.cells())
        return frozenset(f.name for task in tasks for f in fields(task))

    def _configured(self, levels: Levels) -> Task:
        """What `configure` gives. Raises UserError, with the levels, for whatever it raises and for anything else."""
        try:
            found = self.configure(**levels)
        except UserError as error:
            raise UserError(f"{self._call(levels)}: {error}") from error
        except (Exception, SystemExit) as error:  # it is code that a user wrote
            raise UserError(f"{self._call(levels)} raises {type(error).__name__}: {error}") from error
        if not isinstance(found, Task):
            raise UserError(f"{self._call(levels)} gives {found!r}, which is no task, such as a TrainConfig")
        return found

    def _call(self, levels: Levels) -> str:
        return f"{self.name}: configure({', '.join(f'{name}={level!r}' for name, level in levels.items())})"

    def _named_levels(self) -> Iterator[tuple[str, Mapping[str, tuple[Level, ...]]]]:
        for name, tier in self.tiers.items():
            if not re.fullmatch(STUDY_NAME, name) or name in OF_EXPERIMENTS:
                others = ", ".join(sorted(OF_EXPERIMENTS))
                raise UserError(f"{self.name}: tier {name!r} must be lower-case letters, digits and _, not {others}")
            if name == "full" and tier.levels:
                raise UserError(f"{self.name}: tier 'full' keeps every level; leave {', '.join(tier.levels)} out of it")
            if name == "full" and tier.trials:
                raise UserError(
                    f"{self.name}: tier 'full' has the budget of the tuning; leave trials={tier.trials} out of it"
                )
            if empty := [factor for factor, levels in tier.levels.items() if not levels]:
                raise UserError(f"{self.name}: tier {name!r} keeps no level of {empty[0]}")
            if tier.seeds < 1 or tier.universe_seeds < 0:
                few = min(tier.seeds, tier.universe_seeds)
                raise UserError(f"{self.name}: tier {name!r} needs at least one seed, has {few}")
            if (many := max(tier.seeds, tier.universe_seeds)) > MOST_SEEDS:
                raise UserError(f"{self.name}: tier {name!r} can have {MOST_SEEDS} seeds at most, has {many}")
            if not 0 <= tier.first_seed <= LAST_FIRST_SEED:
                first = f"first_seed={tier.first_seed} must be from 0 to {LAST_FIRST_SEED}"
                raise UserError(f"{self.name}: tier {name!r}: {first}; searches have the seeds beyond")
            lost = {choice: level not in tier.levels.get(choice, (level,)) for choice, level in self.reference.items()}
            if dropped := [choice for choice, is_lost in lost.items() if is_lost]:
                raise UserError(f"{self.name}: tier {name!r} must keep the reference level of {dropped[0]}")
            yield f"tier {name!r}", tier.levels
        for number, grid in enumerate(self.grids, start=1):
            yield f"grid {number}", grid
        for claim in self.claims:
            yield f"claim {claim.name!r}", {self.arms.name: claim.number.arms, **claim.number.blocks}
        for control in self.controls:
            yield f"control {control.name!r}", {self.arms.name: control.number.arms, **control.number.blocks}
        for main_effect in self.main_effects:
            yield f"claim {main_effect.name!r}", {self.arms.name: self.arms.levels, **main_effect.blocks}

    def _check_amendments(self) -> None:
        days = [amendment.date for amendment in self.amendments]
        if days != sorted(days):
            raise UserError(f"{self.name}: amendments must stand in the order of their dates: {', '.join(days)}")
        if days and not self.tiers["full"].first_seed:
            raise UserError(
                f"{self.name}: an amended study is judged on seeds that nobody has seen: tier 'full' needs a first_seed"
            )

    def _check_universes(self) -> None:
        known = {choice.name: choice.levels for choice in self.choices}
        named: list[tuple[str, Mapping[str, tuple[Level, ...]]]] = [
            *((f"universe {dict(one)}", {name: (level,) for name, level in one.items()}) for one in self.universes),
            *((f"claim {claim.name!r}", claim.choices) for claim in self.main_effects),
        ]
        for place, by_choice in named:
            for name, levels in by_choice.items():
                if name not in known:
                    raise UserError(f"{self.name}: {place} names choice {name!r}, the study has {', '.join(known)}")
                if not levels:
                    raise UserError(f"{self.name}: {place} names no level of {name}, the study has {known[name]}")
                if unknown := [level for level in levels if not is_level(level, known[name])]:
                    raise UserError(f"{self.name}: {place} names {name} {unknown[0]!r}, the study has {known[name]}")
        for claim in self.main_effects:
            if missing := [levels for levels in crossed(**claim.choices) if self.universe(levels) not in self.designed]:
                raise UserError(f"{self.name}: claim {claim.name!r} needs the universe {missing[0]}")

    def _check_tuning(self, tasks: Mapping[tuple[Level, ...], Task]) -> None:
        """Raise UserError where a cell that is tuned cannot be. `tasks` are those at the levels of all factors."""
        if self.tuning is None:
            if tuned := [choice.name for choice in self.choices if TUNED in choice.levels]:
                raise UserError(f"{self.name}: choice {tuned[0]!r} has the level {TUNED!r}, which needs a tuning")
            return
        named = {**dict.fromkeys(self.tuning.ranges, "tuned field"), **{f.name: "factor" for f in self.factors}}
        for name in sorted(named):
            if name in (*TRIAL_COLUMNS, *(self.tuning.ranges if named[name] == "factor" else RESERVED)):
                column = f"the table of trials has a column {name}"
                raise UserError(f"{self.name}: {named[name]} {name!r} needs another name: {column}")
        searched: set[str] = set()
        for levels, task in tasks.items():
            place = len(levels) - len(self.choices)

            def configure(universe: Levels, cell: tuple[Level, ...] = levels[:place]) -> Task:
                return tasks[*cell, *universe.values()]

            universe = dict(zip(self.reference, levels[place:], strict=True))
            if tuning := tuning_of(self.tuning, self.choices, universe, configure):
                check_tuned(f"{self.name}: what configure() gives", task, tuning)
                searched |= {*tuning.ranges}
        if idle := [name for name in self.tuning.ranges if name not in searched]:
            there = ", ".join(sorted(searched)) or "none"
            raise UserError(f"{self.name}: tuning names {idle[0]!r}, which no tuned cell has; they have {there}")

    def _check_levels(self, place: str, named: Mapping[str, tuple[Level, ...]]) -> None:
        known = {factor.name: factor.levels for factor in self.factors}
        if place.startswith("control"):
            cells = [cell for control in self.controls for cell in control.cells]
            known = {name: (*levels, *(cell[name] for cell in cells if name in cell)) for name, levels in known.items()}
        left = {factor.name for factor in (self.arms, *self.blocks)} - set(named)
        if left and not place.startswith(("tier", "grid")):
            raise UserError(f"{self.name}: {place} leaves {', '.join(sorted(left))} open")
        for name, levels in named.items():
            if name not in known:
                raise UserError(f"{self.name}: {place} names factor {name!r}, the study has {', '.join(known)}")
            if not levels:
                raise UserError(f"{self.name}: {place} names no level of {name}, the study has {known[name]}")
            for level in levels:
                if not is_level(level, known[name]):
                    raise UserError(f"{self.name}: {place} names {name} {level!r}, the study has {known[name]}")

    def _check_seeds(self) -> None:
        """Raise UserError where a claim is counted in fewer seeds than could decide: all alike are still by chance."""
        full = self.tiers["full"]
        share = FAMILY_ERROR / max(self.num_promised, 1)
        alone = [f"control {control.name!r}" for control in self.controls if control.kind in COUNTED]
        claims: tuple[Claim | MainEffect, ...] = (*self.claims, *self.main_effects)
        counted = [f"claim {claim.name!r}" for claim in claims if claim.kind in COUNTED]
        cases = [(place, full.seeds, share) for place in counted] + [(p, full.seeds, FAMILY_ERROR) for p in alone]
        if self.universes:
            cases += [(place, full.universe_seeds or full.seeds, FAMILY_ERROR) for place in (*counted, *alone)]
        for place, seeds, error in cases:
            if 0.5**seeds > error:
                needed = math.ceil(-math.log2(error))
                raise UserError(f"{self.name}: {place} needs at least {needed} seeds to be decided, has {seeds}")

    def _check_controls(self) -> None:
        """Raise UserError for a control's cell that is not one, or could be taken for another, or is not there; and for
        a control that guards what the study does not claim."""
        claims = [*(claim.name for claim in self.claims), *(claim.name for claim in self.main_effects)]
        for guard in self.controls:
            if unknown := [name for name in guard.guards if name not in claims]:
                known_claims = ", ".join(claims) or "none"
                raise UserError(
                    f"{self.name}: control {guard.name!r} guards claim {unknown[0]!r}, the study has {known_claims}"
                )
        factors = (self.arms, *self.blocks)
        names = [factor.name for factor in factors]
        cells = [(control.name, cell) for control in self.controls for cell in control.cells]
        for control, cell in cells:
            if missing := sorted(set(names) - set(cell)):
                raise UserError(f"{self.name}: control {control!r} leaves {', '.join(missing)} open")
            if other := sorted(set(cell) - set(names)):
                raise UserError(f"{self.name}: control {control!r} sets {other[0]}; a cell has {', '.join(names)}")
        for factor in factors:
            known = list(factor.levels)
            for control, cell in cells:
                if not is_level(cell[factor.name], known):
                    known.append(cell[factor.name])
                    check_levels(f"{self.name}: control {control!r}: {factor.name}", tuple(known))
        there = {tuple(cell[name] for name in names) for cell in self.cells()}
        for place, levels in self._named_levels():
            if place.startswith(("tier", "grid")):
                continue
            for point in itertools.product(*(levels[name] for name in names)):
                if point not in there:
                    lacking = ", ".join(f"{name}={level}" for name, level in zip(names, point, strict=True))
                    raise UserError(f"{self.name}: {place} needs the cell {lacking}, in no grid and no control's cells")

    def _check_configure(self) -> None:
        for tier in self.tiers:
            if not any(map(self.in_grid, cells := self.cells(tier))):
                raise UserError(f"{self.name}: tier {tier!r} keeps no cell of the grids")
            for cell in cells:
                self.task(cell, tier)
        for factor in (self.arms, *self.blocks):
            used = {cell[factor.name] for cell in self.cells() if self.in_grid(cell)}
            if idle := [level for level in factor.levels if level not in used]:
                raise UserError(f"{self.name}: no grid has {factor.name} {idle[0]!r}")
        choices = crossed(**{choice.name: choice.levels for choice in self.choices})
        grid = [{**cell, **chosen} for cell in self.cells() if self.in_grid(cell) for chosen in choices]
        tasks = [(levels, self.task(levels)) for levels in grid]
        for factor in self.factors:
            others: dict[Any, list[Task]] = {}
            for levels, task in tasks:
                rest = tuple(value for name, value in levels.items() if name != factor.name)
                others.setdefault(rest, []).extend([task] * (levels[factor.name] != TUNED))
            varied = [found for found in others.values() if len(found) > 1]
            if varied and all(len(set(found)) == 1 for found in varied):
                raise UserError(f"{self.name}: configure() ignores factor {factor.name!r} with levels {factor.levels}")
        self._check_tuning({tuple(levels.values()): task for levels, task in tasks})
