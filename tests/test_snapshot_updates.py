"""What holds for the tasks of snapshot_updates."""

import math

from research.design.study_files import load_study
from research.design.task import StackResult, check_result
from studies.snapshot_updates import FirstStep


def test_a_gradient_that_is_too_large_for_a_float_is_not_known_and_stops_nothing():
    task = FirstStep(depth=24, lr=1000.0)
    (found,) = task.run([0], lambda share: None)
    assert math.isnan(found.metrics["interference"])
    check_result(task, [0], StackResult((found,), "cpu", 0.0, 1.0))
    (claim,) = (claim for claim in load_study("snapshot_updates").claims if claim.name == "as-you-go-differs")
    low, high = claim.number.missing
    assert low > claim.above
    assert high == math.inf
