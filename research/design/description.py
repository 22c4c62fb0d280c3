"""The design of a plan in words: what is compared, what is the same everywhere, what its metrics mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from research.design.plan import Cell, Plan
from research.design.study import Factor, Level, Study
from research.design.wording import METRICS, escaped, in_sentence, listed, word
from research.training.config import TrainConfig

CORE = ("dataset", "depth", "width", "activation", "init", "loss", "optimizer", "lr", "batch_size", "epochs", "steps")
NOT_SHOWN = ("measures",)  # what is measured is said by the metrics


def shown_fields(configs: Sequence[TrainConfig]) -> list[str]:
    """The fields to show of configurations: the core ones and what is not at its default, the horizon once."""
    shown = [
        f.name
        for f in fields(TrainConfig)
        if f.name in CORE or any(getattr(config, f.name) != f.default for config in configs)
    ]
    counted = {True: "epochs", False: "steps"}
    hidden = {counted[bool(config.steps)] for config in configs}
    return [name for name in shown if name not in NOT_SHOWN and (name not in hidden or len(hidden) > 1)]


def field_words(config: TrainConfig, names: Iterable[str]) -> str:
    """Fields with their values: `data set mnist, width 128, learning rate 0.1`."""
    texts = []
    for name in names:
        value = getattr(config, name)
        value = ", ".join(map(str, value)) if isinstance(value, tuple) else word(value)
        texts.append(f"{in_sentence(name)} {value}")
    return ", ".join(texts)


def design_lines(plan: Plan) -> str:
    """Arms, blocks, seeds and configuration of a plan as a list, and what its metrics mean."""
    study = plan.study
    grid = [cell for cell in plan.cells if _in_grid(study, cell)] or list(plan.cells)
    names = [factor.name for factor in (study.arms, *study.blocks)]
    configs = [cell.config for cell in grid]
    shown = [name for name in shown_fields(configs) if name not in names]
    fixed = [name for name in shown if len({getattr(config, name) for config in configs}) == 1]
    used = {judged.number.metric for judged in study.judged}
    own = [cell for cell in plan.cells if cell not in grid]

    def levels(factor: Factor) -> str:
        kept = [level for level in factor.levels if any(cell.levels[factor.name] == level for cell in grid)]
        return f"{factor.name.replace('_', ' ')}: {', '.join(map(word, kept))}"

    lines = [
        f"What is compared: {levels(study.arms)}.",
        *(f"Crossed with {levels(block)}." for block in study.blocks if len(block.levels) > 1),
        f"{plan.num_seeds} seeds ({plan.seeds[0]} to {plan.seeds[-1]}) of each of {len(plan.cells)} cells. Seed *s* "
        "means the same split, the same order of examples and, where shapes agree, the same initial draws in every "
        "cell, so differences are paired.",
        f"The same everywhere: {field_words(configs[0], fixed)}.",
        *filter(None, (varying_words(name, grid) for name in shown if name not in fixed)),
        *(f"For a control, {cell_words(cell, grid[0])}." for cell in own),
        *(
            f"{in_sentence(name)[0].upper()}{in_sentence(name)[1:]}: {METRICS[name]}."
            for name in METRICS
            if name in used
        ),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _in_grid(study: Study, cell: Cell) -> bool:
    return all(cell.levels[factor.name] in factor.levels for factor in (study.arms, *study.blocks))


def varying_words(name: str, cells: Sequence[Cell]) -> str:
    """What decides a field that is not the same in all cells: `Width: 128 for MLP, 147 for CNN.`"""
    for factor in cells[0].levels:
        values: dict[Level, set[object]] = {}
        for cell in cells:
            values.setdefault(cell.levels[factor], set()).add(getattr(cell.config, name))
        if all(len(found) == 1 for found in values.values()):
            texts = [f"{word(value)} for {listed(factor, [level])}" for level, (value,) in values.items()]
            return f"{in_sentence(name).capitalize()}: {', '.join(texts)}."
    return f"{in_sentence(name).capitalize()}: differs from cell to cell."


def cell_words(cell: Cell, usual: Cell) -> str:
    """A cell outside the grid, and in what its configuration differs from a usual one beyond its levels."""
    names = [name for name in shown_fields([cell.config, usual.config]) if name not in cell.levels]
    names = [
        name
        for name in names
        if getattr(cell.config, name) != getattr(usual.config, name)
        and (name in CORE or getattr(cell.config, name) != getattr(TrainConfig, name))
        and name != ("epochs" if cell.config.steps else "steps")
    ]
    return f"{escaped(cell.name)}" + (f": {field_words(cell.config, names)}" if names else "")
