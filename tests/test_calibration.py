"""A short form of benchmarks/calibration.py: the verdicts err as seldom as they promise, and where not, that is known.

The rates are compared with a margin of three standard errors of as many simulated studies.
"""

import math
from pathlib import Path

import pytest

from benchmarks import calibration
from benchmarks.calibration import (
    FAMILIES,
    SIZES,
    count_rates,
    hidden_rates,
    mean_power,
    mean_rates,
    paired_rates,
    power,
    unknown_rates,
)

NUM_STUDIES = 100
PROMISED = 0.05


def margin(rate, num):
    """Three standard errors of a rate counted over so many studies."""
    return 3 * math.sqrt(rate * (1 - rate) / num)


def keeps(rates, num_studies, word=""):
    """Whether no error is more frequent than promised, alone and among eight claims."""
    errors = {name: rate for name, rate in rates.items() if "supported" in name or "refuted" in name}
    return all(
        rate <= PROMISED + margin(PROMISED, num_studies * (8 if name.endswith(", 1") else 1))
        for name, rate in errors.items()
        if word in name
    )


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", list(FAMILIES))
def test_counts_keep_the_promise_for_every_kind_of_number(name, n):
    assert keeps(count_rates(FAMILIES[name], n, 10 * NUM_STUDIES, seed=1), 10 * NUM_STUDIES)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if not family.step])
def test_they_keep_it_where_a_fifth_of_the_seeds_never_arrive(name, n):
    rates = unknown_rates(FAMILIES[name], n, 10 * NUM_STUDIES, seed=1)
    assert keeps(rates, 10 * NUM_STUDIES)
    assert rates["decided, a fifth not known"] < rates["true one decided, all known"]


@pytest.mark.parametrize("n", [8, 20])
@pytest.mark.parametrize("name", ["normal", "heavy tails", "few values", "50 % never start"])
def test_means_keep_it_where_numbers_are_nearly_symmetric(name, n):
    assert keeps(mean_rates(FAMILIES[name], n, NUM_STUDIES, seed=1), NUM_STUDIES)


@pytest.mark.parametrize(
    ("name", "least"), [("slightly skewed", 0.06), ("skewed", 0.12), ("very skewed", 0.4), ("10 % never start", 0.9)]
)
def test_where_a_mean_cannot_keep_it_it_is_missed_as_the_page_says(name, least):
    assert mean_rates(FAMILIES[name], 10, NUM_STUDIES, seed=1)["supported, 8"] > least


def test_a_kind_that_does_not_show_is_as_frequent_as_it_must_be():
    rates = hidden_rates(10, 10, 10 * NUM_STUDIES, seed=1)
    expected = 0.9**10 + 0.1**10
    assert rates["one kind shows"] == pytest.approx(expected, abs=margin(expected, 40 * NUM_STUDIES))
    assert rates["two are seen"] > 0.99


def test_arms_that_do_not_differ_are_not_told_apart_and_planted_effects_are_found():
    num = 60
    rates = paired_rates(20, num, seed=1)
    assert rates["any false supported"] <= PROMISED + margin(PROMISED, num)
    assert rates["any true refuted"] <= PROMISED + margin(PROMISED, num)
    for kind in calibration.PAIRED_KINDS:
        assert rates[f"{kind} supported: placebo above 0.05"] == 0
        assert rates[f"{kind} supported: 0.1 above 0.05"] > 0.9
        assert rates[f"{kind} supported: placebo within 0.05"] > 0.9
    assert rates["withheld, control broken"] > 0.9


def test_power_grows_with_the_effect_and_with_the_seeds():
    for num_claims in (1, 8):
        few, many = power(8, num_claims), power(20, num_claims)
        assert list(few.values()) == sorted(few.values())
        assert few["90 % inside"] < many["90 % inside"]
        assert few["100 % inside"] == 1
    means = mean_power(8, 8, 100, seed=1)
    assert means["mean 0.5 sd inside"] < means["mean 1 sd inside"] < means["mean 3 sd inside"]


def test_the_seed_decides_every_draw():
    first, again, other = (mean_rates(FAMILIES["normal"], 8, 10, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_page_shows_what_the_command_prints():
    page = Path(calibration.__file__).with_suffix(".md").read_text()
    row = {"numbers": "skewed", "n": 10, **count_rates(FAMILIES["skewed"], 10, 4000, seed=0)}
    assert calibration.table("1", [row]).splitlines()[-1] in page
