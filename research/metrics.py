"""What is known of a metric before anything is measured: what it can depend on, and what says that it never arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from research.config import TrainConfig

HOW_LONG = ("epochs", "steps", "evaluate_every", "target_accuracy", "probe_epochs", "measures")
AT_THE_START = (
    "dataset", "pixels", "input_scale", "num_train", "network", "head", "depth", "width", "activation", "init",
    "init_std", "output_bias", "output", "loss",
)  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """What a metric can depend on: fields of TrainConfig beside the seed, or all that is trained (None).

    One that does not depend on the training stays what it was where that diverges. `arrived` names the metric that is
    1 where a replicate arrived at what is counted here, and 0 where it never did: then the number is where counting
    ended.
    """

    depends_on: tuple[str, ...] | None = None
    arrived: str = ""

    @property
    def is_trained(self) -> bool:
        """Whether it is a number of the trained network, which is lost where the training diverges."""
        return self.depends_on is None


BEFORE_TRAINING = Metric(AT_THE_START)
OF_NO_NETWORK = Metric(())
METRICS: Mapping[str, Metric] = {
    "backward_factor": BEFORE_TRAINING,
    "backward_log10_across_4": BEFORE_TRAINING,
    "untrained_test_accuracy": BEFORE_TRAINING,
    "cross_entropy_formula_error": OF_NO_NETWORK,  # of random logits, drawn for the seed
    "mse_formula_error": OF_NO_NETWORK,
    "num_cases": OF_NO_NETWORK,
    # A training of its own, of a hundred steps whatever the horizon.
    "twin_difference": Metric(tuple(f.name for f in fields(TrainConfig) if f.name not in HOW_LONG)),
    "steps_to_target": Metric(arrived="reached_target"),
}


def metric_of(name: str) -> Metric:
    """What is known of a metric; of one that is not listed, that it can depend on all of the training."""
    return METRICS.get(name, Metric())
