"""All that is published of a study, as tidy frames for anyone: what `research.results` gives."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from research.design.study_files import load_study
from research.judging.universe_findings import across_frame, summary_frame
from research.publishing.publication import REPORTS
from research.publishing.tables import Published, findings_frame, read_published
from research.publishing.universe_tables import PublishedUniverses, read_universes


class Results(NamedTuple):
    """The published results of a study as tidy frames: those of `store.Frames`, `findings`, and those of universes.

    The last four are None where no universes were published.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame
    profiles: pd.DataFrame
    findings: pd.DataFrame
    universe_runs: pd.DataFrame | None = None
    universe_findings: pd.DataFrame | None = None
    universe_summary: pd.DataFrame | None = None
    tuning: pd.DataFrame | None = None


def results(name: str, reports: str | Path = REPORTS) -> Results:
    """What is published of a study; see `research.results`."""
    study, folder = load_study(name), Path(reports) / Path(name).stem
    return gathered(read_published(study, folder), read_universes(study, folder))


def gathered(published: Published, universes: PublishedUniverses | None) -> Results:
    """The results that were read, as frames."""
    found = Results(*published.tables, findings_frame(published.judgement))
    if universes is None:
        return found
    across = universes.across
    return found._replace(
        universe_runs=universes.runs,
        universe_findings=across_frame(across),
        universe_summary=summary_frame(across),
        tuning=universes.tuning,
    )
