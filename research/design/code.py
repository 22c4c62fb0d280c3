"""The digest of the code of a task that a study file defines: of all that it uses there and in modules beside it."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

Import = ast.Import | ast.ImportFrom
FOR_PEOPLE = ("label", "meaning", "unit", "says_where")  # the first arguments of Metric
WORDS_OF_TASKS = ("words", "phrases", "paired")  # of `Task`, for people
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def code_digest(task: type) -> str:
    """SHA-256 of the syntax of a class and of what it uses by name: in its file, and in modules of the same folder.

    Comments, docstrings, words for people and what the class does not use do not count, so that claims, figures and
    prose can be changed. Of what is installed the versions are recorded with each run.
    """
    file = Path(sys.modules[task.__module__].__file__ or "")
    texts = sorted((path.name, name, text) for path, name, text in used(file, task.__qualname__.partition(".")[0]))
    return hashlib.sha256("\n".join(text for *_, text in texts).encode()).hexdigest()


def used(path: Path, name: str) -> Iterator[tuple[Path, str, str]]:
    """A name at the top of a file and all that it uses: each as file, name and code without docstrings."""
    seen: set[tuple[Path, str]] = set()
    waiting = [(path, name)]
    while waiting:
        path, name = waiting.pop()
        node = definitions(path).get(name)
        if node is None or (path, name) in seen:
            continue
        seen.add((path, name))
        yield path, name, ast.unparse(node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                waiting.append((path, inner.id))
            elif isinstance(inner, Import):
                waiting += imported(inner, path)


def files_of(path: Path) -> list[Path]:
    """A file and the modules of its folder that it imports, anywhere in it, and that these import."""
    found = [path]
    for each in found:
        for node in ast.walk(ast.parse(each.read_bytes())):
            if isinstance(node, Import):
                found += {beside for beside, _ in imported(node, each)} - set(found)
    return found


def definitions(path: Path) -> dict[str, ast.stmt]:
    """What stands at the top of a file, by name, without docstrings. Of a name that is given twice, the last."""
    return _definitions(path.read_bytes())


@cache
def _definitions(text: bytes) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(text).body:
        for inner in ast.walk(node):
            if isinstance(inner, Definition) and ast.get_docstring(inner) is not None:
                inner.body = inner.body[1:] or [ast.Pass()]
            if isinstance(inner, ast.ClassDef):
                inner.body = [each for each in inner.body if not is_for_people(each)] or [ast.Pass()]
            if isinstance(inner, ast.Call) and ast.unparse(inner.func).rpartition(".")[2] == "Metric":
                inner.args = inner.args[len(FOR_PEOPLE) :]
                inner.keywords = [word for word in inner.keywords if word.arg not in FOR_PEOPLE]
        found |= dict.fromkeys(names_of(node), node)
    return found


def is_for_people(node: ast.stmt) -> bool:
    """Whether something in a class gives one of the words that a task has for people."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id in WORDS_OF_TASKS for target in targets)


def names_of(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a file gives; those of a comprehension are its own."""
    if isinstance(node, Definition):
        return [node.name]
    if isinstance(node, Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    inside = {
        id(name) for each in ast.walk(node) if isinstance(each, ast.comprehension) for name in ast.walk(each.target)
    }
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name) and id(each) not in inside)
    return [each.id for each in names if isinstance(each.ctx, ast.Store)]


def imported(node: Import, path: Path) -> Iterator[tuple[Path, str]]:
    """Where that stands which is imported from modules beside a file: of a whole module all of its names."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom) and node.module and (beside := local_module(node.module, path)):
            yield beside, alias.name
            continue
        package = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
        if beside := local_module(package + alias.name, path):
            yield from ((beside, name) for name in definitions(beside))


def local_module(name: str, path: Path) -> Path | None:
    """The file of a module in the folder of another file, if it is there: `helper`, or `studies.helper` in studies/."""
    folder, _, stem = name.rpartition(".")
    beside = path.parent / f"{stem}.py"
    return beside if folder in ("", path.parent.name) and beside.is_file() else None
