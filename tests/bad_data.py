"""Data files that are damaged or out of reach, and records that are not what a study can go on from."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bad_input import STUDY_FILE, Case, typed

from research.training import mnist

LENGTHS: dict[str, Callable[[int], int]] = {
    "empty": lambda size: 0,
    "one byte": lambda size: 1,
    "the header alone": lambda size: 16,
    "half": lambda size: size // 2,
    "one byte short": lambda size: size - 1,
    "one byte more": lambda size: size + 1,
}
ENDLESS = ("a pipe", "an endless device")  # who reads on is stopped as a process, not in this one
OFFLINE = {
    **dict.fromkeys(("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("no_proxy", "NO_PROXY", "PIP_FIND_LINKS"), ""),
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
}
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = mnist.RAW_FILES
SMALL = (TRAIN_LABELS, TEST_LABELS)
DAMAGES: dict[str, Callable[[Path], object]] = {  # what is done to a file that is there
    "a bit of its end": lambda path: flip(path, -1),
    "a bit of its header": lambda path: flip(path, 3),
    "a bit of its middle": lambda path: flip(path, 5000),
    "packed": lambda path: path.write_bytes(b"\x1f\x8b\x08\x00" + bytes(path.stat().st_size - 4)),
    "packed no more": lambda path: path.write_text("not a gzip file"),
    "a page": lambda path: path.write_text("<html>sign in first</html>"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "an endless device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "a device": lambda path: (path.unlink(), path.symlink_to("/dev/null")),
}
PLACES = {  # RESEARCH_DATA -> what is said
    "toy.py": "toy.py/mnist",
    "store/mlflow.db": "mlflow.db",
    "dangling": "dangling",
    "loop": "loop",
    "/dev/null": "/dev/null",
    "x" * 300: "File name too long",
    "~nobody-of-this-name/data": "RESEARCH_DATA=~nobody-of-this-name",
    "pipe": "pipe",
}
SQL = {  # what is done to the record -> what is said
    "UPDATE alembic_version SET version_num = 'abc'": "another MLflow version .schema abc",
    "UPDATE alembic_version SET version_num = ''": "another MLflow version",
    "UPDATE alembic_version SET version_num = 'two\nlines'": "another MLflow version",
    "DELETE FROM alembic_version": "another MLflow version .schema None",
    "DROP TABLE alembic_version": "no such table: alembic_version",
    "DROP TABLE runs": "no such table: runs",
    "DROP TABLE tags": "no such table: tags",
    "DROP TABLE experiments": "no such table: experiments",
    "UPDATE tags SET value = 'x' WHERE key = 'fingerprint'; DELETE FROM tags WHERE key = 'identity'": "tag 'identity'",
    "ALTER TABLE runs RENAME COLUMN run_uuid TO id": "mlflow.db cannot be read",
    "ALTER TABLE tags RENAME COLUMN value TO worth": "mlflow.db cannot be read",
    "DELETE FROM tags WHERE key = 'kind'": "tag 'kind'",
    "DELETE FROM tags WHERE key = 'seed'": "tag 'seed'",
    "DELETE FROM tags WHERE key = 'fingerprint'": "tag 'fingerprint'",
    "UPDATE tags SET value = 'x' WHERE key = 'seed'": "seed",
    "UPDATE tags SET value = '1.0' WHERE key = 'seed'": "seed",
    "UPDATE tags SET value = 'abc' WHERE key = 'fingerprint'": "of another configuration",
    "UPDATE tags SET value = 'x' WHERE key IN ('identity', 'fingerprint')": "of another configuration",
    "UPDATE tags SET value = '[]' WHERE key IN ('identity', 'fingerprint')": "of another configuration",
}  # fmt: skip
FOR_UI = {
    "UPDATE runs SET lifecycle_stage = 'deleted'": "has no runs yet",
    "UPDATE experiments SET lifecycle_stage = 'deleted'": "has no runs yet",
    "DELETE FROM tags WHERE key = 'kind'": "has no runs yet",
    "DROP TABLE experiment_tags": "no such table: experiment_tags",
    "DROP TABLE runs": "no such table: runs",
    "UPDATE alembic_version SET version_num = 'abc'": "another MLflow version .schema abc",
}
DATABASES: dict[str, Callable[[Path], object]] = {  # what is done to mlflow.db
    "empty": lambda path: path.write_bytes(b""),
    "one byte": lambda path: path.write_bytes(b"S"),
    "text": lambda path: path.write_text("my notes, " * 999),
    "its header alone": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "a page of it": lambda path: path.write_bytes(path.read_bytes()[:4096]),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros behind its header": lambda path: path.write_bytes(path.read_bytes()[:100].ljust(path.stat().st_size, b"\0")),
    "packed": lambda path: path.write_bytes(b"\x1f\x8b\x08\x00" + path.read_bytes()),
    "another database": lambda path: (path.unlink(), sql("CREATE TABLE notes (note TEXT)", path.parent.parent)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("gone")),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "a device": lambda path: (path.unlink(), path.symlink_to("/dev/null")),
    "an endless device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}
OTHERS = {  # what the study has become since it was recorded -> what is said
    "lr=2 * old.lr": "lr: recorded with 0.1, now 0.2",
    "lr=old.lr + 1e-9": "lr: recorded with 0.1, now 0.100000001",
    "epochs=3": "epochs: recorded with 2, now 3",
    "width=17": "width: recorded with 16, now 17",
    "batch_size=64": "batch_size: recorded with 128, now 64",
    "optimizer='adam'": "optimizer: recorded with 'sgd', now 'adam'",
    "momentum=0.9": r"momentum: recorded with 0.0, now 0.9",
    "weight_decay=0.1": r"weight_decay: recorded with 0.0, now 0.1",
    "loss='mse'": "loss: recorded with 'cross_entropy', now 'mse'",
    "dataset='mnist'": "dataset: recorded with 'digits', now 'mnist'|data: recorded with",
    "num_train=100": "num_train: recorded with 0, now 100",
    "steps=10, evaluate_every=5": "evaluate_every: recorded with 0, now 5",
    "target_accuracy=0.9": "target_accuracy: recorded with 0.0, now 0.9",
    "probe_epochs=(0,)": r"probe_epochs: recorded with \(\), now \(0,\)|now \[0\]",
    "measures=('logit_gradients',)": "measures: recorded with",
    "pixels='permuted'": "pixels: recorded with 'original', now 'permuted'",
    "output_bias=1.0": "output_bias: recorded with 0.0, now 1.0",
    "input_scale=0.5": "input_scale: recorded with 1.0, now 0.5",
    "network='cnn'": "network: recorded with 'mlp', now 'cnn'",
}


def cases() -> Iterator[Case]:
    yield from damaged_files()
    yield from places_of_data()
    yield from damaged_records()
    yield from other_configurations()


def damaged_files() -> Iterator[Case]:
    run = typed("study", "toy.py", "--store", "new")
    environment = {"RESEARCH_DATA": "data", **OFFLINE}
    for file in (TRAIN_IMAGES, TEST_LABELS):  # the first that is read and the last
        for name, length in LENGTHS.items():
            size = length(file.size)
            says = f"data/mnist/{file.name} is damaged: {size} bytes, expected {file.size}; delete it"
            spoil = partial(with_mnist, file, partial(of_size, size))
            yield Case("a data file", f"{file.name} {name}", run, says, spoil, environment)
    for name, damage in DAMAGES.items():
        spoil = partial(with_mnist, TRAIN_LABELS, damage)
        what, says = f"{TRAIN_LABELS.name} {name}", f"data/mnist/{TRAIN_LABELS.name}"
        yield Case("a data file", what, run, says, spoil, environment, process=name in ENDLESS)
    for one, other in ((TEST_IMAGES, TRAIN_IMAGES), (TRAIN_IMAGES, TEST_IMAGES), (TEST_IMAGES, TEST_LABELS)):
        spoil = partial(with_mnist, one, partial(other_link, other.name))
        yield Case("a data file", f"{one.name} as {other.name}", run, f"{one.name} is damaged", spoil, environment)


def places_of_data() -> Iterator[Case]:
    for value, says in PLACES.items():
        environment = {"RESEARCH_DATA": value, **OFFLINE}
        name = value[:40]
        yield Case(
            "RESEARCH_DATA", name, typed("study", "toy.py", "--store", "new"), says, no_place_for_data, environment
        )


def damaged_records() -> Iterator[Case]:
    for text, says in SQL.items():
        for words in (("toy.py",), ("toy.py", "--plan")):
            yield Case("a record", f"{' '.join(words)} {text}", typed("study", *words), says, partial(sql, text))
    for text, says in FOR_UI.items():
        yield Case("a record", f"ui {text}", typed("ui"), says, partial(sql, text))
    for name, damage in DATABASES.items():
        for command, *words in (("study", "toy.py"), ("study", "toy.py", "--plan"), ("ui",), ("ui", "toy")):
            spoil = partial(on_path, "store/mlflow.db", damage)
            what = " ".join((command, *words, name))
            says = "store.*mlflow.db (cannot be read|is no file).*--store"
            yield Case("a record that is none", what, typed(command, *words), says, spoil, process=name in ENDLESS)


def other_configurations() -> Iterator[Case]:
    another = "configure=lambda **levels: (lambda old: replace(old, {}))(configure(**levels))"
    changes = {change: (another.format(change), says) for change, says in OTHERS.items()}
    changes["revision=2"] = ("revision=2", "revision: recorded with 1, now 2")
    for change, (field, says) in changes.items():
        line = f"STUDY = replace(STUDY, {field})"
        for words in (("toy.py",), ("toy.py", "--plan")):
            name = f"{' '.join(words)} {change}"
            spoil = partial(on_path, "toy.py", partial(append, line))
            yield Case("another configuration", name, typed("study", *words), f"toy/full.*{says}.*--redo", spoil)


def with_mnist(file: mnist.RawFile, damage: Callable[[Path], object], world: Path) -> None:
    """Let the study be one of MNIST, with the files in the world, and damage one of them."""
    of_mnist(world)
    folder = world / "data" / "mnist"
    folder.mkdir(parents=True)
    for each in mnist.RAW_FILES:
        (folder / each.name).symlink_to(mnist.data_folder() / "mnist" / each.name)
    if file in SMALL:
        (folder / file.name).write_bytes(taken(folder / file.name))
    damage(folder / file.name)


def of_mnist(world: Path) -> None:
    """Let the study be one of MNIST."""
    (world / "toy.py").write_text(STUDY_FILE.replace('"digits"', '"mnist"'))


def no_place_for_data(world: Path) -> None:
    """The same, and beside it what is no folder."""
    of_mnist(world)
    (world / "dangling").symlink_to("gone")
    (world / "loop").symlink_to("loop")
    os.mkfifo(world / "pipe")


def of_size(size: int, path: Path) -> None:
    """Let a file be of another size, whatever it holds."""
    path.unlink()
    with path.open("wb") as file:
        file.truncate(size)


def taken(path: Path) -> bytes:
    """What a file holds, which is no longer there."""
    content = path.read_bytes()
    path.unlink()
    return content


def flip(path: Path, place: int) -> None:
    """Flip a bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def other_link(name: str, path: Path) -> None:
    """Let a link to a file be one to another of its folder."""
    target = path.with_name(name).resolve()
    path.unlink()
    path.symlink_to(target)


def on_path(name: str, damage: Callable[[Path], object], world: Path) -> None:
    """Do something to a file of the world."""
    damage(world / name)


def append(line: str, path: Path) -> None:
    path.write_text(f"{path.read_text()}\n\n{line}\n")


def sql(text: str, world: Path) -> None:
    """Change the record."""
    with contextlib.closing(sqlite3.connect(world / "store" / "mlflow.db")) as connection:
        connection.executescript(text)
