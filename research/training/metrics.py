"""What is known of the metrics of trained networks: which a configuration gives, and what each can depend on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields

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
    "untrained_test_accuracy": AT_THE_START,
    # Of random logits that are drawn for the seed: of no network.
    "cross_entropy_formula_error": (),
    "mse_formula_error": (),
    "num_cases": (),
    # Trainings of their own, of a hundred steps whatever the horizon.
    "twin_difference": OF_A_HUNDRED_STEPS,
    "alone_difference": OF_A_HUNDRED_STEPS,
    "round_trip_difference": OF_A_HUNDRED_STEPS,
    "scaled_twin_difference": OF_A_HUNDRED_STEPS,
}
METRICS: Mapping[str, Metric] = {  # of which more is known than whether it is of the trained network
    "cross_entropy_formula_error": Metric(is_trained=False, cases="num_cases"),
    "mse_formula_error": Metric(is_trained=False, cases="num_cases"),
    "steps_to_target": Metric(arrived="reached_target"),
}


LAYERS = (
    "backward_norm", "weight_gradient_norm", "activation_mean", "activation_spread", "zero", "dead", "saturated"
)  # fmt: skip
OF_PROBES = {"weight_change": ("weight_change",), "unit_deaths": ("ever_dead", "revived")}  # beside those
PROFILES = {"curve_fit": ("fit",), "logit_gradients": ("cross_entropy_gradient", "mse_gradient")}  # of measures


def layers_of(config: TrainConfig) -> list[str]:
    """The names of the metrics that each layer has."""
    return [*LAYERS, *(name for probe in config.probes for name in OF_PROBES[probe])] if config.looks else []


def metric_of(name: str) -> Metric:
    """What is known of a metric."""
    return METRICS.get(name, Metric(is_trained=name not in DEPENDS_ON))


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
    "permuted_twin": ("twin_difference",),
    "repeated": ("repeat_difference",),
    "alone": ("alone_difference",),
    "round_trip": ("round_trip_difference",),
    "scaled_twin": ("scaled_twin_difference",),
    "linear_product": ("product_difference", "product_disagreement"),
    "convex_bound": ("above_convex_bound", "convex_optimum"),
    "capacity_bound": ("above_capacity_bound",),
    "mean_field": ("backward_factor_score",),
}  # fmt: skip


def metrics_of(config: TrainConfig) -> set[str]:
    """The names of the metrics that training a configuration gives, but for those of single layers."""
    of_fit = {
        "test_r_squared": "curve_fit" in config.measures,
        "extrema_right": "curve_fit" in config.measures and config.dataset == "sine",
    }
    ends = {"test_rmse", "test_sup_error"} if config.is_regression else {"test_accuracy", "test_loss"}
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
    found.update(*(OF_MEASURES.get(measure, ()) for measure in config.measures))
    return found | {name for name, is_measured in more.items() if is_measured}
