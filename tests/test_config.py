"""A configuration is checked when it is built: names, ranges, and fields that do not go together."""

from dataclasses import replace

import pytest

from research.design.identity import identity
from research.training.choices import CHOICES, CURVES, MEASURES
from research.training.config import TrainConfig, without_horizon
from research.training.data import DATA
from research.training.losses import OUTPUTS
from research.training.train import TAKEN

SINE = TrainConfig(dataset="sine", output="raw", loss="mse")
CNN = TrainConfig(network="cnn")


@pytest.mark.parametrize(
    "options",
    [
        {"dataset": "line", "loss": "mse_mean", "output": "raw", "measures": ("curve_fit",)},
        {"dataset": "sine", "output": "softmax", "measures": ("curve_fit",)},  # by intervals
        {"dataset": "sine", "output": "sigmoid"},
        {"loss": "mse", "output": "raw"},
        {"loss": "mse", "output": "sigmoid", "measures": ("logit_gradients", "permuted_twin")},
        {"network": "cnn", "head": "pooled", "pixels": "scrambled", "depth": 0},
        {"steps": 100, "evaluate_every": 50, "target_accuracy": 1},
        {"output_bias": 10, "input_scale": 0.5, "num_train": 7},
        {"labels": "shuffled", "pixels": "permuted"},
        {"optimizer": "lbfgs", "steps": 100, "evaluate_every": 50, "lr": 1.0},
        {"schedule": "cosine", "optimizer": "adam"},
        {"depth": 0, "measures": ("linear_product", "convex_bound")},
        {
            "dataset": "sine",
            "loss": "mse",
            "output": "raw",
            "depth": 3,
            "activation": "identity",
            "measures": ("capacity_bound",),
        },
    ],
)
def test_fields_that_go_together_are_accepted(options):
    TrainConfig(**options)


def test_configurations_are_the_same_without_their_horizon_if_they_differ_in_nothing_else():
    in_steps = TrainConfig(steps=100, evaluate_every=50, target_accuracy=0.9)
    for base, horizon in ((TrainConfig(probe_epochs=(0, 3)), {"epochs": 2}), (in_steps, {"steps": 50})):
        other = replace(base, **horizon)
        assert base != other
        assert without_horizon(base) == without_horizon(other) == without_horizon(without_horizon(base))
        assert without_horizon(replace(base, lr=0.2)) != without_horizon(base)
        assert without_horizon(replace(base, lr=0.2)) == without_horizon(replace(other, lr=0.2))
    assert without_horizon(in_steps) != without_horizon(replace(in_steps, evaluate_every=25))
    assert without_horizon(in_steps) != without_horizon(replace(in_steps, steps=0, evaluate_every=0))


def test_where_the_rate_falls_over_the_horizon_no_other_horizon_is_a_part_of_it():
    for base, horizon in ((TrainConfig(), {"epochs": 2}), (TrainConfig(steps=100, evaluate_every=50), {"steps": 50})):
        falling = replace(base, schedule="cosine")
        assert without_horizon(falling) != without_horizon(replace(falling, **horizon))
        assert without_horizon(falling) not in (without_horizon(base), without_horizon(replace(base, **horizon)))


def test_every_choice_has_what_it_names():
    assert set(CURVES) == {name for name, info in DATA.items() if info.num_features == 1}
    assert CHOICES["output"] == tuple(OUTPUTS)
    assert set(TAKEN) == set(MEASURES)


def test_the_new_fields_at_their_defaults_leave_an_identity_as_it_was():
    """These stood before there was a choice of network, loss or horizon: recorded results lie under them."""
    assert '"config": {"depth": 3}' in identity(TrainConfig(depth=3), 10, 1)
    assert identity(TrainConfig(output_bias=0, input_scale=1, target_accuracy=0), 1, 1) == identity(TrainConfig(), 1, 1)
