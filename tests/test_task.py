"""What holds for tasks: what they must give, and what is not theirs to decide."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from research.design.errors import UserError
from research.design.identity import NUMERICS, identity
from research.design.task import Metric, Replicate, Source, StackResult, Task, check_result, prepare_all
from research.training.config import TrainConfig
from research.training.train import train_stack

PREPARED = []


@dataclass(frozen=True)
class Toy(Task):
    size: float = 1.0
    gain: int = 0

    def gives(self):
        return {"score": Metric(promised=True), "late": Metric(), "shape": Metric(by="place")}

    def run(self, seeds, report):
        return [Replicate(seed, {"score": self.size * seed, "late": math.nan}) for seed in seeds]

    def prepare(self):
        PREPARED.append(self)


def result_of(*replicates):
    return StackResult(replicates, "cpu", 0.0, 1.0)


def replicate(seed=0, **metrics):
    return Replicate(seed, {"score": 1.0, "late": math.nan, **metrics})


@dataclass(frozen=True)
class Needy(Toy):
    imports = ("no_such_package.part",)
    extra = "catalogue"


def test_a_package_that_is_missing_is_said_with_the_extra_that_brings_it_before_anything_is_prepared():
    PREPARED.clear()
    with pytest.raises(UserError, match=r"Needy needs no_such_package: pip install .* -e '\.\[catalogue\]' in the"):
        prepare_all([Toy(), Needy()])
    assert PREPARED == []


def test_a_task_runs_with_defaults_for_all_but_what_it_gives_and_how():
    (result,) = Toy.run_together([Toy(2.0)], (3, 4), lambda share: None)
    check_result(Toy(2.0), (3, 4), result)
    assert [one.metrics["score"] for one in result.replicates] == [6.0, 8.0]
    assert result.device == "cpu"
    assert result.started <= result.ended
    assert (Toy().clock, Toy().runs_alone, Toy().tolerance, Toy().seeds_together(25)) == ("step", False, 0.0, 10)


@pytest.mark.parametrize(
    ("replicates", "message"),
    [
        ([replicate(1)], r"gives results for the seeds \[1\], was asked for \[0\]"),
        ([], r"gives results for the seeds \[\]"),
        ([replicate(), replicate(1)], r"seeds \[0, 1\]"),
        ([7], r"seeds \[7\]"),
        ([replicate(extra=1.0)], "run\\(\\) gives a metric 'extra', gives\\(\\) names late, score, shape"),
        ([Replicate(0, {"score": 1.0})], "run\\(\\) does not give the metric 'late'"),
        ([replicate(score=math.nan)], "score is nan, though it is promised"),
        ([replicate(score=np.zeros(2))], "score is array.* no number"),
        ([replicate(score="high")], "score is 'high', which is no number"),
        ([replicate(score=True)], "score is True, which is no number"),
        ([replace(replicate(), profiles={"shape": ((0, "low"),)})], "shape has a value that is no number"),
        ([replace(replicate(), profiles={"form": ((0, 1.0),)})], r"run\(\) gives a metric by place 'form', gives"),
        ([replace(replicate(), curves={"score/layer_1": ((0, 1.0),)})], r"gives a metric by layer 'score', gives"),
    ],
)
def test_what_a_task_gives_wrongly_is_told_in_a_line(replicates, message):
    with pytest.raises(UserError, match=message) as caught:
        check_result(Toy(), (0,), result_of(*replicates))
    assert "\n" not in str(caught.value)


def test_a_number_that_is_not_promised_may_be_missing_and_one_of_numpy_is_a_number():
    check_result(Toy(), (0,), result_of(replicate(score=np.float64(0.5))))


def test_the_harness_holds_its_own_training_to_the_same():
    config = TrainConfig(dataset="digits", epochs=1, width=4, measures=("logit_gradients",), probe_epochs=(0, 1))
    check_result(config, (0, 1), train_stack(config, (0, 1)))


def test_what_several_tasks_need_is_fetched_once():
    PREPARED.clear()
    prepare_all([Toy(1.0), Toy(2.0), Toy(1.0)])
    assert [Toy(1.0), Toy(2.0)] == PREPARED


def test_a_field_at_its_default_is_no_part_of_what_a_task_is_and_a_float_is_one():
    assert Toy().changed() == {}
    assert repr(Toy(size=-0).changed()) == "{'size': 0.0}"
    assert identity(Toy(gain=0), 1, 1) == identity(Toy(), 1, 1) != identity(Toy(gain=1), 1, 1)


def test_the_code_of_a_task_is_part_of_what_it_is_and_may_stand_for_earlier_code():
    now = Toy().identity(NUMERICS)["code"]
    assert now in identity(Toy(), 1, 1)
    then = "0" * 64
    assert then in identity(Toy(), 1, 1, same_as={now: then})
    assert now in identity(Toy(), 1, 1, same_as={"1" * 64: then})


def test_a_metric_that_is_measured_in_another_way_makes_stale_what_has_it_and_nothing_else():
    class Newer(Toy):
        def gives(self):
            return {**super().gives(), "score": Metric(version=1)} if self.gain else super().gives()

    def without_code(task):
        return identity(task, 1, 1, same_as={task.identity(NUMERICS)["code"]: ""}).replace("Newer", "Toy")

    assert without_code(Newer()) == without_code(Toy())
    assert without_code(Newer(gain=1)) != without_code(Toy(gain=1))


def test_the_data_of_a_training_are_named_with_their_digest():
    source = TrainConfig(dataset="digits").source
    assert isinstance(source, Source)
    assert source.digest in identity(TrainConfig(dataset="digits"), 1, 1)
