"""What holds for the digest of a task's code: it changes with what the task uses, and with nothing else."""

import importlib.util
import sys

import pytest

from research.design.code import code_digest, files_of, used

STUDY = '''
"""A study."""
import math
from helper import halved
from dataclasses import dataclass

STEPS = dict(unit=1)["unit"] + 3
UNUSED = 4


def Metric(label="", unit="", size=0):
    return {"size": size}


GIVES = {"score": Metric(label="points", unit="m", size=1)}


def used(x):
    """What it says."""
    return halved(x) + STEPS


def figures(tables):
    return UNUSED


@dataclass(frozen=True)
class Toy:
    """A task."""

    size: int = 1

    def run(self):
        # a reason
        return used(self.size) + math.pi + GIVES["score"]["size"]
'''
HELPER = "RATE = 2\n\n\ndef halved(x):\n    return x / RATE\n\n\ndef other(x):\n    return x\n"


@pytest.fixture
def digest(tmp_path):
    """The digest of a study's task, with texts of the file and of its helper replaced."""
    count = iter(range(100))

    def of(change=("", ""), helper=("", "")):
        folder = tmp_path / str(next(count))
        folder.mkdir()
        (folder / "toy.py").write_text(STUDY.replace(*change))
        (folder / "helper.py").write_text(HELPER.replace(*helper))
        spec = importlib.util.spec_from_file_location(f"toy_of_{folder.name}", folder / "toy.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        sys.path.insert(0, str(folder))
        sys.modules.pop("helper", None)
        try:
            spec.loader.exec_module(module)
            return code_digest(module.Toy)
        finally:
            sys.path.remove(str(folder))
            sys.modules.pop(spec.name)

    return of


@pytest.mark.parametrize(
    "change",
    [("+ 3", "+ 5"), ("self.size)", "self.size + 1)"), ("size: int = 1", "size: int = 2"),
     ("import math", "import cmath as math"), ("size=1)", "size=2)"), ("dict(unit=1)", "dict(unit=2)")],
)  # fmt: skip
def test_it_changes_with_all_that_the_task_uses(digest, change):
    assert digest(change) != digest()


@pytest.mark.parametrize("helper", [("RATE = 2", "RATE = 3"), ("x / RATE", "x * RATE")])
def test_it_changes_with_what_the_task_uses_of_a_module_beside_it(digest, helper):
    assert digest(helper=helper) != digest()


@pytest.mark.parametrize(
    ("change", "helper"),
    [
        (("What it says.", "Other words."), ("", "")),
        (('"""A task."""', '"""The task of this study."""'), ("", "")),
        (("# a reason", "# another reason"), ("", "")),
        (('label="points"', 'label="score"'), ("", "")),
        (('unit="m"', 'unit="km"'), ("", "")),
        (('Metric(label="points", unit="m",', 'Metric("score",'), ("", "")),
        (("    size: int = 1\n", '    words = {"size": "how large"}\n    size: int = 1\n'), ("", "")),
        (("return UNUSED", "return 2 * UNUSED"), ("", "")),
        (("UNUSED = 4", "UNUSED = 5"), ("", "")),
        (("UNUSED = 4", "UNUSED = [self for self in (4, 5)]"), ("", "")),  # a name of its own
        (("", ""), ("    return x\n", "    return -x\n")),
    ],
)
def test_it_stays_with_words_reasons_figures_and_what_the_task_does_not_use(digest, change, helper):
    assert digest(change, helper) == digest()


def test_a_class_beside_a_study_in_the_studies_folder_is_found_under_its_package(tmp_path, monkeypatch):
    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / "helper.py").write_text(HELPER)
    (folder / "toy.py").write_text(STUDY.replace("from helper", "from studies.helper"))
    found = {}
    for rate in (2, 3):
        (folder / "helper.py").write_text(HELPER.replace("RATE = 2", f"RATE = {rate}"))
        found[rate] = sorted(text for *_, text in used(folder / "toy.py", "Toy"))
    assert found[2] != found[3]
    assert (
        len(found[2]) == 10
    )  # GIVES, Metric, Toy, used, STEPS, math, dataclass, RATE, halved as imported and as it is


def test_the_files_of_a_study_are_those_that_it_imports_from_beside_it_and_no_others(tmp_path):
    for name, text in (
        ("toy", STUDY),
        ("helper", "import first as one\n" + HELPER),
        ("first", "def late():\n    from second import x\n"),
        ("second", "import helper\nimport json\n"),
        ("other", ""),
    ):
        (tmp_path / f"{name}.py").write_text(text)
    found = files_of(tmp_path / "toy.py")
    assert found == [tmp_path / f"{name}.py" for name in ("toy", "helper", "first", "second")]
