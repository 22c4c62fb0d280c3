"""Which cells of a study are tuned, over which of the ranges, and what a task is with its fields multiplied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from research.design.errors import UserError
from research.design.levels import Factor, Levels
from research.design.task import Task, field_types
from research.design.tiers import TUNED, WIDENED, Tuning

DIGITS = 4  # of a tuned setting: more would differ between platforms and tell nobody anything
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
    level; over those of the ranges whose fields its task has, by the first of the metrics that it has.
    """
    having = [choice for choice in choices if TUNED in choice.levels]
    at_it = [choice for choice in having if universe[choice.name] == TUNED]
    if tuning is None or (having and not any(makes_difference(choice, universe, configure) for choice in at_it)):
        return None
    task = configure(universe)
    numbers, validated = number_fields(task), validated_metrics(task)
    own = {name: ends for name, ends in tuning.ranges.items() if name in numbers}
    metric = next((name for name in tuning.metrics if name in validated), tuning.metric)
    return replace(tuning, ranges=own or tuning.ranges, metric=metric)  # without any `check_tuned` refuses it


def validated_metrics(task: Task) -> list[str]:
    """The metrics of a task that a tuning may go by."""
    return [name for name in task.validated if name in task.gives()]


def number_fields(task: Task) -> list[str]:
    """The fields of a task that can be tuned: numbers, whole ones too."""
    return sorted(name for name, kind in field_types(type(task)).items() if kind in ("int", "float"))


def is_whole(task: Task, name: str) -> bool:
    """Whether a field of a task is a whole number."""
    return field_types(type(task))[name] == "int"


def multiplied(task: Task, multiples: Mapping[str, float]) -> Task:
    """A task with its tuned fields multiplied: to four digits, whole numbers to a whole one, which is 1 at least."""
    values: dict[str, Any] = {}
    for name, multiple in multiples.items():
        value = getattr(task, name) * multiple
        values[name] = max(1, round(value)) if is_whole(task, name) else float(f"{value:.{DIGITS}g}")
    return replace(task, **values)


def check_tuned(where: str, task: Task, tuning: Tuning) -> None:
    """Raise UserError where a task cannot be tuned: nothing to tune by, or a multiple that is no setting of it."""
    if tuning.metric not in (validated := validated_metrics(task)):
        there, named = ", ".join(validated) or "none", " or ".join(tuning.metrics)
        raise UserError(f"{where} cannot be tuned by {named}: its validated metrics are {there}")
    numbers, kind = number_fields(task), type(task).__name__
    if lacking := [name for name in tuning.ranges if name not in numbers]:
        named = f"{lacking[0]!r} is no" if len(lacking) == 1 else f"none of {', '.join(lacking)} is a"
        there = ", ".join(numbers) or "none"
        raise UserError(f"{where} cannot be tuned: {named} number of {kind}; there are {there}")
    for name, ends in tuning.ranges.items():
        if not (value := getattr(task, name)):
            raise UserError(f"{where} cannot be tuned: its {name} is 0, which no multiple changes")
        if is_whole(task, name) and value < 1:
            raise UserError(f"{where} cannot be tuned: its {name} is {value}, and whole numbers are tuned from 1 on")
        settings = []
        for multiple in (*ends, ends[0] / WIDENED, ends[1] * WIDENED) if tuning.widen else ends:
            try:
                settings.append(multiplied(task, {name: multiple}))
            except UserError as error:
                raise UserError(f"{where} cannot be tuned to {multiple:g} times its {name}: {error}") from error
        if settings[0] == settings[1]:
            raise UserError(f"{where} cannot be tuned: {ends[0]:g} and {ends[1]:g} times its {name}, {value}, are one")
