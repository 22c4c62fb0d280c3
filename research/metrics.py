"""Which metrics a configuration gives, known before anything is trained."""

from __future__ import annotations

from research.config import TrainConfig

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
    found = {"train_loss", "train_progress", *ends, *(f"steady_{name}" for name in ends)}
    found |= {"validation_rmse"} if config.is_regression else of_classes
    more = {
        "steps_to_target": config.target_accuracy,
        "reached_target": config.target_accuracy,
        "function_evaluations": config.optimizer == "lbfgs",
        "search_failed": config.optimizer == "lbfgs",
        "backward_factor": 0 in config.probe_epochs and config.depth >= 2,
        "backward_log10_across_4": 0 in config.probe_epochs and config.depth >= 5,
    }
    found.update(*(OF_MEASURES.get(measure, ()) for measure in config.measures))
    return found | {name for name, is_measured in more.items() if is_measured}
