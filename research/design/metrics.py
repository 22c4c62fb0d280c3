"""What is known of metrics before anything is trained: which a configuration gives, what each can depend on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields

from research.training.config import TrainConfig

HOW_LONG = ("epochs", "steps", "evaluate_every", "target_accuracy", "probe_epochs", "measures")
AT_THE_START = (
    "dataset", "pixels", "input_scale", "num_train", "network", "head", "depth", "width", "activation", "init",
    "init_std", "output_bias", "output", "loss", "labels",
)  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """What a metric can depend on: fields of TrainConfig beside the seed, or all that is trained (None).

    One that does not depend on the training stays what it was where that diverges. `arrived` names the metric that is
    1 where a replicate arrived at what is counted here, and 0 where it never did: then the number is where counting
    ended. `cases` names the metric that says over how many cases this one is the largest.
    """

    depends_on: tuple[str, ...] | None = None
    arrived: str = ""
    cases: str = ""

    @property
    def is_trained(self) -> bool:
        """Whether it is a number of the trained network, which is lost where the training diverges."""
        return self.depends_on is None

    def seen_in(self, config: TrainConfig) -> Hashable:
        """What it can depend on in a configuration; where the rate falls over the horizon, on how long that is too."""
        if self.depends_on is None:
            return config
        falls = "schedule" in self.depends_on and config.schedule != "constant"
        return tuple(getattr(config, name) for name in (*self.depends_on, *(HOW_LONG if falls else ())))


BEFORE_TRAINING = Metric(AT_THE_START)
OF_A_HUNDRED_STEPS = Metric(tuple(f.name for f in fields(TrainConfig) if f.name not in HOW_LONG))
OF_NO_NETWORK = Metric(())
OF_RANDOM_LOGITS = Metric((), cases="num_cases")  # drawn for the seed
METRICS: Mapping[str, Metric] = {
    "backward_factor": BEFORE_TRAINING,
    "backward_log10_across_4": BEFORE_TRAINING,
    "backward_factor_score": BEFORE_TRAINING,
    "untrained_test_accuracy": BEFORE_TRAINING,
    "cross_entropy_formula_error": OF_RANDOM_LOGITS,
    "mse_formula_error": OF_RANDOM_LOGITS,
    "num_cases": OF_NO_NETWORK,
    # Trainings of their own, of a hundred steps whatever the horizon.
    "twin_difference": OF_A_HUNDRED_STEPS,
    "alone_difference": OF_A_HUNDRED_STEPS,
    "round_trip_difference": OF_A_HUNDRED_STEPS,
    "scaled_twin_difference": OF_A_HUNDRED_STEPS,
    "steps_to_target": Metric(arrived="reached_target"),
}


def metric_of(name: str) -> Metric:
    """What is known of a metric; of one that is not listed, that it can depend on all of the training."""
    return METRICS.get(name, Metric())


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
