"""What this process may use, and whether the system ended one of ours for want of it.

Containers and job schedulers limit it by control groups of either version. `system` is where the system's files begin.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from research.design.errors import UserError
from research.design.wording import counted

SYSTEM = Path("/")
MEGABYTE = 2**20
MORE_MEMORY = "free some, raise the limit or choose fewer --workers"
STARTED, WORKER = 450 * MEGABYTE, 170 * MEGABYTE  # of memory: coordinator and fork server, each worker at the least


def cores(system: Path = SYSTEM) -> int:
    """The cores that this process may use: by its affinity, and by quota, where of a core that it has in part."""
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _groups("cpu", system):
        old = [*_words(group / "cpu.cfs_quota_us"), *_words(group / "cpu.cfs_period_us")]
        for quota, period in (words for words in (_words(group / "cpu.max"), old) if len(words) == 2):
            if quota.isdecimal():
                ours = min(ours, math.ceil(int(quota) / int(period)))
    return max(1, ours)


def usual_workers(system: Path = SYSTEM) -> int:
    """How many workers there are where nobody says: one for each core, as far as the memory goes."""
    return int(max(1, min(cores(system), (free_memory(system) - STARTED) / WORKER)))


def free_memory(system: Path = SYSTEM) -> float:
    """Bytes of memory that are left to this process, those of swap too; infinite where the system does not tell."""
    of_all = _table(system / "proc" / "meminfo")
    free = 1024 * of_all.get("MemAvailable", math.inf)
    for group in _groups("memory", system):
        of_group = _table(group / "memory.stat")
        cached = sum(number for name, number in of_group.items() if name in ("inactive_file", "active_file"))
        for most, used in (("max", "current"), ("limit_in_bytes", "usage_in_bytes")):
            for limit, now in zip(_words(group / f"memory.{most}"), _words(group / f"memory.{used}"), strict=False):
                if limit.isdecimal():
                    free = min(free, int(limit) - int(now) + cached)
    return free + 1024 * of_all.get("SwapFree", 0)


def check_memory(workers: int, system: Path = SYSTEM) -> None:
    """Raise UserError where there is not memory enough to start so many workers."""
    needed, free = STARTED + workers * WORKER, free_memory(system)
    if free < needed:
        raise UserError(
            f"{counted(workers, 'worker')}: {needed // MEGABYTE} MB of memory are needed at least, and "
            f"{max(0, int(free)) // MEGABYTE} MB are left; {MORE_MEMORY}"
        )


def memory_kills(system: Path = SYSTEM) -> int:
    """A count that grows whenever the system kills a process for want of memory, of this control group or at all."""
    places = [system / "proc" / "vmstat"]
    for group in _groups("memory", system):
        places += [group / "memory.events", group / "memory.oom_control"]
    return sum(_table(place).get("oom_kill", 0) for place in places)


def _groups(controller: str, system: Path) -> Iterator[Path]:
    """The folders of the control groups that this process is in, from within outwards.

    In a container they may be called otherwise than outside, where the names come from: then only the outermost is
    there, which is the container's own.
    """
    for line in _lines(system / "proc" / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            top = system / "sys" / "fs" / "cgroup" / controllers
            place = top / path.strip("/")
            yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(top))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _table(path: Path) -> dict[str, int]:
    """The numbers of a file that has a name and a number in each line."""
    rows = (line.replace(":", " ").split() for line in _lines(path))
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
