"""The study file of the storm over a cluster: the study of fault_study, with walks that need no torch as its task.

A run is begun some eighty times on three workers, each process of which would take seconds to import it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from benchmarks import fault_study
from research.design.streams import stream
from research.design.study import Metric, Replicate, Study, Task
from research.design.task import Report

SHARE, LOSS = (Metric(unit=unit, promised=True) for unit in ("", "nats"))
STEP_SECONDS = 0.05  # so that a stack of three seeds takes two seconds, in which it can be lost


@dataclass(frozen=True)
class Walk(Task):
    """Steps down a parabola from where a seed draws, amid noise; the nearer its end is, the more accurate."""

    activation: str
    horizon: int
    lr: float = 0.1

    validated = ("validation_loss",)

    def gives(self) -> Mapping[str, Metric]:
        return {"test_accuracy": SHARE, "train_progress": SHARE, "validation_loss": LOSS, "train_loss": LOSS}

    def in_one_pass(self) -> Self:
        return replace(self, horizon=0)

    @property
    def length(self) -> int:
        return self.horizon

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for done, seed in enumerate(seeds, 1):
            noise = stream(seed, self.activation)
            start = place = 2 + stream(seed, "start").random()
            losses = [place**2]
            for _ in range(self.horizon):
                place -= self.lr * (place + noise.normal())
                losses.append(place**2)
                time.sleep(STEP_SECONDS)
            report(done / len(seeds))
            reached = {"test_accuracy": 1 / (1 + place**2), "train_progress": 1 - (place / start) ** 2}
            last = {"validation_loss": place**2, "train_loss": place**2}
            yield Replicate(seed, {**reached, **last}, {"train_loss": tuple(enumerate(losses))})


def configure(activation: str, rate: str, horizon: int) -> Walk:
    """The rate is tuned or left as it is."""
    return Walk(activation, horizon)


STUDY: Study = replace(fault_study.STUDY, configure=configure)
