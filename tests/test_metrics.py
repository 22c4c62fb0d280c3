"""What is declared of metrics is so: in the published universes nothing else makes a difference, to the bit."""

from dataclasses import fields

import pytest

from research.config import TrainConfig
from research.loading import load_study, study_names
from research.metrics import METRICS, metric_of
from research.multiverse import read_universes
from research.tables import REPORTS


def test_a_metric_depends_on_fields_that_a_configuration_has():
    known = {field.name for field in fields(TrainConfig)}
    for name, metric in METRICS.items():
        assert set(metric.depends_on or ()) <= known, name


def test_of_a_metric_that_is_not_listed_all_of_the_training_may_matter():
    assert metric_of("no_such") == metric_of("test_accuracy")
    assert metric_of("no_such").is_trained
    assert not metric_of("backward_factor").is_trained
    assert metric_of("steps_to_target").arrived == "reached_target"


PUBLISHED = [name for name in study_names() if (REPORTS / name / "universes").is_dir()]


@pytest.mark.parametrize("name", PUBLISHED)
def test_universes_that_count_as_one_have_the_same_bits(name):
    universes = read_universes(load_study(name), REPORTS / name)
    assert universes is not None
    for claim in universes.across.claims:
        for point in claim.points:
            if point.same_as is not None:
                assert repr(point.finding.values) == repr(claim.points[point.same_as].finding.values)


def test_signals_and_formulas_are_counted_once():
    """So that the test above is about something."""
    counted = {}
    for name in PUBLISHED:
        universes = read_universes(load_study(name), REPORTS / name)
        assert universes is not None
        counted |= {claim.name: (len(claim.distinct), len(claim.points)) for claim in universes.across.claims}
    assert sum(distinct < points for distinct, points in counted.values()) >= 3
