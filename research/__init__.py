"""A harness that turns what documents claim about multilayer perceptrons into controlled, tracked experiments."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from research.publishing.results import Results

if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while a command imports, Ctrl-C ends it without a traceback


def results(name: str, reports: str | Path | None = None) -> Results:
    """The published results of a study as tidy pandas frames, without training anything.

    >>> import research
    >>> found = research.results("activation_depth")
    >>> found.runs.groupby(["activation", "depth"])["test_accuracy"].mean()  # doctest: +SKIP

    `runs` has a row for each trained network, `curves` for each evaluation, `layers` for each layer that was probed,
    `profiles` for each place of what is measured over places, all with the columns cell, the factors and seed;
    `findings` has a row for each control and claim. Where universes were run, `universe_runs` has a row for each of
    their networks, `universe_findings` for each claim in each, `universe_summary` for each claim, with the share of
    universes in which it holds and the choice that decides. `tuning` has a row for each trial of a search, of all
    universes that were run.

    All are read from `reports/NAME` (or NAME in another such folder) and checked against its SHA256SUMS. Raises
    `research.design.errors.UserError` where that is not what was exported.
    """
    from research.publishing import results as frames  # pandas takes half a second

    return frames.results(name) if reports is None else frames.results(name, reports)


def run(
    study: str | Path,
    tier: str = "full",
    seeds: int | None = None,
    store: str | Path | None = None,
    workers: int | None = None,
) -> Results:
    """Run or resume a study as `python -m research.study` does, and give what came out as `results` does.

    >>> import research
    >>> found = research.run("width_sine", tier="smoke")  # doctest: +SKIP

    `study` is one of `studies/`, or the path of a study file. The options are those of the command, whose lines are
    printed as they come; it runs in a process of its own, so that a script or a notebook needs nothing around it.
    What the record has already is not run again. Other tiers than full, and other numbers of seeds, get no verdicts.

    Raises `research.design.errors.UserError` for what the command refuses, RuntimeError where something failed, and
    KeyboardInterrupt when it is stopped: what is finished is recorded, and the same call goes on.
    """
    from research import study_command

    return study_command.run(str(study), tier, seeds, store, workers)
