"""The published tables of a study: exported from the record once, read back with every check by all that uses them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.levels import level_word
from research.design.plan import Plan, make_plan
from research.design.study import Factor, Study, crossed
from research.design.type_checks import is_a
from research.design.universes import REFERENCE
from research.judging.columns import with_columns
from research.judging.findings import Judgement
from research.record.any_store import AnyStore
from research.record.frames import read_frames
from research.record.search_trials import trials_frame
from research.record.shared_files import make_folder
from research.record.state import State
from research.record.system_errors import as_user_error

RUNS, TRIALS = "runs.csv", "tuning.csv"
KEYS: Mapping[str, tuple[str, ...]] = {  # of each table of replicates, what tells the rows of one apart
    RUNS: (),
    "curves.csv": ("epoch", "step"),
    "layers.csv": ("epoch", "step", "layer"),
    "profiles.csv": ("place",),
}
TABLES = tuple(KEYS)
UNNAMED = TABLES[1:]  # rows of these do not name their cell: the levels tell which it is, in less room
UNIVERSE_TABLES = (RUNS, TRIALS)
UNIVERSES = "universes"  # the folder of their tables, in that of the study
PROVENANCE = "provenance.json"
SUMS = "SHA256SUMS"
MADE_WITH = {  # what provenance.json says, as far as it is read back
    "variant": str,
    "declared": bool,
    "first_seed": int,
    "seeds": int,
    "universes": tuple[str, ...],
    "numerics": int,
    "fingerprints": Mapping[str, str],
    "claims": Mapping[str, tuple[str, ...]],
}
NUMERICS_THEN = 2  # of tables from before they named theirs
AGAIN = "run the study to export it again"
LARGEST_WHOLE = 1e15  # beyond it not every whole number is a float


def tables_of(plan: Plan) -> tuple[str, ...]:
    """The tables that are exported of a plan: in the reference universe the trials of searches where any cell is tuned,
    of other universes always, but no curves."""
    return UNIVERSE_TABLES if plan.of_universes else (*TABLES, *([TRIALS] if plan.is_tuned else []))


def export(store: AnyStore, plan: Plan, state: State, folder: Path, published: bool = False) -> None:
    """Write the tables of a plan, their provenance and their sums. `published` says that it is for reports/.

    The tables hold results only, to six significant digits; what they were made with stands in provenance.json.
    """
    frames = read_frames(store, plan, state)
    tables = {**dict(zip(TABLES, frames, strict=True)), TRIALS: trials_frame(plan, state.trials)}
    if plan.of_universes:  # what is read elsewhere than in the runs goes along with them
        tables[RUNS] = with_columns(plan.study, *frames)
    for name in UNNAMED:
        tables[name] = tables[name].drop(columns="cell")
    files = {name: csv(tables[name], plan.columns) for name in tables_of(plan)}
    files[PROVENANCE] = (json.dumps({"published": published, **provenance(plan, state)}, indent=1) + "\n").encode()
    write({folder / name: content for name, content in (files | {SUMS: sums(files)}).items()})


def csv(frame: pd.DataFrame, factors: Iterable[Factor] = ()) -> bytes:
    """A frame as a table, measured numbers to six significant digits and whole ones whole. Levels are names: they keep
    all of their digits."""
    names = [factor.name for factor in factors]
    exact = frame.astype({name: str for name in names if len(frame)})
    return exact.to_csv(index=False, float_format=six_digits, lineterminator="\n").encode()


def six_digits(value: Any) -> str:
    """A float as tables hold it: to six significant digits, whole numbers (but for huge ones) with all of theirs."""
    return f"{value:.0f}" if abs(value) < LARGEST_WHOLE and value.is_integer() else f"{value:.6g}"


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
    return {
        "variant": plan.variant,
        "declared": plan.declared,
        "first_seed": plan.seeds.start,
        "seeds": plan.num_seeds,
        "universes": list(plan.scope),
        "numerics": plan.numerics,
        "environments": environments,
        "fingerprints": {cell.key: cell.fingerprint for cell in plan.cells},
        "claims": claims_at_the_runs(state),
        "stacks": stacks,
    }


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


def read_export(
    study: Study, folder: Path, of_universes: bool
) -> tuple[Plan, dict[str, pd.DataFrame], Mapping[str, list[str]]]:
    """The tables in a folder by their names, with the plan that they were made by and the digests of its claims then.

    Raises UserError where one is missing or was changed by hand, they come from another configuration than the study
    has now, or they are not what an export of the study writes, of the reference universe or `of_universes`.
    """
    read_tables(folder, (), study)  # the sums first: what they were made with decides which there are
    made_with = read_provenance(folder)
    plan = published_plan(study, made_with, folder)
    if plan.of_universes != of_universes:
        what = "the reference universe alone" if of_universes else "other universes"
        raise UserError(f"{folder}: holds tables of {what}; {AGAIN}")
    tables = dict(zip(tables_of(plan), read_tables(folder, tables_of(plan), study), strict=True))
    for name, table in tables.items():
        add_later_choices(table, plan)
        if name in KEYS:
            if name in UNNAMED:
                add_cells(folder / name, table, plan)
            check_rows(folder / name, table, plan, KEYS[name])
    check_runs(folder / RUNS, tables[RUNS], plan)
    return plan, tables, made_with["claims"]


def read_provenance(folder: Path) -> dict[str, Any]:
    """What the tables in a folder were made with. Raises UserError where that lacks something or is of another kind.

    Their numerics may be those of an earlier source: what was made by it stays what it was.
    """
    path = folder / PROVENANCE
    try:
        made_with: dict[str, Any] = {
            "universes": [REFERENCE],
            "first_seed": 0,
            "numerics": NUMERICS_THEN,
            **json.loads(path.read_bytes()),
        }
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {AGAIN}") from error
    if missing := set(MADE_WITH) - set(made_with):
        raise UserError(f"{path}: does not say {', '.join(sorted(missing))}; {AGAIN}")
    if wrong := [name for name, kind in MADE_WITH.items() if not is_a(made_with[name], kind)]:
        raise UserError(f"{path}: says {wrong[0]}={made_with[wrong[0]]!r}, which no export writes; {AGAIN}")
    if not 1 <= (numerics := made_with["numerics"]) <= NUMERICS:
        raise UserError(f"{path}: made under NUMERICS {numerics}, and this source has {NUMERICS}; {AGAIN}")
    return made_with


def read_tables(folder: Path, names: Sequence[str], study: Study) -> list[pd.DataFrame]:
    """The tables in a folder, the factors' columns as numbers where all of their levels are, else as words.

    Raises UserError for a table that is missing, was changed by hand, or is none.
    """
    try:
        found = sums({name: content_of(folder / name) for name in (*names, PROVENANCE)}).splitlines()
        exported = content_of(folder / SUMS).splitlines()
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}); {AGAIN}") from error
    if changed := [line.decode().split()[-1] for line in found if line not in exported]:
        raise UserError(f"{folder / changed[0]}: is not what was exported; {AGAIN}")
    tables = []
    for name in names:
        try:
            tables.append(read_csv(folder / name, [factor.name for factor in study.factors]))
        except ValueError as error:
            raise UserError(f"{folder / name}: cannot be read ({error}); {AGAIN}") from error
    return tables


def exported(folder: Path) -> list[Path]:
    """The files of an export in a folder, by its sums."""
    path = folder / SUMS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [path, *(folder / line.partition("  ")[2] for line in lines)]


def content_of(path: Path) -> bytes:
    """What a file holds. Raises OSError for what is none: at a pipe one would wait for ever."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no file", str(path))
    return path.read_bytes()


def read_csv(path: Path, factors: Sequence[str]) -> pd.DataFrame:
    """A table. What looks missing or true to others, such as `NA`, `none` or `true`, may be the level of a factor."""
    text = dict.fromkeys(("cell", *factors), str)
    frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    for name in set(factors) & set(frame):
        with contextlib.suppress(ValueError):
            frame[name] = pd.to_numeric(frame[name])
    return frame


def published_plan(study: Study, made_with: Mapping[str, Any], folder: Path) -> Plan:
    """The plan that tables were made by, of their provenance. Raises UserError where the study has become another."""
    scope, numerics = tuple(made_with["universes"]), made_with["numerics"]
    tier, *settings = re.split(r"\+(?=[a-z_]+=)", str(made_with["variant"]))
    seeds, recorded = made_with["seeds"], made_with["fingerprints"]
    pairs = dict(text.split("=", 1) for text in settings)
    try:
        plan = make_plan(study, tier, seeds, settings=pairs, scope=scope, numerics=numerics)
    except UserError as error:
        raise UserError(f"{folder / PROVENANCE}: {error}; {AGAIN}") from error
    if (first := made_with["first_seed"]) != plan.seeds.start:
        raise UserError(f"{folder}: made with seeds from {first} on, now they begin at {plan.seeds.start}; {AGAIN}")
    if not made_with["declared"]:  # perhaps a part of it
        cells = tuple(cell for cell in plan.cells if cell.key in recorded)
        universes = tuple(
            replace(one, cells=tuple(cell for cell in one.cells if cell.key in recorded)) for one in plan.universes
        )
        plan = replace(plan, cells=cells, universes=universes, whole=len(cells) == len(plan.cells))
    else:
        plan = without_later_universes(plan, recorded)
    now = {cell.key: cell.fingerprint for cell in plan.cells}
    different = [key for key in {**recorded, **now} if recorded.get(key) != now.get(key)]
    if different or plan.declared != made_with["declared"]:
        of = f" of {different[0]}" if different else ""
        raise UserError(f"{folder}: made with another configuration{of}; {AGAIN}")
    return plan


def without_later_universes(plan: Plan, recorded: Container[str]) -> Plan:
    """A declared plan without the universes that were declared after its tables were made, of cells with these keys.

    Where a main effect needs one of them the plan is as it was: that is judged of all its universes or not at all.
    """
    kept = tuple(one for one in plan.universes if all(cell.key in recorded for cell in one.cells))
    levels = [one.levels for one in kept]
    needed = (plan.study.universe(one) for effect in plan.study.main_effects for one in crossed(**effect.choices))
    if plan.study.reference not in levels or (plan.of_universes and any(one not in levels for one in needed)):
        return plan
    cells = {cell.key: cell for universe in kept for cell in universe.cells}
    return replace(plan, universes=kept, cells=tuple(cells.values()))


def add_later_choices(table: pd.DataFrame, plan: Plan) -> None:
    """Give a table of universes the columns of choices that were declared after it: it is all at their reference."""
    reference = plan.study.reference
    for place, factor in enumerate(plan.columns, start=1):
        name = factor.name
        if name not in table and name in reference and all(u.levels[name] == reference[name] for u in plan.universes):
            table.insert(place, name, reference[name])


def add_cells(path: Path, table: pd.DataFrame, plan: Plan) -> None:
    """Give a table the column of its cells, by their levels. Raises UserError for levels that the study has not."""
    names = [factor.name for factor in plan.columns]
    if missing := [name for name in names if name not in table]:
        raise UserError(f"{path}: has no column {missing[0]!r}; {AGAIN}")
    if "cell" in table:
        raise UserError(f"{path}: has a column 'cell' that no export writes any more; {AGAIN}")
    known = {tuple(level_word(level) for level in plan.placed(cell).values()): cell.name for cell in plan.cells}
    levels = table[names].drop_duplicates()
    cells = [known.get(tuple(map(level_word, row))) for row in levels.itertuples(index=False)]
    if None in cells:
        written = ", ".join(map(str, levels.iloc[cells.index(None)]))
        raise UserError(f"{path}: has a cell of levels {written}, which the study has not; {AGAIN}")
    named = table[names].merge(levels.assign(cell=pd.Series(cells, levels.index, dtype=object)), "left", names)
    table.insert(0, "cell", named["cell"].to_numpy())


def check_rows(path: Path, frame: pd.DataFrame, plan: Plan, keys: tuple[str, ...]) -> None:
    """Raise UserError for what no export writes: other columns, cells or seeds, rows that are twice or not there.

    An export writes the cell, its levels and the seed first, then what else tells rows apart, then metrics in order.
    """
    head = ["cell", *(factor.name for factor in plan.columns), "seed"]
    columns = list(frame.columns)
    clocks = {cell.task.clock for cell in plan.cells}
    keys = tuple(name for name in keys if name not in ("epoch", "step") or name in clocks)
    if missing := [name for name in (*head, *keys) if name not in columns]:
        raise UserError(f"{path}: has no column {missing[0]!r}; {AGAIN}")
    first = len(head) + len(keys)
    metrics, numbers = columns[first:], set(frame.select_dtypes("number").columns)
    numbers -= {name for name in numbers if frame[name].isin([math.inf, -math.inf]).any()}
    numbers |= set(keys) if frame.empty else set()
    if wrong := [n for n in (*keys, *metrics) if not re.fullmatch("[a-z][a-z0-9_]*", n) or n not in numbers]:
        raise UserError(f"{path}: has a column {wrong[0]!r} that no export writes; {AGAIN}")
    if columns[: len(head)] != head or set(columns[len(head) : first]) != set(keys) or metrics != sorted(metrics):
        raise UserError(f"{path}: has its columns in an order that no export writes; {AGAIN}")
    known = {cell.name: [level_word(level) for level in plan.placed(cell).values()] for cell in plan.cells}
    for name, *levels in frame[head[:-1]].drop_duplicates().itertuples(index=False):
        if known.get(str(name)) != [level_word(level) for level in levels]:
            written = ", ".join(map(str, levels))
            raise UserError(f"{path}: has a cell {name!r} of levels {written}, which the study has not; {AGAIN}")
    if len(other := frame["seed"][~frame["seed"].isin(plan.seeds)]):
        told = f"has seed {other.iloc[0]}, the study has {plan.seeds[0]} to {plan.seeds[-1]}"
        raise UserError(f"{path}: {told}; {AGAIN}")
    if len(twice := frame[frame.duplicated(["cell", "seed", *keys])]):
        row = twice.iloc[0]
        raise UserError(f"{path}: has seed {row['seed']} of {row['cell']} twice; {AGAIN}")
    if keys and not frame.empty:
        rows = frame.groupby(["cell", "seed"]).size().unstack().reindex(columns=plan.seeds)
        if len(uneven := rows[rows.nunique(axis=1, dropna=False) > 1]):
            raise UserError(f"{path}: has not as many rows of each seed of {uneven.index[0]}; {AGAIN}")


def check_runs(path: Path, runs: pd.DataFrame, plan: Plan) -> None:
    """Raise UserError where a replicate of the plan has no row, or a declared study lacks a metric that is judged."""
    found = set(zip(runs["cell"], runs["seed"], strict=True))
    for cell in plan.cells:
        for seed in plan.seeds:
            if (cell.name, seed) not in found:
                raise UserError(f"{path}: has no row for seed {seed} of {cell.name}; {AGAIN}")
    needed = {"diverged_step": "any of them"}
    if plan.declared:
        for judged in plan.study.judged:
            number = judged.number
            own = number.column if plan.of_universes else "" if number.at else number.metric
            names = (own, plan.study.metric(judged.number.metric).arrived)
            needed |= {name: repr(judged.name) for name in names if name}
    if missing := [name for name in needed if name not in runs]:
        raise UserError(f"{path}: has no column {missing[0]!r}, which {needed[missing[0]]} needs; {AGAIN}")


def changed_claims(now: Mapping[str, str], recorded: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The names of what is judged, by their digests, that are not now what they were when the runs were made."""
    return tuple(name for name, digest in now.items() if recorded.get(name) != [digest])


def findings_frame(judgement: Judgement | None) -> pd.DataFrame:
    """The findings as a table: a row a control or claim."""
    columns = ("name", "kind", "number", "low", "high", "level", "n", "inside", "outside", "num_diverged", "num_late",
               "above", "below", "region", "verdict", "would_be", "chance", "reason")  # fmt: skip
    parts = (("control", judgement.controls), ("claim", judgement.claims)) if judgement else ()
    rows = [
        {"role": role, **{column: getattr(finding, column) for column in columns}}
        for role, findings in parts
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=["role", *columns])


def write(files: Mapping[Path, bytes]) -> None:
    """Write files whole, and none of them before there is room for all. Raises UserError when one cannot be written."""
    if folders := [path for path in files if path.is_dir()]:
        raise UserError(f"{folders[0]}: cannot be written (Is a directory); remove it or choose another with --reports")
    fresh = {path: path.with_name(f".{path.name}.new") for path in files}
    try:
        for path, content in files.items():
            with as_user_error(f"{path}: cannot be written", "choose another with --reports", OSError):
                make_folder(path.parent)
                fresh[path].unlink(missing_ok=True)  # a link that lies there is not followed
                fresh[path].write_bytes(content)
        for path in files:
            with as_user_error(f"{path}: cannot be written", "choose another with --reports", OSError):
                fresh[path].replace(path)
    finally:
        for path in fresh.values():
            with contextlib.suppress(OSError):
                path.unlink()
