"""Do the verdicts keep their promise? Simulated studies whose truth is known, judged by the code that judges real ones.

    python -m benchmarks.calibration [--short] [--seed N]

Prints the tables that stand, explained, in benchmarks/calibration.md. Three minutes on one core; with --short, half a
minute and coarser.
"""  # fmt: skip

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from research.data import stream
from research.design import Claim, Control, Factor, Number, Study, Tier, TrainConfig
from research.stats import Array, Interval, cautious_mean_interval, mean_interval, two_groups
from research.verdict import family_level, judge, outcome

SIZES = (3, 5, 10, 20)
FAMILY_SIZES = (1, 8)  # claims in a study
DISTANCES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
STARTED, STUCK, SCATTER = 0.95, 0.1, 0.005  # accuracies of seeds that started and that never did
STEP = 1e-4  # of an accuracy over 10,000 images

Rates = dict[str, float]
Shape = tuple[int, ...]
Ends = tuple[Array, Array]


class Family(NamedTuple):
    """A kind of numbers: how they are drawn, their true mean, and the smallest step between two of them."""

    name: str
    draw: Callable[[np.random.Generator, Shape], NDArray[Any]]
    mean: float
    step: float = 0.0


def some_never_start(percent: float, spread: bool = False) -> Family:
    """Seeds near 0.95, but for a share that stays near 0.1, or anywhere between 0 and 0.4."""

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        noise = rng.normal(0, SCATTER, shape)
        stuck = rng.uniform(0, 0.4, shape) if spread else STUCK + noise
        return np.where(100 * rng.random(shape) < percent, stuck, STARTED + noise)

    mean = STARTED + percent / 100 * ((0.2 if spread else STUCK) - STARTED)
    return Family(
        (f"{percent:g} % never start" if percent else "all start") + (", spread out" if spread else ""), draw, mean
    )


KINDS = (
    Family("normal", lambda rng, shape: rng.normal(size=shape), 0.0),
    Family("heavy tails", lambda rng, shape: rng.standard_t(3, shape), 0.0),
    Family("coarse", lambda rng, shape: STEP * (rng.random(shape) < 0.3), 0.3 * STEP, STEP),
    Family("largest of six", lambda rng, shape: rng.normal(size=(*shape, 6)).max(-1), 1.2672063606),
    Family("slightly skewed", lambda rng, shape: rng.lognormal(0, 0.3, shape), math.exp(0.3**2 / 2)),
    Family("skewed", lambda rng, shape: rng.lognormal(0, 0.5, shape), math.exp(0.5**2 / 2)),
    Family("very skewed", lambda rng, shape: rng.lognormal(0, 1, shape), math.exp(1 / 2)),
)
GROUPS = (*map(some_never_start, (10, 30, 50)), some_never_start(30, spread=True))
SHARES = tuple(some_never_start(percent, spread) for spread in (False, True) for percent in (10, 16, 25, 35, 45))
FAMILIES = {family.name: family for family in (*KINDS, *GROUPS)}


def claim(above: float = -math.inf, below: float = math.inf, step: float = 0.0) -> Claim:
    """A claim that a mean lies in a region."""
    return Claim("c", "a claim", "", "mean", Number("score", ("arm",), {}, "only", "only", 0.0, step), above, below)


def says(verdict: str, judged: Claim, values: Array, num_claims: int) -> NDArray[np.bool_]:
    """Where, among studies and claims [S, M], the numbers of the seeds [S, M, n] give this verdict."""
    level = family_level(num_claims)
    found = [outcome(judged, numbers, level)[1] == verdict for numbers in values.reshape(-1, values.shape[-1])]
    return np.array(found).reshape(values.shape[:-1])


def rate(found: NDArray[np.bool_], num_claims: int) -> float:
    """How often it is so, [S, M]: for a claim alone, or for any of a study's claims."""
    return float((found if num_claims == 1 else found.any(axis=1)).mean())


def edge_rates(family: Family, n: int, num_studies: int, seed: int) -> Rates:
    """How often verdicts err where the truth lies on the edge of the region: just outside it, or just inside.

    The worse of a region above and one below. No place is harder: farther from the edge, both errors are rarer.
    """
    rates = {}
    values = family.draw(stream(seed, f"calibration {family.name}", n), (num_studies, max(FAMILY_SIZES), n))
    for m in FAMILY_SIZES:
        lower, upper = (math.nextafter(family.mean, end) for end in (-math.inf, math.inf))
        outside = [claim(above=family.mean, step=family.step), claim(below=family.mean, step=family.step)]
        inside = [claim(above=lower, step=family.step), claim(below=upper, step=family.step)]
        supported = [says("supported", judged, values, m) for judged in outside]
        refuted = [says("refuted", judged, values, m) for judged in inside]
        rates[f"all covered, {m}"] = 1 - rate(supported[0] | supported[1], m)
        rates[f"false supported, {m}"] = max(rate(found, m) for found in supported)
        rates[f"false refuted, {m}"] = max(rate(found, m) for found in refuted)
    return rates


def group_rates(family: Family, n: int, num_studies: int, seed: int) -> Rates:
    """How often only one kind of seed shows, and otherwise how often the truth is covered: by Student, by ours."""
    values = family.draw(stream(seed, f"calibration {family.name}, groups", n), (num_studies * max(FAMILY_SIZES), n))
    started = values > (STARTED + STUCK) / 2
    both = values[started.any(axis=1) & ~started.all(axis=1)]
    rates = {
        "one kind shows": 1 - len(both) / len(values),
        "two are seen": float(np.mean([two_groups(numbers) is not None for numbers in both])),
    }
    for m, (name, interval) in itertools.product(
        FAMILY_SIZES, (("Student", mean_interval), ("ours", cautious_mean_interval))
    ):
        ends = (interval(numbers, family_level(m)) for numbers in both)
        rates[f"{name}, {m}"] = float(np.mean([low <= family.mean <= high for _, low, high, _ in ends]))
    return rates


def each(interval: Callable[[Array, float], Interval]) -> Callable[[Array, float], Ends]:
    """The interval's ends for each sample of [R, n]."""

    def ends(values: Array, level: float) -> Ends:
        found = np.array([interval(numbers, level)[1:3] for numbers in values])
        return found[:, 0], found[:, 1]

    return ends


def johnson(values: Array, level: float) -> Ends:
    """Student's interval, its ends moved out by the sample's skewness. Source: Johnson 1978."""
    low, high = each(mean_interval)(values, level)
    n, centred = values.shape[1], values - values.mean(axis=1, keepdims=True)
    t = stdtrit(n - 1, (1 + level) / 2)
    moved = (centred**3).mean(axis=1) / values.var(axis=1, ddof=1) / n * (1 / 6 + t**2 / 3)
    return np.minimum(low, low + moved), np.maximum(high, high + moved)


def student_and_range(values: Array, level: float) -> Ends:
    """Student's interval, out to the smallest and the largest seed."""
    low, high = each(mean_interval)(values, level)
    return np.minimum(low, values.min(axis=1)), np.maximum(high, values.max(axis=1))


def gaffke(values: Array, level: float) -> Ends:
    """For numbers in 0..1: the quantile of the mean with random weights and one more number at the end of the range.

    Source: Gaffke 2005; Learned-Miller & Thomas 2020. 4,000 draws of the weights.
    """
    weights = stream(0, "calibration gaffke", values.shape[1]).dirichlet(np.ones(values.shape[1] + 1), 4000)

    def upper(numbers: Array) -> Array:
        means = np.sort(numbers, axis=1) @ weights[:, :-1].T + weights[:, -1]
        return np.asarray(np.quantile(means, (1 + level) / 2, axis=1))

    return 1 - upper(1 - values), upper(values)


def hoeffding(values: Array, level: float) -> Ends:
    """For numbers in 0..1. Source: Hoeffding 1963, theorem 1."""
    half = math.sqrt(math.log(2 / (1 - level)) / (2 * values.shape[1]))
    return values.mean(axis=1) - half, values.mean(axis=1) + half


def anderson(values: Array, level: float) -> Ends:
    """For numbers in 0..1: from a band around their distribution. Source: Anderson 1969; Massart 1990."""
    n = values.shape[1]
    band = math.sqrt(math.log(2 / (1 - level)) / (2 * n))
    below = np.maximum(np.arange(1, n + 1) / n - band, 0)

    def upper(numbers: Array) -> Array:
        ordered = np.sort(numbers, axis=1)
        steps = np.diff(np.hstack([ordered, np.ones((len(ordered), 1))]), axis=1)
        return np.asarray(1 - (steps * below).sum(axis=1))

    return 1 - upper(1 - values), upper(values)


METHODS: dict[str, Callable[[Array, float], Ends]] = {
    "Student": each(mean_interval),
    "Student + two groups (chosen)": each(cautious_mean_interval),
    "Student, moved by skewness": johnson,
    "Student, out to all seeds": student_and_range,
    "Gaffke, in 0..1": gaffke,
    "Anderson, in 0..1": anderson,
    "Hoeffding, in 0..1": hoeffding,
}


def method_rates(name: str, num_claims: int, n: int, num_studies: int, seed: int) -> Rates:
    """How wide an interval is, as one of so many claims, and how often it covers the truth."""
    rates = {}
    kinds = () if "0..1" in name else (FAMILIES["normal"], FAMILIES["very skewed"])
    for family in (*kinds, some_never_start(0), *GROUPS[:3]):
        values = family.draw(stream(seed, f"calibration {family.name}, methods", n), (num_studies, n))
        low, high = METHODS[name](values, family_level(num_claims))
        if family.name in ("normal", "all start"):
            rates[f"half width, {family.name}"] = float(np.mean(high - low)) / 2
        rates[f"covered, {family.name}"] = float(np.mean((low <= family.mean) & (family.mean <= high)))
    return rates


def power(n: int, num_studies: int, seed: int) -> Rates:
    """How often a true claim on normal numbers is supported, by its distance from the edge in standard deviations."""
    values = stream(seed, "calibration power", n).normal(size=(num_studies, 1, n))
    return {
        f"{distance:g} sd, {m}": rate(says("supported", claim(above=-distance), values, m), 1)
        for m, distance in itertools.product(FAMILY_SIZES, DISTANCES)
    }


def share_rates(n: int, num_studies: int, seed: int) -> Rates:
    """Verdicts on claims that more than half of the seeds do something which 50, 90 or 100 % of them do."""
    judged = replace(claim(above=0.5), kind="share")
    just_under = replace(judged, share=math.nextafter(0.5, 0))
    rng = stream(seed, "calibration share", n)
    drawn = rng.random((num_studies, max(FAMILY_SIZES), n))
    half, most, all_of_them = ((drawn < truth).astype(float) for truth in (0.5, 0.9, 1.0))
    rates = {}
    for m in FAMILY_SIZES:
        rates[f"false supported, {m}"] = rate(says("supported", judged, half, m), m)
        rates[f"false refuted, {m}"] = rate(says("refuted", just_under, half, m), m)
        rates[f"supported at 90 %, {m}"] = rate(says("supported", judged, most, m), 1)
        rates[f"supported at 100 %, {m}"] = rate(says("supported", judged, all_of_them, m), 1)
    return rates


PAIRED_CLAIMS = {  # each twice, about metrics of their own: what the arms differ by, and the region
    "placebo above 0": (0.0, 0.0, math.inf),
    "placebo above 0.05": (0.0, 0.05, math.inf),
    "placebo within 0.05": (0.0, -0.05, 0.05),
    "0.1 above 0.05": (0.1, 0.05, math.inf),
}


def paired_study(control_above: float = 0.5) -> Study:
    """Two arms, eight claims on their difference, and a control that the plain arm passes if it must be above 0.5."""
    number = Number("", ("treated", "plain"), {}, "difference", "only")
    claims = tuple(
        Claim(f"{text} {i}".replace(" ", "-"), text, "", "mean", replace(number, metric=f"{text} {i}"), above, below)
        for text, (_, above, below) in PAIRED_CLAIMS.items()
        for i in range(2)
    )
    control = Number(claims[0].number.metric, ("plain",), {}, "only", "only")
    return Study(
        name="placebo",
        question="Do the arms differ?",
        passage="",
        configure=lambda arm: TrainConfig(width=1 + (arm == "treated")),
        arms=Factor("arm", ("plain", "treated")),
        blocks=(),
        tiers={"full": Tier(seeds=3)},
        headline=("score",),
        controls=(Control("plain-is-fine", "The plain arm is fine", control, above=control_above),),
        claims=claims,
    )


def paired_runs(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """The runs of `paired_study`: seeds scatter by 0.05, the arms of a seed by 0.02 more."""
    frame = pd.DataFrame({"arm": np.repeat(["plain", "treated"], n), "seed": np.tile(np.arange(n), 2)})
    for text, (effect, _, _) in PAIRED_CLAIMS.items():
        for i in range(2):
            shared = np.tile(rng.normal(0.8, 0.05, n), 2)
            frame[f"{text} {i}"] = shared + effect * (frame["arm"] == "treated") + rng.normal(0, 0.02, 2 * n)
    return frame


def paired_rates(n: int, num_studies: int, seed: int) -> Rates:
    """What `judge` says of whole studies with placebo arms and with a planted effect, and when their control fails."""
    rng = stream(seed, "calibration paired", n)
    frames = [paired_runs(n, rng) for _ in range(num_studies)]
    judged = [judge(paired_study(), frame, n, complete=True) for frame in frames]
    verdicts = pd.DataFrame([{f.name.replace("-", " "): f.verdict for f in judgement.claims} for judgement in judged])
    rates = {
        f"supported: {text}": float((verdicts[[f"{text} 0", f"{text} 1"]] == "supported").to_numpy().mean())
        for text in PAIRED_CLAIMS
    }
    false = [f"{text} {i}" for text in list(PAIRED_CLAIMS)[:2] for i in range(2)]
    rates["any false supported"] = float((verdicts[false] == "supported").any(axis=1).mean())
    rates["any false refuted"] = float((verdicts.drop(columns=false) == "refuted").any(axis=1).mean())
    broken = [judge(paired_study(control_above=0.9), frame, n, complete=True) for frame in frames[: num_studies // 5]]
    rates["withheld, control broken"] = float(np.mean([f.verdict == "withheld" for j in broken for f in j.claims]))
    return rates


def table(title: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a Markdown table; rates in percent with one decimal, half widths as they are."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def cell(name: str, value: object) -> str:
        if not isinstance(value, float):
            return str(value)
        return f"{value:.3g}" if name.startswith("half width") else f"{100 * value:.1f}"

    lines = ["| " + " | ".join(cell(name, row.get(name, "-")) for name in names) + " |" for row in rows]
    return "\n".join([f"### {title}", "", "| " + " | ".join(names) + " |", "|---" * len(names) + "|", *lines, ""])


def tables(num_studies: int, seed: int) -> Iterator[str]:
    """Every table, as Markdown."""

    def over(
        families: Iterable[Family], sizes: Iterable[int], rates: Callable[[Family, int, int, int], Rates]
    ) -> list[dict[str, object]]:
        grid = itertools.product(families, sizes)
        return [{"numbers": family.name, "n": n, **rates(family, n, num_studies, seed)} for family, n in grid]

    yield table("1. Truth on the edge of the region", over(FAMILIES.values(), SIZES, edge_rates))
    yield table("2. Two kinds of seeds", over(SHARES, SIZES[1:], group_rates))
    methods = itertools.product(FAMILY_SIZES, METHODS)
    yield table(
        "3. Intervals to choose from, ten seeds",
        [{"interval": name, "claims": m, **method_rates(name, m, 10, 5 * num_studies, seed)} for m, name in methods],
    )
    yield table("4. Power", [{"n": n, **power(n, 4 * num_studies, seed)} for n in SIZES])
    yield table("5. A share above one half", [{"n": n, **share_rates(n, num_studies, seed)} for n in SIZES])
    yield table("6. Whole studies of paired arms", [{"n": n, **paired_rates(n, num_studies, seed)} for n in SIZES])


def main() -> int:
    """Print every table as soon as it is there."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.calibration", description="Judge studies whose truth is known."
    )
    parser.add_argument("--short", action="store_true", help="a tenth of the studies: coarser rates")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: 0)")
    options = parser.parse_args()
    for text in tables(100 if options.short else 1000, options.seed):
        print(text, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
