"""A claim and the runs give a finding: how a seed's number is made, what each kind says, when there is no verdict."""

import itertools
import math
from dataclasses import replace

import pandas as pd
import pytest

from research.design.errors import UserError
from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Number, Study, Tier
from research.design.wording import region_text
from research.judging.findings import family_error, judge
from research.judging.stats import mean_interval
from research.publishing.text_tables import findings_text
from research.training.config import TrainConfig

SCORES = {"tanh": 0.6, "relu": 0.8}


def configure(activation: str, depth: int) -> TrainConfig:
    return TrainConfig(dataset="digits", activation=activation, depth=depth)


def number(arms=("relu",), depths=(1,), across_arms="only", across_depths="only", **rest):
    return Number("score", arms, {"depth": depths}, across_arms, across_depths, **rest)


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
        tiers={"full": Tier(seeds=20)},
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


def test_what_all_cells_of_a_seed_share_does_not_widen_a_difference():
    runs = make_runs(5, scatter=0.3)
    finding = only_finding(claim(measured=number(("relu", "tanh"), across_arms="difference"), above=0.1), runs)
    assert (finding.number, finding.verdict) == (pytest.approx(0.2), "supported")
    assert finding.high - finding.low < 1e-5


def test_the_claims_of_a_study_share_the_allowance_for_either_error():
    judged = study(
        claim("a", above=0.7),
        claim("b", below=0.7),
        claim("c", above=0.81),
        claim("d", "existence"),
        claim("e", "most"),
    )
    runs = make_runs()
    supported, refuted, inconclusive, *_ = judge(judged, runs, 5, complete=True).claims
    expected = mean_interval(runs["score"][(runs["activation"] == "relu") & (runs["depth"] == 1)], 1 - 2 * 0.05 / 4)
    assert (supported.number, supported.low, supported.high, supported.n) == pytest.approx(expected)
    assert supported.level == 1 - 2 * 0.05 / 4  # an existence has no part in it
    assert [f.verdict for f in (supported, refuted, inconclusive)] == ["supported", "refuted", "inconclusive"]
    assert [f.reason for f in (supported, refuted, inconclusive)] == [
        "the whole interval lies inside the region",
        "the whole interval lies outside the region",
        "the interval reaches across the region's edge",
    ]
    assert family_error(judged) == 0.05 / 4
    assert family_error(study()) == 0.05


def test_where_all_seeds_agree_the_interval_is_the_resolution():
    runs = make_runs(scatter=0.0)
    finding = only_finding(claim(measured=number(resolution=0.01), above=0.795), runs)
    assert (finding.low, finding.high) == pytest.approx((0.79, 0.81))
    assert finding.verdict == "inconclusive"


def test_the_order_of_the_rows_decides_nothing():
    runs = make_runs()
    judged = study(claim("a", above=0.79), claim("b", "existence", above=0.8), claim("c", "always", above=0.79))
    shuffled = runs.sample(frac=1, random_state=1)
    assert judge(judged, runs, 5, complete=True) == judge(judged, shuffled, 5, complete=True)


def test_a_diverged_replicate_is_counted_and_has_no_number():
    finding = only_finding(claim(measured=number(missing=(0.0, 1.0))), spoiled(make_runs(), 2, diverged_step=7.0))
    assert math.isnan(finding.values[2])
    assert (finding.num_diverged, finding.num_late, finding.n) == (1, 0, 5)
    assert math.isnan(finding.number)


def test_where_every_replicate_diverged_a_claim_is_judged_by_where_they_can_lie():
    runs = make_runs().assign(score=math.nan, diverged_step=3.0)
    finding = only_finding(claim(kind="most", measured=number(missing=(0.0, 0.4)), above=0.5), runs)
    assert (finding.outside, finding.n, finding.num_diverged, finding.verdict) == (5, 5, 5, "refuted")
    assert only_finding(claim(kind="most", above=0.5), runs).verdict == "inconclusive"


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


def test_what_was_not_measured_is_not_judged():
    finding = only_finding(claim(), make_runs().drop(columns="score"))
    assert (finding.verdict, finding.n) == ("not judged", 0)
    assert finding.reason == "score was not measured at activation=relu, depth=1"
    assert math.isnan(finding.number)


def test_a_number_that_leaves_a_factor_open_is_an_error():
    open_number = Number("score", ("relu",), {}, "only", "only")
    with pytest.raises(UserError, match="toy: claim 'c' leaves depth open"):
        only_finding(claim(measured=open_number), make_runs())


def control(above, **rest):
    return Control(f"known-{above:g}", "Something known", number(("tanh",)), above=above, **rest)


def test_a_control_that_comes_out_leaves_the_verdicts_and_has_an_allowance_of_its_own():
    runs = make_runs()
    judgement = judge(
        study(claim("a", above=0.7), claim("b", above=0.7), controls=(control(0.5),)), runs, 5, complete=True
    )
    (found,) = judgement.controls
    expected = mean_interval(runs["score"][(runs["activation"] == "tanh") & (runs["depth"] == 1)], 0.9)
    assert (found.number, found.low, found.high, found.n) == pytest.approx(expected)
    assert (found.verdict, found.level) == ("supported", 0.9)
    assert [f.verdict for f in judgement.claims] == ["supported", "supported"]


def test_a_control_that_is_refuted_withholds_every_verdict_that_it_guards():
    claims = (claim("a", above=0.7), claim("b", above=0.9))
    found = judge(study(*claims, controls=(control(0.5), control(0.9))), make_runs(), 5, complete=True).claims
    assert [(f.verdict, f.would_be) for f in found] == [("withheld", "supported"), ("withheld", "refuted")]
    assert found[0].reason == "control known-0.9 is refuted"
    own = judge(study(*claims, controls=(control(0.9, guards=("b",)),)), make_runs(), 5, complete=True).claims
    assert [f.verdict for f in own] == ["supported", "withheld"]


def test_a_control_that_is_open_is_said_beside_the_verdict():
    claims = (claim("a", above=0.7), claim("b", above=0.9))
    found = judge(study(*claims, controls=(control(0.61, guards=("a",)),)), make_runs(), 5, complete=True).claims
    assert [f.verdict for f in found] == ["supported", "refuted"]
    assert found[0].reason.endswith("region; control known-0.61 is inconclusive")
    assert "control" not in found[1].reason


@pytest.mark.parametrize(
    ("kind", "above", "expected"),
    [("most", 0.5, "supported"), ("always", 0.5, "supported"), ("identity", 0.9, "refuted"), ("most", 0.9, "refuted")],
)
def test_a_control_has_the_kinds_that_claims_have(kind, above, expected):
    judged = study(claim("a", above=0.7), controls=(control(above, kind=kind),))
    (found,) = judge(judged, make_runs(), 5, complete=True).controls
    assert (found.kind, found.verdict) == (kind, expected)


def test_a_control_without_its_cells_is_said_beside_the_verdict():
    runs = make_runs()
    missing = claim("b", measured=replace(number(), metric="other"))
    judged = study(claim("a", above=0.7), missing, controls=(control(0.5),))
    judgement = judge(judged, runs[runs["activation"] == "relu"], 5, complete=True)
    assert [f.verdict for f in judgement.claims] == ["supported", "not judged"]
    assert judgement.claims[0].reason.endswith("; control known-0.5 is not judged")


def test_a_control_whose_cells_diverged_is_refuted_but_in_another_universe_it_is_not_applicable():
    judged = study(claim("a", above=0.7), controls=(control(0.5),))
    runs = make_runs().assign(diverged_step=math.nan)
    runs.loc[(runs["activation"] == "tanh") & (runs["seed"] == 1), "diverged_step"] = 3.0
    reference, other = (judge(judged, runs, 5, True, reference=where) for where in (True, False))
    assert (reference.controls[0].verdict, reference.claims[0].verdict) == ("refuted", "withheld")
    assert reference.controls[0].reason == "1 of its replicates diverged"
    assert (other.controls[0].verdict, other.claims[0].verdict) == ("not applicable", "supported")
    assert "control" not in other.claims[0].reason
    gone = judge(judged, runs[runs["activation"] == "relu"], 5, True, reference=False)
    assert (gone.controls[0].verdict, gone.claims[0].verdict) == ("not applicable", "supported")


def test_an_error_that_is_given_replaces_that_of_the_family_for_claims_alone():
    judged = study(claim("a", above=0.7), claim("b", below=0.7), controls=(control(0.5),))
    family, plain = judge(judged, make_runs(), 5, complete=True), judge(judged, make_runs(), 5, True, error=0.05)
    assert [f.level for f in plain.claims] == [0.9, 0.9]
    assert plain.controls == family.controls
    assert plain.claims[0].low > family.claims[0].low


def test_margins_are_those_of_the_study_at_the_allowance_that_its_claims_have():
    judged = study(claim("a", above=0.7), claim("b", "most", above=0.7))
    found = judge(judged, make_runs(8), 8, complete=True).claims
    assert [f.margins[0].high for f in found] == [f.low for f in found]
    assert judge(judged, make_runs(), 5, True, error=0.05).claims[0].margins == ()


def test_the_n_of_an_identity_is_its_cases():
    of_logits = Number("mse_formula_error", ("relu",), {"depth": (1,)}, "only", "only")

    def measuring(activation: str, depth: int) -> TrainConfig:
        return replace(configure(activation, depth), measures=("logit_gradients",))

    runs = make_runs(1).assign(num_cases=200, mse_formula_error=1e-16)
    finding = only_finding(claim(kind="identity", below=1.0), runs, 1)
    assert finding.n == 1  # another measurement has nothing to do with these cases
    asked = replace(study(claim(kind="identity", measured=of_logits, below=1.0)), configure=measuring)
    (finding,) = judge(asked, runs, 1, complete=True).claims
    assert (finding.n, finding.verdict) == (200, "supported")
    assert finding.reason == "the largest error of 200 cases lies inside the region"


@pytest.mark.parametrize(
    ("judged", "text"),
    [
        (claim(above=0.8), "above 0.8 on average"),
        (claim(kind="identity", below=1e-9), "below 10⁻⁹"),
        (claim(kind="most", above=-0.01, below=0.01), "between -0.01 and 0.01 in more than half of all seeds"),
        (claim(kind="share", above=0, share=0.75), "above 0 in more than 75 % of all seeds"),
        (claim(kind="existence", below=0), "below 0 in at least one seed"),
        (claim(kind="always", below=1), "below 1 in every seed"),
    ],
)
def test_a_region_is_said_in_words(judged, text):
    assert region_text(judged, "") == text


def test_a_mean_says_what_its_interval_cannot_promise():
    few = only_finding(claim(above=0.5), make_runs())
    assert "seeds like the 5 seen: up to 45 % of all seeds may do what none of these did" in few.caveat
    assert "two groups" not in few.caveat
    two = only_finding(claim("c", above=0.5), spoiled(make_runs(), 2, score=0.1))
    assert two.caveat.startswith("The seeds of “What c says” fall into two groups, 1 near 0.100 and 4 near 0.8")
    assert only_finding(claim(kind="always", above=0.5), make_runs()).caveat == ""


def test_the_table_shows_every_finding_in_words_and_fits_the_page():
    judged = study(
        claim("mean", above=0.5),
        claim("diverged", measured=number(missing=(0.0, 1.0)), above=0.5),
        claim("always", "always", number(("tanh",)), above=0.5),
        claim("identity", "identity", number(("tanh",)), below=1e-9),
        claim("gone", measured=replace(number(), metric="other")),
        controls=(control(0.5),),
    )
    text = findings_text(judge(judged, spoiled(make_runs(), 2, diverged_step=4.0), 5, complete=True))
    words = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 118
    assert text.index("What mean says") < text.index("Something known")
    for part in (
        "of all seeds",
        "counter-example in 5 seeds;",
        "at most 45 %",
        "each claim has 1.67 % of either",
        "“What always says” (always)",
        "diverged or lack it: 1",
    ):
        assert part in words, part
    assert "nan" not in text
    assert "not judged: What gone says" in words
    assert "other was not measured" in words
    assert text.count("The interval of a mean speaks of seeds like the 5 seen") == 1
