"""What is published of a study: tables exported from the record once, all else drawn from the tables by anyone.

    python -m research.report [NAME ...] [--check] [--reports DIR]
"""  # fmt: skip

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from research.config import UserError
from research.console import Parser
from research.design import Study
from research.pages import study_page
from research.plan import Plan, load_study, make_plan, study_names
from research.store import Frames, State, Store, read_frames
from research.verdict import Judgement, claim_digest, judge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("runs.csv", "curves.csv", "layers.csv", "profiles.csv")
PROVENANCE = "provenance.json"
SUMS = "SHA256SUMS"


def publish(store: Store, plan: Plan, state: State, folder: Path) -> tuple[pd.DataFrame, Judgement | None]:
    """Export a plan whose stacks are all done into a folder and draw everything; its runs and its judgement.

    Only the study as declared is judged.
    """
    export(store, plan, state, folder)
    judgement = judge_tables(plan.study, folder) if plan.declared else None
    for name, content in render(plan.study, folder, judgement).items():
        write(folder / name, content)
    return read_tables(folder).runs, judgement


def export(store: Store, plan: Plan, state: State, folder: Path) -> None:
    """Write the tables of a plan, their provenance and their sums.

    The tables hold results only, to six significant digits; what they were made with stands in provenance.json.
    """
    frames = read_frames(store, plan, state)
    files = {
        name: frame.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
        for name, frame in zip(TABLES, frames, strict=True)
    }
    files[PROVENANCE] = (json.dumps(provenance(plan, state), indent=1) + "\n").encode()
    for name, content in (files | {SUMS: sums(files)}).items():
        write(folder / name, content)


def provenance(plan: Plan, state: State) -> dict[str, object]:
    """What the results were made with: the environments, and for each stack which, its run ids, start and duration."""
    tags = {
        "commit": "mlflow.source.git.commit",
        **{name: name for name in ("uncommitted", "versions", "cpu", "device")},
    }
    environments: list[dict[str, str]] = []
    stacks = {}
    for key, runs in state.done.items():
        made_with = {name: runs[0].tags[tag] for name, tag in tags.items() if tag in runs[0].tags}
        if made_with not in environments:
            environments.append(made_with)
        stacks[key] = {
            "environment": environments.index(made_with),
            "started": pd.Timestamp(runs[0].started, unit="ms", tz="UTC").isoformat(timespec="seconds"),
            "seconds": (runs[0].ended - runs[0].started) / 1000,
            "runs": [run.id for run in runs],
        }
    fingerprints = {cell.key: cell.fingerprint for cell in plan.cells}
    claims = claims_at_the_runs(state)
    return {"seeds": plan.num_seeds, "environments": environments, "fingerprints": fingerprints, "claims": claims,
            "stacks": stacks}  # fmt: skip


def claims_at_the_runs(state: State) -> dict[str, list[str]]:
    """The digests that each claim had when the recorded runs were made: one, if it never changed."""
    digests: dict[str, list[str]] = {}
    for runs in state.done.values():
        for name, digest in json.loads(runs[0].tags["claims"]).items():
            if digest not in digests.setdefault(name, []):
                digests[name].append(digest)
    return digests


def sums(files: Mapping[str, bytes]) -> bytes:
    """The SHA-256 of each file, as `sha256sum` writes them."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()).encode()


def judge_tables(study: Study, folder: Path) -> Judgement | None:
    """The findings of a study's exported tables, None if it declares nothing to judge.

    Raises UserError when the tables come from another configuration than the study has now.
    """
    tables = read_tables(folder)
    recorded = json.loads((folder / PROVENANCE).read_text())["fingerprints"]
    now = {cell.key: cell.fingerprint for cell in make_plan(study).cells}
    if different := [key for key in {**recorded, **now} if recorded.get(key) != now.get(key)]:
        raise UserError(
            f"{folder}: made with another configuration of {different[0]}; run the study to export it again"
        )
    if not study.judged:
        return None
    return judge(study, tables.runs, study.tiers["full"].seeds, complete=True)


def render(study: Study, folder: Path, judgement: Judgement | None) -> dict[str, bytes]:
    """All that is drawn from the tables in a folder, as file name -> bytes: figures, and if judged findings and page.

    The same tables give the same bytes. A study's own figures come from `reports/NAME.py`, where there is one. Raises
    UserError for a table that is missing, unreadable or changed by hand.
    """
    os.environ["MPLBACKEND"] = "Agg"
    import matplotlib.pyplot as plt

    from research.figures import findings_figure, use_style

    tables = read_tables(folder)
    use_style()
    figures: dict[str, Figure] = {}
    captions: dict[str, str] = {}
    notes = ""
    if judgement is not None:
        figures["findings"] = findings_figure([*judgement.controls, *judgement.claims])
    if (ROOT / "reports" / f"{study.name}.py").is_file():
        script = importlib.import_module(f"reports.{study.name}")
        figures.update(script.figures(tables))
        captions, notes = getattr(script, "CAPTIONS", {}), getattr(script, "NOTES", "")
    files = {}
    for name, figure in figures.items():
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata=metadata)
            files[f"{name}.{kind}"] = buffer.getvalue()
        plt.close(figure)
    if judgement is not None:
        files["findings.csv"] = findings_table(judgement)
        files["README.md"] = study_page(study, judgement, captions, notes, changed_claims(study, folder)).encode()
    return files


def findings_table(judgement: Judgement) -> bytes:
    """The findings as a table: a row a control or claim."""
    columns = ("name", "kind", "number", "low", "high", "level", "n", "num_diverged", "region", "verdict", "reason")
    rows = [
        {"role": role, **{column: getattr(finding, column) for column in columns}}
        for role, findings in (("control", judgement.controls), ("claim", judgement.claims))
        for finding in findings
    ]
    return pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()


def changed_claims(study: Study, folder: Path) -> list[str]:
    """The names of claims and controls that are not now what they were when the runs were made."""
    recorded = json.loads((folder / PROVENANCE).read_text())["claims"]
    return [claim.name for claim in study.judged if recorded.get(claim.name) != [claim_digest(claim)]]


def read_tables(folder: Path) -> Frames:
    """The exported tables. Raises UserError when one is missing, was changed by hand, or is no such table."""
    tables = []
    for name, needed in zip(TABLES, ("diverged_step", "seed", "layer", "place"), strict=True):
        try:
            table = pd.read_csv(folder / name)
        except (OSError, ValueError) as error:
            raise UserError(f"{folder / name}: cannot be read ({error}); run the study to export it again") from error
        if needed not in table:
            raise UserError(f"{folder / name}: has no column {needed!r}; run the study to export it again")
        tables.append(table)
    try:
        found = sums({name: (folder / name).read_bytes() for name in (*TABLES, PROVENANCE)}).splitlines()
        exported = (folder / SUMS).read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read; run the study to export it again") from error
    if changed := [line for line in found if line not in exported]:
        name = changed[0].decode().split()[-1]
        raise UserError(f"{folder / name}: is not what was exported; run the study to export it again")
    return Frames(*tables)


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises UserError when it cannot be written."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another with --reports") from error


def main(arguments: list[str] | None = None) -> int:
    """The command line: draw what is published of the named studies (all that have tables) again, or check it."""
    parser = Parser("python -m research.report", description="Draw findings, figures and pages again.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a study; all that have tables by default")
    parser.add_argument("--check", action="store_true", help="write nothing; say which files do not fit the tables")
    parser.add_argument("--reports", type=Path, default=ROOT / "reports", metavar="DIR", help="default: reports/")
    stale = []
    try:
        options = parser.parse_args(arguments)
        names = options.names or [name for name in study_names() if (options.reports / name).is_dir()]
        for name in names:
            study = load_study(name)
            folder = options.reports / study.name
            files = render(study, folder, judge_tables(study, folder))
            for file, content in files.items():
                if not options.check:
                    write(folder / file, content)
                elif not (folder / file).is_file() or (folder / file).read_bytes() != content:
                    stale.append(folder / file)
            known = {folder / file for file in (*files, *TABLES, PROVENANCE, SUMS)}
            stale += sorted(path for path in set(folder.glob("[!.]*")) - known)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path in stale if options.check else []:
        print(
            f"stale: {path} does not come from its tables; draw it again with python -m research.report, or delete it"
        )
    if options.check and stale:
        return 1
    print(f"{'fits its tables' if options.check else 'drawn'}: {', '.join(names) or 'no study has tables yet'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
