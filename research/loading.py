"""The files of studies: which there are, and the STUDY that one defines."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from pathlib import Path

from research.config import UserError
from research.design import Study

STUDIES = Path(__file__).resolve().parents[1] / "studies"


def study_names() -> list[str]:
    """The names of the studies: the files of the folder `studies/`."""
    return sorted(path.stem for path in STUDIES.glob("[a-z]*.py"))


def load_study(name: str) -> Study:
    """The STUDY of `studies/NAME.py`, or of the file when `name` ends in .py.

    Raises UserError for a study that does not exist (with the nearest name) or a file that cannot be loaded or defines
    none.
    """
    path = Path(name) if name.endswith(".py") else STUDIES / f"{name}.py"
    if not path.is_file() and name.endswith(".py"):
        raise UserError(f"{name}: no such study file")
    if not name.endswith(".py") and name not in study_names():
        near = difflib.get_close_matches(name, study_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(study_names())}"
        raise UserError(f"no study {name!r}; {hint}")
    spec = importlib.util.spec_from_file_location(f"studies.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses in the file look themselves up there
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except Exception as error:  # whatever is wrong in a file that a user wrote is told in a line
        raise UserError(f"{path}: cannot be loaded: {type(error).__name__}: {error}") from error
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study) or study.name != path.stem:
        raise UserError(f"{path}: must define STUDY = Study(name={path.stem!r}, ...)")
    return study
