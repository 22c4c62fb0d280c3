"""How long work will take, by what has been done of it: pure functions of nominal and measured seconds."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

RELATED = 2.0  # jobs whose nominal times differ by this factor say half as much of each other as jobs of a kind
ENOUGH = 5.0  # seconds of a job that say all; a shorter one says less, since starts differ
TRUSTED = 0.02  # the share of a job below which nothing is concluded from it: its start takes longer than the rest


@dataclass(frozen=True)
class Job:
    """Work whose cost was estimated before, in nominal seconds: the share that is done, and what that has taken."""

    nominal: float
    share: float = 0.0
    seconds: float = 0.0

    @property
    def says_something(self) -> bool:
        """Whether enough is done of it to conclude from it how long other jobs take."""
        return self.share >= TRUSTED and self.nominal > 0 and self.seconds > 0


class Pace:
    """How much longer jobs take than was estimated, as a function of how long they are.

    The estimates may be wrong by a factor that depends on the machine, on what else it does, and on the kind of job.
    Jobs of a kind have like nominal times; so the factor of a job is the geometric mean of those of all that were
    seen, of those of like nominal times above all. Without any it is 1.
    """

    def __init__(self, seen: Iterable[Job]) -> None:
        self.sums: dict[int, list[float]] = {}  # by kind, of weights and of weighted logarithms
        self.factors: dict[int, float] = {}
        for job in seen:
            if job.says_something:
                sums = self.sums.setdefault(_kind(job.nominal), [0.0, 0.0])
                weight = min(job.seconds, ENOUGH)
                sums[0] += weight
                sums[1] += weight * math.log(job.seconds / (job.share * job.nominal))

    def factor(self, nominal: float) -> float:
        """How many times its nominal seconds a job takes."""
        kind = _kind(nominal)
        if self.sums and kind not in self.factors:
            near = {other: 1 / (1 + ((kind - other) / KINDS) ** 2) for other in self.sums}
            weight = sum(near[other] * sums[0] for other, sums in self.sums.items())
            total = sum(near[other] * sums[1] for other, sums in self.sums.items())
            self.factors[kind] = math.exp(total / weight)
        return self.factors.get(kind, 1.0)

    def left(self, job: Job) -> float:
        """The seconds that a job still takes."""
        return (1 - job.share) * job.nominal * self.factor(job.nominal)


KINDS = 4  # to a factor of RELATED


def is_known(seen: Iterable[Job]) -> bool:
    """Whether anything that was seen says how long jobs take here."""
    return any(job.says_something for job in seen)


def _kind(nominal: float) -> int:
    return round(KINDS * math.log(max(nominal, 1e-9), RELATED))


def time_left(running: Iterable[Job], waiting: Sequence[float], finished: Iterable[Job], workers: int) -> float:
    """The seconds until all is done, by so many workers, where waiting jobs are taken longest first.

    `running` are the jobs in work, at most one a worker; `waiting` the nominal seconds of those to come; `finished`
    the jobs that are done. In the end workers are left without work while others finish.
    """
    running = list(running)
    pace = Pace([*finished, *running])
    free = [pace.left(job) for job in running]
    free += [0.0] * (workers - len(free))
    heapq.heapify(free)
    for nominal in sorted(waiting, reverse=True):
        heapq.heapreplace(free, free[0] + nominal * pace.factor(nominal))
    return max(free)
