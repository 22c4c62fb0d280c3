"""Do the verdicts keep their promise? Simulated studies whose truth is known, judged by the code that judges real ones.

    python -m benchmarks.calibration [--short] [--seed N]

Prints the tables that stand, explained, in benchmarks/calibration.md. A minute and a half on one core; with --short, a
tenth of that and coarser.
"""  # fmt: skip

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from research.design.streams import stream
from research.design.study import FAMILY_ERROR, Claim, Control, Factor, Number, Study, Tier
from research.judging.findings import judge
from research.judging.samples import Sample
from research.judging.stats import Array, two_groups
from research.judging.verdict import mean_verdict, outcome
from research.training.config import TrainConfig

SIZES = (8, 10, 20)
FAMILY_SIZES = (1, 8)  # claims in a study
SHARES = (0.5, 0.8)
DISTANCES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
TRUE_SHARES = (0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
STARTED, STUCK, SCATTER = 0.95, 0.1, 0.005  # accuracies of seeds that started and that never did
STEP = 1e-4  # of an accuracy over 10,000 images

Rates = dict[str, float]
Shape = tuple[int, ...]
Verdicts = tuple[NDArray[np.bool_], NDArray[np.bool_]]  # where it is supported, and where refuted


class Family(NamedTuple):
    """A kind of numbers: how they are drawn, what share of them lies at or below a number, their true mean, and the
    smallest step between two of them."""

    name: str
    draw: Callable[[np.random.Generator, Shape], NDArray[Any]]
    at_most: Callable[[Array], Array]
    mean: float
    step: float = 0.0


def lognormal(name: str, sigma: float) -> Family:
    """Numbers whose logarithms are normal."""
    return Family(
        name, lambda rng, shape: rng.lognormal(0, sigma, shape), stats.lognorm(sigma).cdf, math.exp(sigma**2 / 2)
    )


def some_never_start(percent: float) -> Family:
    """Seeds near 0.95, but for a share that stays near 0.1."""

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        return np.where(100 * rng.random(shape) < percent, STUCK, STARTED) + rng.normal(0, SCATTER, shape)

    def at_most(number: Array) -> Array:
        parts = [stats.norm(where, SCATTER).cdf(number) for where in (STUCK, STARTED)]
        return np.asarray(percent / 100 * parts[0] + (1 - percent / 100) * parts[1])

    return Family(f"{percent:g} % never start", draw, at_most, STARTED + percent / 100 * (STUCK - STARTED))


KINDS = (
    Family("normal", lambda rng, shape: rng.normal(size=shape), stats.norm.cdf, 0.0),
    Family("heavy tails", lambda rng, shape: rng.standard_t(3, shape), stats.t(3).cdf, 0.0),
    lognormal("slightly skewed", 0.3),
    lognormal("skewed", 0.5),
    lognormal("very skewed", 1.0),
    *map(some_never_start, (10, 30, 50)),
    Family(
        "few values", lambda rng, shape: rng.binomial(4, 0.6, shape).astype(float), stats.binom(4, 0.6).cdf, 2.4, 1.0
    ),
    Family("coarse", lambda rng, shape: STEP * (rng.random(shape) < 0.3), stats.binom(1, 0.3).cdf, 0.3 * STEP, STEP),
)
FAMILIES = {family.name: family for family in KINDS}


def claim(kind: str, above: float = -math.inf, below: float = math.inf, share: float = 0.5, step: float = 0.0) -> Claim:
    """A claim about a number."""
    number = Number("score", ("arm",), {}, "only", "only", resolution=step)
    return Claim("c", "a claim", "", kind, number, above, below, share)  # type: ignore[arg-type]


@cache
def verdict_table(n: int, share: float, num_claims: int) -> NDArray[np.str_]:
    """The verdict on more than a share of n seeds, by how many of them surely lie in a region and surely do not."""
    kind = "most" if share == 0.5 else "share"
    told = np.full((n + 1, n + 1), "", dtype="U12")
    for inside, outside in itertools.product(range(n + 1), repeat=2):
        if inside + outside <= n:
            low = np.array([1.0] * inside + [-1.0] * (n - inside))
            high = np.array([1.0] * (n - outside) + [-1.0] * outside)
            found = Sample(low, high, num_late=n - inside - outside)
            judged = claim(kind, above=0.0, share=share)
            told[inside, outside] = outcome(judged, found, FAMILY_ERROR / num_claims).verdict
    return told


def count_verdicts(inside: NDArray[np.bool_], outside: NDArray[np.bool_], share: float, num_claims: int) -> Verdicts:
    """Where studies and claims [S, M] are supported and refuted by which of their seeds [S, M, n] are where."""
    told = verdict_table(inside.shape[-1], share, num_claims)[inside.sum(-1), outside.sum(-1)]
    return told == "supported", told == "refuted"


def rate(found: NDArray[np.bool_], num_claims: int) -> float:
    """How often it is so, [S, M]: for a claim alone, or for any of a study's claims."""
    return float((found if num_claims == 1 else found.any(axis=1)).mean())


def edge_of(family: Family, values: Array, share: float) -> tuple[float, float]:
    """The lowest edge above which no more than a share of all numbers lie, and the highest above which no fewer do."""
    known = np.unique(values) if family.step else np.sort(values, axis=None)
    known = np.append(known[0] - 1.0, known)
    over = 1 - family.at_most(known / (STEP if family.name == "coarse" else 1.0))
    return float(known[(over <= share).argmax()]), float(known[max(0, int((over >= share).sum()) - 1)])


def count_rates(family: Family, n: int, num_studies: int, seed: int) -> Rates:
    """How often verdicts on "most" and "share" err where the truth is the share itself: no more, or hardly more.

    The mean of three regions: above an edge, below one, and between two. No truth is harder: farther from the share
    both errors are rarer. Where numbers have few values the share is the nearest that there is.
    """
    rates = {}
    values = family.draw(stream(seed, f"calibration {family.name}, counts", n), (num_studies, max(FAMILY_SIZES), n))
    many = family.draw(stream(seed, f"calibration {family.name}, edges"), (200_000,))
    for share, m in itertools.product(SHARES, FAMILY_SIZES):
        false, true = edge_of(family, many, share)
        regions = [(values > false, values > true)]
        if not family.step:
            other, _ = edge_of(family, many, 1 - share)
            inner = [edge_of(family, many, part)[0] for part in ((1 + share) / 2, (1 - share) / 2)]
            between = (inner[0] < values) & (values < inner[1])
            regions += [(values < other,) * 2, (between,) * 2]
        errors = [
            (count_verdicts(no_more, ~no_more, share, m)[0], count_verdicts(more, ~more, share, m)[1])
            for no_more, more in regions
        ]
        rates[f"supported, {share:g}, {m}"] = float(np.mean([rate(supported, m) for supported, _ in errors]))
        rates[f"refuted, {share:g}, {m}"] = float(np.mean([rate(refuted, m) for _, refuted in errors]))
    return rates


def unknown_rates(family: Family, n: int, num_studies: int, seed: int) -> Rates:
    """The same for "most" where the highest fifth of the numbers never arrive, and what is known of them is that they
    are beyond the horizon; and how often a claim is decided of which 90 % of seeds are inside."""
    values = family.draw(stream(seed, f"calibration {family.name}, late", n), (num_studies, max(FAMILY_SIZES), n))
    many = family.draw(stream(seed, f"calibration {family.name}, edges"), (200_000,))
    horizon, half = edge_of(family, many, 0.2)[0], edge_of(family, many, 0.5)[0]
    within = edge_of(family, many, 0.1)[0]
    late, rates = values > horizon, {}
    for m in FAMILY_SIZES:
        supported, _ = count_verdicts((values < half) & ~late, (values >= half) & ~late, 0.5, m)
        _, refuted = count_verdicts(values > half, values <= half, 0.5, m)  # what is beyond the horizon is above half
        rates |= {f"supported, {m}": rate(supported, m), f"refuted, {m}": rate(refuted, m)}
    known, _ = count_verdicts(values < within, values >= within, 0.5, 1)
    open_ones, _ = count_verdicts((values < within) & ~late, (values >= within) & ~late, 0.5, 1)
    return rates | {"true one decided, all known": rate(known, 1), "decided, a fifth not known": rate(open_ones, 1)}


def mean_verdicts(judged: Claim, values: Array, num_claims: int) -> Verdicts:
    """Where studies and claims [S, M] are supported and refuted by the numbers of their seeds [S, M, n]."""
    error = FAMILY_ERROR / num_claims
    told = [mean_verdict(judged, numbers, error)[1] for numbers in values.reshape(-1, values.shape[-1])]
    verdicts = np.array(told).reshape(values.shape[:-1])
    return verdicts == "supported", verdicts == "refuted"


def mean_rates(family: Family, n: int, num_studies: int, seed: int) -> Rates:
    """How often verdicts on a mean err that lies on the edge of the region: just outside it, or just inside.

    The worse of a region above and one below; and of a region between two edges, three standard errors apart, of which
    one is the truth (supported), or a third of one on either side of it (refuted).
    """
    rates = {}
    values = family.draw(stream(seed, f"calibration {family.name}, means", n), (num_studies, max(FAMILY_SIZES), n))
    error_of_mean = float(values.std()) / math.sqrt(n)
    for m in FAMILY_SIZES:
        edges = ({"above": family.mean}, {"below": family.mean})
        one_sided = [mean_verdicts(claim("mean", **edge, step=family.step), values, m) for edge in edges]
        rates[f"supported, {m}"] = max(rate(supported, m) for supported, _ in one_sided)
        rates[f"refuted, {m}"] = max(rate(refuted, m) for _, refuted in one_sided)
        wide = claim("mean", family.mean, family.mean + 8 * error_of_mean, step=family.step)
        narrow = claim("mean", family.mean - error_of_mean / 3, family.mean + error_of_mean / 3, step=family.step)
        rates[f"between: supported, {m}"] = rate(mean_verdicts(wide, values, m)[0], m)
        rates[f"between: refuted, {m}"] = rate(mean_verdicts(narrow, values, m)[1], m)
    return rates


def hidden_rates(percent: float, n: int, num_studies: int, seed: int) -> Rates:
    """How often only one kind of seed shows, where a share never starts, and how often two groups are seen if not."""
    family = some_never_start(percent)
    values = family.draw(stream(seed, f"calibration {family.name}, groups", n), (4 * num_studies, n))
    started = values > (STARTED + STUCK) / 2
    both = values[started.any(axis=1) & ~started.all(axis=1)]
    seen = float(np.mean([two_groups(numbers) is not None for numbers in both])) if len(both) else math.nan
    return {"one kind shows": 1 - len(both) / len(values), "two are seen": seen}


def power(n: int, num_claims: int) -> Rates:
    """How often a claim is supported of which so many of all seeds are inside the region: exactly, no simulation."""
    verdicts = [verdict_table(n, 0.5, num_claims)[hits, n - hits] == "supported" for hits in range(n + 1)]
    chances = {share: stats.binom(n, share).pmf(np.arange(n + 1)) for share in TRUE_SHARES}
    return {f"{100 * share:g} % inside": float(chance @ verdicts) for share, chance in chances.items()}


def mean_power(n: int, num_claims: int, num_studies: int, seed: int) -> Rates:
    """How often a true claim on the mean of normal numbers is supported, by its distance in standard deviations."""
    values = stream(seed, "calibration power", n).normal(size=(num_studies, 1, n))
    return {
        f"mean {distance:g} sd inside": rate(mean_verdicts(claim("mean", above=-distance), values, num_claims)[0], 1)
        for distance in DISTANCES
    }


PAIRED_CLAIMS = {  # each about a mean and about most seeds: what the arms differ by, and the region
    "placebo above 0": (0.0, 0.0, math.inf),
    "placebo above 0.05": (0.0, 0.05, math.inf),
    "placebo within 0.05": (0.0, -0.05, 0.05),
    "0.1 above 0.05": (0.1, 0.05, math.inf),
}
PAIRED_KINDS = ("mean", "most")


def paired_study(control_above: float = 0.5) -> Study:
    """Two arms, eight claims on their difference, and a control that the plain arm passes if it must be above 0.5."""
    number = Number("", ("treated", "plain"), {}, "difference", "only")
    claims = tuple(
        replace(claim(kind, above, below), name=name.replace(" ", "-"), number=replace(number, metric=name))
        for text, (_, above, below) in PAIRED_CLAIMS.items()
        for kind, name in ((kind, f"{text} {kind}") for kind in PAIRED_KINDS)
    )
    control = Number(claims[0].number.metric, ("plain",), {}, "only", "only")
    return Study(
        name="placebo",
        question="Do the arms differ?",
        passage="",
        configure=lambda arm: TrainConfig(width=1 + (arm == "treated")),
        arms=Factor("arm", ("plain", "treated")),
        blocks=(),
        tiers={"full": Tier(seeds=20)},
        headline=("score",),
        controls=(Control("plain-is-fine", "The plain arm is fine", control, above=control_above, kind="most"),),
        claims=claims,
    )


def paired_runs(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """The runs of `paired_study`: seeds scatter by 0.05, the arms of a seed by 0.02 more."""
    frame = pd.DataFrame({"arm": np.repeat(["plain", "treated"], n), "seed": np.tile(np.arange(n), 2)})
    for (text, (effect, _, _)), kind in itertools.product(PAIRED_CLAIMS.items(), PAIRED_KINDS):
        shared = np.tile(rng.normal(0.8, 0.05, n), 2)
        frame[f"{text} {kind}"] = shared + effect * (frame["arm"] == "treated") + rng.normal(0, 0.02, 2 * n)
    return frame


def paired_rates(n: int, num_studies: int, seed: int) -> Rates:
    """What `judge` says of whole studies with placebo arms and with a planted effect, and when their control fails.

    Each claim is judged as one of a study's eight.
    """
    rng = stream(seed, "calibration paired", n)
    frames = [paired_runs(n, rng) for _ in range(num_studies)]
    judged = [judge(paired_study(), frame, n, complete=True) for frame in frames]
    verdicts = pd.DataFrame([{f.name.replace("-", " "): f.verdict for f in judgement.claims} for judgement in judged])
    rates = {
        f"{kind} supported: {text}": float((verdicts[f"{text} {kind}"] == "supported").mean())
        for text in PAIRED_CLAIMS
        for kind in PAIRED_KINDS
    }
    false = [f"{text} {kind}" for text in list(PAIRED_CLAIMS)[:2] for kind in PAIRED_KINDS]
    rates["any false supported"] = float((verdicts[false] == "supported").any(axis=1).mean())
    rates["any true refuted"] = float((verdicts.drop(columns=false) == "refuted").any(axis=1).mean())
    broken = [judge(paired_study(control_above=0.9), frame, n, complete=True) for frame in frames[: num_studies // 5]]
    rates["withheld, control broken"] = float(np.mean([f.verdict == "withheld" for j in broken for f in j.claims]))
    return rates


def table(title: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a Markdown table; rates in percent with one decimal."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def cell(value: object) -> str:
        if not isinstance(value, float):
            return str(value)
        return "-" if math.isnan(value) else f"{100 * value:.1f}"

    lines = ["| " + " | ".join(cell(row.get(name, "-")) for name in names) + " |" for row in rows]
    return "\n".join([f"### {title}", "", "| " + " | ".join(names) + " |", "|---" * len(names) + "|", *lines, ""])


def tables(num_studies: int, seed: int) -> Iterator[str]:
    """Every table, as Markdown."""

    def over(
        families: Sequence[Family], rates: Callable[[Family, int, int, int], Rates], num: int
    ) -> list[dict[str, object]]:
        grid = itertools.product(families, SIZES)
        return [{"numbers": family.name, "n": n, **rates(family, n, num, seed)} for family, n in grid]

    smooth = [family for family in KINDS if not family.step]
    yield table("1. Counts: the truth is the share itself", over(KINDS, count_rates, 20 * num_studies))
    yield table("2. Counts: a fifth of the seeds never arrive", over(smooth, unknown_rates, 20 * num_studies))
    yield table("3. Means: the truth on the edge of the region", over(KINDS, mean_rates, num_studies))
    hidden = itertools.product((10, 16, 30, 50), SIZES)
    yield table(
        "4. Two kinds of seeds",
        [{"never start": f"{p} %", "n": n, **hidden_rates(p, n, num_studies, seed)} for p, n in hidden],
    )
    sizes = list(itertools.product(SIZES, FAMILY_SIZES))
    yield table(
        "5. Power",
        [{"n": n, "claims": m, **power(n, m), **mean_power(n, m, 2 * num_studies, seed)} for n, m in sizes],
    )
    yield table("6. Whole studies of paired arms", [{"n": n, **paired_rates(n, num_studies, seed)} for n in SIZES])


def main() -> int:
    """Print every table as soon as it is there."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.calibration", description="Judge studies whose truth is known."
    )
    parser.add_argument("--short", action="store_true", help="a tenth of the studies: coarser rates")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: 0)")
    options = parser.parse_args()
    for text in tables(20 if options.short else 200, options.seed):
        print(text, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
