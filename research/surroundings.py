"""What surrounds a command: variables for other programs, output that cannot be written or spelt, folders it needs."""

from __future__ import annotations

import atexit
import codecs
import errno
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

from research.console import refuse
from research.design.errors import UserError
from research.record.tracking_server import CREDENTIALS

# Job schedulers and launchers, from which Lightning takes how many processes there are and which is the first; MLflow's
# own settings; git's, of a hook or another repository.
PREFIXES = ("SLURM_", "LSB_", "JSM_", "TORCHELASTIC_", "OMPI_", "PMI_", "PL_", "MLFLOW_", "GIT_")
NAMES = (
    "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
    "MATPLOTLIBRC",
)  # fmt: skip
# What stands in where the encoding of the output has no such sign.
POWERS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
PLAIN = str.maketrans({
    "✔": "+", "✘": "x", "\N{EN DASH}": "-", "“": '"', "”": '"', "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{MULTIPLICATION SIGN}": "x", "·": "*", "∞": "infinity", "…": "...",
    **dict(zip(POWERS, "-0123456789", strict=True)),
})  # fmt: skip


def run(main: Callable[[], int]) -> int:
    """Run a command, whatever surrounds it; its exit status.

    What it prints and nobody takes, as behind `| head`, ends nothing: the status says so then, as that of a program
    that died of a broken pipe; where a disk is full it is 1 and one line tells.
    """
    shield()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # it was closed: else the next file that is opened, a database, would have its number
            os.open(os.devnull, os.O_RDWR)
    outputs = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115 - None where it was closed
        outputs.append(Output(stream))
        setattr(sys, name, outputs[-1])
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see research/__init__.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        find_folders()
    except UserError as error:
        status = refuse(error)
    else:
        status = main()
    for output in outputs:
        output.flush()
    lost = [output.lost for output in outputs if output.lost]
    if not lost or status:
        return status
    if lost[0].errno == errno.EPIPE:
        return 128 + signal.SIGPIPE
    print(f"error: what was to be printed cannot be written ({lost[0].strerror})", file=sys.stderr)
    return 1


def shield() -> None:
    """Take away what would change numbers, figures or provenance, or end a command, and set what must be so.

    Libraries read these when they are imported, and processes that are started later have what is left.
    """
    for name in list(foreign(os.environ)):
        del os.environ[name]
    os.environ["MPLBACKEND"] = "Agg"


def find_folders() -> None:
    """See that there is a working directory, a folder for temporary files and a home, which may be one for this run.

    Raises UserError where there are not: libraries would end in tracebacks, some of them after all was trained.
    """
    for what, find, way_out in (
        ("working directory", os.getcwd, "change to another"),
        ("folder for temporary files", tempfile.gettempdir, "name one with the variable TMPDIR"),
    ):
        try:
            find()
        except OSError as error:
            raise UserError(f"there is no {what} that can be used ({error.strerror}); {way_out}") from error
    if not os.access(os.path.expanduser("~"), os.W_OK | os.X_OK):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="home-")
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)


def foreign(variables: Mapping[str, str]) -> Iterator[str]:
    """The names of variables that are meant for other programs."""
    return (name for name in variables if name not in CREDENTIALS and (name.startswith(PREFIXES) or name in NAMES))


class Output:
    """A stream of text that says nothing more once it cannot be written, and spells what its encoding lacks in others.

    `lost` is why it was lost.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost: OSError | None = None
        if hasattr(stream, "reconfigure"):
            codecs.register_error("plain", plain)
            stream.reconfigure(errors="plain")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text, or lose it."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Write what is kept, or lose it."""
        try:
            self.stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.stream.fileno())  # what is kept still, and what comes, goes there
        os.close(nothing)


def plain(error: UnicodeError) -> tuple[str, int]:
    """Signs of ASCII in the place of those that an encoding lacks, for `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    power = "^" if text[0] in POWERS else ""
    return power + "".join(char if char.isascii() else "?" for char in text.translate(PLAIN)), error.end
