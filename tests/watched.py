"""The project's commands as a user's processes, watched: what they unpickle, start, connect to, look up and write."""

import contextlib
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT, processes_of, wait_until
from hostile.study import STUDY
from made_up import write_universes

TESTS = Path(__file__).parent
# All that a command gets of the environment: nothing here turns telemetry off, or says that a test or CI is at work.
KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "MPLCONFIGDIR", "XDG_CACHE_HOME")
UMASK = 0o027
LISTENS = "0A"  # a state in /proc/net/tcp


class Event(NamedTuple):
    """Something that the code in the file `caller` had a process do; `what` are the names or addresses in question."""

    process: int
    kind: str
    what: tuple[str, ...]
    caller: str


class Socket(NamedTuple):
    """A socket of the internet as the system lists it."""

    local: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int
    remote: ipaddress.IPv4Address | ipaddress.IPv6Address
    listens: bool


class Watched:
    """A command at work in a `with` block, and what it and its children did; what is left at the end is killed.

    `folder` is empty or not there yet; in it the command's output and its folder for temporary files, `tmp`.
    """

    def __init__(self, folder: Path, cwd: Path, *command: str, **environment: str) -> None:
        self.folder, self.cwd, self.command = folder, cwd, [sys.executable, *command]
        self.programs: set[str] = set()
        self.sockets: set[Socket] = set()
        (folder / "tmp").mkdir(parents=True)
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "PYTHONPATH": str(TESTS / "watcher"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(folder / "tmp"),
            "WATCHED": str(folder / "events"),
            **environment,
        }

    def __enter__(self) -> "Watched":
        with (self.folder / "stdout").open("w") as out, (self.folder / "stderr").open("w") as err:
            self.process = subprocess.Popen(
                self.command, cwd=self.cwd, env=self.environment, stdout=out, stderr=err, start_new_session=True,
                umask=UMASK,
            )  # fmt: skip
        self.over = threading.Event()
        self.looking = threading.Thread(target=self._look)
        self.looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.over.set()
        self.looking.join()

    def finished(self) -> "Watched":
        """Run it to its end."""
        with self:
            self.process.wait(300)
        return self

    def printed(self, stream: str = "stdout") -> str:
        return (self.folder / stream).read_text()

    def events(self, *kinds: str) -> list[Event]:
        """What happened of these kinds in any of its processes, in order."""
        lines = map(json.loads, (self.folder / "events").read_text().splitlines())
        return [Event(pid, kind, tuple(what), caller) for pid, kind, what, caller in lines if kind in kinds]

    def _look(self) -> None:
        """See the programs and sockets of its processes, whatever made them, as often as is cheap."""
        while not self.over.wait(0.05):
            for pid in processes_of(self.process.pid):
                with contextlib.suppress(OSError):
                    self.programs.add(Path(f"/proc/{pid}/exe").readlink().name)
                    self.sockets |= sockets_of(pid)


def sockets_of(pid: int) -> set[Socket]:
    """The sockets of the internet that a process has open."""
    links = [link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:] if inodes else ():
            _, local, remote, state, *rest = line.split()
            if rest[5] in inodes:
                found.add(Socket(address(local), int(local[-4:], 16), address(remote), state == LISTENS))
    return found


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as /proc/net writes it: words of four bytes, each as the machine has it in memory."""
    packed = bytes.fromhex(text.partition(":")[0])
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return ipaddress.ip_address(b"".join(word[::-1] if sys.byteorder == "little" else word for word in words))


class Project(NamedTuple):
    """A copy of the project with one study, whose every text is markup, and what was watched of its commands.

    `modes` are the permissions of all files and folders that the commands made.
    """

    folder: Path
    study: Watched
    report: Watched
    modes: dict[str, int]


def run_project(folder: Path) -> Project:
    """Copy the project into a folder, run its study from nothing, and draw it with made-up tables of all universes."""
    clone = folder / "clone"
    shutil.copytree(ROOT / "research", clone / "research", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", clone)
    for place, name in (("studies", "study.py"), ("reports", "figures.py")):
        (clone / place).mkdir()
        shutil.copy(TESTS / "hostile" / name, clone / place / "hostile.py")
    committed(clone)
    before = set(clone.rglob("*"))
    command = ("-m", "research.study", "hostile", "--workers", "2", "--publish")
    study = Watched(folder / "study", clone, *command).finished()
    ours = set(clone.rglob("*"))
    write_universes(STUDY, clone / "reports" / "hostile")
    theirs = set(clone.rglob("*")) - ours
    report = Watched(folder / "report", clone, "-m", "research.report").finished()
    made = set(clone.rglob("*")) - before - theirs
    return Project(clone, study, report, {str(path.relative_to(clone)): path.stat().st_mode for path in made})


def committed(folder: Path) -> None:
    """Put all files of a folder into the commit of a git repository, which is made where there is none."""
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "a state")):
        subprocess.run(["git", *words], cwd=folder, check=True)


@contextlib.contextmanager
def served(project: Project, folder: Path, port: int, **environment: str):
    """The UI of the project's study at work on a port, and the address that it prints."""
    command = ("-m", "research.ui", "hostile", "--port", str(port))
    with Watched(folder, project.folder, *command, **environment) as watched:
        wait_until(lambda: "Ctrl-C stops it." in watched.printed(), process=watched.process)
        yield watched


# Parts of a page that only foreign text could have put there; what does not act, such as data-key, may hold any text.
FOREIGN_PARTS = """
const acts = ['href', 'src', 'srcset', 'srcdoc', 'action', 'formaction', 'data', 'poster', 'xlink:href', 'style'];
const harmful = ({name, value}) =>
    name.startsWith('on') || acts.includes(name) && /^\\s*(javascript:|vbscript:|(https?:)?\\/\\/192)/i.test(value);
return [...document.querySelectorAll('*')]
    .filter((part) => part.matches('iframe, object, embed, img[src="x"]') || [...part.attributes].some(harmful))
    .map((part) => part.outerHTML.slice(0, 200));
"""


def shown_text(browser) -> str:
    """The text that stands in the page, all white space as single blanks."""
    return " ".join(browser.execute_script("return document.documentElement.textContent").split())
