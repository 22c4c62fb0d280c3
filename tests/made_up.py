"""What was never trained: results of stacks, and published tables of any study as export would have written them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from test_design import TOY

from research.design.digests import claim_digests
from research.design.plan import Plan, make_plan
from research.design.streams import stream
from research.design.study import Factor, Study
from research.design.task import Replicate, StackResult
from research.publishing.tables import PROVENANCE, SUMS, TABLES, TRIALS, UNIVERSE_TABLES, UNNAMED, csv, sums, tables_of
from research.training.measures import EXTREMA, FIT_EVERY, PROBABILITY_EDGES
from research.training.metrics import OF_MEASURES

PLAN = make_plan(TOY, num_seeds=3)
Row = Mapping[str, Any]
METRICS: dict[str, Callable[[Row, np.random.Generator], float]] = {
    "train_loss": lambda row, rng: 0.4,
    "train_progress": lambda row, rng: 0.8 + 0.01 * rng.standard_normal(),
    "test_accuracy": lambda row, rng: (
        (0.1 if "shuffled" in " ".join(map(str, row.values())) else 0.4 if row.get("pixels") == "scrambled" else 0.95)
        + 0.001 * rng.standard_normal()
    ),
    "untrained_test_accuracy": lambda row, rng: 0.1 + 0.01 * rng.standard_normal(),
    "backward_factor": lambda row, rng: 0.2 + 0.01 * rng.standard_normal(),
    "backward_log10_across_4": lambda row, rng: -2.5 + 0.01 * rng.standard_normal(),
    "forward_factor": lambda row, rng: 0.9 + 0.01 * rng.standard_normal(),
    "signal_arriving": lambda row, rng: 1e-5 * (1 + rng.random()),
    "weight_gradient_arriving": lambda row, rng: 0.5 * (1 + rng.random()),
    "library_variance": lambda row, rng: 2.0 + 0.01 * rng.standard_normal(),
    "library_wide_over_square": lambda row, rng: 1.0 + 0.01 * rng.standard_normal(),
    "library_difference": lambda row, rng: 0.01 * rng.random(),
    "test_r_squared": lambda row, rng: (
        {"straight-units": 0.15, "sine": 0.9}.get(row["case"], 0.995) + 0.001 * rng.random()
    ),
    "test_rmse": lambda row, rng: (
        (0.1 if row.get("loss") != "cross_entropy" else 0.2) / row.get("width", 8) * (1 + 0.1 * rng.random())
    ),
    "test_sup_error": lambda row, rng: (
        0.0001 if row["case"] == "straight-target" else 1.0 / row.get("width", 8) * (1 + 0.2 * rng.random())
    ),
    "extrema_right": lambda row, rng: float(rng.integers(2, 5)),
    "steps_to_target": lambda row, rng: 50.0 * rng.integers(60, 100) if arrives(row) else 8600.0,
    "reached_target": lambda row, rng: float(arrives(row)),
    "confidently_wrong_share": lambda row, rng: 0.01 + 0.001 * rng.random(),
    "gradient_ratio": lambda row, rng: 30.0 + rng.standard_normal(),
    "cross_entropy_formula_error": lambda row, rng: 1.11e-16,
    "mse_formula_error": lambda row, rng: 3.3e-16 + 1e-17 * rng.random(),
    "twin_difference": lambda row, rng: 1e-13 * rng.random(),
    "num_cases": lambda row, rng: 10_000.0,
    "product_difference": lambda row, rng: 1e-15 * rng.random(),
    "product_disagreement": lambda row, rng: 0.0,
    "above_convex_bound": lambda row, rng: 0.01 + 0.001 * rng.random(),
    "above_capacity_bound": lambda row, rng: 0.01 * rng.random(),
    "backward_factor_score": lambda row, rng: 0.1 * rng.standard_normal(),
    "intrinsic_dimension": lambda row, rng: 12 + rng.random(),
    **{name: lambda row, rng: 0.5 + 0.1 * rng.random() for name in OF_MEASURES["linear_probes"]},
    "field_growth": lambda row, rng: 1 + 0.1 * rng.random(),
    **{f"{name}_difference": lambda row, rng: 1e-14 * rng.random() for name in ("alone", "scaled_twin")},
    **{f"{name}_difference": lambda row, rng: 0.0 for name in ("repeat", "round_trip")},
}


def arrives(row: Row) -> bool:
    """Whether a made-up replicate reaches the target: all but one in ten."""
    return row["seed"] % 10 != 0 and row.get("case") != "shuffled-labels"


def with_steady(metrics: Mapping[str, Callable[[Row, Any], float]]) -> dict[str, Callable[[Row, Any], float]]:
    """Metrics with those that are read over the last tenth of a training, where they are not among them."""
    return {
        **{f"steady_{name}": made for name, made in metrics.items() if name.startswith(("test_", "extrema"))},
        **metrics,
    }


def with_any(study: Study, metrics: dict[str, Callable[[Row, Any], float]]) -> dict[str, Callable[[Row, Any], float]]:
    """Metrics with those of runs that a study judges and that no number was made up for: any share, and all arrive."""
    judged = {judged.number.metric for judged in study.judged if not judged.number.at}
    arrived = {name: lambda row, rng: 1.0 for name in arrivals(study)}
    return {name: lambda row, rng: rng.random() for name in judged} | arrived | metrics


def arrivals(study: Study) -> set[str]:
    """The metrics that say whether a replicate arrived at what a study judges."""
    return {study.metric(judged.number.metric).arrived for judged in study.judged} - {""}


def made_up_result(seeds: tuple[int, ...], value: float = 0.5) -> StackResult:
    """Recognisable numbers: metric = value + seed, curve = epoch + seed / 10, profile = place - seed."""
    replicates = tuple(
        Replicate(
            seed,
            {"test_accuracy": value + seed, "test_loss": float("nan") if seed == 1 else 1.0},
            {
                "train_loss": tuple((epoch, epoch + seed / 10) for epoch in (1, 2)),
                **{f"backward_norm/layer_{layer}": ((0, layer / 2), (2, seed / 2)) for layer in (1, 2)},
            },
            {"fit": tuple((place, place - seed) for place in range(3))},
            f"{seed:064x}",
        )
        for seed in seeds
    )
    return StackResult(replicates, "cpu", 1000.0, 1002.5)


def write_tables(study: Study, folder: Path, plan: Plan | None = None, **own: Callable[[Row, Any], float]) -> Path:
    """Write the tables of a study (at a plan of its own) into a folder; `own` gives metrics other numbers.

    The metrics are those that are judged and what figures need beside them.
    """
    plan = plan or make_plan(study)
    rng = stream(0, "test")
    heads = [{"cell": c.name, **plan.placed(c), "seed": s} for c in plan.cells for s in plan.seeds]
    judged = {judged.number.metric for judged in study.judged}
    metrics = with_any(study, with_steady(METRICS | own))
    names = sorted({*judged, *arrivals(study), *more_metrics(judged)} & {*metrics})
    runs = [{**head, "diverged_step": None, **{name: metrics[name](head, rng) for name in names}} for head in heads]
    steps = getattr(plan.cells[0].task, "steps", 0)
    clock, times = plan.cells[0].task.clock, (0, steps // 2, steps) if steps else range(6)
    curves = [
        {**head, clock: time, "test_rmse": 0.3, "test_sup_error": 0.4, "train_loss": 2 / (time + 1) if time else None,
         "validation_accuracy": 0.9 * time / max(times), "validation_loss": 0.3}
        for head in heads
        for time in times
    ]  # fmt: skip
    inside = [judged.number for judged in study.judged if "layer" in judged.number.at]  # the output's layer is one more
    layers = [
        {**head, clock: time, "layer": layer, "backward_norm": 0.25 ** (8 - layer),
         **{number.metric: 0.02 * (1 + rng.random()) for number in inside}}
        for head in heads
        if "depth" in head
        for time in sorted({0, 5, *(number.at[clock] for number in inside)})
        for layer in range(1, int(head["depth"]) + 1 + bool(inside))
    ]  # fmt: skip
    layers = layers or layers_judged(study, heads)
    profiles = []
    if study.name == "width_sine":
        x = np.linspace(-2 * np.pi, 2 * np.pi, 4096)[::FIT_EVERY]
        profiles = [{**head, "place": k, "fit": np.sin(at)} for head in heads for k, at in enumerate(x)]
        assert np.abs(x).max() > EXTREMA.max()
    if study.name == "loss_convergence":
        places = range(len(PROBABILITY_EDGES) - 1)
        profiles = [
            {**head, "place": k, "cross_entropy_gradient": 1.4, "mse_gradient": 0.1 * (k + 1)}
            for head in heads
            for k in places
        ]
    folder.mkdir(parents=True, exist_ok=True)
    first = ["cell", *(factor.name for factor in (study.arms, *study.blocks)), "seed"]
    empty = {"layers.csv": [*first, clock, "layer"], "profiles.csv": [*first, "place"]}
    for name, rows in zip(TABLES, (runs, curves, layers, profiles), strict=True):
        frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=empty[name])
        head = [*first, *(column for column in (clock, "layer", "place") if column in frame)]
        columns = [*head, *sorted(set(frame) - set(head))]
        write_table(folder / name, frame[columns[1:] if name in UNNAMED else columns], plan.columns)
    if plan.is_tuned:
        write_table(folder / TRIALS, made_up_trials(plan), plan.columns)
    write_provenance(plan, folder)
    sign(folder, tables_of(plan))
    return folder


def layers_judged(study: Study, heads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the layers up to those that a study judges, at the start and when it judges them: a share of each."""
    places = [(judged.number.metric, judged.number.at) for judged in study.judged if "layer" in judged.number.at]
    if not places:
        return []
    clock = next(name for name in places[0][1] if name != "layer")
    names = {*(metric for metric, _ in places), *(("silent",) if "woken" in dict(places) else ())}
    return [
        {**head, clock: time, "layer": layer, **dict.fromkeys(names, 0.25 * layer / (1 + time))}
        for head in heads
        for time in sorted({0, *(at[clock] for _, at in places)})
        for layer in range(1, max(at["layer"] for _, at in places) + 1)
    ]


def made_up_trials(plan: Plan) -> pd.DataFrame:
    """The trials of a plan's searches; each trial 3 wins."""
    trials = [
        {"cell": c.name, **plan.placed(c), "trial": number, "value": 1.0, "winner": number == 3,
         **{name: getattr(c.task, name) for name in c.tuning.ranges}}
        for c in plan.cells
        if c.tuning
        for number in range(c.tuning.budget)
    ]  # fmt: skip
    settings = plan.study.tuning.ranges if plan.study.tuning else ()
    columns = ["cell", *(factor.name for factor in plan.columns), "trial", *settings, "value", "winner"]
    return pd.DataFrame(trials, columns=columns)


def more_metrics(judged: set[str]) -> set[str]:
    """What real tables and figures have beside the metrics that are judged."""
    found = {"train_loss", "train_progress", *(name.removeprefix("steady_") for name in judged)}
    if "steps_to_target" in judged:
        found |= {"reached_target", "num_cases", "confidently_wrong_share"}
    return found | ({"steady_test_rmse", "steady_test_sup_error"} if "steady_test_sup_error" in judged else set())


def write_universes(study: Study, folder: Path, plan: Plan | None = None, **own: Callable[[Row, Any], float]) -> Path:
    """Write the tables of all universes of a study (or of those of a plan of its own) into its folder, as
    `write_tables` does."""
    plan = plan or make_plan(study, scope=("all",))
    rng, metrics = stream(0, "test"), with_any(study, with_steady(METRICS | own))
    judged = {judged.number.metric for judged in study.judged} | {claim.metric for claim in study.main_effects}
    names = sorted({*judged, *arrivals(study), *more_metrics(judged)} & {*metrics})
    heads = [{"cell": c.name, **plan.placed(c), "seed": s} for c in plan.cells for s in plan.seeds]
    elsewhere = {judged.number.column for judged in study.judged if judged.number.at or judged.number.over}
    names += sorted(elsewhere - {*names})
    metrics |= {name: lambda row, rng: 1e-40 * rng.random() for name in elsewhere - {*metrics}}
    runs = [{**head, "diverged_step": None, **{name: metrics[name](head, rng) for name in names}} for head in heads]
    table = pd.DataFrame(runs)[[*heads[0], *sorted({"diverged_step", *names})]]
    (folder / "universes").mkdir(parents=True)
    write_table(folder / "universes" / "runs.csv", table, plan.columns)
    write_table(folder / "universes" / "tuning.csv", made_up_trials(plan), plan.columns)
    write_provenance(plan, folder / "universes")
    sign(folder / "universes", UNIVERSE_TABLES)
    return folder


def write_provenance(plan: Plan, folder: Path) -> None:
    made_with = {
        "variant": plan.variant,
        "declared": plan.declared,
        "first_seed": plan.seeds.start,
        "seeds": plan.num_seeds,
        "universes": plan.scope,
        "numerics": plan.numerics,
        "fingerprints": {cell.key: cell.fingerprint for cell in plan.cells},
        "claims": {name: [digest] for name, digest in claim_digests(plan.study).items()},
    }
    (folder / PROVENANCE).write_text(json.dumps(made_with))


def write_table(path: Path, frame: pd.DataFrame, factors: Sequence[Factor] = ()) -> None:
    path.write_bytes(csv(frame, factors))


def sign(folder: Path, tables: Sequence[str] = TABLES) -> None:
    """Make the sums fit the tables, as an export does."""
    (folder / SUMS).write_bytes(sums({name: (folder / name).read_bytes() for name in (*tables, PROVENANCE)}))
