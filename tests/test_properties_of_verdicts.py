"""What holds of the verdict on any claim, whatever was measured: what it depends on, and what it does not.

The same examples are drawn in every run; with HYPOTHESIS_PROFILE=thorough in the environment twenty times as many.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import examples, frames, numbers_in, studies

from research.design.claims import KINDS, Claim, Number
from research.design.study import Study
from research.design.wording import edge, number_words, region_text, unit_of
from research.judging.findings import Judgement, judge
from research.judging.samples import Sample
from research.judging.stats import Interval
from research.judging.verdict import outcome

DECIDED = ("supported", "refuted")
scores = st.floats(-100, 100).map(lambda value: round(value, 6))
several = st.lists(scores | st.integers(-2, 2).map(float), min_size=3, max_size=12).map(np.array)
metric_values = st.floats(-1e9, 1e9) | st.sampled_from((0.0, 0.5, 1.0, math.nan, math.inf, -math.inf, 1e-300, -1e300))
errors = st.floats(0.0001, 0.25)


def claim(kind: str, above: float = -math.inf, below: float = math.inf, resolution: float = 0.0, share=0.5) -> Claim:
    number = Number("score", ("a",), {}, "only", "only", resolution=resolution)
    return Claim("c", "text", "A", kind, number, above, below, share)


def known(values: np.ndarray) -> Sample:
    return Sample(values, values)


def verdict(kind: str, values: np.ndarray, above=-math.inf, below=math.inf, error=0.05, **rest) -> str:
    return outcome(claim(kind, above, below, **rest), known(values), error).verdict


def interval_of(kind: str, values: np.ndarray, above=-math.inf, below=math.inf, error=0.05, **rest) -> Interval:
    return outcome(claim(kind, above, below, **rest), known(values), error).interval


@pytest.mark.parametrize("kind", KINDS)
@examples(60)
@given(several, st.lists(scores, min_size=2, max_size=6, unique=True))
def test_a_bound_that_moves_inward_turns_a_verdict_one_way_only(kind, values, bounds):
    order = ["supported", "inconclusive", "refuted"]
    for ends in ([{"above": bound} for bound in sorted(bounds)], [{"below": bound} for bound in sorted(bounds)[::-1]]):
        found = [order.index(verdict(kind, values, **end)) for end in ends]
        assert found == sorted(found)


@pytest.mark.parametrize("kind", ["mean", "most"])
@examples(100)
@given(several, scores)
def test_what_supports_a_region_refutes_what_lies_beyond_its_edge(kind, values, edge):
    assume(kind == "mean" or edge not in values)  # on the edge a seed is in neither of two open regions
    inside, outside = verdict(kind, values, above=edge), verdict(kind, values, below=edge)
    if inside == "supported":
        assert outside == "refuted"
    assert (inside == "inconclusive") == (outside == "inconclusive") or edge in interval_of(kind, values)
    assert {inside, outside} <= {*DECIDED, "inconclusive"}


@pytest.mark.parametrize("kind", ["mean", "most"])
@examples(100)
@given(several, scores, errors)
def test_at_one_edge_a_claim_is_supported_where_its_interval_is_inside_and_refuted_where_it_is_outside(
    kind, values, above, error
):
    found = outcome(claim(kind, above), known(values), error)
    inside, outside = above < found.interval.low, found.interval.high <= above
    assert found.verdict == ("supported" if inside else "refuted" if outside else "inconclusive")


@examples(100)
@given(several, scores, st.floats(0.001, 100))
def test_between_two_edges_a_mean_is_supported_inside_and_refuted_only_where_it_is_well_outside(values, above, width):
    below = above + width
    found = outcome(claim("mean", above, below), known(values), 0.05)
    inside = above < found.interval.low and found.interval.high < below
    outside = found.interval.high <= above or below <= found.interval.low
    assert (found.verdict == "supported") == inside
    assert outside or found.verdict != "refuted"
    strict = outcome(claim("mean", above, below), known(values), 0.025).interval
    assert (found.verdict == "refuted") == (strict.high <= above or below <= strict.low)


@pytest.mark.parametrize("kind", ["mean", "most", "share", "existence", "always"])
@examples(60)
@given(several, scores, st.floats(0.001, 100))
def test_mirrored_numbers_have_the_mirrored_verdict(kind, values, above, width):
    below = above + width
    found = [outcome(claim(kind, above, below), known(values), error) for error in (0.05, 0.025)]
    ends = [[end] for one in found for end in one.interval[1:3]]
    assume(kind != "mean" or not np.isclose(ends, [above, below], 1e-9, 1e-9).any())
    assert verdict(kind, -values, -below, -above) == found[0].verdict


@pytest.mark.parametrize("kind", KINDS)
@examples(60)
@given(several, scores, st.floats(0.001, 100), st.sampled_from((0.0, 0.25)), st.integers(-40, 40))
def test_another_unit_leaves_the_verdict_and_scales_the_interval_to_the_bit(kind, values, above, width, step, power):
    one, scale = claim(kind, above, above + width, resolution=step), 2.0**power
    other = claim(kind, scale * one.above, scale * one.below, resolution=scale * step)
    found, scaled = outcome(one, known(values), 0.05), outcome(other, known(scale * values), 0.05)
    assert scaled.verdict == found.verdict
    assert repr(scaled.interval) == repr(Interval(*(scale * end for end in found.interval[:3]), found.interval.n))


@pytest.mark.parametrize("kind", KINDS)
@examples(60)
@given(several, scores, errors, errors)
def test_a_smaller_error_never_makes_a_verdict_of_what_was_open(kind, values, above, error, smaller):
    smaller, error = sorted((error, smaller))
    assume(error - smaller > 1e-9)  # nearer than this the end of an exact interval is rounded
    before, after = verdict(kind, values, above, error=error), verdict(kind, values, above, error=smaller)
    assert after in (before, "inconclusive")
    narrow, wide = interval_of(kind, values, above, error=error), interval_of(kind, values, above, error=smaller)
    if kind != "identity":
        assert wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high


@pytest.mark.parametrize("kind", KINDS)
@examples(100)
@given(several, scores, st.floats(0.001, 100), errors, st.data())
def test_a_verdict_on_what_is_not_known_is_that_wherever_it_lies(kind, values, above, width, error, data):
    spread = data.draw(st.lists(st.sampled_from((0.0, 0.0, 1.0, 50.0)), min_size=len(values), max_size=len(values)))
    low, high = values, values + np.array(spread)
    judged = claim(kind, above, above + width)
    found = outcome(judged, Sample(low, high, 1), error).verdict
    ends = [low, high]
    if kind != "mean":  # of which the two ends are asked for
        ends.append(np.where(data.draw(st.lists(st.booleans(), min_size=len(low), max_size=len(low))), low, high))
    verdicts = {outcome(judged, known(values), error).verdict for values in ends}
    assert found == "inconclusive" or verdicts == {found}


def judged(study: Study, frame: pd.DataFrame, num_declared: int) -> Judgement:
    return judge(study, frame, num_declared, complete=True)


@examples(60)
@given(studies(with_choices=False, judged=True), st.integers(1, 6), st.data(), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_that_of_columns_nor_their_labels_decide_anything(study, num_seeds, data, rng):
    frame = data.draw(frames(study, num_seeds, metric_values))
    rows, columns = list(range(len(frame))), list(frame.columns)
    rng.shuffle(rows)
    rng.shuffle(columns)
    shuffled = frame.iloc[rows][columns].set_axis([7] * len(frame))
    assert repr(judged(study, shuffled, num_seeds)) == repr(judged(study, frame, num_seeds))


@examples(60)
@given(studies(with_choices=False, judged=True), st.integers(1, 5), st.integers(1, 3), st.data())
def test_seeds_beyond_the_declared_ones_decide_nothing(study, num_seeds, more, data):
    frame = data.draw(frames(study, num_seeds + more, metric_values))
    alone = frame[frame["seed"] < num_seeds]
    assert repr(judged(study, frame, num_seeds)) == repr(judged(study, alone, num_seeds))


@examples(60)
@given(studies(with_choices=False, judged=True), st.integers(3, 6), st.data())
def test_the_same_seeds_under_other_numbers_have_the_same_numbers(study, num_seeds, data):
    frame = data.draw(frames(study, num_seeds, metric_values))
    other = data.draw(st.permutations(range(num_seeds)))
    relabelled = frame.assign(seed=[other[seed] for seed in frame["seed"]])
    for one, another in zip(
        judged(study, frame, num_seeds).claims, judged(study, relabelled, num_seeds).claims, strict=True
    ):
        assert sorted(map(repr, one.values)) == sorted(map(repr, another.values))
        assert (one.n, one.num_diverged, one.verdict) == (another.n, another.num_diverged, another.verdict)


@examples(100)
@given(studies(with_choices=False, judged=True), st.integers(1, 6), st.integers(1, 6), st.booleans(), st.data())
def test_a_verdict_needs_all_declared_seeds_at_least_three_and_its_controls(study, seeds, declared, complete, data):
    frame = data.draw(frames(study, seeds, metric_values))
    found = judge(study, frame, declared, complete)
    alone = judge(replace(study, controls=()), frame, declared, complete)
    for claim, free in zip(found.claims, alone.claims, strict=True):
        assert claim.would_be == free.verdict
        guarding = [
            finding
            for control, finding in zip(study.controls, found.controls, strict=True)
            if claim.name in control.guards or not control.guards
        ]
        failed = any(finding.verdict == "refuted" for finding in guarding)
        expected = "withheld" if failed and free.verdict != "not judged" else free.verdict
        assert claim.verdict == expected
        for finding in guarding:
            if expected not in ("withheld", "not judged") and finding.verdict != "supported":
                assert f"control {finding.name} is {finding.verdict}" in claim.reason
        assert repr((claim.number, claim.low, claim.high, claim.values)) == repr(
            (free.number, free.low, free.high, free.values)
        )
    if min(seeds, declared) < 3 or seeds < declared or not complete:
        assert {finding.verdict for finding in (*found.claims, *found.controls)} <= {"not judged"}
    for finding in (*found.claims, *found.controls):
        assert finding.reason
        assert finding.verdict == "not judged" or len(finding.values) == declared
        assert finding.n == len(finding.values)
        assert finding.inside + finding.outside <= finding.n
        assert finding.kind == "identity" or not finding.number < finding.low
        assert finding.kind == "identity" or not finding.number > finding.high


@examples(60)
@given(studies(with_choices=False, judged=True))
def test_what_is_judged_and_where_it_must_lie_is_said_with_every_bound(study):
    for one in study.claims:
        unit = unit_of(one.number, study.metric(one.number.metric))
        said = region_text(one, unit)
        bounds = [bound for bound in (one.above, one.below) if math.isfinite(bound)]
        shares = [one.share] if one.kind == "share" else []
        read = numbers_in(said)
        # a computed one is said in four digits
        expected = [pytest.approx(100 * bound if unit else bound, rel=5e-4) for bound in bounds]
        assert read == [*(expected or [math.inf]), *(pytest.approx(100 * share, rel=5e-4) for share in shares)]
        assert "-0" not in said.replace("-0.", "")
        text = number_words(one.number, study)
        assert text == text.strip()
        if one.number.threshold is not None:
            assert edge(one.number.threshold) in text
