"""What may stand in reports/: complete studies, as declared, of committed code; and how other runs agree with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from research.design.errors import UserError
from research.design.places import REPORTS, STUDIES
from research.design.plan import Plan
from research.design.study_files import study_names
from research.design.wording import digits
from research.record.environment import head, uncommitted
from research.record.state import Run, State

FINDINGS = "findings.csv"


def folder_for(plan: Plan, reports: Path | None, store: Path, publish: bool) -> Path:
    """Where a plan's tables and figures go: reports/ if it is published, else `reports` if given, else the store.

    Raises UserError for any way into the project's own folder but publishing.
    """
    if publish and reports is not None and reports.resolve() != REPORTS:
        raise UserError(f"--publish writes to reports/, not to --reports {reports}: leave one of them out")
    if publish:
        return REPORTS / plan.study.name
    if reports is not None and reports.resolve() == REPORTS:
        raise UserError(f"--reports {reports}: only --publish writes there; leave it out, or choose another folder")
    if reports is not None:
        return reports.absolute() / plan.study.name
    return store / "reports" / (plan.study.name if plan.declared else plan.report_name)


def check_plan(plan: Plan, named: str) -> None:
    """Raise UserError unless a plan may be published: the study as declared, one of studies/, and committed code.

    `named` is how the user named the study.
    """
    name = plan.study.name
    if not plan.declared:
        raise UserError(f"--publish: {plan.report_name} is not {name} as declared; leave out what makes it another")
    if name not in study_names() or (named.endswith(".py") and Path(named).resolve().parent != STUDIES):
        raise UserError(f"--publish: {named} is not one of studies/; move its file there and commit it")
    if not head():
        raise UserError(
            "--publish: the code is in no commit of git, so nobody could tell what ran; publish from a clone"
        )
    if changed := uncommitted():
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise UserError(f"--publish: {changed[0]}{more} is not as committed; commit the code first")


def check_results(state: State) -> None:
    """Raise UserError where results that the record has already were made by code that was not committed."""
    recorded = {key: runs[0] for key, runs in state.done.items()} | state.trials
    if wrong := [key for key, run in recorded.items() if not _is_of_a_commit(run)]:
        more = f" and of {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(
            f"--publish: the results of {wrong[0]}{more} were made by code that was not committed; "
            "replace them with --redo, or choose another store with --store"
        )


def _is_of_a_commit(run: Run) -> bool:
    return bool(run.tags.get("mlflow.source.git.commit")) and run.tags.get("uncommitted") == "none"


def unpublishable(folder: Path) -> list[str]:
    """What is wrong with how the tables of a study's folder came into reports/, a sentence each.

    Provenances that do not say whether they were published are from before `--publish`; they are let be.
    """
    wrong = []
    for path in (folder / "provenance.json", folder / "universes" / "provenance.json"):
        made_with = json.loads(path.read_bytes()) if path.is_file() else {}
        if not made_with.get("published", True):
            wrong.append(f"{path}: tables that were not made with --publish do not belong here")
        elif "published" in made_with:
            environments: Iterable[Mapping[str, str]] = made_with["environments"]
            if any(not one.get("commit") or one.get("uncommitted") != "none" for one in environments):
                wrong.append(f"{path}: says that code which was not committed made a part of it; run it again")
    return wrong


def agreement(ours: Path, published: Path) -> str:
    """How the findings of a run agree with the published ones, from the findings.csv of two folders, in a line.

    Nothing where one of them has none. A difference is measured in widths of the published interval, since numbers of
    claims have units of their own. Of runs that are not the study as declared, without verdicts, numbers are compared.
    """
    import pandas as pd

    if not ((ours / FINDINGS).is_file() and (published / FINDINGS).is_file()):
        return ""
    here, there = (pd.read_csv(place / FINDINGS, keep_default_na=False, na_values=[""]) for place in (ours, published))
    names = list(there.columns[: list(there.columns).index("number")])
    keys = [name for name in names if name in here and name not in ("kind", "same_as")]
    rows = there.merge(here, on=keys, suffixes=("", "_here")).to_dict("records")
    claims = [row for row in rows if row.get("role") != "control"]
    pairs = [row for row in claims if row["verdict_here"] != "not judged" or math.isfinite(row["number_here"])]
    if not pairs:
        return "none of its claims is among the published findings"
    keys = [name for name in keys if name != "role"]
    return f"beside the published findings: {_verdicts(pairs, keys)}; {_largest_difference(pairs, keys)}"


def _verdicts(pairs: Sequence[Mapping[Any, Any]], keys: Sequence[str]) -> str:
    judged = [pair for pair in pairs if pair["verdict_here"] != "not judged"]
    if not judged:
        numbers = "1 number" if len(pairs) == 1 else f"{len(pairs)} numbers"
        return f"{numbers} without verdicts, since this is not the study as declared"
    others = [pair for pair in judged if pair["verdict_here"] != pair["verdict"]]
    text = f"verdicts equal: {len(judged) - len(others)} of {len(judged)}"
    for pair in others[:1]:
        text += f" ({_named(pair, keys)} is {pair['verdict_here']}, not {pair['verdict']})"
    return text


def _largest_difference(pairs: Sequence[Mapping[Any, Any]], keys: Sequence[str]) -> str:
    def known(pair: Mapping[Any, Any]) -> list[bool]:
        return [math.isfinite(pair[name]) for name in ("number_here", "number")]

    def widths(pair: Mapping[Any, Any]) -> float:
        if not all(known(pair)):
            return math.inf
        width = pair["high"] - pair["low"]
        return float(abs(pair["number_here"] - pair["number"]) / width) if width > 0 else 0.0

    others = [pair for pair in pairs if any(known(pair)) and pair["number_here"] != pair["number"]]
    if not others:
        return "all numbers are equal"
    pair = max(others, key=widths)
    if not widths(pair):
        return "numbers differ of claims that have no interval"
    numbers = zip(digits([pair["number_here"], pair["number"]]), known(pair), strict=True)
    here, there = (shown if is_known else "not known" for shown, is_known in numbers)
    return f"largest difference of a number: {here}, not {there}, of {_named(pair, keys)}"


def _named(pair: Mapping[Any, Any], keys: Sequence[str]) -> str:
    first, *choices = (str(pair[key]) for key in keys)
    return ", ".join([first, *(f"{name}={level}" for name, level in zip(keys[1:], choices, strict=True))])
