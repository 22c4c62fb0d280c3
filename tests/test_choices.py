"""Values of a configuration's fields that are refused, each by one line."""

import re
from dataclasses import fields, replace

import pytest

from research.design.errors import UserError
from research.training.choices import CHOICES, LARGEST, MEASURES, SMALLEST
from research.training.config import TrainConfig
from research.training.data import DATA

SINE = TrainConfig(dataset="sine", output="raw", loss="mse")
CNN = TrainConfig(network="cnn")
NAMES = ", ".join(MEASURES)
NO_PROBABILITIES = "output='raw' goes with loss='mse', not 'cross_entropy': that needs probabilities"
ALONE = (
    "measures: 'alone' goes with network='mlp' without dropout or steps, pixels='original', classes and any optimizer "
    "but 'lbfgs'"
)
ROUND_TRIP = (
    "measures: 'round_trip' goes with classes, labels='true', a test part that all seeds share and standardize=False"
)
TWIN = (
    "measures: 'permuted_twin' goes with network='mlp', classes, a test part that all seeds share and standardize=False"
)
STOPPING = "early_stopping goes with classes and a training: epochs or steps above 0"
SHIFTS = "augmentation='shifts' goes with network='mlp' and classes of square images as loaded"
PIECES = "normalization, dropout, skip and activation='prelu' go with network='mlp'"
SAME_LOSS = "optimizer='lbfgs' needs a loss that weights alone decide: no dropout, no normalization='batch'"
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
    "measures: 'mean_field' goes with a plain network='mlp', activation='relu', depth of 2 or more, a start that is "
    "not 'zero', and classes"
)
DEATHS = "probes: 'unit_deaths' goes with network='mlp' of one hidden layer or more"
PROBED = "probe_epochs go with a training that counts epochs, probe_steps with one that counts steps"


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
    checked = {*CHOICES, *SMALLEST, "dataset", "standardize", "early_stopping", "probe_epochs", "probe_steps", "probes"}
    checked |= {"measures"}
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
        (None, {"measures": ("curve_fit",)}, "measures: 'curve_fit' goes with dataset='sine' or 'line'"),
        (SINE, {"measures": ("logit_gradients",)}, "measures: 'logit_gradients' goes with classes"),
        (SINE, {"measures": ("curve_fit", "round_trip")}, ROUND_TRIP),
        (CNN, {"measures": ("permuted_twin",)}, TWIN),
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
            for base, more in ((SINE, {"steps": 5, "evaluate_every": 5}), (None, {"steps": 10, "evaluate_every": 5}))
        ),
        (None, {"probe_steps": (0,)}, PROBED),
        (
            None,
            {"probes": ("nothing",)},
            "probes=('nothing',) must be a tuple of weight_change, unit_deaths, signals, symmetry, drift",
        ),
        *(
            (base, {"probes": ("unit_deaths",), **more}, DEATHS)
            for base, more in ((CNN, {"probe_epochs": (0,)}), (None, {"depth": 0, "probe_epochs": (0,)}))
        ),
        (SINE, {"measures": ("generalisation",)}, "measures: 'generalisation' goes with classes"),
        (None, {"depth": 0, "measures": ("sparsity",)}, "measures: 'sparsity' goes with classes and a hidden layer"),
        (
            None,
            {"epochs": 0, "measures": ("loss_rises",)},
            "measures: 'loss_rises' goes with a training: epochs or steps above 0",
        ),
        (
            None,
            {"measures": ("learnt_slope",)},
            "measures: 'learnt_slope' goes with activation='prelu' and depth of 1 or more",
        ),
        (
            None,
            {"probes": ("weight_change",)},
            "probes=('weight_change',) go with the times at which to look: probe_epochs or probe_steps",
        ),
        (None, {"dropout": 1.0}, "dropout=1.0 must be below 1: it is the share of units that is left out"),
        (None, {"skip": "after", "branch_scale": 0.0}, "branch_scale=0 leaves nothing of the layer"),
        (None, {"branch_scale": 0.5}, "branch_scale=0.5 goes with a skip: 'before' or 'after'"),
        *((CNN, more, PIECES) for more in ({"activation": "prelu"}, {"normalization": "batch"}, {"dropout": 0.1})),
        *((None, {**STEPS, **more}, SAME_LOSS) for more in ({"dropout": 0.1}, {"normalization": "batch"})),
        (SINE, {"standardize": True}, "standardize goes with pixels='original', and not with a curve"),
        (None, {"standardize": 1}, "standardize=1 must be True or False"),
        (None, {"early_stopping": 1}, "early_stopping=1 must be True or False"),
        *(
            (
                base,
                {"early_stopping": True, **more},
                "early_stopping goes with classes and a training: epochs or steps above 0",
            )
            for base, more in ((SINE, {}), (None, {"epochs": 0}))
        ),
        (
            None,
            {"early_stopping": True, "measures": ("logit_gradients",)},
            "early_stopping goes with the measures generalisation, sparsity, repeated, alone, validation_rise: others "
            "look at the last weights",
        ),
        *(
            (base, {"augmentation": "shifts", **more}, SHIFTS)
            for base, more in ((SINE, {}), (CNN, {}), (None, {"pixels": "sorted"}), (None, {"dataset": "wine"}))
        ),
        (
            None,
            {**STEPS, "augmentation": "shifts"},
            "augmentation='shifts': optimizer='lbfgs' needs the same images at each evaluation",
        ),
        (
            None,
            {"epochs": 0, "measures": ("validation_rise",)},
            "measures: 'validation_rise' goes with classes and a training: epochs or steps above 0",
        ),
        (None, {"dataset": None}, "dataset=None must be a name, or by_function(...) of a function"),
        (
            None,
            {"dataset": "minst"},
            f"dataset='minst' is not one of {', '.join(DATA)}, nor by_function(...) of a function",
        ),
        (
            None,
            {"dataset": "studies.nowhere:moons"},
            "data set 'studies.nowhere:moons': no study file that is loaded has such a function",
        ),
        (
            None,
            {"dataset": "wine", "pixels": "permuted"},
            "pixels='permuted' goes with a test part that all seeds share, not with dataset='wine'",
        ),
        (
            None,
            {"dataset": "wine", "network": "cnn"},
            "network='cnn' goes with square images, or signals, whose side is a multiple of 4, not dataset='wine'",
        ),
        (None, {"dataset": "wine", "measures": ("round_trip",)}, ROUND_TRIP),
        (
            replace(SINE, loss="cross_entropy", output="softmax"),
            {"dataset": "diabetes"},
            "loss='cross_entropy': dataset='diabetes' has numbers for targets, not classes",
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
