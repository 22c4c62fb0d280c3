"""The files of studies: which there are, and the STUDY that one defines."""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

from research.design.errors import UserError
from research.design.places import STUDIES
from research.design.study import STUDY_NAME, Study
from research.design.universes import nearest


def study_names() -> list[str]:
    """The names of the studies: the files of the folder `studies/`."""
    return sorted(path.stem for path in STUDIES.glob("[a-z]*.py"))


def load_study(name: str) -> Study:
    """The STUDY of `studies/NAME.py`, or of the file when `name` ends in .py.

    Raises UserError for a study that does not exist (with the nearest name) or a file that cannot be loaded (with the
    line) or defines none.
    """
    path = Path(name) if name.endswith(".py") else STUDIES / f"{name}.py"
    try:
        is_file = path.is_file()
    except OSError as error:
        raise UserError(f"{name}: is no study that can be read ({error.strerror})") from error
    if not is_file and name.endswith(".py"):
        raise UserError(f"{name}: no such study file")
    if not is_file or not (name.endswith(".py") or name in study_names()):
        near = difflib.get_close_matches(name, study_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(study_names())}"
        raise UserError(f"no study {name!r}; {hint}")
    if not re.fullmatch(STUDY_NAME, path.stem):
        raise UserError(f"{path}: must have the name of its study, which is of lower-case letters, digits and _")
    if (folder := str(path.absolute().parent)) not in sys.path:
        sys.path.append(folder)  # a module beside the file can be imported, and hides none that is installed
    try:
        module = load_file(f"studies.{path.stem}", path)
    except KeyboardInterrupt:
        raise
    except UserError as error:
        raise UserError(f"{place(error, path)}: {error}") from error
    except BaseException as error:  # whatever is wrong in a file that a user wrote is told in a line, exits too
        what = error.msg if isinstance(error, SyntaxError) else error
        raise UserError(f"{place(error, path)}: cannot be loaded: {type(error).__name__}: {what}") from error
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study) or study.name != path.stem:
        raise UserError(f"{path}: must define STUDY = Study(name={path.stem!r}, ...)")
    check_metrics(study, path)
    return study


def load_file(name: str, path: Path) -> ModuleType:
    """The module that a file defines, under a name by which others can import it then, wherever the file is."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if "studies" not in sys.modules:  # nor need any folder of the path have that name
        sys.modules["studies"] = ModuleType("studies")
        sys.modules["studies"].__path__ = [str(STUDIES)]
    sys.modules[name] = module  # dataclasses in the file look themselves up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def check_metrics(study: Study, path: Path) -> None:
    """Raise UserError where a study shows or judges a metric that none of its cells in the reference would have."""
    known = study.metrics
    asked_for = [("headline", name, "") for name in study.headline]
    for judged in study.judged:
        by = next((key for key in ("layer", "place") if key in judged.number.at), "")
        asked_for.append((f"{judged.name!r}", judged.number.metric, by))
    asked_for += [(f"{claim.name!r}", claim.metric, "") for claim in study.main_effects]
    for where, name, by in asked_for:
        if name not in known:
            hint = nearest(name, sorted(known))
            raise UserError(f"{path}: {study.name}: {where} names metric {name!r}, which no cell has; {hint}")
        if known[name].by != by:
            at = f"at={{{known[name].by!r}: ...}}" if known[name].by else "no layer or place"
            raise UserError(f"{path}: {study.name}: {where} names metric {name!r}, which is read with {at}")


def place(error: BaseException, path: Path) -> str:
    """A file, with the line of it that an exception comes from, if it comes from any."""
    lines: list[int | None] = []
    cause: BaseException | None = error
    while cause is not None:
        frames = traceback.extract_tb(cause.__traceback__)
        lines += [frame.lineno for frame in frames if Path(frame.filename) == path.absolute()]
        if isinstance(cause, SyntaxError) and Path(cause.filename or "") == path.absolute():
            lines.append(cause.lineno)
        cause = cause.__cause__
    return f"{path}, line {lines[-1]}" if lines and lines[-1] else str(path)
