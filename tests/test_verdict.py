"""A claim and the runs give a finding: how a seed's number is made, what each kind says, when there is no verdict."""

import itertools
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from research.config import UserError
from research.console import findings_table
from research.data import stream
from research.design import Claim, Control, Factor, Number, Study, Tier, TrainConfig
from research.stats import mean_interval
from research.verdict import claim_digest, family_level, judge, outcome, sample
from research.words import region_text

SCORES = {"tanh": 0.6, "relu": 0.8}


def configure(activation: str, depth: int) -> TrainConfig:
    return TrainConfig(dataset="digits", activation=activation, depth=depth)


def number(arms=("relu",), depths=(1,), across_arms="only", across_depths="only", diverged=0.1, **rest):
    return Number("score", arms, {"depth": depths}, across_arms, across_depths, diverged, **rest)


def claim(name="c", kind="mean", measured=None, above=-math.inf, below=math.inf, **rest):
    return Claim(name, f"What {name} says", "B 1", kind, measured or number(), above, below, **rest)


def study(*claims, controls=()):
    return Study(
        name="toy",
        question="?",
        passage="B 1",
        configure=configure,
        arms=Factor("activation", ("tanh", "relu")),
        blocks=(Factor("depth", (1, 2)),),
        headline=("score",),
        tiers={"full": Tier(seeds=5)},
        claims=claims,
        controls=controls,
    )


def make_runs(num_seeds=5, scatter=0.01):
    """Scores near 0.6 (tanh) and 0.8 (relu), 0.1 less at depth 2; each seed has its own shift in all cells."""
    shifts = stream(0, "verdict tests").normal(0, scatter, num_seeds)
    return pd.DataFrame(
        [
            {
                "cell": f"{arm} depth={depth}",
                "activation": arm,
                "depth": depth,
                "seed": seed,
                "diverged_step": None,
                "score": SCORES[arm] - 0.1 * (depth - 1) + shifts[seed],
            }
            for arm, depth, seed in itertools.product(SCORES, (1, 2), range(num_seeds))
        ]
    )


def only_finding(judged, runs, num_declared=5, complete=True):
    """The finding of a study's only claim."""
    (finding,) = judge(study(judged), runs, num_declared, complete).claims
    return finding


def spoiled(runs, seed, **changes):
    """The runs with other values in the replicate of a seed at relu, depth 1."""
    runs = runs.astype({"diverged_step": float})
    runs.loc[(runs["activation"] == "relu") & (runs["depth"] == 1) & (runs["seed"] == seed), list(changes)] = list(
        changes.values()
    )
    return runs


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (number(), 0.8),
        (number(("tanh", "relu"), across_arms="spread"), 0.2),
        (number(("tanh", "relu"), across_arms="difference"), -0.2),
        (number(("relu", "tanh"), across_arms="difference"), 0.2),
        (number(("tanh", "relu"), across_arms="max"), 0.8),
        (number(("tanh", "relu"), across_arms="min"), 0.6),
        (number(depths=(1, 2), across_depths="max"), 0.8),
        (number(depths=(1, 2), across_depths="min"), 0.7),
        (number(depths=(1, 2), across_depths="mean"), 0.75),
        (number(depths=(2, 1), across_depths="difference"), -0.1),
        (number(("tanh", "relu"), (2, 1), "max", "difference"), -0.1),
    ],
)
def test_a_seeds_number_joins_its_arms_and_then_its_blocks(measured, expected):
    assert sample(measured, "activation", make_runs(4, scatter=0.0)).values == pytest.approx([expected] * 4)


def width_runs(score, as_text=False):
    """Three seeds of the widths 8, 32 and 128, in disorder; the score is a function of width and seed."""
    widths = (32, 128, 8)
    return pd.DataFrame(
        [
            {"cell": f"width={width}", "width": str(width) if as_text else width, "case": "sine", "seed": seed,
             "diverged_step": None, "score": score(width, seed)}
            for seed, width in itertools.product((2, 0, 1), widths)
        ]
    )  # fmt: skip


def of_widths(across, diverged=1.0, **rest):
    return Number("score", (8, 32, 128), {"case": ("sine",)}, across, "only", diverged, **rest)


@pytest.mark.parametrize("as_text", [False, True])
def test_arms_that_are_numbers_are_joined_by_their_size(as_text):
    runs = width_runs(lambda width, seed: (seed + 1) * width ** -(0.5 + seed), as_text)
    assert sample(of_widths("log_slope"), "width", runs).values == pytest.approx([-0.5, -1.5, -2.5])
    falling = width_runs(lambda width, seed: 1 / width if seed else 0.02, as_text)
    below = of_widths("first_below", threshold=0.02)
    assert sample(below, "width", falling).values.tolist() == [256, 128, 128]
    assert sample(replace(below, threshold=0.05), "width", falling).values.tolist() == [8, 32, 32]
    ratio = Number("score", (32, 8), {"case": ("sine",)}, "ratio", "only", 1.0)
    assert sample(ratio, "width", runs).values == pytest.approx([4**-0.5, 4**-1.5, 4**-2.5])


def test_a_replicate_that_diverged_counts_as_declared_in_every_join():
    runs = width_runs(lambda width, seed: 1 / width).astype({"diverged_step": float})
    lost = (runs["width"] == 32) & (runs["seed"] == 1)
    runs.loc[lost, ["diverged_step", "score"]] = [7, math.nan]
    found = sample(of_widths("first_below", threshold=0.05), "width", runs)
    assert (found.values.tolist(), found.num_diverged) == ([32, 128, 32], 1)
    slope = sample(of_widths("log_slope", diverged=1 / 32), "width", runs)
    assert slope.values == pytest.approx([-1.0] * 3)
    ratio = Number("score", (8, 32), {"case": ("sine",)}, "ratio", "only", 0.25)
    assert sample(ratio, "width", runs).values.tolist() == [4.0, 0.5, 4.0]


@pytest.mark.parametrize("across", ["log_slope", "first_below"])
def test_where_what_is_missing_has_no_number_its_seed_has_none(across):
    runs = width_runs(lambda width, seed: math.nan if (width, seed) == (8, 1) else 1 / width)
    threshold = {"threshold": 0.05} if across == "first_below" else {}
    found = sample(of_widths(across, diverged=math.nan, **threshold), "width", runs)
    assert len(found.values) == 2


def test_a_threshold_is_part_of_a_claims_digest():
    claims = [claim(measured=of_widths("first_below", threshold=value)) for value in (0.1, 0.2)]
    assert claim_digest(claims[0]) != claim_digest(claims[1])


def test_what_all_cells_of_a_seed_share_does_not_widen_a_difference():
    runs = make_runs(5, scatter=0.3)
    finding = only_finding(claim(measured=number(("relu", "tanh"), across_arms="difference"), above=0.1), runs)
    assert (finding.number, finding.verdict) == (pytest.approx(0.2), "supported")
    assert finding.high - finding.low < 1e-5


def test_a_mean_has_students_interval_at_the_level_of_all_declared_claims():
    judged = study(claim("a", above=0.7), claim("b", below=0.7), claim("c", above=0.8), claim("d", "existence"))
    runs = make_runs()
    supported, refuted, inconclusive, _ = judge(judged, runs, 5, complete=True).claims
    expected = mean_interval(runs["score"][(runs["activation"] == "relu") & (runs["depth"] == 1)], 1 - 0.05 / 4)
    assert (supported.number, supported.low, supported.high, supported.n) == pytest.approx(expected)
    assert supported.level == 1 - 0.05 / 4
    assert [f.verdict for f in (supported, refuted, inconclusive)] == ["supported", "refuted", "inconclusive"]
    assert [f.reason for f in (supported, refuted, inconclusive)] == [
        "the whole interval lies inside the region",
        "the whole interval lies outside the region",
        "the interval reaches across the region's edge",
    ]


@pytest.mark.parametrize(
    ("resolution", "above", "below", "verdict"),
    [
        (0.0, 0.0, 1.0, "supported"),
        (0.0, 0.5, 1.0, "refuted"),
        (0.0, 0.0, 0.5, "refuted"),
        (0.25, 0.25, 1.0, "inconclusive"),
        (0.25, 0.0, 0.5, "inconclusive"),
        (0.25, 0.75, 1.0, "refuted"),
    ],
)
def test_a_region_is_open_so_a_mean_on_its_edge_is_outside(resolution, above, below, verdict):
    judged = claim(measured=number(resolution=resolution), above=above, below=below)
    assert outcome(judged, np.full(4, 0.5), 0.95)[1] == verdict


def test_where_all_seeds_agree_the_interval_is_the_resolution():
    runs = make_runs(scatter=0.0)
    finding = only_finding(claim(measured=number(resolution=0.01), above=0.795), runs)
    assert (finding.low, finding.high) == pytest.approx((0.79, 0.81))
    assert finding.verdict == "inconclusive"


def test_the_order_of_the_rows_decides_nothing():
    runs = make_runs()
    judged = study(claim("a", above=0.79), claim("b", "existence", above=0.8), claim("c", "never", above=0.79))
    shuffled = runs.sample(frac=1, random_state=1)
    assert judge(judged, runs, 5, complete=True) == judge(judged, shuffled, 5, complete=True)


def test_levels_are_found_in_a_table_that_holds_numbers_as_text():
    runs = make_runs()
    assert (
        sample(number(), "activation", runs.astype({"depth": str})).values
        == sample(number(), "activation", runs).values
    ).all()


def test_a_diverged_replicate_counts_as_declared_and_is_counted():
    measured = number(diverged=0.1)
    for changes in ({"diverged_step": 7.0, "score": math.nan}, {"diverged_step": 7.0}, {"score": math.nan}):
        finding = only_finding(claim(measured=measured), spoiled(make_runs(), 2, **changes))
        assert (finding.values[2], finding.num_diverged, finding.n) == (0.1, 1, 5)


def test_a_number_from_before_training_stays_when_its_replicate_diverges_later():
    runs = make_runs()
    finding = only_finding(claim(measured=number(diverged=math.nan)), spoiled(runs, 2, diverged_step=7.0))
    assert finding.values == only_finding(claim(), runs).values
    assert finding.num_diverged == 0
    without = only_finding(
        claim(measured=number(diverged=math.nan)), spoiled(runs, 2, diverged_step=7.0, score=math.nan)
    )
    assert (without.verdict, without.reason) == ("not judged", "needs the 5 seeds that were declared, has 4")


def test_where_every_replicate_diverged_each_counts_as_declared():
    runs = make_runs().assign(score=math.nan, diverged_step=3.0)
    finding = only_finding(claim(measured=number(resolution=0.01), below=0.5), runs)
    assert (finding.number, finding.n, finding.num_diverged, finding.verdict) == (0.1, 5, 5, "supported")


def test_an_infinite_number_leaves_the_mean_open():
    finding = only_finding(
        claim(measured=number(diverged=math.inf), above=0.5), spoiled(make_runs(), 2, score=math.nan)
    )
    assert (finding.low, finding.high, finding.verdict) == (-math.inf, math.inf, "inconclusive")


def test_seeds_beyond_the_declared_ones_do_not_turn_a_verdict():
    runs = make_runs(8)
    runs.loc[runs["seed"] >= 5, "score"] = 0.0
    assert only_finding(claim(above=0.7), runs) == only_finding(claim(above=0.7), make_runs(8)[lambda f: f["seed"] < 5])


@pytest.mark.parametrize(
    ("keep", "num_declared", "complete", "reason"),
    [
        (2, 2, True, "needs at least 3 seeds, has 2"),
        (4, 5, True, "needs the 5 seeds that were declared, has 4"),
        (5, 5, False, "the runs are not the whole study as declared"),
    ],
)
def test_there_is_no_verdict_on_too_little(keep, num_declared, complete, reason):
    finding = only_finding(claim(above=0.5), make_runs(keep), num_declared, complete)
    assert (finding.verdict, finding.would_be, finding.reason) == ("not judged", "not judged", reason)
    assert finding.number == pytest.approx(0.8, abs=0.05)


def test_a_seed_that_lacks_one_of_its_cells_has_no_number():
    runs = make_runs()
    runs = runs[~((runs["seed"] == 3) & (runs["activation"] == "tanh"))]
    finding = only_finding(claim(measured=number(("relu", "tanh"), across_arms="difference")), runs)
    assert (finding.n, finding.verdict) == (4, "not judged")


def test_what_was_not_measured_is_named():
    runs = make_runs()
    unmeasured = spoiled(runs.assign(score=math.nan), 2, diverged_step=7.0)  # one diverged, the others have no score
    for less in (runs[runs["depth"] == 2], runs.drop(columns="score"), unmeasured):
        finding = only_finding(claim(), less)
        assert (finding.verdict, finding.n) == ("not judged", 0)
        assert finding.reason == "score was not measured at activation=relu, depth=1"
        assert math.isnan(finding.number)


def test_a_number_that_leaves_a_factor_open_is_an_error():
    open_number = Number("score", ("relu",), {}, "only", "only", 0.0)
    with pytest.raises(UserError, match="toy: claim 'c' leaves depth open"):
        only_finding(claim(measured=open_number), make_runs())


def control(above):
    return Control(f"known-{above:g}", "Something known", number(("tanh",)), above=above)


def test_a_control_that_comes_out_leaves_the_verdicts_and_stands_at_95_percent():
    runs = make_runs()
    judgement = judge(
        study(claim("a", above=0.7), claim("b", above=0.7), controls=(control(0.5),)), runs, 5, complete=True
    )
    (found,) = judgement.controls
    expected = mean_interval(runs["score"][(runs["activation"] == "tanh") & (runs["depth"] == 1)], 0.95)
    assert (found.number, found.low, found.high, found.n) == pytest.approx(expected)
    assert (found.verdict, found.level) == ("supported", 0.95)
    assert [f.verdict for f in judgement.claims] == ["supported", "supported"]


@pytest.mark.parametrize("above", [0.605, 0.9])
def test_a_control_that_does_not_come_out_withholds_every_verdict(above):
    judged = study(claim("a", above=0.7), claim("b", above=0.9), controls=(control(0.5), control(above)))
    claims = judge(judged, make_runs(), 5, complete=True).claims
    assert [(f.verdict, f.would_be) for f in claims] == [("withheld", "supported"), ("withheld", "refuted")]
    assert claims[0].reason == f"control known-{above:g} did not come out"


def test_a_control_without_its_cells_withholds_too_but_not_what_is_not_judged():
    runs = make_runs()
    missing = claim("b", measured=replace(number(), metric="other"))
    judged = study(claim("a", above=0.7), missing, controls=(control(0.5),))
    claims = judge(judged, runs[runs["activation"] == "relu"], 5, complete=True).claims
    assert [f.verdict for f in claims] == ["withheld", "not judged"]


def test_a_level_that_is_given_replaces_that_of_the_family_for_claims_alone():
    judged = study(claim("a", above=0.7), claim("b", below=0.7), controls=(control(0.5),))
    family, plain = judge(judged, make_runs(), 5, complete=True), judge(judged, make_runs(), 5, True, level=0.9)
    assert [f.level for f in plain.claims] == [0.9, 0.9]
    assert plain.controls == family.controls
    assert plain.claims[0].low > family.claims[0].low
    assert judge(judged, make_runs(), 5, True, level=None) == family


def test_a_share_is_judged_by_its_exact_interval():
    values = np.array([1.0] * 9 + [0.0])
    interval, verdict, _ = outcome(claim(kind="share", above=0.5), values, 0.95)
    assert interval == pytest.approx((0.9, 0.55498, 0.99747, 10), abs=1e-5)
    assert verdict == "supported"
    assert outcome(claim(kind="share", above=0.5, share=0.6), values, 0.95)[1] == "inconclusive"
    assert outcome(claim(kind="share", above=2.0), values, 0.95)[1] == "refuted"


def test_an_identity_holds_if_its_largest_error_does_whatever_its_sign():
    held = claim(kind="identity", below=1e-9)
    assert outcome(held, np.array([1e-12, -1e-10, 0.0]), 0.95)[0][0] == 1e-10
    assert outcome(held, np.array([1e-12, -1e-10, 0.0]), 0.95)[1] == "supported"
    assert outcome(held, np.array([1e-12, -1e-8, 0.0]), 0.95)[1] == "refuted"
    assert outcome(held, np.array([1e-9]), 0.95, num_cases=50)[1] == "refuted"  # the region is open


def test_the_n_of_an_identity_is_its_cases():
    finding = only_finding(claim(kind="identity", below=1.0), make_runs(1).assign(num_cases=200), 1)
    assert (finding.n, finding.verdict) == (200, "supported")
    assert finding.reason == "the largest error of 200 cases lies inside the region"


def test_one_witness_supports_an_existence_and_none_does_not_refute_it():
    values = np.array([0.1, 0.2, 0.9])
    assert outcome(claim(kind="existence", above=0.8), values, 0.95)[1:] == ("supported", "seed 2 shows it")
    interval, verdict, _ = outcome(claim(kind="existence", above=0.95), values, 0.95)
    assert (interval.mean, interval.low, verdict) == (0.0, 0.0, "inconclusive")


def test_one_counter_example_refutes_a_never_and_none_bounds_their_share():
    values = np.array([0.1, 0.2, 0.9])
    assert outcome(claim(kind="never", below=0.5), values, 0.95)[1:] == ("refuted", "seed 2 is a counter-example")
    interval, verdict, reason = outcome(claim(kind="never", below=1.0), values, 0.95)
    assert interval == pytest.approx((0.0, 0.0, 1 - 0.05 ** (1 / 3), 3))
    assert verdict == "supported"
    assert reason == "none of 3 seeds is a counter-example, so at most 63 % of all seeds are"


def test_the_level_shares_five_percent_among_the_claims():
    assert [family_level(m) for m in (0, 1, 8)] == pytest.approx([0.95, 0.95, 0.99375])


@pytest.mark.parametrize(
    ("judged", "text"),
    [
        (claim(above=0.8), "above 0.8"),
        (claim(below=1e-9), "below 10⁻⁹"),
        (claim(above=-0.01, below=0.01), "between -0.01 and 0.01"),
        (claim(kind="share", above=0, share=0.75), "above 0 in more than 75 % of seeds"),
        (claim(kind="existence", below=0), "below 0 in at least one seed"),
        (claim(kind="never", below=1), "below 1 in every seed"),
    ],
)
def test_a_region_is_said_in_words(judged, text):
    assert region_text(judged) == text


def test_the_digest_changes_with_anything_that_decides_and_with_nothing_else():
    base = claim(above=0.5)
    changed = [
        replace(base, text="Other words"),
        replace(base, kind="share"),
        replace(base, above=0.4),
        replace(base, below=1.0),
        replace(base, share=0.6),
        *(
            replace(base, number=other)
            for other in (
                number(("tanh",)),
                number(depths=(2,)),
                number(across_arms="max"),
                number(across_depths="max"),
                number(diverged=0.0),
                number(resolution=0.1),
                replace(number(), metric="other"),
            )
        ),
    ]
    digests = {claim_digest(each) for each in changed}
    assert len(digests | {claim_digest(base)}) == len(changed) + 1
    assert claim_digest(replace(base, name="d", passage="B 2")) == claim_digest(base)


def test_the_digest_is_that_of_every_other_process_and_version():
    golden = "5d65dde765525dcc5d9993ae8230eb6a11420ddf4a47ca7bc6673f3c9871d6a3"
    assert claim_digest(claim(above=0.5)) == golden
    code = "from tests.test_verdict import claim, claim_digest; print(claim_digest(claim(above=0.5)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == golden


def test_a_finding_has_the_digest_of_its_claim_or_control():
    judged = study(claim(above=0.7), controls=(control(0.5),))
    judgement = judge(judged, make_runs(), 5, complete=True)
    assert judgement.claims[0].digest == claim_digest(judged.claims[0])
    assert judgement.controls[0].digest == claim_digest(judged.controls[0])


def test_a_mean_says_what_its_interval_cannot_promise():
    few = only_finding(claim(above=0.5), make_runs())
    assert "seeds like the 5 seen: up to 45 % of all seeds may do what none of these did" in few.caveat
    assert "two groups" not in few.caveat
    two = only_finding(claim("c", above=0.5), spoiled(make_runs(), 2, score=0.1))
    assert two.caveat.startswith("The seeds of “What c says” fall into two groups, 1 near 0.100 and 4 near 0.8")
    assert only_finding(claim(kind="never", above=0.5), make_runs()).caveat == ""


def test_the_table_shows_every_finding_in_words_and_fits_the_page():
    measured = number(diverged=0.123456789)
    judged = study(
        claim("mean", above=0.5),
        claim("diverged", measured=measured, above=0.5),
        claim("never", "never", number(("tanh",)), above=0.5),
        claim("identity", "identity", number(("tanh",)), below=1e-9),
        claim("gone", measured=replace(number(), metric="other")),
        controls=(control(0.5),),
    )
    text = findings_table(judge(judged, spoiled(make_runs(), 2, diverged_step=4.0), 5, complete=True))
    words = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 118
    assert text.index("Something known") < text.index("What mean says")
    for part in (
        "95 % interval",
        "99 % interval",
        "above 0.5 in",
        "0.0 to 60.2",
        "two groups",
        "diverged or lack it: 1",
    ):
        assert part in words
    assert "nan" not in text
    assert "not judged: other" in words
    assert text.count("The interval of a mean") == 1
