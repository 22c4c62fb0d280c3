"""A few hundred things that users get wrong, generated: what is typed or spoilt, and what the line must say.

    python tests/bad_input.py

prints how many there are of each kind. The cases are in `bad_commands`, `bad_places`, `bad_studies`, `bad_data` and
`bad_tables`; one more is one line in a table there. The world that they are typed in is a folder with a study
`toy.py`, its record in `store/` and its published tables in `reports/`, all good until a case spoils something.
"""  # fmt: skip

import hashlib
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

LONGEST = 400  # characters of a line that somebody still reads
PLACES = {  # so that nothing but the world is ever touched
    "study": ("--store", "store", "--reports", "reports"),
    "ui": ("--store", "store"),
    "reproduce": ("--store", "store"),
    "report": ("--reports", "reports"),
}

STUDY_FILE = '''"""A study on scikit-learn's digits that has everything a study can have."""

from dataclasses import replace

from research.design.study import MainEffect, Claim, Control, Factor, Number, Study, Tier, Tuning, crossed
from research.training.config import TrainConfig


def configure(activation: str, depth: int, rate: str, init: str) -> TrainConfig:
    lr = 0.01 if rate == "tenth" else 0.1
    return TrainConfig("digits", depth=depth, width=16, activation=activation, init=init, lr=lr, epochs=2)


NUMBER = Number("test_accuracy", ("relu",), {"depth": (1,)}, "only", "mean")
STUDY = Study(
    name="toy",
    question="Does the toy work?",
    passage="nowhere",
    configure=configure,
    arms=Factor("activation", ("tanh", "relu")),
    blocks=(Factor("depth", (1, 2)),),
    choices=(Factor("rate", ("customary", "tenth", "tuned")), Factor("init", ("default", "he"))),
    universes=(*crossed(rate=("tenth",), init=("default", "he")), {"init": "he"}, {"rate": "tuned"}),
    tuning=Tuning({"lr": (0.1, 10.0)}, "validation_loss", "minimize", budget=4, at_once=2, seeds=2),
    headline=("test_accuracy", "train_progress"),
    tiers={"full": Tier(seeds=3), "small": Tier(seeds=3, overrides={"epochs": 1}, levels={"depth": (1,)})},
    controls=(Control("sane", "ReLU learns", NUMBER, above=0.5, cells=({"activation": "identity", "depth": 1},)),),
    claims=(Claim("works", "The toy works", "nowhere", "mean", NUMBER, above=0.5),),
    main_effects=(
        MainEffect("alone", "The arms do it alone", "nowhere", "test_accuracy", {"depth": (1,)},
                    {"rate": ("customary", "tenth"), "init": ("default", "he")}, above=0.5),
    ),
)
'''

ADMITTED = {  # what looks wrong and says what is meant: words after `study toy.py --plan` -> why it is taken
    ("--seeds", "+3"): "a number with its sign",
    ("--seeds", " 3 "): "blanks around a number",
    ("--seeds", "1_000"): "as Python writes thousands",
    ("--seeds", "\uff13"): "a digit of full width, as East Asian keyboards have it",
    ("--seeds", "3", "--seeds", "4"): "of an option that is given twice the last counts, as everywhere",
    ("--plan",): "a flag twice",
    ("--workers=2", "--tier=small"): "a sign of equality for a blank",
    ("--only", "depth=1,1"): "a level twice",
    ("--only", "depth=1", "--only", "activation=relu"): "an option of several factors",
    ("--universes", "init=he,he"): "a level twice",
    ("--set", "lr=1e-2"): "an exponent in a fraction",
    ("--set", "lr= .5"): "as Python reads a number",
    ("--set", "epochs=+3"): "a number with its sign",
    ("--set", "lr=0"): "a rate at which nothing is learnt",
    ("--reports", "nowhere"): "nothing is written for a plan",
    ("--store", "nowhere"): "there is no record yet",
    ("--store", "store/../store/"): "another way to the same folder",
    ("--store", "~"): "a folder of this name, which the shell did not replace",
}
ADMITTED_LINES = {  # the same of lines at the end of the study file
    "print('hello')": "a study file may print",
    "import time; time.sleep(0.1)": "and take its time",
    "STUDY = replace(STUDY, blocks=[*STUDY.blocks], headline=['test_accuracy'])": "a list for a tuple",
    "Factor('depth', range(1, 4))": "so is a range",
    "replace(NUMBER, missing=(0.0, float('inf')))": "a replicate that diverged may be endless",
    "replace(STUDY.claims[0], passage='')": "a claim of nobody",
}


@dataclass(frozen=True)
class Case:
    """What a user does wrong: `spoil` is done to the world, then the command is typed there.

    `words` begin with the name of the command, such as `study`; `says` is a regular expression that is found
    in what it answers. As a `process` it is really typed, otherwise given to the command's `main`.
    """

    kind: str
    name: str
    words: tuple[str, ...]
    says: str
    spoil: Callable[[Path], object] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    process: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def typed(command: str, *words: str) -> tuple[str, ...]:
    """A command with its words; the places that they leave open are those of the world."""
    open_places = [
        part
        for option, place in zip(PLACES[command][::2], PLACES[command][1::2], strict=True)
        if not any(word.split("=")[0] == option for word in words)
        for part in (option, place)
    ]
    return (command, *words, *open_places)


def trouble(done: tuple[int, str, str], says: str) -> str:
    """What is wrong with how a command refused (its status, stdout and stderr); empty when all is well."""
    status, out, err = done
    lines = err.splitlines()
    if "Traceback" in err or "Traceback" in out:
        return f"a traceback: {err}"
    if status != 2:
        return f"status {status}, printed {out!r} and {err!r}"
    if out:
        return f"printed {out!r}"
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return f"not one line that begins 'error: ': {err!r}"
    if len(lines[0]) > LONGEST:
        return f"{len(lines[0])} characters: {lines[0]}"
    if not all(char.isprintable() for char in lines[0]):
        return f"characters that cannot be seen: {lines[0]!r}"
    return "" if re.search(says, lines[0]) else f"does not say {says!r}: {lines[0]}"


def digest(world: Path) -> dict[str, str]:
    """What every path of the world is. Of locks in a store that was there, and of what Python caches, nothing.

    What may not be read is not looked into.
    """
    found = {}
    for path in sorted(world.rglob("*")):
        name = str(path.relative_to(world))
        if "__pycache__" in name or re.fullmatch(r"store/(\.\w+\.lock|mlflow\.db-(shm|wal))", name):
            continue
        mode = path.lstat().st_mode
        found[name] = stat.filemode(mode)
        if stat.S_ISLNK(mode):
            found[name] += f" {os.readlink(path)}"
        elif stat.S_ISREG(mode) and os.access(path, os.R_OK):
            found[name] += f" {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found


def copied(world: Path, folder: Path) -> Path:
    """The same world in another folder, to be spoilt."""
    shutil.copytree(world, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def corpus() -> list[Case]:
    """All cases. Of each kind the first with each command is typed for real, and those that ask for it."""
    import bad_commands
    import bad_data
    import bad_places
    import bad_studies
    import bad_tables

    found, seen = [], set()
    for case in (
        each for part in (bad_commands, bad_places, bad_studies, bad_data, bad_tables) for each in part.cases()
    ):
        first = (case.kind, case.words[0]) not in seen
        seen.add((case.kind, case.words[0]))
        found.append(replace(case, process=case.process or first))
    return found


def counts(cases: Iterable[Case]) -> str:
    """How many cases there are of each kind, and how many of them are typed for real."""
    every = list(cases)
    kinds, real = Counter(case.kind for case in every), Counter(case.kind for case in every if case.process)
    lines = [f"{number:5d}  {kind} ({real[kind]} as processes)" for kind, number in kinds.items()]
    return "\n".join([*lines, f"{len(every):5d}  in all ({sum(real.values())} as processes)"])


if __name__ == "__main__":
    print(counts(corpus()))
