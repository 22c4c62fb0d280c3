"""What the pipeline is told of the studies, in params.yaml: nobody keeps a list of them by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from research.publishing.tables import SUMS, UNIVERSES


def with_studies(text: str, studies: Sequence[str], reports: Path) -> str:
    """The content of params.yaml with its lists of studies brought up to date; all else in it stays.

    They are of published studies: `run` all, `universes` those whose universes are published too, `report` those whose
    figures are drawn by a script `reports/NAME.py`, `page` those whose own file draws them.
    """
    published = [name for name in studies if (reports / name / SUMS).is_file()]
    lists = {
        "run": published,
        "universes": [name for name in published if (reports / name / UNIVERSES).is_dir()],
        "report": [name for name in published if (reports / f"{name}.py").is_file()],
        "page": [name for name in published if not (reports / f"{name}.py").is_file()],
    }
    for stage, names in lists.items():
        text = re.sub(rf"^  {stage}: \[.*\]$", f"  {stage}: [{', '.join(names)}]", text, flags=re.MULTILINE)
    return text
