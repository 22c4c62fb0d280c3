"""torch's L-BFGS, told in evaluations of the loss: where it stands after so many, and when a search has failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

HISTORY = 10
MOST_A_SEARCH = 25  # evaluations of one line search: torch's own limit, before it took what was left of the budget


@dataclass(frozen=True)
class Point:
    """Weights, flat, with their loss [R] and its gradient, and how many evaluations it took to get there."""

    weights: Tensor
    losses: Tensor
    gradient: Tensor
    evaluations: int


class CountedLBFGS(torch.optim.LBFGS):
    """L-BFGS on the full batch with strong Wolfe line searches, an iterate at a time, one network alone.

    `reach` moves the parameters to the last iterate that so many evaluations of the loss and its gradient lead to, so
    points inside a line search are never looked at. Iterates are those of one call of torch's `step` with as many
    iterations and no tolerance; that it is called anew for each costs no evaluation, since what a search has seen is
    remembered.

    A search that finds no lower loss has failed: `failed_at` is how many evaluations there were by then, and the
    parameters stay where they were.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(
            parameters,
            lr=lr,
            max_iter=1,
            max_eval=MOST_A_SEARCH + 1,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=HISTORY,
            line_search_fn="strong_wolfe",
        )
        self.evaluations = 0
        self.failed_at: int | None = None
        self.here: Point | None = None
        self.next: Point | None = None
        self.seen: list[Point] = []

    def reach(self, count: int, losses: Callable[[], Tensor]) -> Tensor:
        """Move to the last iterate of the first `count` evaluations, and give its losses [R].

        `losses` evaluates them at the parameters as they are and leaves their gradients there. Counts must not fall.
        """
        if self.here is None:
            self.here = self._look(losses)
        while True:
            if self.next is None and self.failed_at is None:
                self.next = self._search(self.here, losses)
            if self.next is None or self.next.evaluations > count:
                return self.here.losses
            self.here, self.next = self.next, None
            self._move(self.here.weights)

    def _search(self, start: Point, losses: Callable[[], Tensor]) -> Point | None:
        """The next iterate, None where there is none; the parameters are left at the start."""
        self.seen = [start]
        self.step(lambda: self._look(losses).losses.sum())  # type: ignore[no-untyped-call]
        found = self._look(losses)
        self._move(start.weights)
        if not found.losses.sum() < start.losses.sum():  # not a number either
            self.failed_at = self.evaluations
            return None
        return Point(found.weights, found.losses, found.gradient, self.evaluations)

    def _look(self, losses: Callable[[], Tensor]) -> Point:
        """The point where the parameters are, evaluated unless this search has been there."""
        weights = torch.nn.utils.parameters_to_vector(self._params).detach()
        known = next((point for point in self.seen if torch.equal(point.weights, weights)), None)
        if known is None:
            self.evaluations += 1
            found = losses().detach().clone()
            known = Point(weights, found, self._gradient(), self.evaluations)
            self.seen.append(known)
        else:
            parts = torch.split(known.gradient, [parameter.numel() for parameter in self._params])
            for parameter, part in zip(self._params, parts, strict=True):
                assert parameter.grad is not None
                parameter.grad.copy_(part.view_as(parameter))
        return known

    def _gradient(self) -> Tensor:
        gradients = [parameter.grad for parameter in self._params]
        return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])

    @torch.no_grad()
    def _move(self, weights: Tensor) -> None:
        parts = torch.split(weights, [parameter.numel() for parameter in self._params])
        for parameter, part in zip(self._params, parts, strict=True):
            parameter.copy_(part.view_as(parameter))
