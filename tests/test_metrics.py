"""What is known of metrics beforehand is so: those foretold come, and in the published universes nothing else than what
is declared makes a difference, to the bit."""

from dataclasses import fields

import pytest
from made_up import write_universes

from research.design.places import REPORTS
from research.design.plan import make_plan
from research.design.study_files import load_study, study_names
from research.design.task import Metric
from research.publishing.results import read_universes
from research.training.choices import CURVES, MEASURES
from research.training.config import TrainConfig
from research.training.metrics import DEPENDS_ON, METRICS, OF_MEASURES, metric_of, metrics_of, seen_in
from research.training.train import train_stack


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "mse", "measures": ("repeated", "alone", "round_trip", "scaled_twin", "permuted_twin")},
        {"activation": "identity", "measures": ("linear_product", "convex_bound", "logit_gradients")},
        {"depth": 2, "measures": ("linear_probes", "receptive_fields", "intrinsic_dimension")},
        {"depth": 2, "measures": ("mean_field",), "target_accuracy": 0.5, "probe_epochs": (0,)},
        {
            "dataset": "sine",
            "loss": "mse",
            "output": "raw",
            "optimizer": "lbfgs",
            "lr": 1.0,
            "batch_size": 1024,
            "steps": 20,
            "evaluate_every": 10,
        },
        *(
            {"dataset": name, "loss": "mse", "output": "raw", "measures": ("capacity_bound", "curve_fit", "repeated")}
            for name in CURVES
        ),
    ],
)
def test_the_metrics_that_are_foretold_are_those_that_come(options):
    config = TrainConfig(**{"dataset": "digits", "width": 8, "epochs": 1, **options})
    (replicate,) = train_stack(config, (0,)).replicates
    assert set(replicate.metrics) | {name for name in replicate.curves if "/" not in name} == metrics_of(config)


def test_every_measure_says_what_it_gives():
    assert set(OF_MEASURES) == set(MEASURES) - {"curve_fit"}


def test_a_metric_depends_on_fields_that_a_configuration_has():
    known = {field.name for field in fields(TrainConfig)}
    for name, depends_on in DEPENDS_ON.items():
        assert set(depends_on) <= known, name


def test_a_steady_metric_is_explained_by_the_one_whose_median_it_is():
    steady, plain = METRICS["steady_test_accuracy"], METRICS["test_accuracy"]
    assert (steady.label, steady.unit) == (f"steady {plain.label}", plain.unit)
    assert steady.meaning.startswith(plain.meaning)


def test_each_metric_has_a_label_of_its_own_that_is_no_explanation():
    labels = {metric.label for metric in METRICS.values()}
    assert len(labels) == len(METRICS)
    assert max(map(len, labels)) < 80


def test_of_a_metric_that_is_not_listed_all_of_the_training_may_matter():
    assert metric_of("no_such") == Metric()
    assert metric_of("test_accuracy").is_trained
    assert not metric_of("backward_factor").is_trained
    assert metric_of("steps_to_target").arrived == "reached_target"


def test_of_a_hundred_steps_the_horizon_matters_where_the_rate_falls_over_it():
    short, long = (TrainConfig(epochs=epochs) for epochs in (1, 2))
    falling = [TrainConfig(epochs=epochs, schedule="cosine") for epochs in (1, 2)]
    twin, start = "alone_difference", "backward_factor_score"
    assert seen_in(short, twin) == seen_in(long, twin)
    assert len({seen_in(config, twin) for config in (short, *falling)}) == 3
    assert len({seen_in(config, start) for config in (short, long, *falling)}) == 1
    assert seen_in(short, start) != seen_in(TrainConfig(epochs=1, labels="shuffled"), start)


PUBLISHED = [name for name in study_names() if (REPORTS / name / "universes").is_dir()]


@pytest.mark.parametrize("name", PUBLISHED)
def test_universes_that_count_as_one_have_the_same_bits(name):
    universes = read_universes(load_study(name), REPORTS / name)
    assert universes is not None
    for claim in universes.across.claims:
        for point in claim.points:
            if point.same_as is not None:
                assert repr(point.finding.values) == repr(claim.points[point.same_as].finding.values)


def test_signals_and_formulas_are_counted_once(tmp_path):
    """So that the test above is about something."""
    counted = {}
    for study in map(load_study, study_names()):
        if not all(isinstance(cell.task, TrainConfig) for cell in make_plan(study).cells):
            continue
        universes = read_universes(study, write_universes(study, tmp_path / study.name))
        assert universes is not None
        counted |= {claim.name: (len(claim.distinct), len(claim.points)) for claim in universes.across.claims}
    once = {name for name, (distinct, points) in counted.items() if distinct < points}
    before_training = {"a-quarter-a-layer", "four-layers", "gradient-cross-entropy", "gradient-squared"}
    for name in ("initialization", "vanishing_gradient"):
        before_training |= {claim.name for claim in load_study(name).claims if claim.number.metric in DEPENDS_ON}
    # of which some choices change nothing
    of_one_arm = {"nearly-vanishes", "same-training", "unchanged", "signals-fall-after", "weight-gradients-stay-after"}
    of_few_layers = {"few-dimensions", "one-layer-rarely", "several-straighten"}
    parts_of_a_recipe = {claim.name for claim in load_study("residual_depth").claims} - {"needs-relu"}
    assert once == before_training | of_one_arm | of_few_layers | parts_of_a_recipe
