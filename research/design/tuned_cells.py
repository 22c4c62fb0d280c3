"""Which cells of a study are tuned, and whether their tasks can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from research.design.errors import UserError
from research.design.levels import Factor, Levels
from research.design.task import Task, field_types
from research.design.tiers import TUNED, WIDENED, Tuning

Configure = Callable[[Levels], Task]  # the task of a cell at a level of every choice


def makes_difference(choice: Factor, universe: Levels, configure: Configure) -> bool:
    """Whether the level of a choice in a universe, beside the reference level, makes a difference to a cell's task.

    Being tuned makes a difference where another level of the same choice does, or where there is only one other.
    """
    reference, level = choice.levels[0], universe[choice.name]
    untuned = [other for other in choice.levels if other != TUNED]
    compared = untuned if TUNED in (reference, level) else [reference, level]
    return len(compared) < 2 or len({configure({**universe, choice.name: other}) for other in compared}) > 1


def tuning_of(
    tuning: Tuning | None, choices: Sequence[Factor], universe: Levels, configure: Configure
) -> Tuning | None:
    """How a cell is tuned in a universe, by the tuning of its study and its choices; None where it is not.

    It is where a choice that makes a difference to it is at the level "tuned", and everywhere where no choice has that
    level.
    """
    having = [choice for choice in choices if TUNED in choice.levels]
    at_it = [choice for choice in having if universe[choice.name] == TUNED]
    is_tuned = not having or any(makes_difference(choice, universe, configure) for choice in at_it)
    return tuning if is_tuned else None


def check_tuned(where: str, task: Task, tuning: Tuning) -> None:
    """Raise UserError where a task cannot be tuned: nothing to tune by, or a multiple that is no setting of it."""
    if tuning.metric not in task.validated:
        there = ", ".join(task.validated) or "none"
        raise UserError(f"{where} cannot be tuned by {tuning.metric}: its validated metrics are {there}")
    numbers = [name for name, kind in field_types(type(task)).items() if kind == "float"]
    for name, ends in tuning.ranges.items():
        if name not in numbers:
            there = ", ".join(sorted(numbers))
            kind = type(task).__name__
            raise UserError(f"{where} cannot be tuned: {name!r} is no number of {kind}; there are {there}")
        if not (value := getattr(task, name)):
            raise UserError(f"{where} cannot be tuned: its {name} is 0, which no multiple changes")
        for multiple in (ends[0] / WIDENED, ends[1] * WIDENED) if tuning.widen else ends:
            try:
                replace(task, **{name: value * multiple})
            except UserError as error:
                raise UserError(f"{where} cannot be tuned to {multiple:g} times its {name}: {error}") from error
