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
        description="Run or resume a study: train what its record lacks, then export tables, draw figures, print results. "
        "Without NAME: list the studies.",
    )
    made.add_argument("name", nargs="?", metavar="NAME", help="a study of studies/, or the path of a study file (.py)")
    made.add_argument("--plan", action="store_true", help="show what is done, failed and missing; train nothing")
    made.add_argument("--tier", default="full", help="the study's size: smoke, quick or full (default: full)")
    made.add_argument("--seeds", type=int, metavar="N", help="seeds 0..N-1 of every cell (default: the tier's)")
    made.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
                      metavar="N", help="worker processes, one thread each (default: the cores)")  # fmt: skip
    made.add_argument("--store", type=Path, default=ROOT / "mlruns", metavar="DIR", help="the record (default: mlruns/)")
    made.add_argument("--reports", type=Path, default=ROOT / "reports", metavar="DIR",
                      help="where a complete full study's tables and figures go (default: reports/)")  # fmt: skip
    return made


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
    except Stopped as stop:
        print("\nstopped; what is finished is recorded: run the same command again to go on", file=sys.stderr)
        return stop.status


def list_studies(store: Store) -> None:
    """Print each study with its question, how far its full tier is, and the time that it still needs."""
    for name in study_names():
        plan = make_plan(load_study(name))
        state = state_of(store, plan)
        missing = state.missing(plan)
        left = f", about {duration(estimate(plan, state, os.cpu_count() or 1))} to go" if missing else ""
        print(f"{name}\n    {plan.study.question}")
        print(f"    {len(plan.cells)} cells, {plan.num_seeds} seeds: {len(state.done)} of {len(plan.stacks)} stacks done{left}")
    print("\npython -m research.study NAME runs one; --plan shows what it would do, --tier quick is a first look.")


def show_plan(store: Store, plan: Plan, workers: int) -> None:
    """Print the cells of a plan with how many of their stacks are done, failed and missing."""
    state = state_of(store, plan)
    width = max(len(cell.name) for cell in plan.cells)
    for cell in plan.cells:
        stacks = [stack for stack in plan.stacks if stack.cell is cell]
        done = sum(stack.key in state.done for stack in stacks)
        reasons = [state.failed[stack.key] for stack in stacks if stack.key in state.failed]
        status = "done" if done == len(stacks) else f"failed: {reasons[0]}" if reasons else "to do"
        print(f"{cell.name:{width}}  {done} of {len(stacks)} stacks of {cell.stack_size} seeds  {status}")
    missing = state.missing(plan)
    print(f"\n{plan.study.name}, tier {plan.tier}, seeds 0-{plan.num_seeds - 1}: {len(plan.stacks)} stacks, {len(state.done)} done, "
          f"{len(state.failed)} failed, {len(missing)} to run")  # fmt: skip
    if missing:
        print(f"estimated time: {duration(estimate(plan, state, workers))} with {workers} worker{'s' * (workers > 1)}")


def state_of(store: Store, plan: Plan) -> State:
    """How far the record of a plan is."""
    return read_state(plan, read_runs(store, experiment_name(plan.study.name, plan.tier)))


def estimate(plan: Plan, state: State, workers: int) -> float:
    """Seconds to train what is missing: the nominal time, scaled by what the finished stacks took."""
    by_key = {stack.key: stack for stack in plan.stacks}
    ratios = sorted((runs[0].ended - runs[0].started) / 1000 / nominal_seconds(by_key[key]) for key, runs in state.done.items())
    scale = ratios[len(ratios) // 2] if ratios else 1.0
    times = [scale * nominal_seconds(stack) for stack in state.missing(plan)]
    return max(sum(times) / workers, max(times, default=0.0)) + START_SECONDS


def duration(seconds: float) -> str:
    """A time in words: seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def run(store: Store, plan: Plan, workers: int, reports: Path) -> int:
    """Train what is missing, then export, draw and print. The status is 1 if a stack failed."""
    name = experiment_name(plan.study.name, plan.tier)
    with store.lock(plan.study.name, f"study {plan.study.name} in {store.folder}"):
        missing = state_of(store, plan).missing(plan)
        if missing:
            for data in {stack.cell.config.dataset for stack in missing}:
                fetch(data)
            print(f"{name}: {len(missing)} of {len(plan.stacks)} stacks to train, {workers} worker{'s' * (workers > 1)}", flush=True)
            warm_up()
        from research.search import project_grid
        from research.tracking import Recorder

        recorder = Recorder(store, plan)
        failures = train(recorder, plan, missing, workers) if missing else {}
        state = state_of(store, plan)
        frame, _ = read_frames(store, plan, state)
        project_grid(store, plan, frame)
        if not failures:
            folder = reports / plan.study.name if plan.declared else store.folder / "reports" / report_name(plan)
            frame = publish(store, plan, state, folder)
    print(cell_table(plan, frame))
    for key, reason in failures.items():
        print(f"failed: {key}: {reason}", file=sys.stderr)
    if failures:
        print(f"{len(failures)} stacks failed; the same command tries them again", file=sys.stderr)
    else:
        print(f"\ntables and figures: {folder}")
    return 1 if failures else 0


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


def train(recorder: Recorder, plan: Plan, missing: list[Stack], workers: int) -> dict[str, str]:  # type: ignore[name-defined]  # noqa: F821
    """Train and record the missing stacks with live progress; the reasons of those that failed, by key."""
    from tqdm import tqdm

    failures: dict[str, str] = {}
    weights = {stack.key: nominal_seconds(stack) for stack in missing}
    total, finished, started = sum(weights.values()), 0.0, time.monotonic()
    bar = tqdm(total=total, disable=not sys.stderr.isatty(), bar_format="{percentage:3.0f}% |{bar}| {elapsed} elapsed, {remaining} left {postfix}")
    count = 0

    def line(stack: Stack, text: str) -> None:
        nonlocal finished, count
        finished, count = finished + weights[stack.key], count + 1
        left = (time.monotonic() - started) * (total - finished) / finished
        ahead = "" if sys.stderr.isatty() or count == len(missing) else f"  ({duration(left)} left)"
        bar.write(f"[{count}/{len(missing)}] {stack.cell.name} seeds {stack.seeds[0]}-{stack.seeds[-1]}: {text}{ahead}", file=sys.stdout)
        sys.stdout.flush()

    def on_finished(stack: Stack, result: StackResult) -> None:
        recorder.write_stack(stack, result)
        values = [replicate.metrics for replicate in result.replicates]
        means = {name: sum(v[name] for v in values) / len(values) for name in plan.study.headline}
        diverged = sum(v["diverged"] for v in values)
        line(stack, ", ".join(f"{n.replace('_', ' ')} {m:.4f}" for n, m in means.items()) + (f", {diverged:.0f} diverged" if diverged else ""))

    def on_failed(stack: Stack, reason: str) -> None:
        recorder.write_failure(stack, reason)
        failures[stack.key] = reason
        line(stack, f"failed: {reason}")

    def on_progress(shares: dict[str, float]) -> None:
        bar.n = finished + sum(share * weights[key] for key, share in shares.items())
        bar.set_postfix_str(f"{count}/{len(missing)} stacks")

    with bar:
        run_stacks(missing, workers, on_finished, on_failed, on_progress)
    return failures


def cell_table(plan: Plan, frame: pd.DataFrame) -> str:
    """The cells with the mean, 95 % interval over seeds and n of each headline metric, as aligned text."""
    from research.stats import mean_interval

    width = max(len(cell.name) for cell in plan.cells)
    head = f"{'cell':{width}}" + "".join(f"  {name.replace('_', ' '):>27}" for name in plan.study.headline) + "   n"
    lines = ["", head, "-" * len(head)]
    for cell in plan.cells:
        rows = frame[frame["cell"] == cell.name] if len(frame) else frame
        if not len(rows):
            lines.append(f"{cell.name:{width}}  no result")
            continue
        texts = []
        for name in plan.study.headline:
            mean, low, high, n = mean_interval(rows[name])
            texts.append(f"  {f'{mean:.4f} [{low:.4f}, {high:.4f}]':>27}" if n else f"  {'-':>27}")
        diverged = int(rows["diverged"].sum())
        lines.append(f"{cell.name:{width}}{''.join(texts)}  {len(rows):2d}" + (f"  {diverged} diverged" if diverged else ""))
    lines.append("Mean over seeds with Student's 95 % interval: it speaks of other seeds, not of other test sets.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
