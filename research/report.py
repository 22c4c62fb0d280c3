"""Tables and figures of a study: exported from the record once, drawn again from the tables by anyone.

    python -m research.report [NAME ...] [--check] [--reports DIR]
"""  # fmt: skip

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import sys
from pathlib import Path

import pandas as pd

from research.design import UserError
from research.plan import Plan, study_names
from research.store import State, Store, read_frames

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("runs.csv", "curves.csv")


def export(store: Store, plan: Plan, state: State, folder: Path) -> pd.DataFrame:
    """Write the tables of a plan whose stacks are all done, and their provenance; the runs as they were written.

    The tables hold results only, to six significant digits; what they were made with stands in provenance.json.
    """
    runs, curves = read_frames(store, plan, state)
    for name, frame in zip(TABLES, (runs, curves), strict=True):
        write(folder / name, frame.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())
    write(folder / "provenance.json", (json.dumps(provenance(plan, state), indent=1) + "\n").encode())
    return runs


def provenance(plan: Plan, state: State) -> dict[str, object]:
    """What the results were made with: for each environment its stacks, with run ids, start and duration."""
    environments: dict[str, dict[str, object]] = {}
    for stack, runs in state.done.items():
        tags = runs[0].tags
        made_with = {
            name: tags[tag]
            for name, tag in (
                ("commit", "mlflow.source.git.commit"), ("uncommitted", "uncommitted"), ("versions", "versions"),
                ("cpu", "cpu"), ("device", "device"), ("threads", "threads"),
            )
            if tag in tags
        }  # fmt: skip
        entry = environments.setdefault(json.dumps(made_with), {**made_with, "stacks": {}})
        started = pd.Timestamp(runs[0].started, unit="ms", tz="UTC").isoformat(timespec="seconds")
        seconds = (runs[0].ended - runs[0].started) / 1000
        entry["stacks"][stack] = {"started": started, "seconds": seconds, "runs": [run.id for run in runs]}  # type: ignore[index]
    fingerprints = {cell.key: cell.fingerprint for cell in plan.cells}
    return {"study": plan.study.name, "tier": plan.tier, "seeds": plan.num_seeds,
            "environments": list(environments.values()), "fingerprints": fingerprints}  # fmt: skip


def render(study: str, folder: Path) -> dict[str, bytes]:
    """The study's figures as file name -> bytes, drawn by `reports/STUDY.py` from the tables in the folder.

    The same tables give the same bytes. A study without such a script has no figures. Raises UserError for a missing or
    unreadable table.
    """
    if not (ROOT / "reports" / f"{study}.py").is_file():
        return {}
    os.environ["MPLBACKEND"] = "Agg"
    import matplotlib.pyplot as plt

    from research.figures import use_style

    use_style()
    files = {}
    for name, figure in importlib.import_module(f"reports.{study}").figures(*read_tables(folder)).items():
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata=metadata)
            files[f"{name}.{kind}"] = buffer.getvalue()
        plt.close(figure)
    return files


def read_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The exported tables `runs` and `curves`. Raises UserError when one is missing or not such a table."""
    tables = []
    for name, needed in zip(TABLES, ("seed", "epoch"), strict=True):
        try:
            table = pd.read_csv(folder / name)
        except (OSError, ValueError) as error:
            raise UserError(f"{folder / name}: cannot be read ({error}); run the study to export it again") from error
        if needed not in table:
            raise UserError(f"{folder / name}: has no column {needed!r}; run the study to export it again")
        tables.append(table)
    return tables[0], tables[1]


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises UserError when it cannot be written."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); choose another folder with --reports"
        ) from error


def main(arguments: list[str] | None = None) -> int:
    """The command line: draw the figures of the named studies (all that have tables) again, or check them."""
    parser = argparse.ArgumentParser("python -m research.report", description="Draw a study's figures from its tables.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a study; all that have tables by default")
    parser.add_argument("--check", action="store_true", help="write nothing; say which figures do not fit their tables")
    parser.add_argument("--reports", type=Path, default=ROOT / "reports", metavar="DIR", help="default: reports/")
    options = parser.parse_args(arguments)
    stale = []
    try:
        names = options.names or [name for name in study_names() if (options.reports / name / TABLES[0]).is_file()]
        if unknown := set(names) - set(study_names()):
            raise UserError(f"no study {min(unknown)!r}; there are {', '.join(study_names())}")
        for name in names:
            for file, content in render(name, options.reports / name).items():
                path = options.reports / name / file
                if not options.check:
                    write(path, content)
                elif not path.is_file() or path.read_bytes() != content:
                    stale.append(path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path in stale:
        print(f"stale: {path} does not fit its tables; draw it again with python -m research.report")
    if not stale:
        print(f"{'fit their tables' if options.check else 'drawn'}: {', '.join(names) or 'no study has tables yet'}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
