"""What each kind of claim says of the numbers of seeds, known or not."""

import math

import numpy as np
import pytest
from scipy import stats
from test_findings import claim, number

from research.design.streams import stream
from research.judging.samples import Sample
from research.judging.stats import cautious_mean_interval
from research.judging.verdict import chance, mean_verdict, outcome

NAN, INF = math.nan, math.inf


def seeds(*values, low=-INF, high=INF):
    """Seeds of which those that are NaN lie somewhere from low to high."""
    array = np.array(values, dtype=float)
    return Sample(
        np.where(np.isnan(array), low, array), np.where(np.isnan(array), high, array), int(np.isnan(array).sum())
    )


def verdict(judged, *values, error=0.05, **rest):
    return outcome(judged, seeds(*values, **rest), error).verdict


@pytest.mark.parametrize(
    ("num_inside", "expected"), [(8, "supported"), (7, "supported"), (6, "inconclusive"), (2, "inconclusive"),
                                 (1, "refuted"), (0, "refuted")]
)  # fmt: skip
def test_of_eight_seeds_seven_decide(num_inside, expected):
    values = [1.0] * num_inside + [0.0] * (8 - num_inside)
    found = outcome(claim(kind="most", above=0.5), seeds(*values), 0.05)
    assert (found.verdict, found.inside, found.outside) == (expected, num_inside, 8 - num_inside)
    assert found.reason.startswith(f"{num_inside} of 8 seeds lie inside the region")


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
@pytest.mark.parametrize("error", [0.05, 0.005])
def test_a_share_is_judged_by_the_exact_binomial_test(share, error):
    judged = claim(kind="share", above=0.5, share=share)
    for hits in range(21):
        found = verdict(judged, *[1.0] * hits, *[0.0] * (20 - hits), error=error)
        more, fewer = stats.binom.sf(hits - 1, 20, share), stats.binom.cdf(hits, 20, share)
        assert found == ("supported" if more <= error else "refuted" if fewer <= error else "inconclusive")


def test_the_number_of_a_count_is_the_median_with_its_interval():
    values = np.arange(20.0)
    found = outcome(claim(kind="most", above=-1.0), seeds(*values), 0.05)
    assert found.interval == (9.5, 5.0, 14.0, 20)


def test_a_verdict_by_counts_must_be_the_same_wherever_the_unknown_lie():
    most = claim(kind="most", above=0.5)
    assert verdict(most, *[1.0] * 7, NAN) == "supported"  # seven are enough
    assert verdict(most, *[0.0] * 7, NAN) == "refuted"
    found = outcome(most, seeds(*[1.0] * 6, NAN, 0.0), 0.05)
    assert (found.verdict, found.inside, found.outside) == ("inconclusive", 6, 1)
    assert found.reason == (
        "6 of 8 seeds lie inside the region, and 1 of 8 seeds diverged: the verdict depends on them"
    )
    assert verdict(most, *[1.0] * 6, NAN, 0.0, low=0.6, high=0.9) == "supported"  # it is known to be inside
    assert outcome(most, seeds(*[1.0] * 6, NAN, 0.0, low=0.0, high=0.4), 0.05).reason.startswith("6 of 8 seeds")


def test_one_that_never_arrived_is_above_every_number_that_it_is_known_to_be_beyond():
    late = claim(kind="most", above=100.0)
    found = Sample(np.full(8, 100.5), np.full(8, INF), 0, 8)
    assert outcome(late, found, 0.05).verdict == "supported"
    later = outcome(claim(kind="most", above=200.0), found, 0.05)
    assert later.verdict == "inconclusive"
    assert "8 of 8 seeds never arrived" in later.reason
    assert math.isnan(later.interval.mean)


@pytest.mark.parametrize(
    ("resolution", "above", "below", "expected"),
    [
        (0.0, 0.0, 1.0, "supported"),
        (0.0, 0.5, 1.0, "refuted"),
        (0.0, 0.0, 0.5, "refuted"),
        (0.25, 0.25, 1.0, "inconclusive"),
        (0.25, 0.0, 0.5, "inconclusive"),
        (0.25, 0.75, 1.0, "refuted"),
    ],
)
def test_a_region_is_open_so_a_mean_on_its_edge_is_outside(resolution, above, below, expected):
    judged = claim(measured=number(resolution=resolution), above=above, below=below)
    assert verdict(judged, *[0.5] * 4) == expected


def test_at_one_edge_a_mean_is_judged_by_one_sided_tests_with_the_whole_allowance():
    values = stream(2, "outcomes").normal(size=12)
    for edge in np.linspace(-1.5, 1.5, 61):
        greater = stats.ttest_1samp(values, edge, alternative="greater").pvalue < 0.05
        less = stats.ttest_1samp(values, edge, alternative="less").pvalue < 0.05
        expected = "supported" if greater else "refuted" if less else "inconclusive"
        assert mean_verdict(claim(above=edge, measured=number(resolution=0.0)), values, 0.05)[1] == expected


def test_between_two_edges_it_is_equivalent_by_two_one_sided_tests_and_refuted_with_half_for_either_side():
    values = stream(2, "outcomes").normal(size=12)
    inner, outer = (cautious_mean_interval(values, level) for level in (0.9, 0.95))
    within = claim(above=inner.low - 1e-9, below=inner.high + 1e-9, measured=number(resolution=0.0))
    assert mean_verdict(within, values, 0.05)[:2] == (inner, "supported")
    near = claim(above=inner.high + 1e-9, below=9.0, measured=number(resolution=0.0))
    assert mean_verdict(near, values, 0.05)[1:] == (
        "inconclusive", "the interval lies outside the region, but so near that it may be by chance",
    )  # fmt: skip
    assert mean_verdict(claim(above=outer.high, below=9.0), values, 0.05)[1] == "refuted"


def test_a_mean_over_what_is_not_known_needs_the_same_verdict_at_both_ends():
    values = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.9, 0.92]
    judged = claim(above=0.5)
    assert verdict(judged, *values, NAN, low=0.9, high=0.99) == "supported"
    assert verdict(claim(below=0.5), *values, NAN, low=0.9, high=0.99) == "refuted"
    found = outcome(judged, seeds(*values, NAN, low=-3.0, high=1.0), 0.05)
    assert (found.verdict, found.reason) == ("inconclusive", "1 of 9 seeds diverged: the mean is not known")
    assert math.isnan(found.interval.mean)
    assert found.interval.low < 0.5 < found.interval.high
    assert verdict(judged, *values, NAN) == "inconclusive"


def test_an_identity_holds_if_its_largest_error_does_whatever_its_sign():
    held = claim(kind="identity", below=1e-9)
    assert outcome(held, seeds(1e-12, -1e-10, 0.0), 0.05)[:2] == ((1e-10, pytest.approx(NAN, nan_ok=True),
        pytest.approx(NAN, nan_ok=True), 3), "supported")  # fmt: skip
    assert verdict(held, 1e-12, -1e-8, 0.0) == "refuted"
    assert verdict(held, 1e-9) == "refuted"  # the region is open
    assert verdict(held, 1e-12, NAN) == "inconclusive"
    assert verdict(held, 1e-8, NAN) == "refuted"
    assert verdict(held, 1e-12, NAN, low=-1e-10, high=1e-10) == "supported"


def test_one_witness_supports_an_existence_and_none_does_not_refute_it():
    found = outcome(claim(kind="existence", above=0.8), seeds(0.1, 0.2, 0.9), 0.05)
    assert found[1:3] == ("supported", "seed 2 shows it")
    found = outcome(claim(kind="existence", above=0.8), seeds(0.1, 0.2, 0.9)._replace(seeds=(100, 101, 103)), 0.05)
    assert found.reason == "seed 103 shows it"
    assert verdict(claim(kind="existence", above=0.95), 0.1, 0.2, 0.9) == "inconclusive"
    assert verdict(claim(kind="existence", above=0.95), 0.1, NAN) == "inconclusive"


def test_one_counter_example_refutes_what_is_always_so_and_none_bounds_their_share():
    found = outcome(claim(kind="always", below=0.5), seeds(0.1, 0.2, 0.9), 0.05)
    assert found[1:3] == ("refuted", "seed 2 is a counter-example")
    held = outcome(claim(kind="always", below=1.0), seeds(*[0.5] * 20), 0.05)
    assert held[1:3] == ("supported", "no counter-example in 20 seeds; at most 14 % of all seeds can be one")
    assert verdict(claim(kind="always", below=1.0), 0.1, NAN) == "inconclusive"
    assert verdict(claim(kind="always", below=0.5), 0.9, NAN) == "refuted"


@pytest.mark.parametrize("kind", ["most", "share", "mean"])
def test_the_chance_of_a_verdict_is_the_least_error_at_which_it_is_given(kind):
    values = stream(3, "outcomes").normal(0.8, 1, 20)
    for judged in (claim(kind=kind, above=0.0, share=0.4), claim(kind=kind, below=-0.5, share=0.6)):
        found = seeds(*values)
        least = chance(judged, found, 0.05)
        assert least < 0.05
        assert outcome(judged, found, least * 1.02).verdict == outcome(judged, found, 0.05).verdict
        assert outcome(judged, found, least * 0.98).verdict == "inconclusive"
    assert math.isnan(chance(claim(kind=kind, above=np.median(values)), seeds(*values), 1e-4))


def test_of_what_nothing_is_promised_there_is_no_chance():
    assert math.isnan(chance(claim(kind="always", above=0.0), seeds(1.0, 1.0, 1.0), 0.05))
