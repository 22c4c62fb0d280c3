"""What a container or a job scheduler leaves to a study: real control groups, and files as both versions have them."""

import math
import os
import subprocess
import time
from pathlib import Path

import pytest
from conftest import COMMAND, ROOT, error_line, wait_until

from research.running.limits import MEGABYTE, STARTED, WORKER, cores, free_memory, memory_kills, usual_workers

MORE = "free some, raise the limit or choose fewer --workers"
HUNGRY = """
from dataclasses import dataclass
from research.design.study import Factor, Metric, Replicate, Study, Task, Tier

@dataclass(frozen=True)
class Hungry(Task):
    megabytes: int

    def gives(self):
        return {"size": Metric()}

    def run(self, seeds, report):
        for seed in seeds:
            yield Replicate(seed, {"size": float(len(b"x" * (self.megabytes << 20)))}, {}, {})

STUDY = Study(
    name="hungry", question="Does it fit?", passage="nowhere", configure=Hungry, arms=Factor("megabytes", (1, 4000)),
    blocks=(), headline=("size",), tiers={"full": Tier(seeds=2)},
)
"""


def written(system, files):
    for name, text in files.items():
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text(text)
    return system


MEMINFO = {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:   8000000 kB\nSwapFree:  1000 kB\n"}
NEW = "sys/fs/cgroup/job/step"
OLD = "sys/fs/cgroup"
SYSTEMS = {
    "no groups": ({}, math.inf, 8001000 * 1024, 0),
    "version 2": (
        {
            "proc/self/cgroup": "0::/job/step\n", f"{NEW}/cpu.max": "max 100000\n",
            f"{NEW}/../cpu.max": "50000 100000\n",
            f"{NEW}/memory.max": "max\n", f"{NEW}/memory.current": "7\n",
            f"{NEW}/../memory.max": "400000000\n", f"{NEW}/../memory.current": "300000000\n",
            f"{NEW}/../memory.stat": "anon 1\ninactive_file 20000000\nactive_file 10000000\n",
            f"{NEW}/memory.events": "low 0\noom 5\noom_kill 2\n",
        },
        1, 130000000 + 1000 * 1024, 2,
    ),
    "version 1 in a container": (
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n",
            f"{OLD}/cpu,cpuacct/cpu.cfs_quota_us": "150000\n", f"{OLD}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            f"{OLD}/memory/memory.limit_in_bytes": "400000000\n", f"{OLD}/memory/memory.usage_in_bytes": "100\n",
            f"{OLD}/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            "proc/vmstat": "nr_free_pages 9\noom_kill 4\n",
        },
        2, 399999900 + 1000 * 1024, 7,
    ),
    "version 1 without limits": (
        {
            "proc/self/cgroup": "4:memory:/\n1:cpu:/\n", f"{OLD}/cpu/cpu.cfs_quota_us": "-1\n",
            f"{OLD}/cpu/cpu.cfs_period_us": "100000\n", f"{OLD}/memory/memory.limit_in_bytes": "9223372036854771712\n",
            f"{OLD}/memory/memory.usage_in_bytes": "100\n",
        },
        math.inf, 8001000 * 1024, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "most", "free", "kills"), SYSTEMS.values(), ids=SYSTEMS)
def test_quotas_limits_and_kills_are_read_of_either_version(tmp_path, files, most, free, kills):
    (tmp_path / NEW).mkdir(parents=True)
    system = written(tmp_path, MEMINFO | files)
    assert cores(system) == min(most, cores(tmp_path / "nothing"))
    assert (free_memory(system), memory_kills(system)) == (free, kills)


def test_where_nobody_says_there_are_no_more_workers_than_the_memory_holds(tmp_path):
    for megabytes, number in ((100, 1), ((STARTED + 2 * WORKER) // MEGABYTE - 1, 1), (10**6, cores())):
        written(tmp_path, {"proc/meminfo": f"MemAvailable: {megabytes * 1024} kB\n"})
        assert usual_workers(tmp_path) == number


def test_where_the_system_tells_nothing_there_is_no_limit(tmp_path):
    assert (free_memory(tmp_path), memory_kills(tmp_path)) == (math.inf, 0)


@pytest.fixture
def limited():
    """A function that runs a command in a control group of its own; the test is skipped where none can be made."""
    made = []

    def run(controller, limits, *arguments):
        groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        own = {each: (names, path) for _, names, path in groups for each in names.split(",")}
        names, path = own.get(controller, own.get("", ("", "/")))
        place = Path("/sys/fs/cgroup", names, path.strip("/"), f"test-{os.getpid()}-{time.monotonic_ns()}")
        try:
            place.mkdir()
            made.append(place)
            for name, value in limits.items():
                (place / name).write_text(value)
        except OSError as error:
            pytest.skip(f"no control group can be made here: {error}")
        enter = f'echo $$ > {place}/cgroup.procs && exec "$@"'
        return subprocess.run(
            ["sh", "-c", enter, "sh", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=300
        )

    yield run
    for place in made:
        wait_until(lambda place=place: not (place / "cgroup.procs").read_text())
        place.rmdir()


def test_workers_follow_a_quota_of_half_a_core(limited, fresh):
    done = limited("cpu", {"cpu.cfs_quota_us": "50000"}, *COMMAND, fresh.file, "--plan", *fresh.places)
    assert "with 1 worker\n" in done.stdout, done.stderr


def limit(megabytes):
    return {"memory.limit_in_bytes": str(megabytes * MEGABYTE)}


def test_memory_is_looked_at_before_workers_start(limited, fresh):
    done = limited("memory", limit(400), *COMMAND, fresh.file, *fresh.places, "--workers", "2")
    line = error_line(done.returncode, done.stderr)
    needed = (STARTED + 2 * WORKER) // MEGABYTE
    assert line.startswith(f"2 workers: {needed} MB of memory are needed at least, and 3"), line
    assert line.endswith(f" MB are left; {MORE}")
    assert fresh.statuses() == []


def test_a_worker_that_the_system_kills_for_want_of_memory_is_told_as_that(limited, tmp_path):
    file = tmp_path / "hungry.py"
    file.write_text(HUNGRY)
    done = limited("memory", limit(900), *COMMAND, file, "--store", tmp_path / "store", "--workers", "1")
    assert done.returncode == 1, done.stderr
    reason = "its worker process died 3 times, killed by the system for want of memory"
    assert f"failed: hungry/full/megabytes=4000/seeds=0-1: {reason}\n" in done.stderr
    assert "] megabytes=1 seeds 0-1: size 1048576" in done.stdout
