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
        "cpu": _cpu_class(),
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


def _cpu_class() -> str:
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
