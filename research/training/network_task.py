"""A task of a study's own that is about a network: it sees the data that this would be trained on."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from research.design.task import Source, Task
from research.training.config import TrainConfig


class NetworkTask(Task):
    """What such tasks share. Data and numerics are those of their `network`, and so part of what a result is of."""

    imports: ClassVar[tuple[str, ...]] = ("research.training.train",)

    @property
    @abstractmethod
    def network(self) -> TrainConfig:
        """The network; of what is none, one that would see the same."""

    @property
    def source(self) -> Source | None:
        return self.network.source

    @property
    def clock(self) -> str:
        return self.network.clock

    def identity(self, numerics: int) -> dict[str, object]:
        return {**super().identity(numerics), **self.network.identity(numerics)}

    def prepare(self) -> None:
        self.network.prepare()
