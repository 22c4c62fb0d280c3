"""Is each published verdict right? All of them once more, from the committed tables, by code of its own.

    python -m benchmarks.recompute [NAME ...]

Of the package it takes what a study declares and nothing that judges: the numbers of the seeds are found by trying
every end of what is not known, the exact tests are SciPy's. It says how many it compared, and ends with status 1 where
a verdict differs from that of findings.csv.
"""  # fmt: skip

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from research.design.study import Claim, Control, MainEffect, Number, Study, crossed
from research.design.study_files import load_study, study_names

REPORTS = Path(__file__).resolve().parents[1] / "reports"
FAR, NEAR = 1e200, 1e-12  # for infinity, and for the distance from the end of an open interval
FORMULAS = ("cross_entropy_formula_error", "mse_formula_error")
TWINS = tuple(f"{name}_difference" for name in ("twin", "alone", "round_trip", "scaled_twin"))
AT_THE_START = (
    "backward_factor", "backward_log10_across_4", "backward_factor_score", "untrained_test_accuracy", "forward_factor",
    "signal_arriving", "weight_gradient_arriving", "library_variance", "library_wide_over_square", "library_difference",
)  # fmt: skip
BEFORE = (*AT_THE_START, *FORMULAS, *TWINS)  # what is no number of the trained network
Ends = tuple[np.ndarray, np.ndarray]  # the least and the most that the number of each seed can be


def read(path: Path) -> pd.DataFrame:
    """A table, levels as the text that they are."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    measured = [name for name in frame if name not in CHOSEN]
    return frame.assign(**{name: pd.to_numeric(frame[name], errors="coerce") for name in measured})


CHOSEN: set[str] = set()  # the columns of the study at hand that hold levels


def cell(runs: pd.DataFrame, study: Study, levels: Mapping[str, Any], universe: Mapping[str, Any]) -> pd.DataFrame:
    """The replicates at these levels in a universe: those of the cell that departs most from the reference with it."""
    found = runs
    for name, level in levels.items():
        found = found[found[name] == str(level)]
    choices = [choice.name for choice in study.choices if choice.name in found]
    for name in choices:
        found = found[found[name].isin([str(universe[name]), str(study.reference[name])])]
    alike = sum((found[name] == str(universe[name])).astype(int) for name in choices) if choices else None
    return (found if alike is None or found.empty else found[alike == alike.max()]).set_index("seed").sort_index()


def between(number: Number, rows: pd.DataFrame) -> Ends:
    """Between which ends a metric lies in each replicate of a cell."""
    values = rows[number.metric].to_numpy()
    lost = np.isnan(values)
    late = np.zeros(len(values), dtype=bool)
    if number.metric == "steps_to_target":
        late = ~lost & (rows["reached_target"].to_numpy() != 1)
    elif number.metric not in BEFORE:
        lost |= rows["diverged_step"].notna().to_numpy()
    above, below = np.clip(number.missing, -FAR, FAR)
    low = np.where(late, np.maximum(values, above), above)
    low, high = low + NEAR * np.maximum(np.abs(low), NEAR), below - NEAR * max(abs(below), NEAR)
    unknown = lost | late
    return np.where(unknown, low, values), np.where(unknown, high, values)


def join(how: str, values: list[float], levels: tuple[Any, ...], threshold: float | None) -> float:
    """One number of several."""
    first, *others = values
    match how:
        case "only":
            return first
        case "difference":
            return first - others[0]
        case "ratio":
            return first / others[0] if others[0] else math.nan
        case "spread":
            return max(values) - min(values)
        case "mean":
            return sum(values) / len(values)
        case "first_below":
            return min((float(at) for at, value in zip(levels, values, strict=True) if value < threshold), default=FAR)  # type: ignore[operator]
        case "first_above":
            return min((float(at) for at, value in zip(levels, values, strict=True) if value > threshold), default=FAR)  # type: ignore[operator]
        case "log_slope":
            if min(values) <= 0:
                return math.nan
            return float(stats.linregress(np.log(np.array(levels, dtype=float)), np.log(values)).slope)
    return {"max": max, "min": min}[how](values)


def number_of(number: Number, ends: list[tuple[float, float]]) -> tuple[float, float]:
    """The least and the most that a seed's number can be, of the ends of its cells, arm by arm and block by block."""
    num_blocks = math.prod(map(len, number.blocks.values()))

    def made(values: tuple[float, ...]) -> Iterator[float]:
        by_block = [
            join(number.across_arms, list(values[block::num_blocks]), number.arms, number.threshold)
            for block in range(num_blocks)
        ]
        # what no level comes to lies beyond the largest, nobody knows where
        beyond = (max(map(float, number.arms)) * (1 + NEAR), FAR) if number.across_arms.startswith("first_") else ()
        for each in itertools.product(*(beyond if beyond and value == FAR else (value,) for value in by_block)):
            yield join(number.across_blocks, list(each), (), None)

    combinations = itertools.product(*(sorted(set(pair)) for pair in ends))
    found = [value for values in combinations for value in made(values)]
    if number.across_arms == "ratio" and any(low <= 0 <= high for low, high in ends[num_blocks:]):
        return -FAR, FAR
    if any(math.isnan(value) for value in found):
        return -FAR, FAR
    low, high = min(found), max(found)
    if number.across_arms == "spread" and low < high:  # numbers can be nearer to each other than any ends are
        low = max(
            max(0.0, max(low for low, _ in ends[b::num_blocks]) - min(high for _, high in ends[b::num_blocks]))
            for b in range(num_blocks)
        )
    return low, high


def seeds_of(number: Number, study: Study, runs: pd.DataFrame, universe: Mapping[str, Any]) -> tuple[Ends, bool, int]:
    """Between which ends the number of each seed lies, whether a replicate diverged or lacks it, and how many cases."""
    names = (study.arms.name, *number.blocks)
    points = list(itertools.product(number.arms, *number.blocks.values()))
    cells = [dict(zip(names, point, strict=True)) for point in points]
    rows = [cell(runs, study, levels, universe) for levels in cells]
    if number.at:
        rows = [one.assign(**{number.metric: one[placed(number)]}) for one in rows]
    if number.over:  # what is measured, divided by what theory says of each cell
        predicted = [study.predictions[number.over](**study.reference | dict(universe) | levels) for levels in cells]
        rows = [one.assign(**{number.metric: one[number.metric] / by}) for one, by in zip(rows, predicted, strict=True)]
    if any(one.empty or (one[number.metric].isna().all() and one["diverged_step"].isna().any()) for one in rows):
        return (np.empty(0), np.empty(0)), False, 0  # not there, or not measured though it was trained
    ends = [between(number, one) for one in rows]
    pairs = [[(float(low[s]), float(high[s])) for low, high in ends] for s in range(len(rows[0]))]
    found = [number_of(number, seed) for seed in pairs]
    lost = any(one[number.metric].isna().any() for one in rows)
    if number.metric not in (*BEFORE, "steps_to_target"):
        lost |= any(one["diverged_step"].notna().any() for one in rows)
    cases = int(sum(one["num_cases"].fillna(0).sum() for one in rows)) if number.metric in FORMULAS else 0
    return (np.array([low for low, _ in found]), np.array([high for _, high in found])), lost, cases


def mean_ends(values: np.ndarray, error: float, resolution: float) -> tuple[float, float]:
    """The interval of a mean that misses to either side at this rate: Student's, or the two-group one where wider."""
    if np.abs(values).max() > FAR / 1e50:
        return -math.inf, math.inf
    low, high = stats.t.interval(1 - 2 * error, len(values) - 1, values.mean(), max(stats.sem(values), 1e-300))
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    cut = int(gaps.argmax()) + 1
    lower, upper = ordered[:cut], ordered[cut:]
    if len(values) >= 5 and gaps[cut - 1] > 3 * max(np.ptp(lower), np.ptp(upper)):
        share = stats.binomtest(len(upper), len(values)).proportion_ci(1 - 2 * error, "exact")
        low = min(low, share.low * upper.min() + (1 - share.low) * lower.min())
        high = max(high, share.high * upper.max() + (1 - share.high) * lower.max())
    return min(low, values.mean() - resolution), max(high, values.mean() + resolution)


def mean_verdict(claim: Any, values: np.ndarray, error: float) -> str:
    """By two one-sided tests; between two edges a refutation has half of the allowance for either side."""
    resolution = claim.number.resolution if hasattr(claim, "number") else 1e-6
    low, high = mean_ends(values, error, resolution)
    if claim.above < low and high < claim.below:
        return "supported"
    if math.isfinite(claim.above) and math.isfinite(claim.below):
        low, high = mean_ends(values, error / 2, resolution)
    return "refuted" if high <= claim.above or claim.below <= low else "inconclusive"


def verdict(claim: Any, ends: Ends, error: float) -> str:
    """What the seeds say of a claim, a control or an main_effect."""
    low, high = ends
    n = len(low)
    if n < 3:
        return "not judged"
    inside = int(((low > claim.above) & (high < claim.below)).sum())
    perhaps = int(((high > claim.above) & (low < claim.below)).sum())
    match claim.kind:
        case "mean":
            told = {mean_verdict(claim, low, error), mean_verdict(claim, high, error)}
            return told.pop() if len(told) == 1 else "inconclusive"
        case "identity":
            worst = [float(np.maximum(abs(low), abs(high)).max()), float(np.minimum(abs(low), abs(high)).max())]
            held = [claim.above < size < claim.below for size in worst]
            return "supported" if all(held) else "inconclusive" if any(held) else "refuted"
        case "existence":
            return "supported" if inside else "inconclusive"
        case "always":
            return "refuted" if perhaps < n else "supported" if inside == n else "inconclusive"
    share = 0.5 if claim.kind == "most" else claim.share
    if stats.binomtest(inside, n, share, alternative="greater").pvalue <= error:
        return "supported"
    return "refuted" if stats.binomtest(perhaps, n, share, alternative="less").pvalue <= error else "inconclusive"


def control_verdict(control: Control, study: Study, runs: pd.DataFrame, universe: Mapping[str, Any]) -> str:
    """What a control says in a universe."""
    ends, lost, _ = seeds_of(control.number, study, runs, universe)
    if not len(ends[0]) or lost:
        return "refuted" if universe == study.reference and lost else "not applicable"
    return verdict(control, ends, 0.05)


def judged(
    study: Study, runs: pd.DataFrame, universe: Mapping[str, Any], error: float
) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """By name, of claims the verdict and what it would be if no control withheld it; and of controls the verdict."""
    controls = {control.name: control_verdict(control, study, runs, universe) for control in study.controls}
    claims = {}
    for claim in study.claims:
        free = verdict(claim, seeds_of(claim.number, study, runs, universe)[0], error)
        claims[claim.name] = ("withheld" if refuted(study, claim, controls) and free != "not judged" else free, free)
    return claims, controls


def refuted(study: Study, claim: Claim | MainEffect, controls: Mapping[str, str]) -> bool:
    """Whether a control that guards a claim is refuted."""
    guarding = [control.name for control in study.controls if claim.name in control.guards or not control.guards]
    return any(controls[name] == "refuted" for name in guarding)


def attributed(study: Study, claim: MainEffect, runs: pd.DataFrame, error: float) -> tuple[str, str]:
    """The verdict on a claim that differences are due to the arms alone, and what it would be."""
    universes = [study.universe(levels) for levels in crossed(**claim.choices)]
    held = any(
        refuted(study, claim, {c.name: control_verdict(c, study, runs, one) for c in study.controls})
        for one in universes
    )
    means, known = [], []
    for arm in study.arms.levels:
        number = Number(claim.metric, (arm,), claim.blocks, "only", "mean")
        ends = [seeds_of(number, study, runs, one)[0] for one in universes]
        means.append([low for low, _ in ends])
        known.append([low == high for low, high in ends])
    values, whole = np.array(means), np.array(known).all((0, 1))  # [arms, universes, seeds]
    off = values - values.mean(0)
    with np.errstate(over="ignore", invalid="ignore"):
        shares = values.shape[1] * (off.mean(1) ** 2).sum(0) / (off**2).sum((0, 1))
    free = verdict(claim, (np.where(whole, shares, 0.0), np.where(whole, shares, 1.0)), error)
    return "withheld" if held and free != "not judged" else free, free


def disagreements(name: str, reports: Path = REPORTS) -> Iterator[str]:
    """What is published of a study and came out otherwise here; each comparison is counted in COMPARED."""
    study, folder = load_study(name), reports / name
    CHOSEN.clear()
    CHOSEN.update({"cell", *(factor.name for factor in study.factors)})
    promised = sum(claim.kind in ("most", "share", "mean") for claim in study.claims) + len(study.main_effects)
    each = 0.05 / max(promised, 1)
    published = pd.read_csv(folder / "findings.csv").set_index("name")
    claims, controls = judged(study, with_places(study, read(folder / "runs.csv"), folder), study.reference, each)
    for one, ours in [*claims.items(), *((control, (told, told)) for control, told in controls.items())]:
        yield from differ(f"{name} {one}", ours, published.loc[one])
    if not (folder / "universes").is_dir():
        return
    runs = read(folder / "universes" / "runs.csv")
    across = read_text(folder / "universes" / "findings.csv")
    summary = read_text(folder / "universes" / "summary.csv").set_index("claim")
    for universe in study.designed:
        levels = dict(universe)
        rows = across[(across[list(levels)] == [str(level) for level in levels.values()]).all(axis=1)].set_index(
            "claim"
        )
        if rows.empty:  # declared since, and not run yet
            continue
        for one, ours in judged(study, runs, levels, 0.05)[0].items():
            yield from differ(f"{name} {one} in {levels}", ours, rows.loc[one])
    for claim in study.main_effects:
        yield from differ(f"{name} {claim.name}", attributed(study, claim, runs, each), summary.loc[claim.name])


def with_places(study: Study, runs: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The runs with what claims and controls read of a layer, a time or a place, a column for each (`placed`)."""
    for number in {
        placed(one.number): one.number for one in (*study.controls, *study.claims) if one.number.at
    }.values():
        kind = "profiles" if "place" in number.at else "layers" if "layer" in number.at else "curves"
        rows = read(folder / f"{kind}.csv")
        for name, value in number.at.items():
            rows = rows[rows[name] == value]
        same = [*(factor.name for factor in study.factors if factor.name in rows and factor.name in runs), "seed"]
        runs = runs.merge(
            rows[[*same, number.metric]].rename(columns={number.metric: placed(number)}), on=same, how="left"
        )
    return runs


def placed(number: Number) -> str:
    """The name that the table of universes gives a metric where it is read."""
    return number.metric + "".join(f"_at_{name}_{value}" for name, value in number.at.items())


def read_text(path: Path) -> pd.DataFrame:
    """A table as text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


COMPARED: list[str] = []


def differ(what: str, ours: tuple[str, str], published: Mapping[str, Any]) -> Iterator[str]:
    """A line where a verdict that was published is another."""
    COMPARED.append(what)
    theirs = (published["verdict"], published["would_be"])
    if ours != theirs:
        yield f"{what}: published {theirs[0]} (would be {theirs[1]}), recomputed {ours[0]} (would be {ours[1]})"


def main(names: list[str]) -> int:
    """Recompute the verdicts of these studies, or of all that are published."""
    published = [name for name in study_names() if (REPORTS / name / "findings.csv").is_file()]
    wrong = [line for name in names or published for line in disagreements(name)]
    print(*wrong, f"{len(COMPARED)} verdicts recomputed, {len(wrong)} differ", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
