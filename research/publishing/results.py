"""All that is published of a study, read back with every check and judged, and as tidy frames: `research.results`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from research.design.digests import claim_digests, judged_digests
from research.design.errors import UserError
from research.design.places import REPORTS
from research.design.plan import Plan, Universe
from research.design.study import Study
from research.design.study_files import load_study
from research.judging.columns import with_columns
from research.judging.findings import Judgement, judge
from research.judging.universe_findings import Across, across_frame, judge_across, summary_frame
from research.publishing.tables import RUNS, TABLES, TRIALS, UNIVERSES, changed_claims, csv, findings_frame, read_export
from research.publishing.tuning_tables import Trials, checked_trials, with_untuned
from research.record.frames import Frames


@dataclass(frozen=True)
class PublishedUniverses:
    """The published tables of a study's universes, by what plan they were made, and what they say.

    `changed` names claims and controls that are not now what they were when the runs were made.
    """

    plan: Plan
    runs: pd.DataFrame
    trials: Trials
    across: Across
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """The same of its reference universe, with what is published of others.

    `judgement` is None where the study declares nothing to judge; where the plan is not the study as declared, no
    finding has a verdict.
    """

    plan: Plan
    tables: Frames
    trials: Trials
    judgement: Judgement | None
    changed: tuple[str, ...]
    folder: Path
    universes: PublishedUniverses | None

    @property
    def study(self) -> Study:
        return self.plan.study


def read_published(study: Study, folder: Path) -> Published:
    """All that is published of a study in a folder, with what it says.

    Raises UserError where there are no tables, or they are not what an export of the study writes (`read_export`).
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no tables of {study.name} yet; python -m research.study {study.name} makes them")
    plan, tables, claims = read_export(study, folder, of_universes=False)
    frames = Frames(*(tables[name] for name in TABLES))
    trials = checked_trials(folder / TRIALS, tables.get(TRIALS), plan)
    judgement = judge(study, with_columns(study, *frames), plan.num_seeds, plan.declared) if study.judged else None
    if judgement:
        (universe,), declared = plan.universes, zip(judgement.claims, study.claims, strict=True)
        told = (with_untuned(finding, claim, universe, trials) for finding, claim in declared)
        judgement = replace(judgement, claims=tuple(told))
    changed = changed_claims(judged_digests(study), claims)
    return Published(plan, frames, trials, judgement, changed, folder, read_universes(study, folder))


def read_universes(study: Study, folder: Path) -> PublishedUniverses | None:
    """What is published of a study's universes in the folder of the study; None where nothing is.

    Without the reference universe there is nothing to compare with: of its tables nothing is said either.
    Raises UserError for tables that are not what an export of the study writes.
    """
    folder = folder / UNIVERSES
    if not folder.is_dir():
        return None
    plan, tables, claims = read_export(study, folder, of_universes=True)
    if plan.universes[0].levels != study.reference:
        return None
    runs, trials = tables[RUNS], checked_trials(folder / TRIALS, tables[TRIALS], plan)
    frames = [(universe.levels, runs_of(universe, runs)) for universe in plan.universes]
    across = judge_across(study, frames, plan.num_seeds, plan.complete)
    told = []
    for found, claim in zip(across.claims, study.claims, strict=True):
        points = [
            replace(point, finding=with_untuned(point.finding, claim, universe, trials))
            for point, universe in zip(found.points, plan.universes, strict=True)
        ]
        told.append(replace(found, points=tuple(points)))
    across = replace(across, claims=tuple(told))
    return PublishedUniverses(plan, runs, trials, across, changed_claims(claim_digests(study), claims))


def runs_of(universe: Universe, runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the cells that stand in a universe."""
    return runs[runs["cell"].isin({cell.name for cell in universe.cells})]


def universe_files(universes: PublishedUniverses) -> dict[str, bytes]:
    """The findings across universes as tables, by their place in the folder of the study."""
    across = universes.across
    tables = {"findings.csv": csv(across_frame(across), across.choices), "summary.csv": csv(summary_frame(across))}
    return {f"{UNIVERSES}/{name}": content for name, content in tables.items()}


class Results(NamedTuple):
    """The published results of a study as tidy frames: those of `store.Frames`, `findings`, and those of universes.

    The three of universes are None where none were published, `tuning` where no cell was tuned either.
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
    return gathered(read_published(study, folder))


def gathered(published: Published) -> Results:
    """The results that were read, as frames."""
    found, universes = Results(*published.tables, findings_frame(published.judgement)), published.universes
    if universes is None:
        return found._replace(tuning=published.trials.table if published.plan.is_tuned else None)
    frames = (universes.runs, across_frame(universes.across), summary_frame(universes.across), universes.trials.table)
    return Results(*found[:5], *frames)
