"""The numbers of the record: of runs, and as tidy frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from research.design.plan import Plan
from research.record.any_store import AnyStore
from research.record.state import State

if TYPE_CHECKING:
    import pandas as pd


class Frames(NamedTuple):
    """The results of a plan as tidy frames.

    `runs` has a row for each replicate, `curves` for each evaluation, `layers` for each layer that was probed and when,
    `profiles` for each place of what is measured over places. All begin with the columns cell, the factors and seed;
    rows are in the order of the plan, metrics in alphabetical order. A metric with a curve is its last value in `runs`.
    The time is in the column epoch, or step where the cell counts steps.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame
    profiles: pd.DataFrame


def read_frames(store: AnyStore, plan: Plan, state: State) -> Frames:
    """The results of the seeds that a plan asks for, of what is done of it."""
    import pandas as pd

    heads: dict[str, dict[str, Any]] = {}
    clocks: dict[str, str] = {}
    names: dict[str, tuple[set[str], set[str]]] = {}
    for stack in plan.stacks:
        for seed, run in zip(stack.seeds, state.done.get(stack.key, ()), strict=False):
            if seed in plan.seeds:
                heads[run.id] = {"cell": stack.cell.name, **plan.placed(stack.cell), "seed": seed}
                clocks[run.id] = stack.cell.task.clock
                curves, profiles = (set(run.tags.get(tag, "").split(",")) for tag in ("curves", "profiles"))
                names[run.id] = curves, profiles
    rows: list[dict[str, Any]] = []
    points: dict[tuple[str, int], dict[str, Any]] = {}
    layers: dict[tuple[str, int, int], dict[str, Any]] = {}
    places: dict[tuple[str, int], dict[str, Any]] = {}
    for run_id, metrics in read_metrics(store, list(heads)).items():
        head, clock, (curves, profiles) = heads[run_id], clocks[run_id], names[run_id]
        row: dict[str, Any] = {**head, "diverged_step": None}
        for name, values in metrics.items():
            quantity, is_probe, layer = name.partition("/layer_")
            if is_probe:
                for time, value in values.items():
                    at = {**head, clock: time, "layer": int(layer)}
                    layers.setdefault((run_id, time, int(layer)), at)[quantity] = value
                continue
            if name in profiles:
                for place, value in values.items():
                    places.setdefault((run_id, place), {**head, "place": place})[name] = value
                continue
            row[name] = values[max(values)]
            if name in curves:
                for time, value in values.items():
                    points.setdefault((run_id, time), {**head, clock: time})[name] = value
        rows.append(row)
    order = {run_id: place for place, run_id in enumerate(heads)}
    first = ["cell", *(factor.name for factor in plan.columns), "seed"]
    times = list(dict.fromkeys(clocks.values())) or ["epoch"]

    def frame(found: dict[Any, dict[str, Any]], *more: str) -> pd.DataFrame:
        rows = [found[at] for at in sorted(found, key=lambda at: (order[at[0]], *at[1:]))]
        return _ordered(pd.DataFrame(rows), [*first, *more])

    return Frames(
        _ordered(pd.DataFrame(rows), first),
        frame(points, *times),
        frame(layers, *times, "layer"),
        frame(places, "place"),
    )


def _ordered(frame: pd.DataFrame, first: list[str]) -> pd.DataFrame:
    return frame.reindex(columns=[*first, *sorted(set(map(str, frame)) - set(first))])


def read_metrics(store: AnyStore, run_ids: list[str]) -> dict[str, dict[str, dict[int, float]]]:
    """All metrics of the runs: by run, by name, the value at each step."""
    store.fetch_numbers(run_ids)
    found: dict[str, dict[str, dict[int, float]]] = {run_id: {} for run_id in run_ids}
    for first in range(0, len(run_ids), 500):
        some = tuple(run_ids[first : first + 500])
        sql = f"SELECT run_uuid, key, step, value, is_nan FROM metrics WHERE run_uuid IN ({','.join('?' * len(some))})"
        for run_id, name, step, value, is_nan in store.query(sql, some):
            found[run_id].setdefault(name, {})[step] = float("nan") if is_nan else value
    return found
