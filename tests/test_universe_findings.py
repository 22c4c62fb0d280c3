"""Findings across universes: where a claim holds, which choice decides, and what is due to the arms alone."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from research.design.errors import UserError
from research.design.streams import stream
from research.design.study import Claim, Control, Factor, MainEffect, Number, Study, Tier, crossed
from research.judging.findings import judge
from research.judging.universe_findings import across_frame, judge_across, represented, same_universes, summary_frame
from research.training.config import TrainConfig

INITS, OPTIMIZERS, RATES, HORIZONS = ("default", "xavier", "he"), ("sgd", "adam"), ("customary", "tenth"), (5, 20)
RELU = Number("score", ("relu",), {"depth": (1,)}, "only", "only")
TANH = replace(RELU, arms=("tanh",))
HIGH = Claim("high", "ReLU scores high", "B 1", "mean", RELU, above=0.5)
DUE = MainEffect(
    "due", "It is the activation alone", "B 1", "score", {"depth": (1, 2)},
    {"init": INITS, "optimizer": OPTIMIZERS}, above=0.9,
)  # fmt: skip


def configure(activation, depth, init, optimizer, rate, horizon):
    lr = {"customary": 0.1, "tenth": 0.01}[rate]
    return TrainConfig(
        "digits", activation=activation, depth=depth, init=init, optimizer=optimizer, lr=lr, epochs=horizon
    )


def study(*claims, controls=(), main_effects=()):
    return Study(
        name="toy",
        question="?",
        passage="B 1",
        configure=configure,
        arms=Factor("activation", ("tanh", "relu")),
        blocks=(Factor("depth", (1, 2)),),
        choices=(
            Factor("init", INITS),
            Factor("optimizer", OPTIMIZERS),
            Factor("rate", RATES),
            Factor("horizon", HORIZONS),
        ),
        universes=(*crossed(init=INITS, optimizer=OPTIMIZERS, rate=RATES), {"horizon": 20}),
        headline=("score",),
        tiers={"full": Tier(seeds=10)},
        claims=claims,
        controls=controls,
        main_effects=main_effects,
    )  # fmt: skip


def runs_of(score, levels, place=0, num_seeds=5, scatter=0.01):
    """Runs of one universe: the score is a function of the arm, the depth and the universe's levels, plus noise."""
    noise = stream(1, "across tests", place).normal(0, scatter, (num_seeds, 2, 2))
    return pd.DataFrame(
        [
            {
                "cell": f"{arm} {depth}",
                "activation": arm,
                "depth": depth,
                "seed": seed,
                "diverged_step": math.nan,
                "score": score(arm, depth, **levels) + noise[seed, row, depth - 1],
            }
            for seed in range(num_seeds)
            for row, arm in enumerate(("tanh", "relu"))
            for depth in (1, 2)
        ]
    )


def judged(score, *claims, num_declared=5, complete=True, change=lambda universes: universes, **rest):
    """The findings across the universes of the toy study, after a change of the list of universes with their runs."""
    toy = study(*(claims or (HIGH,)), **{name: rest.pop(name) for name in ("controls", "main_effects") if name in rest})
    universes = [(levels, runs_of(score, levels, place, **rest)) for place, levels in enumerate(toy.designed)]
    return judge_across(toy, change(universes), num_declared, complete)


def by_init(arm, depth, init, optimizer, rate, horizon):
    return {"default": 0.2, "xavier": 0.8, "he": 0.9}[init] + (0.02 if optimizer == "adam" else 0)


def by_two(arm, depth, init, optimizer, rate, horizon):
    return 0.2 if (init == "default") == (optimizer == "sgd") else 0.8


def alike(arm, depth, **levels):
    return 0.5


def test_a_choice_that_decides_is_named_in_words_and_has_most_of_the_variance():
    (found,) = judged(by_init).claims
    assert len(found.points) == 13
    assert found.counts == {"supported": 8, "refuted": 5, "inconclusive": 0, "withheld": 0, "not judged": 0}
    assert found.share_supported == pytest.approx(8 / 13)
    assert found.shares[0].choice == "init"
    assert found.shares[0].shapley > 0.9
    assert sum(share.shapley for share in found.shares) == pytest.approx(1)
    assert found.sentence == "Holds under Xavier or He initialisation; fails under default initialisation."


def test_two_choices_that_decide_together_are_named_as_a_pair():
    (found,) = judged(by_two).claims
    assert found.sentence == (
        "Holds under default initialisation with Adam, and under Xavier or He initialisation with SGD; "
        "fails under default initialisation with SGD, and under Xavier or He initialisation with Adam."
    )


def test_where_no_two_universes_disagree_nothing_is_said_to_decide():
    (found,) = judged(alike, scatter=0.1).claims
    assert {verdict for verdict, count in found.counts.items() if count} == {"supported", "inconclusive"}
    assert found.sentence.startswith(f"Holds in {found.counts['supported']}, stays open in ")
    assert found.sentence.endswith("of 13 universes.")


def test_one_verdict_everywhere_is_one_short_sentence():
    (found,) = judged(by_init, replace(HIGH, above=0.0)).claims
    assert found.sentence == "Holds in all 13 universes."
    assert found.shares[0].choice == "init"  # of the number's size


def test_a_number_that_is_the_same_everywhere_has_no_shares():
    (found,) = judged(lambda arm, depth, **_: 0.75, scatter=0.0).claims
    assert [share.shapley for share in found.shares] == [0, 0, 0, 0]


def of_metric(metric):
    """A claim about another metric, and a change that gives the runs it."""

    def change(universes):
        return [(levels, runs.rename(columns={"score": metric})) for levels, runs in universes]

    return replace(HIGH, number=replace(RELU, metric=metric)), change


def test_a_control_that_fails_in_one_universe_hides_none_that_count_as_the_same():
    (finding,) = judge(study(HIGH), runs_of(by_init, study(HIGH).reference), 5, complete=True).claims
    given = [
        replace(finding, verdict=verdict) for verdict in ("withheld", "supported", "refuted", "withheld", "withheld")
    ]
    assert represented([None, 0, None, 0, 2], given) == [1, None, None, 1, 2]
    assert represented([None, 0], given[3:]) == [None, 0]


def test_universes_that_differ_in_nothing_that_the_metric_can_depend_on_count_once():
    signal, change = of_metric("backward_factor")
    (found,) = judged(by_init, signal, change=change).claims
    assert len(found.points) == 13
    assert [point.levels["init"] for point in found.distinct] == ["default", "xavier", "he"]
    assert found.counts["supported"] + found.counts["refuted"] == 3
    assert found.points[2].same_as == 0
    formula, change = of_metric("mse_formula_error")
    (found,) = judged(by_init, formula, change=change).claims
    assert [point.same_as for point in found.points] == [None, *[0] * 12]
    assert found.sentence == "Fails in all 13 universes, of which none can differ."


def test_universes_whose_numbers_are_merely_equal_count_each():
    (found,) = judged(lambda arm, depth, **_: 0.75, scatter=0.0).claims
    assert len(found.distinct) == 13


def test_a_choice_that_a_cell_ignores_makes_no_other_universe_of_it():
    def deaf(activation, depth, init, optimizer, rate, horizon):
        return configure(activation, depth, init if activation == "tanh" else "default", optimizer, rate, horizon)

    toy = replace(study(HIGH, replace(HIGH, name="other", number=TANH)), configure=deaf)
    same = [same_universes(toy, claim, toy.designed).count(None) for claim in toy.claims]
    assert same == [5, 13]  # optimiser and rate, and the longer horizon; with each start


def control(above=0.5):
    return Control("known", "Tanh scores high", TANH, above=above)


def low_tanh_with_adam(arm, depth, init, optimizer, rate, horizon):
    return (
        (0.1 if optimizer == "adam" else 0.9) if arm == "tanh" else by_init(arm, depth, init, optimizer, rate, horizon)
    )


def test_a_universe_in_which_a_control_is_refuted_is_withheld_and_counted():
    (found,) = judged(low_tanh_with_adam, controls=(control(),)).claims
    assert (found.counts["withheld"], found.counts["supported"], found.counts["refuted"]) == (6, 4, 3)
    withheld = [point for point in found.points if point.finding.verdict == "withheld"]
    assert {point.levels["optimizer"] for point in withheld} == {"adam"}
    assert {point.finding.would_be for point in withheld} == {"supported", "refuted"}
    assert found.sentence == (
        "Holds under Xavier or He initialisation; fails under default initialisation; "
        "in 6 of 13 universes a control is refuted."
    )
    assert len([share for share in found.shares if share.choice == "optimizer"]) == 1  # its numbers count


def test_each_universe_has_five_percent_for_either_error_whatever_the_number_of_claims():
    claims = (HIGH, replace(HIGH, name="other", above=0.6))
    across = judged(by_init, *claims)
    runs = runs_of(by_init, study().reference)
    assert across.claims[0].reference == judge(study(*claims), runs, 5, True, 0.05).claims[0]
    assert {point.finding.level for found in across.claims for point in found.points} == {0.9}


def test_the_order_of_rows_and_of_universes_decides_nothing():
    def shuffled(universes):
        first, *others = universes
        return [first, *others[::-1]]

    main_effects = (DUE,)
    usual = judged(by_init, main_effects=main_effects)
    rows = judged(by_init, main_effects=main_effects,
                  change=lambda universes: [(levels, runs[::-1]) for levels, runs in universes])  # fmt: skip
    assert rows == usual
    (found,) = judged(by_init, change=shuffled).claims
    assert found.sentence == usual.claims[0].sentence
    assert found.shares[0].shapley == pytest.approx(usual.claims[0].shares[0].shapley)


def without(place, **levels):
    """A change that takes the runs at some levels out of the universe at a place."""

    def change(universes):
        universes = list(universes)
        found, runs = universes[place]
        for name, level in levels.items():
            runs = runs[runs[name] != level]
        universes[place] = (found, runs)
        return universes

    return change


def test_a_universe_without_a_cell_or_with_too_few_seeds_is_not_judged():
    for change in (without(2, activation="relu"), without(2, seed=3)):
        (found,) = judged(by_init, change=change).claims
        assert found.points[2].finding.verdict == "not judged"
        assert found.counts["not judged"] == 1
        assert found.sentence.endswith("; in 1 of 13 universes it was not judged.")
    (found,) = judged(by_init, complete=False).claims
    assert found.counts["not judged"] == 13
    assert found.shares == ()
    assert found.sentence.startswith("Says nothing in any universe")


def diverged(levels_of, arm="relu"):
    """A change that lets an arm diverge in every replicate of some universes."""

    def change(universes):
        changed = []
        for levels, runs in universes:
            if levels_of(levels):
                runs = runs.copy()
                runs.loc[runs["activation"] == arm, ["diverged_step", "score"]] = [3, math.nan]
            changed.append((levels, runs))
        return changed

    return change


def test_where_replicates_diverged_a_universe_is_judged_by_where_they_can_lie():
    low = replace(HIGH, number=replace(RELU, missing=(-math.inf, 0.0)), kind="most")
    (found,) = judged(by_init, low, change=diverged(lambda levels: levels["rate"] == "customary")).claims
    lost = [point.finding for point in found.points if point.finding.num_diverged]
    assert {(finding.verdict, finding.outside) for finding in lost} == {("refuted", 5)}
    (open_one,) = judged(by_init, change=diverged(lambda levels: levels["horizon"] == 20)).claims
    assert open_one.points[-1].finding.verdict == "inconclusive"
    assert {share.choice for share in open_one.shares} == {"init", "optimizer", "rate"}  # it has no number


def test_a_control_is_not_applicable_where_its_cells_diverged_but_in_the_reference():
    def tanh_diverges(levels):
        return levels["optimizer"] == "adam"

    (found,) = judged(by_init, controls=(control(-1.0),), change=diverged(tanh_diverges, "tanh")).claims
    assert found.counts["withheld"] == 0
    (reference,) = judged(by_init, controls=(control(-1.0),), change=diverged(lambda _: True, "tanh")).claims
    assert [point.finding.verdict for point in reference.points].count("withheld") == 1
    assert reference.reference.reason == "control known is refuted"


def test_errors_of_an_identity_are_compared_by_their_logarithms():
    def errors(arm, depth, init, optimizer, rate, horizon):
        return 10.0 ** (-12 + 3 * INITS.index(init)) * (3 if optimizer == "adam" else 1)

    identity = Claim("formula", "It is exact", "A", "identity", RELU, below=1e-9)
    (found,) = judged(errors, identity, scatter=0.0).claims
    assert found.logarithmic
    assert found.shares[0].shapley > 0.9
    assert found.sentence.startswith("Holds under default initialisation")
    (zero,) = judged(lambda *_, **levels: 0.0, identity, scatter=0.0).claims
    assert not zero.logarithmic


@pytest.mark.parametrize("kind", ["most", "share", "existence", "always"])
def test_medians_of_seeds_are_compared_too(kind):
    (found,) = judged(by_init, Claim("c", "text", "A", kind, RELU, above=0.5)).claims
    assert found.shares[0].choice == "init"
    assert found.shares[0].shapley > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda universes: universes[1:], "the first universe must be the reference"),
        (lambda universes: [*universes, universes[3]], "comes twice"),
        (lambda universes: [*universes, ({"init": "he"}, universes[0][1])], "is not a level of each of"),
        (
            lambda universes: [*universes, ({**universes[0][0], "init": "orthogonal"}, universes[0][1])],
            "has an unknown level of init",
        ),
    ],
)
def test_universes_that_are_not_those_of_the_study_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        judged(by_init, change=change)


def test_the_tables_have_a_row_a_universe_and_a_row_a_claim():
    across = judged(low_tanh_with_adam, HIGH, replace(HIGH, name="other", above=0.0), controls=(control(),),
                    main_effects=(DUE,))  # fmt: skip
    frame = across_frame(across)
    assert frame.columns.tolist() == [
        "claim", "init", "optimizer", "rate", "horizon", "same_as", "number", "low", "high", "n", "inside", "outside",
        "num_diverged", "num_late", "verdict", "would_be", "reason",
    ]  # fmt: skip
    assert len(frame) == 2 * 13
    assert (frame["verdict"] == "withheld").sum() == 12
    summary = summary_frame(across).set_index("claim")
    assert summary.index.tolist() == ["high", "other", "due"]
    assert summary.loc["high", ["universes", "supported", "refuted", "withheld"]].tolist() == [13, 4, 3, 6]
    assert summary.loc["high", "supported_share"] == pytest.approx(4 / 13)
    assert summary.loc["high", "reference"] == "refuted"
    assert summary.loc["high", "sentence"] == across.claims[0].sentence
    (due,) = across.main_effects
    assert summary.loc["due", ["kind", "number", "verdict"]].tolist() == ["main_effect", due.number, due.verdict]
    assert "of the differences between arms" in summary.loc["due", "sentence"]


def test_a_study_without_claims_or_main_effects_has_empty_tables():
    toy = study()
    across = judge_across(toy, [(toy.reference, runs_of(by_init, toy.reference))], 5, True)
    assert (across.claims, across.main_effects) == ((), ())
    assert len(across_frame(across)) == len(summary_frame(across)) == 0
