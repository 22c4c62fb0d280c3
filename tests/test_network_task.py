"""A task about a network sees what the network would: its data, numerics and clock are part of what a result is of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.task import Metric, Replicate, Report
from research.training.config import TrainConfig
from research.training.network_task import NetworkTask


@dataclass(frozen=True)
class Counted(NetworkTask):
    """How many weights a network has."""

    width: int = 8
    dataset: str = "digits"
    steps: int = 0

    @property
    def network(self) -> TrainConfig:
        return TrainConfig(dataset=self.dataset, width=self.width, steps=self.steps, evaluate_every=self.steps)

    def gives(self) -> Mapping[str, Metric]:
        return {"weights": Metric()}

    def run(self, seeds: Sequence[int], report: Report) -> Iterable[Replicate]:
        return [Replicate(seed, {"weights": float(self.width)}) for seed in seeds]


def test_data_and_numerics_are_the_networks():
    task = Counted()
    assert task.source == task.network.source
    assert task.identity(NUMERICS)["data"] == task.network.info.digest
    assert task.identity(NUMERICS) == task.network.identity(NUMERICS) | super(NetworkTask, task).identity(NUMERICS)
    assert task.identity(NUMERICS) != task.identity(NUMERICS + 1)
    assert replace(task, dataset="wine").identity(NUMERICS)["data"] != task.identity(NUMERICS)["data"]
    assert (task.clock, replace(task, steps=5).clock) == ("epoch", "step")


def test_the_data_are_there_before_any_work():
    Counted().prepare()
    with pytest.raises(UserError):
        Counted(dataset="nonesuch").prepare()
