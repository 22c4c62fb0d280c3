"""A short form of benchmarks/calibration.py: the verdicts err as seldom as they promise, and where not, that is known.

The rates are compared with a margin of three standard errors of as many simulated studies.
"""

import math
from pathlib import Path

import pytest

from benchmarks import calibration
from benchmarks.calibration import FAMILIES, edge_rates, group_rates, paired_rates, power, share_rates, some_never_start

NUM_STUDIES = 150
PROMISED = 0.05


def margin(rate, num):
    """Three standard errors of a rate counted over so many studies."""
    return 3 * math.sqrt(rate * (1 - rate) / num)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("name", ["normal", "heavy tails", "coarse", "largest of six"])
def test_the_claims_of_a_study_together_err_in_at_most_five_percent(name, n):
    rates = edge_rates(FAMILIES[name], n, NUM_STUDIES, seed=1)
    for num_claims, num in ((1, 8 * NUM_STUDIES), (8, NUM_STUDIES)):
        assert rates[f"all covered, {num_claims}"] >= 1 - PROMISED - margin(PROMISED, num)
        assert rates[f"false supported, {num_claims}"] <= PROMISED + margin(PROMISED, num)
        assert rates[f"false refuted, {num_claims}"] <= PROMISED + margin(PROMISED, num)


def test_on_normal_numbers_the_interval_is_as_wide_as_it_must_be_and_no_wider():
    rates = edge_rates(FAMILIES["normal"], 5, NUM_STUDIES, seed=1)
    assert rates["all covered, 1"] == pytest.approx(0.95, abs=margin(0.95, 8 * NUM_STUDIES))
    assert rates["false supported, 1"] == pytest.approx(0.025, abs=margin(0.025, 8 * NUM_STUDIES))


@pytest.mark.parametrize(("name", "least"), [("skewed", 0.09), ("very skewed", 0.3), ("10 % never start", 0.9)])
def test_where_the_promise_cannot_be_kept_it_is_missed_as_the_page_says(name, least):
    assert edge_rates(FAMILIES[name], 10, NUM_STUDIES, seed=1)["false supported, 8"] > least


@pytest.mark.parametrize(("percent", "n"), [(16, 20), (35, 10), (45, 20)])
def test_where_both_kinds_of_seeds_show_the_promise_is_kept(percent, n):
    rates = group_rates(some_never_start(percent), n, 2 * NUM_STUDIES, seed=1)
    assert rates["ours, 1"] >= 0.95
    assert rates["ours, 8"] >= 0.99375 - margin(0.00625, 16 * NUM_STUDIES)


def test_students_interval_alone_would_not_keep_it():
    assert group_rates(some_never_start(16), 20, NUM_STUDIES, seed=1)["Student, 1"] < 0.92
    assert group_rates(some_never_start(35), 10, NUM_STUDIES, seed=1)["Student, 1"] < 0.92


def test_a_kind_that_does_not_show_is_as_frequent_as_the_caveat_says():
    rates = group_rates(FAMILIES["10 % never start"], 10, NUM_STUDIES, seed=1)
    expected = 0.9**10 + 0.1**10
    assert rates["one kind shows"] == pytest.approx(expected, abs=margin(expected, 8 * NUM_STUDIES))


@pytest.mark.parametrize("n", [3, 10])
def test_a_share_of_one_half_is_seldom_said_to_be_more_or_less(n):
    rates = share_rates(n, NUM_STUDIES, seed=1)
    for word in ("supported", "refuted"):
        assert rates[f"false {word}, 1"] <= 0.025 + margin(0.025, 8 * NUM_STUDIES)
        assert rates[f"false {word}, 8"] <= PROMISED + margin(PROMISED, NUM_STUDIES)


def test_arms_that_do_not_differ_are_not_told_apart_and_planted_effects_are_found():
    num = 60
    rates = paired_rates(10, num, seed=1)
    assert rates["any false supported"] <= PROMISED + margin(PROMISED, num)
    assert rates["any false refuted"] <= PROMISED + margin(PROMISED, num)
    assert rates["supported: placebo above 0.05"] == 0
    assert rates["supported: 0.1 above 0.05"] > 0.85
    assert rates["supported: placebo within 0.05"] > 0.8
    assert rates["withheld, control broken"] == 1


def test_power_grows_with_the_effect_and_with_the_seeds():
    few, many = power(5, 200, seed=1), power(20, 200, seed=1)
    assert few["0.5 sd, 1"] < few["1 sd, 1"] < few["2 sd, 1"] < few["5 sd, 1"]
    assert few["1 sd, 8"] < many["1 sd, 8"]
    assert many["2 sd, 8"] > 0.95


def test_the_seed_decides_every_draw():
    first, again, other = (edge_rates(FAMILIES["normal"], 3, 20, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_page_shows_what_the_command_prints():
    page = Path(calibration.__file__).with_suffix(".md").read_text()
    row = {"n": 10, **share_rates(10, 1000, seed=0)}
    assert calibration.table("5. A share above one half", [row]).splitlines()[-1] in page
