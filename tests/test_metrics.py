"""The metrics that are foretold are those that a training gives: claims are checked against them at import."""

import pytest

from research.config import MEASURES, REGRESSION, TrainConfig
from research.metrics import OF_MEASURES, metrics_of
from research.train import train_stack


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "mse", "measures": ("repeated", "alone", "round_trip", "scaled_twin", "permuted_twin")},
        {"activation": "identity", "measures": ("linear_product", "convex_bound", "logit_gradients")},
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
            for name in REGRESSION
        ),
    ],
)
def test_the_metrics_that_are_foretold_are_those_that_come(options):
    config = TrainConfig(**{"dataset": "digits", "width": 8, "epochs": 1, **options})
    (replicate,) = train_stack(config, (0,)).replicates
    assert set(replicate.metrics) | {name for name in replicate.curves if "/" not in name} == metrics_of(config)


def test_every_measure_says_what_it_gives():
    assert set(OF_MEASURES) == set(MEASURES) - {"curve_fit"}
