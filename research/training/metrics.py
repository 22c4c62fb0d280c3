"""What is known of the metrics of trained networks: which a configuration gives, and what each can depend on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields, replace
from functools import cache

from research.design.task import Metric
from research.training.config import TrainConfig
from research.training.cost import num_hidden

HOW_LONG = (
    "epochs", "steps", "evaluate_every", "target_accuracy", "probe_epochs", "probe_steps", "probes", "measures"
)  # fmt: skip
AT_THE_START = (
    "dataset", "pixels", "input_scale", "num_train", "network", "head", "depth", "width", "activation", "init",
    "init_std", "output_bias", "output", "loss", "labels", "standardize", "normalization", "skip", "branch_scale",
)  # fmt: skip
OF_A_HUNDRED_STEPS = tuple(f.name for f in fields(TrainConfig) if f.name not in HOW_LONG)
# The fields that a metric can depend on beside the seed, where it is not a number of the trained network.
DEPENDS_ON: Mapping[str, tuple[str, ...]] = {
    "backward_factor": AT_THE_START,
    "backward_log10_across_4": AT_THE_START,
    "backward_factor_score": AT_THE_START,
    "forward_factor": AT_THE_START,
    "signal_arriving": AT_THE_START,
    "weight_gradient_arriving": AT_THE_START,
    "untrained_test_accuracy": AT_THE_START,
    # Of random logits that are drawn for the seed: of no network.
    "cross_entropy_formula_error": (),
    "mse_formula_error": (),
    "num_cases": (),
    # Of the inputs that a network would be trained on.
    "intrinsic_dimension": ("dataset", "input_scale", "num_train", "standardize"),
    # Of weights that are drawn for the seed.
    "library_variance": ("init",),
    "library_wide_over_square": ("init",),
    "library_difference": ("init",),
    # Trainings of their own, of a hundred steps whatever the horizon.
    "twin_difference": OF_A_HUNDRED_STEPS,
    "alone_difference": OF_A_HUNDRED_STEPS,
    "round_trip_difference": OF_A_HUNDRED_STEPS,
    "scaled_twin_difference": OF_A_HUNDRED_STEPS,
}
METRICS: dict[str, Metric] = {  # in the order in which pages explain them
    "test_accuracy": Metric("test accuracy", "share of the test set that is classified right after training", "%"),
    "test_loss": Metric("test loss", "mean loss over the test set after training"),
    "test_r_squared": Metric(
        "R²",
        "share of the variance of the test points' targets that the fit explains: 1 is perfect, 0 is no better than "
        "their mean",
    ),
    "test_rmse": Metric("root mean squared error", "root of the mean squared error at the test points"),
    "test_sup_error": Metric("largest error", "the largest distance between fit and target at any test point"),
    "extrema_right": Metric(
        "number of peaks and troughs that are about right",
        "how many of the four extrema of sin x the fit has too: within 0.6 of the place, and within 30 % of the height",
    ),
    "train_accuracy": Metric("training accuracy", "share of the whole training part that is classified right", "%"),
    "generalisation_gap": Metric(
        "generalisation gap",
        "training accuracy minus test accuracy: how much of what fits the training part is its own",
        "%",
    ),
    "zero_share": Metric(
        "share of zeros", "share of the hidden activations that are exactly 0, over all validation examples", "%"
    ),
    "mostly_zero_share": Metric(
        "share of examples with most units at zero",
        "share of the validation examples for which more than half of all hidden units are exactly 0",
        "%",
    ),
    "train_loss": Metric("training loss", unit="nats"),
    "train_progress": Metric(
        "training progress",
        "how far the mean training loss of the last epoch is from that of the best constant prediction towards none: 0 "
        "% is no better than a constant, 100 % is perfect",
        "%",
    ),
    "validation_loss": Metric("validation loss", unit="nats"),
    "validation_accuracy": Metric("validation accuracy", unit="%"),
    "validation_rmse": Metric("validation error (root mean square)"),
    "backward_factor": Metric(
        "share of the signal passed back by a layer",
        "geometric mean over the hidden layers, before training, of what share of the loss's gradient at a layer's "
        "pre-activations arrives at the layer before",
        "%",
    ),
    "backward_log10_across_4": Metric(
        "logarithm (base 10) of what is passed back by four layers", "before training; -1 is a tenth, -2 a hundredth"
    ),
    "forward_factor": Metric(
        "factor of the activations at a layer",
        "geometric mean over the hidden layers, before training, of the root mean square of a layer's activations over "
        "that of the layer before",
    ),
    "signal_arriving": Metric(
        "signal at the first layer over that at the last",
        "before training: the norm of the loss's gradient at the pre-activations of the first hidden layer over that "
        "of the last",
    ),
    "weight_gradient_arriving": Metric(
        "weights' gradient at the first layer over that at the last",
        "before training: the root mean square of the loss's gradient by a weight of the first hidden layer over that "
        "of the last",
    ),
    "library_variance": Metric(
        "variance of a weight times the inputs of its unit",
        "of 65,536 weights that torch draws, of as many outputs as inputs",
    ),
    "library_wide_over_square": Metric(
        "variance with four times the outputs over that with as many outputs as inputs", "of weights that torch draws"
    ),
    "library_difference": Metric(
        "difference of the variance of weights from torch's", "relative, of weights that both draw for a seed"
    ),
    "search_failed": Metric("search failed", "whether a line search found no lower loss: training ends there"),
    "function_evaluations": Metric(
        "function evaluations", "evaluations of the loss and its gradient until a search failed, else the horizon"
    ),
    "steps_to_target": Metric(
        "steps to the target accuracy",
        "training steps until the validation accuracy was first seen to be at the target; of who never arrives it is "
        "only known that they are more than were trained",
        arrived="reached_target",
    ),
    "gradient_ratio": Metric(
        "ratio of the two gradients, in networks",
        "at the validation examples whose true class is given less than 1 %, the mean norm of cross-entropy's gradient "
        "at the logits over that of squared error's",
    ),
    "dead_share": Metric(
        "share of dead units",
        "share of the hidden units whose activation has a slope of more than a thousandth on no training example, at "
        "the last look",
        "%",
    ),
    "silenced_share": Metric(
        "share of units that fell silent",
        "share of the hidden units whose input is above zero on no training example at the last look, and was on some "
        "at the first",
        "%",
    ),
    "woken_share": Metric(
        "share of silent units that woke",
        "of the hidden units whose input was above zero on no training example at some look, those that had such an "
        "example at a later one",
        "%",
    ),
    "moved_share": Metric(
        "share of silent units that were updated",
        "of the hidden units whose input was above zero on no training example at some look, those of which a weight "
        "or the bias is another at a later one",
        "%",
    ),
    "silent_gradient": Metric(
        "largest gradient at a silent unit",
        "the largest size of the gradient of the mean training loss by a weight or bias of a unit whose input is above "
        "zero on no training example",
        says_where=True,
    ),
    "loss_rises": Metric(
        "sum of the rises of the training loss (nats)",
        "by how much the training loss rose in all, from one evaluation to the next; 0 where it only fell",
    ),
    "validation_rise": Metric(
        "rise of the validation loss (nats)",
        "by how much it is above its least at the end of the training, where it is the median over the last tenth",
    ),
    "slope_change": Metric(
        "change of the learnt slope", "mean over the hidden layers of how far the slope of PReLU is from where it began"
    ),
    "cross_entropy_formula_error": Metric(
        "error of cross-entropy's formula",
        "the largest difference between the formula and automatic differentiation, in float64, at random logits",
        says_where=True,
        cases="num_cases",
    ),
    "mse_formula_error": Metric(
        "error of squared error's formula",
        "the same of squared error behind a softmax",
        says_where=True,
        cases="num_cases",
    ),
    "twin_difference": Metric(
        "largest difference between the two trainings",
        "training on permuted pixels and on the original ones side by side, in float64, the first layer's initial "
        "weights permuted alike: the largest difference of any weight after 100 steps",
        says_where=True,
    ),
    "untrained_test_accuracy": Metric(
        "test accuracy before training", "share of the test set that is classified right before training", "%"
    ),
    "repeat_difference": Metric(
        "difference between the training and the same once more",
        "the largest difference of any weight between the trained network and the same training once more, with nobody "
        "looking",
    ),
    "alone_difference": Metric(
        "difference from plain PyTorch, one network alone",
        "each seed trained alone in plain PyTorch, in float64: the largest difference of any weight after 100 steps",
    ),
    "round_trip_difference": Metric(
        "difference after permuting the pixels there and back",
        "training on images that are permuted and permuted back, and on the original ones: the largest difference of "
        "any weight, or output on the test set, after 100 steps",
    ),
    "scaled_twin_difference": Metric(
        "difference between the mean and the half-sum of squares",
        "training on the mean of the squares, and on half their sum at the rate that makes up for it, in float64: the "
        "largest difference of any weight after 100 steps",
    ),
    "product_difference": Metric(
        "difference of the logits from those of the product of the weights",
        "of a network without activations, in float64 on the test set: the largest difference between its logits and "
        "those of the product of its weights, over the largest logit",
    ),
    "product_disagreement": Metric(
        "difference of the accuracy from that of the product of the weights",
        "of a network without activations: the difference between the test accuracy and that of the product of its "
        "weights, in float64, on the images as they were loaded",
    ),
    "above_convex_bound": Metric(
        "training loss above what softmax regression cannot pass (nats)",
        "of a network without activations: its loss over the whole training part, minus a bound that no softmax "
        "regression with its weights can pass, by convexity",
    ),
    "convex_optimum": Metric("training loss of the best softmax regression found (nats)"),
    "above_capacity_bound": Metric(
        "least error above that of the best piecewise-linear curve",
        "the least root mean squared error at the test points of any evaluation, minus that of the best function that "
        "is linear between as many kinks as the network can have",
    ),
    "backward_factor_score": Metric(
        "standard deviations from the factor that theory gives",
        "how far the share passed back by a layer, before training, is from what mean-field theory gives, in standard "
        "deviations at this width",
    ),
    "probe_gain": Metric(
        "gain of a linear classifier from the inputs to the last hidden layer",
        "a softmax regression of each layer is fitted to the validation part and tested on the test part",
        "%",
    ),
    "last_probe_accuracy": Metric("accuracy of a linear classifier of the last hidden layer", unit="%"),
    "least_explained": Metric(
        "least that a layer adds to what is explained linearly",
        "the share of the variance of the labels (each a vector with a single 1) that affine functions of a layer "
        "explain, minus that of the layer before",
        version=1,
    ),
    "largest_explained": Metric("most that a layer adds to what is explained linearly", version=1),
    "shuffled_probe_accuracy": Metric("accuracy of a linear classifier fitted to labels dealt out at random", unit="%"),
    "probe_above_head": Metric(
        "loss of the last layer's linear classifier minus that of the network (nats)",
        "on the validation part, to which the linear classifier is fitted",
    ),
    "head_train_accuracy": Metric("accuracy of the last layer on the training part", unit="%"),
    "probe_accuracy": Metric("accuracy of a linear classifier of a layer", unit="%"),
    "unexplained": Metric(
        "share of the labels' variance that no affine function of a layer explains", unit="%", version=1
    ),
    "field_spread": Metric(
        "spread of the pixels that a unit depends on, over that of all pixels",
        "the median over the units of a layer of how far apart these pixels lie",
    ),
    "field_growth": Metric(
        "spread of the pixels that a unit depends on, last hidden layer over first",
        "the median over units of how far apart these pixels lie",
    ),
    "intrinsic_dimension": Metric(
        "dimension of the manifold of the inputs",
        "by maximum likelihood from the distances of each training example to its 20 nearest others",
    ),
}
AT_THE_END = (
    "test_accuracy", "test_loss", "test_rmse", "test_sup_error", "test_r_squared", "extrema_right", "train_accuracy",
    "generalisation_gap", "zero_share", "mostly_zero_share",
)  # fmt: skip
OF_EVALUATIONS = {  # the metrics of measures that are taken where the test part is evaluated
    "generalisation": ("train_accuracy", "generalisation_gap"),
    "sparsity": ("zero_share", "mostly_zero_share"),
}
FIVE = "the median of five evaluations, at 92, 94, 96, 98 and 100 % of the training"
METRICS |= {
    f"steady_{name}": replace(
        METRICS[name], label=f"steady {METRICS[name].label}", meaning=f"{METRICS[name].meaning}: {FIVE}"
    )
    for name in AT_THE_END
}


LAYERS: dict[str, Metric] = {  # of each layer, at each look
    "backward_norm": Metric("norm of the backward signal", by="layer"),
    "weight_gradient_norm": Metric("norm of the gradient of the weights", by="layer"),
    "activation_mean": Metric("mean activation", by="layer"),
    "activation_spread": Metric("standard deviation of the activations", by="layer"),
    "zero": Metric("share of activations that are zero", unit="%", by="layer"),
    "dead": Metric("share of units that are always zero", unit="%", by="layer"),
    "saturated": Metric("share of activations near a bound", unit="%", by="layer"),
}
OF_PROBES: dict[str, dict[str, Metric]] = {  # beside those
    "weight_change": {
        "weight_change": Metric(
            "change of the weights", "norm of what the weights have changed by, over the norm of the first", by="layer"
        )
    },
    "signals": {
        "signal_share": Metric("backward signal, as a multiple of the last hidden layer's", by="layer"),
        "weight_gradient_share": Metric("gradient of a weight, as a multiple of the last hidden layer's", by="layer"),
    },
    "drift": {
        "drift": Metric(
            "drift of what a layer puts out",
            "root mean square over its units of the distance between two normal distributions, of the mean and spread "
            "that a unit has now and at the first look, over the spread then",
            by="layer",
        ),
    },
    "symmetry": {
        "unit_difference": Metric(
            "difference between units",
            "the largest between two units of a layer, of any weight they come with",
            by="layer",
        ),
    },
    "unit_deaths": {
        "silent": Metric("share of units that no training example gives a positive input", unit="%", by="layer"),
        "dead_in_training": Metric("share of units that no training example gives a slope", unit="%", by="layer"),
        "woken": Metric("share of units once silent that have woken since", unit="%", by="layer"),
    },
}
PROFILES = {  # of measures
    "curve_fit": ("fit",),
    "logit_gradients": ("cross_entropy_gradient", "mse_gradient"),
    "linear_probes": ("probe_accuracy", "unexplained"),
    "receptive_fields": ("field_spread",),
}


def layers_of(config: TrainConfig) -> dict[str, Metric]:
    """The metrics that each layer has, by their names."""
    found = dict(LAYERS) if config.looks else {}
    for probe in config.probes:
        found |= OF_PROBES[probe]
    return found


@cache
def metric_of(name: str) -> Metric:
    """What is known of a metric."""
    return replace(METRICS.get(name, Metric()), is_trained=name not in DEPENDS_ON)


def seen_in(config: TrainConfig, metric: str) -> Hashable:
    """What a metric can depend on; where the rate falls over the horizon, on how long that is too."""
    if metric not in DEPENDS_ON:
        return config
    names = DEPENDS_ON[metric]
    falls = "schedule" in names and config.schedule != "constant"
    return tuple((name, getattr(config, name)) for name in (*names, *(HOW_LONG if falls else ())))


OF_MEASURES: dict[str, tuple[str, ...]] = {  # the metrics of measures that always give the same
    "logit_gradients": (
        "confidently_wrong_share", "gradient_ratio", "cross_entropy_formula_error", "mse_formula_error", "num_cases"
    ),
    "generalisation": (),
    "sparsity": (),
    "loss_rises": ("loss_rises",),
    "validation_rise": ("validation_rise",),
    "learnt_slope": ("slope_change",),
    "permuted_twin": ("twin_difference",),
    "repeated": ("repeat_difference",),
    "alone": ("alone_difference",),
    "round_trip": ("round_trip_difference",),
    "scaled_twin": ("scaled_twin_difference",),
    "linear_product": ("product_difference", "product_disagreement"),
    "convex_bound": ("above_convex_bound", "convex_optimum"),
    "capacity_bound": ("above_capacity_bound",),
    "mean_field": ("backward_factor_score",),
    "intrinsic_dimension": ("intrinsic_dimension",),
    "linear_probes": (
        "probe_gain", "last_probe_accuracy", "least_explained", "largest_explained", "shuffled_probe_accuracy",
        "probe_above_head", "head_train_accuracy",
    ),
    "receptive_fields": ("field_growth",),
    "library_start": ("library_variance", "library_wide_over_square", "library_difference"),
}  # fmt: skip


def metrics_of(config: TrainConfig) -> set[str]:
    """The names of the metrics that training a configuration gives, but for those of single layers."""
    of_fit = {
        "test_r_squared": "curve_fit" in config.measures,
        "extrema_right": "curve_fit" in config.measures and config.dataset == "sine",
    }
    ends = {"test_rmse", "test_sup_error"} if config.is_regression else {"test_accuracy", "test_loss"}
    ends.update(*(OF_EVALUATIONS.get(measure, ()) for measure in config.measures))
    ends |= {name for name, is_measured in of_fit.items() if is_measured}
    of_classes = {"untrained_test_accuracy", "validation_loss", "validation_accuracy"}
    found = {*ends, *(f"steady_{name}" for name in ends)}
    found |= {"train_loss", "train_progress"} if config.length else set()
    found |= {"validation_rmse"} if config.is_regression else of_classes
    more = {
        "steps_to_target": config.target_accuracy,
        "reached_target": config.target_accuracy,
        "function_evaluations": config.optimizer == "lbfgs",
        "search_failed": config.optimizer == "lbfgs",
        "backward_factor": 0 in config.looks and num_hidden(config) >= 2,
        "backward_log10_across_4": 0 in config.looks and num_hidden(config) >= 5,
    }
    if "signals" in config.probes and 0 in config.looks and num_hidden(config) >= 2:
        found |= {"forward_factor", "signal_arriving", "weight_gradient_arriving"}
    if "unit_deaths" in config.probes:
        found |= {"dead_share", "silenced_share", "woken_share", "moved_share", "silent_gradient"}
    found.update(*(OF_MEASURES.get(measure, ()) for measure in config.measures))
    return found | {name for name, is_measured in more.items() if is_measured}
