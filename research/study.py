"""The command line of studies: `python -m research.study [NAME] [options]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from research.data import fetch
from research.design import UserError
from research.execute import Stopped, run_stacks, warm_up
from research.plan import Plan, Stack, load_study, make_plan, nominal_seconds, study_names
from research.store import State, Store, experiment_name, read_frames, read_runs, read_state

if TYPE_CHECKING:
    import pandas as pd

    from research.tracking import Recorder
    from research.train import StackResult

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 12  # imports, first use of the store, figures


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see --help")


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = Parser(
        "python -m research.study",
        description="Run or resume a study: train what its record lacks, export tables, draw figures, print results. "
        "Without NAME: list the studies.",
    )
    made.add_argument("name", nargs="?", metavar="NAME", help="a study of studies/, or the path of a study file (.py)")
    made.add_argument("--plan", action="store_true", help="show what is done, failed and missing; train nothing")
    made.add_argument("--tier", default="full", help="the study's size: smoke, quick or full (default: full)")
    made.add_argument("--seeds", type=int, metavar="N", help="seeds 0..N-1 of every cell (default: the tier's number)")
    made.add_argument("--workers", type=int, default=cores(), metavar="N", help="worker processes (default: the cores)")
    made.add_argument(
        "--store", type=Path, default=ROOT / "mlruns", metavar="DIR", help="the record (default: mlruns/)"
    )
    made.add_argument(
        "--reports",
        type=Path,
        default=ROOT / "reports",
        metavar="DIR",
        help="where tables and figures of a complete full study go (default: reports/); other tiers' stay in the store",
    )
    return made


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status: 0 done, 1 something failed, 2 wrong input, 130 or 143 stopped."""
    try:
        options = parser().parse_args(arguments)
        if options.workers < 1:
            raise UserError(f"--workers {options.workers}: at least one worker is needed")
        store = Store(options.store.absolute())
        if options.name is None:
            list_studies(store)
            return 0
        plan = make_plan(load_study(options.name), options.tier, options.seeds)
        if options.plan:
            show_plan(store, plan, options.workers)
            return 0
        return run(store, plan, options.workers, options.reports.absolute())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Stopped, KeyboardInterrupt) as stop:
        print("\nstopped; what is finished is recorded: run the same command again to go on", file=sys.stderr)
        return stop.status if isinstance(stop, Stopped) else 130


def list_studies(store: Store) -> None:
    """Print each study with its question, how far its full tier is, and the time that it still needs."""
    for name in study_names():
        plan = make_plan(load_study(name))
        state = state_of(store, plan)
        left = f", about {duration(estimate(plan, state, cores()))} to go" if state.missing(plan) else ""
        stacks = f"{len(state.done)} of {len(plan.stacks)} stacks done{left}"
        print(f"{name}\n    {plan.study.question}\n    {len(plan.cells)} cells, {plan.num_seeds} seeds: {stacks}")
    print("\npython -m research.study NAME runs one; --plan shows what it would do, --tier quick is a first look.")


def show_plan(store: Store, plan: Plan, workers: int) -> None:
    """Print the cells of a plan with how many of their stacks are done, failed and missing."""
    state = state_of(store, plan)
    width = max(len(cell.name) for cell in plan.cells)
    for cell in plan.cells:
        stacks = [stack.key for stack in plan.stacks if stack.cell is cell]
        done = sum(key in state.done for key in stacks)
        reasons = [state.failed[key] for key in stacks if key in state.failed]
        status = "done" if done == len(stacks) else f"failed: {reasons[0]}" if reasons else "to do"
        print(f"{cell.name:{width}}  {done} of {len(stacks)} stacks of {cell.stack_size} seeds  {status}")
    missing = state.missing(plan)
    print(
        f"\n{plan.study.name}, tier {plan.tier}, seeds 0-{plan.num_seeds - 1}: {len(plan.stacks)} stacks, "
        f"{len(state.done)} done, {len(state.failed)} failed, {len(missing)} to run"
    )
    if missing:
        print(f"estimated time: {duration(estimate(plan, state, workers))} with {counted(workers, 'worker')}")


def state_of(store: Store, plan: Plan) -> State:
    """How far the record of a plan is."""
    return read_state(plan, read_runs(store, experiment_name(plan.study.name, plan.tier)))


def estimate(plan: Plan, state: State, workers: int) -> float:
    """Seconds to train what is missing: the nominal time, scaled by what the finished stacks took."""
    took = {key: (runs[0].ended - runs[0].started) / 1000 for key, runs in state.done.items()}
    ratios = sorted(took[stack.key] / nominal_seconds(stack) for stack in plan.stacks if stack.key in took)
    scale = ratios[len(ratios) // 2] if ratios else 1.0
    times = [scale * nominal_seconds(stack) for stack in state.missing(plan)]
    return max(sum(times) / workers, max(times, default=0.0)) + START_SECONDS


def duration(seconds: float) -> str:
    """A time in words: seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def counted(number: int, thing: str) -> str:
    """A number with its thing, in the plural where it is one."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def run(store: Store, plan: Plan, workers: int, reports: Path) -> int:
    """Train what is missing, then export, draw and print. The status is 1 if a stack failed."""
    with store.lock(plan.study.name, f"study {plan.study.name} in {store.folder}"):
        missing = state_of(store, plan).missing(plan)
        if missing:
            for data in {stack.cell.config.dataset for stack in missing}:
                fetch(data)
            print(f"{len(missing)} of {len(plan.stacks)} stacks to train, {counted(workers, 'worker')}", flush=True)
            warm_up()
        from research.search import project_grid
        from research.tracking import Recorder

        failures = train(Recorder(store, plan), missing, workers)
        state = state_of(store, plan)
        frame, _ = read_frames(store, plan, state)
        project_grid(store, plan, frame)
        if failures:
            print(cell_table(plan, frame))
            for key, reason in failures.items():
                print(f"failed: {key}: {reason}", file=sys.stderr)
            print(f"{counted(len(failures), 'stack')} failed; the same command tries again", file=sys.stderr)
            return 1
        folder = reports / plan.study.name if plan.declared else store.folder / "reports" / report_name(plan)
        print(cell_table(plan, publish(store, plan, state, folder)))
        print(f"\ntables and figures: {folder}")
        return 0


def report_name(plan: Plan) -> str:
    """The folder, under the store, for the tables of a plan that is not the study as declared."""
    declared = plan.study.tiers[plan.tier].seeds == plan.num_seeds
    return experiment_name(plan.study.name, plan.tier) + ("" if declared else f"-{plan.num_seeds}-seeds")


def publish(store: Store, plan: Plan, state: State, folder: Path) -> pd.DataFrame:
    """Export the tables and draw the figures into a folder; the runs as exported."""
    from research.report import export, render, write

    frame = export(store, plan, state, folder)
    for name, content in render(plan.study.name, folder).items():
        write(folder / name, content)
    return frame


def train(recorder: Recorder, missing: list[Stack], workers: int) -> dict[str, str]:
    """Train and record the missing stacks with live progress; the reasons of those that failed, by key."""
    failures: dict[str, str] = {}
    headline = recorder.plan.study.headline
    with Progress(missing) as progress:

        def on_finished(stack: Stack, result: StackResult) -> None:
            recorder.write_stack(stack, result)
            values = [replicate.metrics for replicate in result.replicates]
            means = [f"{words(name)} {sum(v[name] for v in values) / len(values):.4f}" for name in headline]
            diverged = sum("diverged_step" in v for v in values)
            progress.line(stack, ", ".join(means) + (f", {diverged} diverged" if diverged else ""))

        def on_failed(stack: Stack, reason: str) -> None:
            recorder.write_failure(stack, reason)
            failures[stack.key] = reason
            progress.line(stack, f"failed: {reason}")

        run_stacks(missing, workers, on_finished, on_failed, progress.show)
    return failures


class Progress:
    """A bar with the time left on a terminal, and a line for each stack as it ends; elsewhere the lines alone."""

    def __init__(self, stacks: list[Stack]) -> None:
        from tqdm import tqdm

        self.weights = {stack.key: nominal_seconds(stack) for stack in stacks}
        self.total, self.finished, self.count = sum(self.weights.values()), 0.0, 0
        self.started = time.monotonic()
        self.live = sys.stderr.isatty()
        form = "{percentage:3.0f}% |{bar}| {elapsed} elapsed, {remaining} left{postfix}"
        self.bar = tqdm(total=self.total, disable=not (self.live and stacks), bar_format=form)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, shares: dict[str, float]) -> None:
        """Bring the bar up to date: `shares` is how much is done of each stack in work."""
        self.bar.n = self.finished + sum(share * self.weights[key] for key, share in shares.items())
        self.bar.set_postfix_str(f"{self.count}/{len(self.weights)} stacks")

    def line(self, stack: Stack, text: str) -> None:
        """Print what a stack came to."""
        self.finished += self.weights[stack.key]
        self.count += 1
        left = (time.monotonic() - self.started) * (self.total / self.finished - 1)
        ahead = "" if self.live or self.count == len(self.weights) else f"  ({duration(left)} left)"
        seeds = f"seeds {stack.seeds[0]}-{stack.seeds[-1]}"
        self.bar.write(f"[{self.count}/{len(self.weights)}] {stack.cell.name} {seeds}: {text}{ahead}", file=sys.stdout)
        sys.stdout.flush()


def words(name: str) -> str:
    """A metric's name as words."""
    return name.replace("_", " ")


def cell_table(plan: Plan, frame: pd.DataFrame) -> str:
    """The cells with the mean, 95 % interval over seeds and n of each headline metric, as aligned text."""
    from research.stats import mean_interval

    width = max(len(cell.name) for cell in plan.cells)
    head = f"{'cell':{width}}" + "".join(f"  {words(name):>27}" for name in plan.study.headline) + "   n"
    lines = ["", head, "-" * len(head)]
    for cell in plan.cells:
        rows = frame[frame["cell"] == cell.name]
        line = f"{cell.name:{width}}"
        for name in plan.study.headline:
            mean, low, high, n = mean_interval(rows.get(name, []))
            line += f"  {f'{mean:.4f} [{low:.4f}, {high:.4f}]' if n else '-':>27}"
        diverged = int(rows["diverged_step"].notna().sum()) if len(rows) else 0
        lines.append(f"{line}  {len(rows):2d}" + (f"  {diverged} diverged" if diverged else ""))
    lines.append("Mean over seeds with Student's 95 % interval: it speaks of other seeds, not of other test sets.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
