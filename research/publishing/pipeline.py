"""What the pipeline is told of the studies, in params.yaml: nobody keeps a list of them by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from research.publishing.tables import UNIVERSES


def with_studies(text: str, studies: Sequence[str], reports: Path) -> str:
    """The content of params.yaml with its lists of studies brought up to date; all else in it stays.

    `run` are all studies, `universes` those whose universes are published, `report` those whose figures are drawn by a
    script `reports/NAME.py`, `page` those whose own file draws them.
    """
    lists = {
        "run": studies,
        "universes": [name for name in studies if (reports / name / UNIVERSES).is_dir()],
        "report": [name for name in studies if (reports / f"{name}.py").is_file()],
        "page": [name for name in studies if not (reports / f"{name}.py").is_file()],
    }
    for stage, names in lists.items():
        text = re.sub(rf"^  {stage}: \[.*\]$", f"  {stage}: [{', '.join(names)}]", text, flags=re.MULTILINE)
    return text
