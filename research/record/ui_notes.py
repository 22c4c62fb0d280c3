"""What is written in the MLflow UI, in Markdown: of an experiment, a cell, a failure."""

from __future__ import annotations

from research.design.description import field_words
from research.design.plan import TUNING, Cell, Plan
from research.design.wording import escaped


def experiment_note(plan: Plan, experiment: str) -> str:
    """The description in the MLflow UI of an experiment of a plan."""
    study = plan.study
    head = f"**{escaped(study.question)}**\n\n"
    if experiment == plan.experiment + TUNING:
        return (
            f"{head}Trials of the searches for nuisance settings. None of them is a result: they train seeds of their "
            "own and are measured on the validation split alone."
        )
    others = experiment != plan.experiment
    where = f" in a universe other than that of the experiment `{plan.experiment}`" if others else ""
    claims = "\n".join(f"- {escaped(claim.text)} ({escaped(claim.passage)})" for claim in study.claims)
    factors = ", ".join(factor.name for factor in (study.arms, *study.blocks))
    return (
        f"{head}From {escaped(study.passage)}. Each row is a cell: one level of {factors}{where}. The menu of "
        "views (top right) shows all cells, those of one level, or cells with their seeds (+); the chart button draws "
        f"them side by side. Tier `{plan.variant}`. Metrics of a cell are means over its seeds; "
        "`_low` and `_high` bound Student's 95 % interval.\n\n" + (f"Claims under test:\n{claims}\n" if claims else "")
    )


def cell_note(plan: Plan, cell: Cell, num_seeds: int) -> str:
    """What a cell is, in Markdown, for the parent run's page in the MLflow UI."""
    task = cell.task
    levels = "\n".join(f"| {name} | **{level}** |" for name, level in {**cell.levels, **cell.universe}.items())
    fixed = [name for name in task.shown if name not in cell.levels]
    return (
        f"{escaped(plan.study.question)}\n\n| factor | level |\n|---|---|\n{levels}\n\n"
        f"{task.summary} Mean of {num_seeds} seeds, run {cell.stack_size} at a time.\n\n"
        f"Fixed: {escaped(field_words(task, fixed))}.\n\n"
        f"Key `{cell.key}`, fingerprint `{cell.fingerprint}`.\n"
    )


def failure_note(reason: str, traceback: str) -> str:
    """Why a stack could not be trained, in Markdown, for its run's page in the MLflow UI."""
    return f"{escaped(reason)}\n\n```\n{traceback.replace('```', '…')}\n```"
