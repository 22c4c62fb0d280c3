"""The design of a plan in words: what is compared, what is the same everywhere, what its metrics mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from research.design.plan import Cell, Plan
from research.design.study import Level, Study
from research.design.task import Task
from research.design.wording import escaped, factor_word, level_label, listed, metric_word, word


def shown_fields(tasks: Sequence[Task]) -> list[str]:
    """The fields by which people are told what tasks are, in the order of the first that has them."""
    return list(dict.fromkeys(f.name for task in tasks for f in fields(task) if any(f.name in t.shown for t in tasks)))


def field_words(task: Task, names: Iterable[str]) -> str:
    """Fields with their values: `data set mnist, width 128, learning rate 0.1`."""
    texts = []
    for name in names:
        value = getattr(task, name)
        value = ", ".join(map(str, value)) if isinstance(value, tuple) else word(value, task.words)
        texts.append(f"{word(name, task.words)} {value}")
    return ", ".join(texts)


def design_lines(plan: Plan) -> str:
    """Arms, blocks, seeds and tasks of a plan as a list, and what its metrics mean."""
    study = plan.study
    grid = [cell for cell in plan.cells if study.in_grid(cell.levels)] or list(plan.cells)
    names = [factor.name for factor in (study.arms, *study.blocks)]
    tasks = [cell.task for cell in grid]
    kinds = dict.fromkeys(type(task) for task in tasks)
    tuned = tuned_fields(grid)
    far = ", as far as its task has it" if len(kinds) > 1 else ""
    shown = [name for name in shown_fields(tasks) if name not in (*names, *tuned)] if len(kinds) == 1 else []
    fixed = [name for name in shown if len({getattr(task, name, None) for task in tasks}) == 1]
    explained = dict.fromkeys([*(name for kind in kinds for name in kind.explained()), *study.metrics])
    used = {judged.number.metric for judged in study.judged}
    known = {name: study.metric(name) for name in explained if name in used}
    own = [cell for cell in plan.cells if cell not in grid]

    def levels(name: str, cells: Sequence[Cell]) -> str:
        factor = study.factor(name)
        kept = [level for level in factor.levels if any(cell.levels[name] == level for cell in cells)]
        return f"{factor_word(factor)}: {', '.join(level_label(factor, level) for level in kept)}"

    parts = [[cell for cell in grid if study.in_grid(cell.levels, one)] for one in study.grids] or [grid]
    lines = [
        *(
            line
            for place, cells in enumerate(filter(None, parts))
            for line in (
                f"{'Also' if place else 'What is'} compared: {levels(study.arms.name, cells)}.",
                *(f"Crossed with {levels(block.name, cells)}." for block in study.blocks if len(block.levels) > 1),
            )
        ),
        f"{plan.num_seeds} seeds ({plan.seeds[0]} to {plan.seeds[-1]}) of each of {len(plan.cells)} cells. "
        f"Seed *s* means {grid[0].task.paired}, so differences are paired.",
        *([f"The same everywhere: {field_words(tasks[0], fixed)}."] if fixed else []),
        *filter(None, (varying_words(name, study, grid) for name in shown if name not in fixed)),
        *([f"{cell.name}: {kind_words(cell.task, tuned)}" for cell in grid] if len(kinds) > 1 else []),
        *([f"Tuned for each cell{far}: {', '.join(word(name, study.words) for name in tuned)}."] if tuned else []),
        *(f"For a control, {cell_words(cell, grid[0])}." for cell in own),
        *(f"{capital(metric_word(name, one))}: {one.meaning}." for name, one in known.items() if one.meaning),
    ]
    return "\n".join(f"- {escaped(line)}" for line in lines)


def capital(text: str) -> str:
    """A text that begins a sentence."""
    return text[:1].upper() + text[1:]


def tuned_fields(cells: Iterable[Cell]) -> list[str]:
    """The fields that are tuned in any of these cells."""
    return list(dict.fromkeys(name for cell in cells if cell.tuning for name in cell.tuning.ranges))


def kind_words(task: Task, tuned: Sequence[str] = ()) -> str:
    """What a task of one of several kinds is: the first sentence about it in its file, and its fields but the tuned."""
    about = " ".join((type(task).__doc__ or type(task).__name__).partition("\n\n")[0].split())
    own = {f.name for f in fields(task)} - {*tuned}
    fields_of = field_words(task, [name for name in task.shown if name in own])
    return about + (f" Here: {fields_of}." if fields_of else "")


def varying_words(name: str, study: Study, cells: Sequence[Cell]) -> str:
    """What decides a field that is not the same in all cells: `Width: 128 for MLP, 147 for CNN.`"""
    words = study.words
    for factor in cells[0].levels:
        values: dict[Level, set[object]] = {}
        for cell in cells:
            values.setdefault(cell.levels[factor], set()).add(getattr(cell.task, name, None))
        if all(len(found) == 1 for found in values.values()):
            own = study.factor(factor)
            texts = [f"{word(value, words)} for {listed(own, [level])}" for level, (value,) in values.items()]
            return f"{word(name, words).capitalize()}: {', '.join(texts)}."
    return f"{word(name, words).capitalize()}: differs from cell to cell."


def cell_words(cell: Cell, usual: Cell) -> str:
    """A cell outside the grid, and in what its task differs from a usual one beyond its levels."""
    names = [
        name
        for name in cell.task.shown
        if name not in cell.levels and getattr(cell.task, name) != getattr(usual.task, name, None)
    ]
    return cell.name + (f": {field_words(cell.task, names)}" if names else "")
