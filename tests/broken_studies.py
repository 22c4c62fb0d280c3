"""Controls of a study of tasks of its own, with a change in its file: the verdicts on them, seen on few seeds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from research.design.places import STUDIES
from research.design.study_files import load_study
from research.design.task import Task
from research.judging.columns import with_columns
from research.judging.findings import judge

SEEDS = range(5)  # for development


def controls_of(
    name: str, folder: Path, change: tuple[str, str], names: Collection[str], seeds: Sequence[int] = SEEDS, **fewer: Any
) -> dict[str, str]:
    """The verdicts on some controls of a study whose file has a change; `fewer` replaces fields of tasks."""
    text = (STUDIES / f"{name}.py").read_text()
    assert change[0] in text
    (folder / f"{name}.py").write_text(text.replace(*change))
    study = load_study(str(folder / f"{name}.py"))
    cells = {
        point: dict(zip((study.arms.name, *control.number.blocks), point, strict=True))
        for control in study.controls
        if control.name in names
        for point in product(control.number.arms, *control.number.blocks.values())
    }
    rows = [
        {**study.reference, **cell, "cell": str(cell), "seed": replicate.seed, "diverged_step": None}
        | replicate.metrics
        for cell in cells.values()
        for replicate in smaller(study.task(cell), fewer).run(seeds, lambda share: None)
    ]
    runs = with_columns(study, pd.DataFrame(rows), *[pd.DataFrame()] * 3)
    judgement = judge(study, runs, len(seeds), complete=True)
    return {finding.name: finding.verdict for finding in judgement.controls if finding.name in names}


def smaller(task: Task, fewer: Mapping[str, Any]) -> Task:
    """A task with those of the fields replaced that it has."""
    return replace(task, **{name: value for name, value in fewer.items() if hasattr(task, name)})
