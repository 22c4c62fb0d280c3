"""What holds for worker processes of this machine: one that dies, idle or amid its result, is replaced."""

import os
import signal

from conftest import wait_until

from benchmarks import fault_points
from benchmarks.fault_runs import Start
from research.design.plan import make_plan
from research.design.study import Factor, Study, Tier
from research.running.processes import Processes, ProcessSlot, warm_up
from research.training.config import TrainConfig


def test_a_worker_that_dies_while_it_is_idle_is_replaced():
    study = Study(
        "short", "?", "nowhere", lambda width: TrainConfig("digits", width=width, epochs=1),
        Factor("width", (1, 2)), (), {"full": Tier(seeds=1)}, ("test_accuracy",),
    )  # fmt: skip
    slot = ProcessSlot(Processes(1), warm_up())
    for stack in make_plan(study).stacks:
        slot.start((stack,))
        slot.future.result(timeout=60)
        assert slot.take()[0] == (stack,)
        (worker,) = slot.worker.pool._processes
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: slot.worker.pool._broken)
    slot.worker.close()


def test_a_worker_that_is_killed_amid_the_sending_of_its_result_is_not_waited_for(finished, fresh):
    words = [str(fresh.file), "--workers", "1", *fresh.places]
    start = Start(words, {fault_points.RESULT: 1}, fresh.folder / "start")
    try:
        ((_, worker),) = wait_until(lambda: list(start.reached()), process=start.process)
        os.kill(worker, signal.SIGKILL)
        assert start.process.wait(timeout=120) == 0
    finally:
        start.kill()
    assert fresh.tables() == finished.tables()
    assert set(fresh.statuses()) == {"FINISHED"}
