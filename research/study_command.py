"""The command of studies, called from Python: `research.run`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryFile

from research.console import Parser, add_store
from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study_files import load_study
from research.publishing.publication import folder_for
from research.publishing.results import Results, gathered, read_published


def run(
    name: str, tier: str, seeds: int | None = None, store: str | Path | None = None, workers: int | None = None
) -> Results:
    """Run or resume a study in a process of its own, print what it prints, and read its tables; see `research.run`."""
    places = [] if store is None else ["--store", str(store)]
    (parser := Parser("research.run", "")).add_argument("name")
    add_store(parser)
    chosen = parser.parse_args([name, *places]).store
    plan = make_plan(load_study(name), tier, seeds)
    numbers = {"--seeds": seeds, "--workers": workers}
    options = [text for option, number in numbers.items() if number is not None for text in (option, str(number))]
    command([name, "--tier", tier, *options, *places])
    return gathered(read_published(plan.study, folder_for(plan, None, chosen.folder, publish=False)))


def command(arguments: Sequence[str]) -> None:
    """Run the command and print what it prints, as it comes; what it says on stderr at its end.

    It has a process of its own, since signals, variables and matplotlib are the command's there, and another's here.
    Interrupted, it ends as after Ctrl-C. Raises UserError with the line in which it refuses something, RuntimeError
    with its last line where it fails.
    """
    words = [sys.executable, "-m", "research.study", *arguments]
    with TemporaryFile("w+") as errors, subprocess.Popen(words, stdout=PIPE, stderr=errors, text=True) as process:
        assert process.stdout is not None
        interrupted = False
        try:
            show(process.stdout)
        except KeyboardInterrupt:
            interrupted = True
            process.send_signal(signal.SIGINT)  # from a terminal it has had one, from a notebook not
            show(process.stdout)
        status = process.wait()
        errors.seek(0)
        said = errors.read()
    last = said.strip().rpartition("\n")[2]
    if status == 2:
        raise UserError(last.removeprefix("error: "))
    print(said, end="", file=sys.stderr)
    if interrupted:
        raise KeyboardInterrupt
    if status:
        raise RuntimeError(f"the study did not come to its end (status {status}): {last}")


def show(lines: Iterable[str]) -> None:
    """Print lines as they come."""
    for line in lines:
        print(line, end="", flush=True)
