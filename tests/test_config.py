"""A configuration is checked when it is built: names, ranges, and fields that do not go together."""

import re
from dataclasses import fields, replace

import pytest

from research.design.errors import UserError
from research.design.identity import identity
from research.training.config import CHOICES, LARGEST, MEASURES, REGRESSION, SMALLEST, TrainConfig, without_horizon
from research.training.data import DATA
from research.training.losses import OUTPUTS
from research.training.train import TAKEN

SINE = TrainConfig(dataset="sine", output="raw", loss="mse")
CNN = TrainConfig(network="cnn")
NAMES = ", ".join(MEASURES)
NO_PROBABILITIES = "output='raw' goes with loss='mse', not 'cross_entropy': that needs probabilities"
ALONE = "measures: 'alone' goes with network='mlp', pixels='original', classes and any optimizer but 'lbfgs'"
SEARCHES = "optimizer='lbfgs' has line searches of its own: weight_decay must be 0 and schedule 'constant'"
STEPS = {"optimizer": "lbfgs", "steps": 100, "evaluate_every": 50}
SCALED = "measures: 'scaled_twin' goes with loss='mse' or 'mse_mean' of classes, optimizer='sgd' and weight_decay=0"
LINEAR = "measures: 'linear_product' goes with an MLP of identity, classes and pixels='original'"
CONVEX = "measures: 'convex_bound' goes with an MLP of identity, cross-entropy of a softmax and pixels='original'"
CAPACITY = (
    "measures: 'capacity_bound' goes with a regression by an MLP of identity, or by one hidden layer of ReLU, with a "
    "raw output"
)
MEAN_FIELD = (
    "measures: 'mean_field' goes with network='mlp', activation='relu', depth of 2 or more, a start that is not "
    "'zero', and classes"
)
PROBED = "probe_epochs go with an MLP that is trained for epochs to tell classes"


def refused(changes, message, base=None):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        replace(base or TrainConfig(), **changes)


@pytest.mark.parametrize("name", CHOICES)
def test_a_name_that_does_not_exist_is_refused_with_those_that_do(name):
    refused({name: "x"}, f"{name}='x' is not one of {', '.join(CHOICES[name])}")


@pytest.mark.parametrize("name", SMALLEST)
def test_a_number_is_refused_below_its_smallest_and_of_another_kind(name):
    smallest = SMALLEST[name]
    whole = isinstance(smallest, int)
    below = smallest - 1
    refused({name: below}, f"{name}={below} must be finite and at least {smallest}")
    for wrong in ("1", None, True, *((0.5,) if whole else ())):
        refused({name: wrong}, f"{name}={wrong!r} must be {'a whole number' if whole else 'a number'}")
    if whole:
        refused({name: LARGEST + 1}, f"{name}={LARGEST + 1} must be at most {LARGEST}")
    else:
        for wrong in (float("nan"), float("inf"), 10**400):
            refused({name: wrong}, f"{name}={wrong!r} must be finite and at least {smallest}")


def test_every_field_is_checked():
    checked = {*CHOICES, *SMALLEST, "probe_epochs", "measures"}
    assert checked == {field.name for field in fields(TrainConfig)}


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (None, {"optimizer": "adam", "momentum": 0.9}, "momentum=0.9 goes with optimizer='sgd', not 'adam'"),
        (None, {"measures": ["logit_gradients"]}, "measures=['logit_gradients'] must be a tuple of " + NAMES),
        (None, {"measures": ("x",)}, "measures=('x',) must be a tuple of " + NAMES),
        (None, {"measures": "curve_fit"}, "measures='curve_fit' must be a tuple of " + NAMES),
        (None, {"measures": None}, "measures=None must be a tuple of " + NAMES),
        (None, {"measures": (["curve_fit"],)}, "measures=(['curve_fit'],) must be a tuple of " + NAMES),
        (None, {"measures": ("curve_fit",)}, "measures: 'curve_fit' goes with a regression"),
        (SINE, {"measures": ("logit_gradients",)}, "measures: 'logit_gradients' goes with classes"),
        (SINE, {"measures": ("curve_fit", "round_trip")}, "measures: 'round_trip' goes with classes and labels='true'"),
        (CNN, {"measures": ("permuted_twin",)}, "measures: 'permuted_twin' goes with network='mlp' and classes"),
        *((CNN, {"measures": ("alone",), **more}, ALONE) for more in ({}, {"network": "mlp", "pixels": "sorted"})),
        *(
            (None, {"measures": ("scaled_twin",), **more}, SCALED)
            for more in ({}, {"loss": "mse", "optimizer": "adam"}, {"loss": "mse", "weight_decay": 0.1})
        ),
        (None, {"measures": ("linear_product",)}, LINEAR),
        (None, {"measures": ("linear_product",), "activation": "identity", "pixels": "sorted"}, LINEAR),
        *(
            (None, {"measures": ("convex_bound",), "depth": 0, **more}, CONVEX)
            for more in ({"loss": "mse"}, {"pixels": "sorted"}, {"output": "sigmoid"})
        ),
        *(
            (SINE, {"measures": ("capacity_bound",), **more}, CAPACITY)
            for more in ({"depth": 2}, {"activation": "tanh"}, {"loss": "cross_entropy", "output": "softmax"})
        ),
        *(
            (None, {"measures": ("mean_field",), "depth": 2, **more}, MEAN_FIELD)
            for more in ({"depth": 1}, {"activation": "tanh"}, {"init": "zero"}, {"network": "cnn"})
        ),
        (None, {**STEPS, "measures": ("alone",)}, ALONE),
        *((None, {**STEPS, **more}, SEARCHES) for more in ({"weight_decay": 0.1}, {"schedule": "cosine"})),
        (None, {**STEPS, "momentum": 0.9}, "momentum=0.9 goes with optimizer='sgd', not 'lbfgs'"),
        (
            None,
            {"optimizer": "lbfgs"},
            "optimizer='lbfgs' counts evaluations of the loss: give steps and evaluate_every, not epochs",
        ),
        (SINE, {"labels": "shuffled"}, "labels='shuffled': dataset='sine' has no labels"),
        (
            None,
            {"labels": "shuffled", "pixels": "scrambled"},
            "labels='shuffled' goes with images that all seeds share, not with pixels='scrambled'",
        ),
        (
            replace(SINE, dataset="mnist", output="softmax"),
            {"dataset": "sine"},
            "output='softmax': dataset='sine' with loss='mse' needs output='raw'",
        ),
        (SINE, {"output": "sigmoid"}, "output='sigmoid': dataset='sine' with loss='mse' needs output='raw'"),
        (None, {"output": "raw"}, NO_PROBABILITIES),
        (SINE, {"loss": "cross_entropy"}, NO_PROBABILITIES),
        (SINE, {"network": "cnn"}, "dataset='sine' has no pixels: network must be 'mlp' and pixels 'original'"),
        (SINE, {"pixels": "sorted"}, "dataset='sine' has no pixels: network must be 'mlp' and pixels 'original'"),
        (None, {"head": "pooled"}, "head='pooled' goes with network='cnn', not 'mlp'"),
        *(
            (base, {"probe_epochs": (0,), **more}, PROBED)
            for base, more in ((SINE, {}), (CNN, {}), (None, {"steps": 10, "evaluate_every": 5}))
        ),
        (None, {"steps": 100}, "steps=100 and evaluate_every=0 go together: both or neither"),
        (None, {"evaluate_every": 10}, "steps=0 and evaluate_every=10 go together: both or neither"),
        (None, {"steps": 100, "evaluate_every": 30}, "steps=100 must be a multiple of evaluate_every=30"),
        (None, {"input_scale": 0.0}, "input_scale=0 leaves nothing of the inputs"),
        (None, {"target_accuracy": 1.5}, "target_accuracy=1.5 must be at most 1"),
        (SINE, {"target_accuracy": 0.9}, "target_accuracy=0.9: dataset='sine' has no accuracy to reach"),
    ],
)
def test_fields_that_do_not_go_together_are_refused_in_a_line(base, changes, message):
    refused(changes, message, base)


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
        {**STEPS, "lr": 1.0},
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
    assert set(CHOICES["dataset"]) == set(DATA)
    assert set(REGRESSION) == {name for name, info in DATA.items() if info.num_classes == 0}
    assert CHOICES["output"] == tuple(OUTPUTS)
    assert set(TAKEN) == set(MEASURES)


def test_the_new_fields_at_their_defaults_leave_an_identity_as_it_was():
    """These stood before there was a choice of network, loss or horizon: recorded results lie under them."""
    assert '"config": {"depth": 3}' in identity(TrainConfig(depth=3), 10, 1)
    assert identity(TrainConfig(output_bias=0, input_scale=1, target_accuracy=0), 1, 1) == identity(TrainConfig(), 1, 1)
