"""How far the work is, shown live: a bar on a terminal, a line for each stack."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from research.design.plan import Stack, in_one_pass
from research.design.wording import duration
from research.running.pace import Job, is_known, time_left


class Progress:
    """A bar with the time left on a terminal, and a line for each stack as it ends; elsewhere the lines alone.

    `alone` says that each stack is trained by itself, also where it could be in one pass with others.
    """

    def __init__(self, stacks: list[Stack], workers: int, alone: bool = False) -> None:
        from tqdm import tqdm

        jobs = [(stack,) for stack in stacks] if alone else in_one_pass(stacks)
        self.weights = {stack.key: 0.0 for stack in stacks}  # a shorter horizon costs nothing beside a longer one
        self.weights |= {job[0].key: job[0].nominal_seconds for job in jobs}
        self.total, self.workers, self.count = sum(self.weights.values()), workers, 0
        self.waiting = {key: weight for key, weight in self.weights.items() if weight}
        self.running: dict[str, Job] = {}
        self.finished: list[Job] = []
        self.live = sys.stderr.isatty()
        form = "{percentage:3.0f}% |{bar}| {elapsed} elapsed{postfix}"
        self.bar = tqdm(total=self.total, disable=not (self.live and stacks), bar_format=form)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    @property
    def left(self) -> float:
        """The seconds that all of it still takes, as far as can be said by now."""
        waiting = [weight for key, weight in self.waiting.items() if key not in self.running]
        return time_left(self.running.values(), waiting, self.finished, self.workers)

    def expect(self, stacks: list[Stack]) -> None:
        """Count stacks that nobody knew of at the start: trials beyond the edge of a range."""
        new = {stack.key: stack.nominal_seconds for stack in stacks if stack.key not in self.weights}
        self.weights |= new
        self.waiting |= new
        self.total += sum(new.values())
        self.bar.total = self.total

    def show(self, work: Mapping[str, tuple[float, float]]) -> None:
        """Bring the bar up to date: `work` is how much is done of each stack in work, and the seconds that it took."""
        self.running = {key: Job(self.weights[key], *done) for key, done in work.items() if key in self.waiting}
        if self.live:
            begun = sum(job.share * job.nominal for job in self.running.values())
            self.bar.n = self.total - sum(self.waiting.values()) + begun
            left = f"{duration(self.left)} left" if is_known([*self.finished, *self.running.values()]) else "starting"
            self.bar.set_postfix_str(f"{left}, {self.count}/{len(self.weights)} stacks")

    def line(self, stack: Stack, text: str, seconds: float = 0.0) -> None:
        """Print what a stack came to, after so many seconds of training; 0 where it cannot be said."""
        if nominal := self.waiting.pop(stack.key, 0.0):
            self.running.pop(stack.key, None)
            self.finished.append(Job(nominal, 1.0, seconds))
        self.count += 1
        ahead = "" if self.live or self.is_over else f"  ({duration(self.left)} left)"
        seeds = f"seeds {stack.seeds[0]}-{stack.seeds[-1]}"
        self.say([f"[{self.count}/{len(self.weights)}] {stack.cell.name} {seeds}: {text}{ahead}"])

    @property
    def is_over(self) -> bool:
        """Whether every stack has its line."""
        return self.count == len(self.weights)

    def say(self, lines: list[str]) -> None:
        """Print lines above the bar."""
        for line in lines:
            self.bar.write(line, file=sys.stdout)
        sys.stdout.flush()
