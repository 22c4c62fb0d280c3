"""What is read at the end of a training, so that no number rests on its last step: medians of five evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from research.training.measures import fit_numbers, generalisation_numbers, sparsity_numbers
from research.training.module import StackModule

STEADY_AT = (92, 94, 96, 98, 100)  # percent of the horizon's steps
PREFIX = "steady_"


class EndEvaluations:
    """Evaluates the test part at five steps near the end of each of the horizons, given as numbers of steps.

    The module calls it after each step (`StackModule.listeners`). Nothing is drawn at random and no weight is touched,
    so the training stays as it is to the bit. What several horizons share is evaluated once.
    """

    def __init__(self, module: StackModule, horizons: Iterable[int]) -> None:
        self.module = module
        self.wanted = {step for horizon in horizons for step in (*self.intervals(horizon), *steady_steps(horizon))}
        self.seen: dict[int, Mapping[str, Tensor]] = {}
        module.listeners.append(self)

    def __call__(self, step: int) -> None:
        """Evaluate after so many steps, if they are among the wanted."""
        if step in self.wanted:
            self.seen[step] = final_numbers(self.module)

    def last(self, horizon: int) -> Mapping[str, Tensor]:
        """The numbers [R] after the last step of a horizon, or where it was stopped early."""
        return self.stopped(horizon) if self.module.config.early_stopping else self.seen[horizon]

    def intervals(self, horizon: int) -> range:
        """How many steps are taken at each evaluation at which a horizon can be stopped early; none where it is not."""
        every = self.module.num_steps
        return range(0, horizon + 1, every) if self.module.config.early_stopping else range(0)

    def stopped(self, horizon: int) -> dict[str, Tensor]:
        """The numbers [R] of the first evaluation at which the validation loss was least of all up to a horizon.

        NaN for who is lost by the horizon, as without early stopping.
        """
        validation = torch.stack(self.module.curves["validation_loss"][: len(self.intervals(horizon))])
        best = validation.nan_to_num(torch.inf).argmin(0)
        found = {}
        for name, last in self.seen[horizon].items():
            course = torch.stack([self.seen[step][name] for step in self.intervals(horizon)])
            found[name] = course.gather(0, best[None])[0].where(last.isfinite(), torch.nan)
        return found

    def steady(self, horizon: int) -> dict[str, Tensor]:
        """The median [R] of each number over the five evaluations of a horizon, under its name with `steady_` before.

        With early stopping they are those of the evaluation that it is about.

        NaN where one of them is: who is lost on the way to the end has no number there.
        """
        if self.module.config.early_stopping:
            return {PREFIX + name: values for name, values in self.stopped(horizon).items()}
        five = [self.seen[step] for step in steady_steps(horizon)]
        return {PREFIX + name: torch.stack([numbers[name] for numbers in five]).median(0).values for name in five[0]}


def steady_steps(horizon: int) -> list[int]:
    """How many steps are taken at each of the five evaluations; in a short training some are the same."""
    return [-(-horizon * percent // 100) for percent in STEADY_AT]


def final_numbers(module: StackModule) -> dict[str, Tensor]:
    """What the test part says now, [R] each in float64; NaN where an output is not finite.

    Of classes `test_accuracy` and `test_loss`, with what the measures `generalisation` and `sparsity` say where they
    are taken; of a regression `test_rmse` and `test_sup_error`, with what the measure `curve_fit` says.
    """
    if not module.config.is_regression:
        loss, accuracy = module.evaluate(module.test_indices, test=True)
        found = {"test_accuracy": accuracy, "test_loss": loss}
        if "generalisation" in module.config.measures:
            found |= generalisation_numbers(module, accuracy)
        return found | (sparsity_numbers(module) if "sparsity" in module.config.measures else {})
    errors = module.errors()
    found = {"test_rmse": errors.square().mean(1).sqrt(), "test_sup_error": errors.abs().amax(1)}
    if "curve_fit" in module.config.measures:
        found |= fit_numbers(module)
    return {name: values.where(values.isfinite(), torch.nan) for name, values in found.items()}
