"""What results are made with but should not depend on: versions, commit, CPU."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path


def environment() -> dict[str, str]:
    """What results were made with, as tags: versions, commit, uncommitted changes, CPU, threads."""
    packages = ("torch", "pytorch-lightning", "numpy", "mlflow", "optuna")
    tags = {
        "versions": ", ".join(
            [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
        ),
        "cpu": _cpu_model(),
        "threads": "1",
    }
    root = Path(__file__).resolve().parents[1]
    commit = _git(root, "rev-parse", "HEAD").decode().strip()
    if commit:
        tags["mlflow.source.git.commit"] = commit
        changes = _git(root, "diff", "HEAD")
        for name in _git(root, "ls-files", "--others", "--exclude-standard", "-z", "research", "studies").split(b"\0"):
            changes += name + (root / name.decode()).read_bytes() if name else b""
        tags["uncommitted"] = hashlib.sha256(changes).hexdigest()[:12] if changes else "none"
    return tags


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


def _git(root: Path, *words: str) -> bytes:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, check=False).stdout
    except OSError:
        return b""


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
