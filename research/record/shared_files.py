"""Folders and files that are made: for the group too where it may write into the folder that they lie in."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder with those above it, where they are not there yet. Raises OSError where that cannot be."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        share(folder)


def share(path: Path) -> None:
    """Let the group use what lies in a folder of the group, whatever our umask is and whatever SQLite takes for modes.

    What belongs to someone else is left as it is.
    """
    here, folder = path.stat(), path.parent.stat()
    if folder.st_mode & stat.S_IWGRP and here.st_gid == folder.st_gid:
        with contextlib.suppress(PermissionError):
            path.chmod(stat.S_IMODE(here.st_mode) | (0o070 if path.is_dir() else 0o060))
