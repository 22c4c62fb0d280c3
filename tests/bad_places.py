"""Places that cannot be used: folders that are none, and what may not be read or written."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bad_input import Case, typed

FOLDERS = {
    "nothing": "",
    "a blank": " ",
    "a file": "toy.py",
    "below a file": "toy.py/x",
    "a link to nothing": "dangling",
    "a link to itself": "loop",
    "below a link to itself": "loop/x",
    "a pipe": "pipe",
    "a socket": "socket",
    "a device": "/dev/null",
    "a name too long": "x" * 300,
    "a path too long": "x/" * 3000,
}
NAMING = (  # what is typed before the name of a folder
    ("study", "--store"),
    ("study", "toy.py", "--store"),
    ("study", "toy.py", "--plan", "--store"),
    ("ui", "--store"),
    ("reproduce", "toy", "--sample", "1", "--store"),
    ("study", "toy.py", "--reports"),
    ("report", "--reports"),
    ("report", "toy.py", "--check", "--reports"),
)
CLOSED = (  # what may not be read (0o000) or written (0o555), what is typed, what is said
    ("toy.py", 0o000, "study toy.py --plan", "toy.py: cannot be loaded: PermissionError"),
    ("toy.py", 0o000, "report toy.py", "toy.py: cannot be loaded: PermissionError"),
    ("closed", 0o000, "study closed/toy.py --plan", r"closed/toy.py: .*\(Permission denied\)"),
    ("closed", 0o000, "report closed/toy.py", r"closed/toy.py: .*\(Permission denied\)"),
    ("closed", 0o000, "study toy.py --plan --store closed/store", "closed/store .*Permission denied"),
    ("closed", 0o555, "study toy.py --store closed/store --seeds 2", "closed/store: cannot be written"),
    ("closed", 0o555, "study toy.py --reports closed/reports", "closed/reports/toy: cannot be written"),
    ("closed", 0o000, "study toy.py --reports closed/reports", "closed/reports .*Permission denied"),
    ("store", 0o000, "study toy.py --plan", "store may not be looked into"),
    ("store", 0o000, "study toy.py", "store may not be looked into"),
    ("store", 0o000, "ui", "store may not be looked into"),
    ("store", 0o000, "reproduce toy --sample 1", "store may not be looked into"),
    ("store", 0o555, "study toy.py", "store: cannot be written .Permission denied"),
    ("store/mlflow.db", 0o000, "study toy.py --plan", "mlflow.db cannot be read .unable to open"),
    ("store/mlflow.db", 0o000, "ui", "mlflow.db cannot be read .unable to open"),
    ("reports", 0o000, "report toy.py", "reports may not be looked into"),
    ("reports", 0o000, "report", "reports may not be looked into"),
    ("reports", 0o000, "study toy.py", "reports may not be looked into"),
    ("reports/toy", 0o000, "report toy.py", "reports/toy/.*cannot be read .Permission denied"),
    ("reports/toy", 0o555, "report toy.py", "reports/toy/.*cannot be written .Permission denied"),
    ("reports/toy", 0o555, "study toy.py", "reports/toy: cannot be written"),
    ("reports/toy/runs.csv", 0o000, "report toy.py", "runs.csv: cannot be read .Permission denied"),
    ("reports/toy/SHA256SUMS", 0o000, "report toy.py --check", "SHA256SUMS: cannot be read .Permission denied"),
    ("reports/toy/universes", 0o000, "report toy.py", "universes.*cannot be read .Permission denied"),
)


def odd_places(world: Path) -> None:
    """Put into the world what is neither a study file nor a folder."""
    for name in ("dangling", "dangling.py"):
        (world / name).symlink_to("gone")
    for name in ("loop", "loop.py"):
        (world / name).symlink_to(name)
    for name in ("pipe", "pipe.py"):
        os.mkfifo(world / name)
    (world / "folder.py").mkdir()
    (world / "data.py").write_bytes(bytes(range(256)))
    before = Path.cwd()
    os.chdir(world)  # the path of a socket has at most a hundred characters
    for name in ("socket", "socket.py"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
    os.chdir(before)


def cases() -> Iterator[Case]:
    for name, value in FOLDERS.items():
        for command, *words, option in NAMING:
            says = re.escape(value[:40]) if value.strip() else option
            what = " ".join([command, *words, option, name])
            yield Case("a folder", what, typed(command, *words, option, value), says, odd_places)
    for place, mode, text, says in CLOSED:
        spoil: Callable[[Path], object] = partial(close, place, mode)
        yield Case("no permission", f"{text}, {place} {mode:o}", typed(*text.split()), says, spoil, process=True)


def close(place: str, mode: int, world: Path) -> None:
    """Take away the permission to read or write something of the world; `closed` is a folder with a study file."""
    (world / "closed").mkdir()
    (world / "closed" / "toy.py").write_text((world / "toy.py").read_text())
    (world / place).chmod(mode)
