"""What results are made with but should not depend on: versions, commit, CPU; and which code is committed."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from research.design.errors import UserError
from research.design.places import PACKAGE, ROOT, SHIPPED
from research.record.system_errors import as_user_error

DIFF = (  # the same for the same change, whatever the settings of the repository
    "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "diff.algorithm=myers",
    "-c", "diff.context=3", "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index",
)  # fmt: skip
COMPUTING = ("torch", "pytorch-lightning", "numpy", "scipy", "scikit-learn")  # packages that numbers come from
CODE = ("research", "studies", ":(glob)reports/*.py", "pyproject.toml")  # what results and pages are made by, for git


@functools.cache
def environment() -> dict[str, str]:
    """What results are made with, as tags: versions, commit, a digest of uncommitted code, CPU, threads.

    It is as when first asked for. Where the commit of a clone cannot be told, it is said on stderr and left out.
    """
    packages = ("torch", "pytorch-lightning", "numpy", "mlflow", "optuna")
    tags = {
        "versions": ", ".join(
            [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
        ),
        "cpu": cpu_class(),
        "threads": "1",
    }
    try:
        if commit := head():
            tags |= {"uncommitted": uncommitted_digest(), "mlflow.source.git.commit": commit}
    except UserError as error:
        print(f"note: the commit is not recorded: {error}", file=sys.stderr)
    return tags


def computing() -> dict[str, str]:
    """What two machines must have in common to compute the same numbers, to the bit on CPUs of one class."""
    code = hashlib.sha256()
    for path in sorted(set(PACKAGE.rglob("*.py")) - set(SHIPPED.rglob("*.py"))):
        code.update(f"{path.relative_to(PACKAGE.parent).as_posix()}\n".encode() + path.read_bytes())
    versions = {name: version(name) for name in COMPUTING}
    return {"python": platform.python_version(), **versions, "code of research": code.hexdigest()[:12]}


def head() -> str:
    """The commit that is checked out; nothing where there is none, as in an unpacked archive.

    Raises UserError where git does not tell it of a clone.
    """
    return _git("rev-parse", "--verify", "--quiet", "HEAD").decode().strip()


def uncommitted() -> list[str]:
    """The files of CODE that are not as the commit has them: changed, added or removed. Ignored ones do not count."""
    changed = _git("diff", "--name-only", "-z", "HEAD", "--", *CODE).split(b"\0")
    return sorted(os.fsdecode(name) for name in (*changed, *_added()) if name)


def uncommitted_digest() -> str:
    """Twelve digits that stand for how CODE differs from the commit; `none` if it does not."""
    changes = _git(*DIFF, "HEAD", "--", *CODE)
    for name in _added():
        path = ROOT / os.fsdecode(name)
        with as_user_error(f"{path}: cannot be read", "remove it", OSError):
            # of a link git keeps where it leads; a folder is a repository of its own
            content = os.fsencode(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        changes += name + content
    return hashlib.sha256(changes).hexdigest()[:12] if changes else "none"


def listed(tags: Mapping[str, str]) -> dict[str, str]:
    """What tags of a run say about what it was made with, a thing each: Python, the packages, CPU class and so on."""
    found = dict(entry.split(" ", 1) for entry in tags.get("versions", "").split(", ") if " " in entry)
    names = {
        "cpu": "CPU class",
        "device": "device",
        "threads": "threads",
        "mlflow.source.git.commit": "commit",
        "uncommitted": "uncommitted changes",
    }
    return found | {name: tags[tag] for tag, name in names.items() if tag in tags}


def _added() -> list[bytes]:
    """The files of CODE that git does not know yet."""
    return [name for name in _git("ls-files", "--others", "--exclude-standard", "-z", "--", *CODE).split(b"\0") if name]


def _git(*words: str) -> bytes:
    """What git says of this repository, whatever variables and personal settings there are, and whoever owns it."""
    if not (ROOT / ".git").exists():  # an unpacked archive, or installed, perhaps within somebody else's repository
        return b""
    settings = {"safe.directory": str(ROOT), "core.excludesFile": os.devnull, "color.ui": "never"}
    chosen = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    variables |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(["git", *chosen, *words], cwd=ROOT, capture_output=True, check=False, env=variables)
    except OSError as error:
        reason = error.strerror
    else:
        if done.returncode < 2:  # 1 says no, such as that there is no commit yet
            return done.stdout
        reason = done.stderr.decode(errors="replace").partition("\n")[0]
    raise UserError(f"git cannot be asked about {ROOT} ({reason})")


def cpu_class() -> str:
    """The processor's name, family and model, and its widest vectors: all that decides by which routines it computes.

    Different generations share a name, such as AMD EPYC. With AMX products are MKL's, else oneDNN's where these are
    exact (`compute.choose_products`).
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "model name" not in found:
        return platform.machine()
    flags = found.get("flags", "").split()
    vectors = [name for flag, name in (("amx_tile", "AMX"), ("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags]
    generation = f"family {found.get('cpu family', '?')} model {found.get('model', '?')}"
    return ", ".join([found["model name"], generation, *vectors[:1]])
