"""What a command shows: times in words, live progress, the table of cells."""

from __future__ import annotations

import argparse
import itertools
import os
import stat
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from research.config import UserError
from research.pace import Job, time_left
from research.pages import counts_words, interval_text, number_text, verdict_words
from research.plan import Plan, Stack, in_one_pass
from research.words import word

if TYPE_CHECKING:
    import pandas as pd

    from research.across import Across
    from research.verdict import Judgement


MOST_WORKERS = 1000  # processes of a third of a gigabyte each


class Parser(argparse.ArgumentParser):
    """A parser of options whose errors are one line. Options are written out: `--red` shall not remove results."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see --help")


def named_folder(text: str) -> Path:
    """The folder that an option names, which need not be there yet. For what cannot be one the option is refused."""
    path = Path(text)
    try:
        if not text.strip():  # a variable that is not set would stand for the folder at hand
            raise argparse.ArgumentTypeError(f"{text!r} is no folder")
        if not stat.S_ISDIR(path.stat().st_mode):
            raise argparse.ArgumentTypeError(f"{text} is no folder")
        if not os.access(path, os.R_OK | os.X_OK):
            raise argparse.ArgumentTypeError(f"{text} may not be looked into")
    except FileNotFoundError as error:
        if path.is_symlink():
            raise argparse.ArgumentTypeError(f"{text} is a link to nothing") from error
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} is no folder that can be used ({error.strerror})") from error
    return path


def check_workers(number: int) -> None:
    """Raise UserError for a number of worker processes that cannot be."""
    if number < 1:
        raise UserError(f"--workers {number}: at least one worker is needed")
    if number > MOST_WORKERS:
        raise UserError(f"--workers {number}: at most {MOST_WORKERS} can be had")


def refuse(error: UserError) -> int:
    """Say in one line on stderr what a user got wrong, characters that cannot be seen written out; the exit status."""
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in f"error: {error}")
    if len(line) > error.longest:
        line = f"{line[: error.longest * 5 // 8]} ... {line[-error.longest // 3 :]}"
    print(line, file=sys.stderr)
    return 2


def duration(seconds: float) -> str:
    """A time in words: seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def counted(number: int, thing: str) -> str:
    """A number with its thing, in the plural where it is one."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


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

    def expect(self, stacks: list[Stack]) -> None:
        """Count stacks that nobody knew of at the start: trials beyond the edge of a range."""
        new = {stack.key: stack.nominal_seconds for stack in stacks if stack.key not in self.weights}
        self.weights |= new
        self.waiting |= new
        self.total += sum(new.values())
        self.bar.total = self.total

    @property
    def left(self) -> float:
        """The seconds that all of it still takes, as far as can be said by now."""
        waiting = [weight for key, weight in self.waiting.items() if key not in self.running]
        return time_left(self.running.values(), waiting, self.finished, self.workers)

    def show(self, work: Mapping[str, tuple[float, float]]) -> None:
        """Bring the bar up to date: `work` is how much is done of each stack in work, and the seconds that it took."""
        self.running = {key: Job(self.weights[key], *done) for key, done in work.items() if key in self.waiting}
        if self.live:
            begun = sum(job.share * job.nominal for job in self.running.values())
            self.bar.n = self.total - sum(self.waiting.values()) + begun
            self.bar.set_postfix_str(f"{duration(self.left)} left, {self.count}/{len(self.weights)} stacks")

    def line(self, stack: Stack, text: str, seconds: float = 0.0) -> None:
        """Print what a stack came to, after so many seconds of training; 0 where it cannot be said."""
        if nominal := self.waiting.pop(stack.key, 0.0):
            self.running.pop(stack.key, None)
            self.finished.append(Job(nominal, 1.0, seconds))
        self.count += 1
        ahead = "" if self.live or self.count == len(self.weights) else f"  ({duration(self.left)} left)"
        seeds = f"seeds {stack.seeds[0]}-{stack.seeds[-1]}"
        self.bar.write(f"[{self.count}/{len(self.weights)}] {stack.cell.name} {seeds}: {text}{ahead}", file=sys.stdout)
        sys.stdout.flush()


def cell_table(plan: Plan, frame: pd.DataFrame) -> str:
    """The cells with the mean, 95 % interval over seeds and n of each headline metric, as aligned text."""
    from research.stats import mean_interval

    width = max(len(cell.name) for cell in plan.cells)
    head = f"{'cell':{width}}" + "".join(f"  {word(name):>27}" for name in plan.study.headline) + "   n"
    lines = ["", head, "-" * len(head)]
    by_cell = dict(iter(frame.groupby("cell")))
    for cell in plan.cells:
        rows = by_cell.get(cell.name, frame[:0])
        line = f"{cell.name:{width}}"
        intervals = [mean_interval(rows.get(name, [])) for name in plan.study.headline]
        for mean, low, high, n in intervals:
            bounds = f" [{low:.4f}, {high:.4f}]" if n > 1 else ""
            line += f"  {f'{mean:.4f}{bounds}' if n else '-':>27}"
        diverged = int(rows["diverged_step"].notna().sum()) if len(rows) else 0
        lines.append(f"{line}  {intervals[0].n:2d}" + (f"  {diverged} diverged" if diverged else ""))
    lines.append("Mean over seeds with Student's 95 % interval: it speaks of other seeds, not of other test sets.")
    return "\n".join(lines)


def findings_table(judgement: Judgement) -> str:
    """The findings as text for the end of a run, controls first, at most 118 characters wide."""
    lines: list[str] = []
    for title, findings in (("control", judgement.controls), ("claim", judgement.claims)):
        if findings:
            lines += _row(title, "number", f"{100 * findings[0].level:.4g} % interval", "region", "n", "verdict")
            lines.append("-" * 118)
        for finding in findings:
            why = f"{verdict_words(finding)}: {finding.reason}"
            if finding.num_diverged:
                why += f"; replicates that diverged or lack it: {finding.num_diverged}"
            ends = interval_text(finding) or "-"
            lines += [*_row(finding.text, number_text(finding), ends, finding.region, str(finding.n), why), ""]
    notes = []
    if any(finding.level > 0.95 for finding in judgement.claims):
        notes.append(
            "The intervals of the claims are wider than 95 %, because all of a study's claims share an error of 5 %."
        )
    notes += [line for part in (judgement.claims, judgement.controls) for f in part for line in f.caveat.splitlines()]
    for note in dict.fromkeys(notes):
        lines += textwrap.wrap(note, 118)
    return "\n".join(lines)


def universes_table(across: Across) -> str:
    """The claims across universes as text for the end of a run: their verdicts counted, and in a sentence."""
    lines: list[str] = []
    for finding in across.claims:
        lines += [f"{finding.text}: {counts_words(finding, signs=False)}", *textwrap.wrap(finding.sentence, 112), ""]
    for attribution in across.attributions:
        lines += [f"{attribution.text}: {verdict_words(attribution)}, {number_text(attribution)}", ""]
    return "\n".join(lines)


def _row(*cells: str) -> list[str]:
    widths = (33, 10, 18, 14, 6, 27)
    wrapped = (
        textwrap.wrap(cell, width, break_on_hyphens=False, break_long_words=False)
        for cell, width in zip(cells, widths, strict=True)
    )
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in itertools.zip_longest(*wrapped, fillvalue="")]
