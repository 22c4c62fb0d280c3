"""Published tables that no export writes: with the sums of the old ones, or with new sums that fit."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bad_input import Case, typed

TABLES = ("runs.csv", "curves.csv", "layers.csv", "profiles.csv")
UNIVERSES = ("universes/runs.csv", "universes/tuning.csv")
FILES = (*TABLES, "provenance.json", *UNIVERSES, "universes/provenance.json")
SUMS = ("SHA256SUMS", "universes/SHA256SUMS")
ROOT = Path(__file__).resolve().parents[1]
AGAIN = "run the study to export it again"

DAMAGES: dict[str, Callable[[Path], object]] = {  # what is done to a file, whose sum stays as it was
    "removed": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "one byte more": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "with Windows' ends of lines": lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r"),
    "in UTF-16": lambda path: path.write_bytes(path.read_text().encode("utf-16")),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("gone")),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "a device": lambda path: (path.unlink(), path.symlink_to("/dev/null")),
}
SUM_LINES: dict[str, Callable[[str], str]] = {  # what SHA256SUMS becomes
    "nothing": lambda text: "",
    "blanks": lambda text: "\n\n",
    "in capitals": str.upper,
    "as of binary files": lambda text: text.replace("  ", " *"),
    "with one blank": lambda text: text.replace("  ", " "),
    "the names first": lambda text: "".join(f"{line[66:]}  {line[:64]}\n" for line in text.splitlines()),
    "the sums alone": lambda text: "".join(f"{line[:64]}\n" for line in text.splitlines()),
    "the names alone": lambda text: "".join(f"{line[66:]}\n" for line in text.splitlines()),
    "in one line": lambda text: text.replace("\n", " "),
    "in the style of BSD": lambda text: "".join(f"SHA256 ({line[66:]}) = {line[:64]}\n" for line in text.splitlines()),
    "a line short": lambda text: text[text.index("\n") + 1 :],
    "a digit short": lambda text: text[1:],
    "a digit changed": lambda text: ("1" if text[0] == "0" else "0") + text[1:],
    "of other files": lambda text: text.replace("runs.csv", "rows.csv"),
    "with folders": lambda text: text.replace("  ", "  ./"),
    "as JSON": lambda text: json.dumps(text.split()),
    "a page": lambda text: f"<pre>{text.strip()}</pre>".replace("\n", "<br>"),
}


def line(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    """A change of one line of a table, the header being 0."""

    def changed(text: str) -> str:
        lines = text.splitlines(keepends=True)
        lines[number] = change(lines[number])
        return "".join(lines)

    return changed


def cells(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    """A change of every line of a table, taken as its cells."""
    return lambda text: "".join(",".join(change(row.split(","))) + "\n" for row in text.splitlines())


CHANGES: dict[str, Callable[[str], str]] = {  # what the text of any table becomes
    "nothing": lambda text: "",
    "blanks": lambda text: "\n \n",
    "a number": lambda text: "42",
    "a quote without end": lambda text: text + '"',
    "zeros": lambda text: "\0" * 100,
    "semicolons": lambda text: text.replace(",", ";"),
    "tabs": lambda text: text.replace(",", "\t"),
    "columns too many in a line": lambda text: text + ",".join("1" * 200) + "\n",
    "no header": line(0, lambda row: ""),
    "a header twice": lambda text: text.splitlines(keepends=True)[0] + text,
    "a remark before it": lambda text: "# made today\n" + text,
    "the first column removed": cells(lambda row: row[1:]),
    "the second column removed": cells(lambda row: row[:1] + row[2:]),
    "the third column removed": cells(lambda row: row[:2] + row[3:]),
    "the first column twice": cells(lambda row: row[:1] + row),
    "the second column twice": cells(lambda row: row[:2] + row[1:]),
    "columns the other way round": cells(lambda row: row[::-1]),
    "two columns exchanged": cells(lambda row: [row[1], row[0], *row[2:]]),
    "a factor renamed": lambda text: text.replace("depth,", "depht,", 1),
    "a factor with a blank": lambda text: text.replace("depth,", " depth,", 1),
    "a column of row numbers": lambda text: "," + text.replace("\ntanh", "\n0,tanh"),
    "a column without a name": lambda text: text.replace("\n", ",\n"),
    "a column that is no metric": lambda text: text.replace("\n", ",remarks\n"),
    "a column of markup": line(0, lambda row: row.replace("\n", ",<script>alert(1)</script>\n")),
    "a row of a foreign cell": line(1, lambda row: row.replace("tanh", "gelu")),
    "a row of a foreign level": line(1, lambda row: row.replace("tanh,", "relu,", 1)),
    "a row of level None": line(1, lambda row: row.replace("tanh,", ",", 1)),
    "a row of no cell": line(1, lambda row: row[row.index(",") :]),
    "a row of markup": line(1, lambda row: row.replace("tanh", "<b>tanh</b>")),
    "a row twice": line(1, lambda row: row + row),
    "a row in Latin letters": line(1, lambda row: row.replace("tanh", "t\u00e4nh")),
}
ROWS: dict[str, Callable[[str], str]] = {  # what rows of a table of trained networks become, by its seeds
    "a row removed": line(1, lambda row: ""),
    "the last row removed": line(-1, lambda row: ""),
    "a seed too many": line(1, lambda row: row.replace(",0,", ",3,", 1)),
    "a negative seed": line(1, lambda row: row.replace(",0,", ",-1,", 1)),
    "half a seed": line(1, lambda row: row.replace(",0,", ",0.5,", 1)),
    "a seed in words": line(1, lambda row: row.replace(",0,", ",zero,", 1)),
    "a seed without end": line(1, lambda row: row.replace(",0,", ",inf,", 1)),
    "no seed": line(1, lambda row: row.replace(",0,", ",,", 1)),
    "a number in words": line(2, lambda row: ",".join([*row.split(",")[:-1], "good\n"])),
    "a number with a comma": line(2, lambda row: ",".join([*row.split(",")[:-1], '"0,5"\n'])),
    "a number in hexadecimal": line(2, lambda row: ",".join([*row.split(",")[:-1], "0x1\n"])),
    "an infinite number": line(2, lambda row: ",".join([*row.split(",")[:-1], "inf\n"])),
    "an infinite number below zero": line(2, lambda row: ",".join([*row.split(",")[:-1], "-Infinity\n"])),
    "a complex number": line(2, lambda row: ",".join([*row.split(",")[:-1], "1+2j\n"])),
    "a truth": line(2, lambda row: ",".join([*row.split(",")[:-1], "True\n"])),
}
OF_RUNS: dict[str, Callable[[str], str]] = {
    "cell in capitals": lambda text: text.replace("cell,", "Cell,", 1),
    "no metric that is judged": cells(lambda row: [*row[:5], *row[6:]]),
    "no diverged_step": cells(lambda row: [*row[:4], *row[5:]]),
}
OF_TRIALS: dict[str, Callable[[str], str]] = {  # what the table of trials becomes
    "no header": line(0, lambda row: ""),
    "nothing": lambda text: "",
    "no trial": lambda text: text.splitlines(keepends=True)[0],
    "a trial removed": line(1, lambda row: ""),
    "a trial twice": line(1, lambda row: row + row),
    "no winner": lambda text: text.replace("True", "False"),
    "only winners": lambda text: text.replace("False", "True"),
    "a winner in words": lambda text: text.replace("True", "yes"),
    "the winner a number": lambda text: text.replace("True", "7"),
    "a rate in words": lambda text: text.replace(",0.1,", ",fast,"),
    "no rate": lambda text: text.replace(",0.1,", ",,"),
    "a rate without end": lambda text: text.replace(",0.1,", ",inf,"),
    "a rate below zero": lambda text: text.replace(",0.1,", ",-0.1,"),
    "a trial in words": lambda text: text.replace(",1,0.1,", ",one,0.1,"),
    "a value in words": lambda text: text.replace(",1,0.1,", ",1,0.1,good", 1),
    "half a trial": lambda text: text.replace(",1,0.1,", ",1.5,0.1,"),
    "a foreign cell": lambda text: text.replace("tanh depth=1 rate", "gelu depth=1 rate"),
    "no column winner": lambda text: text.replace("winner", "won", 1),
    "no column value": lambda text: text.replace("value", "worth", 1),
    "no column lr": lambda text: text.replace("lr", "rate_of_learning", 1),
    "no column trial": lambda text: text.replace("trial", "attempt", 1),
    "no column cell": lambda text: text.replace("cell", "combination", 1),
}
KEYS = ("variant", "declared", "seeds", "fingerprints", "claims")  # numerics may be lacking
PROVENANCE: dict[str, tuple[str, Any]] = {  # which key of provenance.json becomes what
    **{f"{key} {value}": (key, value) for key in (*KEYS, "numerics") for value in (None, [1], 1.5)},
    "no variant": ("variant", ""),
    "an unknown tier": ("variant", "huge"),
    "an unknown field": ("variant", "full+rate=1"),
    "a field in words": ("variant", "full+lr=fast"),
    "a field that contradicts": ("variant", "full+output=raw"),
    "a factor as field": ("variant", "full+depth=3"),
    "another tier": ("variant", "small"),
    "not declared": ("declared", False),
    "declared in words": ("declared", "yes"),
    "no seeds": ("seeds", 0),
    "negative seeds": ("seeds", -3),
    "other seeds": ("seeds", 4),
    "seeds in words": ("seeds", "3"),
    "seeds a truth": ("seeds", True),
    "endless seeds": ("seeds", 10**30),
    "numerics in words": ("numerics", "2"),
    "numerics a truth": ("numerics", True),
    "no numerics": ("numerics", 0),
    "numerics of another time": ("numerics", 1),
    "numerics to come": ("numerics", 1000),
    "no fingerprints": ("fingerprints", {}),
    "fingerprints of others": ("fingerprints", {"other/full/activation=relu": "abc"}),
    "fingerprints in numbers": ("fingerprints", {"toy/full/activation=tanh/depth=1": 7}),
    "claims in words": ("claims", {"works": "abc"}),
    "unknown universes": ("universes", ["rate=slow"]),
    "universes in words": ("universes", "all"),
    "universes null": ("universes", None),
    "universes in numbers": ("universes", [1]),
    "no universes": ("universes", []),
    "all universes": ("universes", ["all"]),
}  # fmt: skip
JSON = {  # what provenance.json is instead
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"3",
    "text": b'"full"',
    "an empty object": b"{}",
    "no JSON": b"variant: full\n",
    "half of it": b'{"variant": "full", "declared": tr',
    "two of it": b"{} {}",
    "not UTF-8": b'{"variant": "f\xfcll"}',
    "UTF-16": '{"variant": "full"}'.encode("utf-16"),
    "nested without end": b"[" * 100_000,
    "an endless number": b'{"seeds": ' + b"9" * 5000 + b"}",
    "nan": b'{"variant": NaN, "declared": NaN, "seeds": NaN, "fingerprints": NaN, "claims": NaN}',
}
# What new sums make good: the numbers are the same, or somebody's own.
ADMITTED: dict[str, Callable[[bytes], bytes]] = {
    "Windows' ends of lines": lambda content: content.replace(b"\n", b"\r\n"),
    "a mark of UTF-8": lambda content: b"\xef\xbb\xbf" + content,
    "quotes": lambda content: content.replace(b"cell,", b'"cell",', 1),
    "another number": lambda content: content.replace(b",0.4,", b",0.5,", 1),
    "more digits": lambda content: content.replace(b",0.4,", b",0.400000001,", 1),
    "a number that is not there": lambda content: content.replace(b",0.4,", b",,", 1),
}
COMMANDS = (("toy.py",), ("toy.py", "--check"))


def cases() -> Iterator[Case]:
    yield from with_old_sums()
    yield from with_new_sums()
    yield from of_folders()
    yield from of_figures()


def with_old_sums() -> Iterator[Case]:
    for file in FILES:
        for name, damage in DAMAGES.items():
            says = f"reports/toy/{file}: (is not what was exported|cannot be read).*{AGAIN}"
            yield case("a file with another sum", f"{file} {name}", says, partial(spoilt, file, damage))
    for file in ("runs.csv", "SHA256SUMS", "universes/tuning.csv"):
        yield case("a file with another sum", f"{file} a pipe", f"{file}: .*{AGAIN}", partial(pipe, file), process=True)
    for file in SUMS:
        for name, change in SUM_LINES.items():
            says = f"{Path(file).parent}/.*: (is not what was exported|cannot be read).*{AGAIN}".replace("./", "")
            yield case("sums", f"{file} {name}", says, partial(spoilt, file, partial(rewritten, change)))
        for name in ("removed", "a folder", "a link to itself", "in UTF-16"):
            says = f"{AGAIN}"
            yield case("sums", f"{file} {name}", says, partial(spoilt, file, DAMAGES[name]))


def with_new_sums() -> Iterator[Case]:
    for file in (*TABLES[:2], UNIVERSES[0]):
        own = OF_RUNS if file == "runs.csv" else {}
        for name, change in (CHANGES | ROWS | own).items():
            says = f"reports/toy/{file}: .*{AGAIN}"
            yield case("a table", f"{file} {name}", says, partial(signed, file, partial(rewritten, change)))
    for name, change in OF_TRIALS.items():
        file = UNIVERSES[1]
        says = f"reports/toy/{file}: .*{AGAIN}"
        yield case("a table", f"{file} {name}", says, partial(signed, file, partial(rewritten, change)))
    for file in ("provenance.json", "universes/provenance.json"):
        for name, content in JSON.items():
            spoil = partial(signed, file, lambda path, content=content: path.write_bytes(content))
            yield case("provenance", f"{file} {name}", f"reports/toy/{file}: .*{AGAIN}", spoil)
        for key in KEYS:
            spoil = partial(signed, file, partial(without, key))
            yield case("provenance", f"{file} without {key}", f"{file}: does not say {key}; {AGAIN}", spoil)
        for name, (key, value) in PROVENANCE.items():
            if not (file.startswith("universes") and name == "all universes"):
                spoil = partial(signed, file, partial(with_value, key, value))
                yield case("provenance", f"{file} {name}", f"reports/toy.*{AGAIN}", spoil)


def of_folders() -> Iterator[Case]:
    for name, (place, damage) in {
        "no tables": ("toy", lambda path: path.rename(path.with_name("other"))),
        "a file for a folder": ("toy", lambda path: (path.rename(path.with_name("other")), path.write_text("mine"))),
        "an empty folder": ("toy", lambda path: (path.rename(path.with_name("other")), path.mkdir())),
        "a link to nothing": ("toy", lambda path: (path.rename(path.with_name("other")), path.symlink_to("gone"))),
        "a link to itself": ("toy", lambda path: (path.rename(path.with_name("other")), path.symlink_to("toy"))),
        "tables of universes in the place of those": ("toy", lambda path: exchanged(path)),
        "an empty folder of universes": (
            "toy/universes",
            lambda path: (path.rename(path.with_name("o")), path.mkdir()),
        ),
    }.items():
        yield case("a folder of tables", name, "reports/toy", partial(on_path, place, damage))
    for name in ("findings.svg", "universes.md"):
        says = f"reports/toy/{name}: cannot be written"
        words = typed("report", "toy.py")
        yield Case("a folder of tables", f"{name} a folder", words, says, partial(on_path, f"toy/{name}", Path.mkdir))


def of_figures() -> Iterator[Case]:
    """Of a real study, whose figures need more than the claims do."""
    for file, name in (("curves.csv", "validation_accuracy"), ("curves.csv", "epoch")):
        spoil = partial(of_pixels, file, name)
        says = f"{name}.*{AGAIN}"
        yield Case("a folder of tables", f"{file} without {name}", typed("report", "pixel_shuffle"), says, spoil)


def case(kind: str, name: str, says: str, spoil: Callable[[Path], object], process: bool = False) -> Case:
    """A case of the report of the study; whether it draws or checks is drawn by the name."""
    words = COMMANDS[sum(map(ord, name)) % len(COMMANDS)]
    return Case(kind, name, typed("report", *words), says, spoil, process=process)


def spoilt(file: str, damage: Callable[[Path], object], world: Path) -> None:
    """Do something to a published file."""
    damage(world / "reports" / "toy" / file)


def signed(file: str, damage: Callable[[Path], object], world: Path) -> None:
    """The same, and make the sums fit."""
    from made_up import sign

    path = world / "reports" / "toy" / file
    damage(path)
    sign(path.parent, ("runs.csv", "tuning.csv") if file.startswith("universes") else TABLES)


def of_pixels(file: str, column: str, world: Path) -> None:
    """Publish the project's pixel_shuffle beside the toy, without a column."""
    import pandas as pd
    from made_up import sign, write_table

    ours, folder = ROOT / "reports" / "pixel_shuffle", world / "reports" / "pixel_shuffle"
    folder.mkdir()
    for name in (*TABLES, "provenance.json"):
        shutil.copy(ours / name, folder / name)
    write_table(folder / file, pd.read_csv(folder / file).drop(columns=column))
    sign(folder)


def on_path(place: str, damage: Callable[[Path], object], world: Path) -> None:
    """Do something to a folder of tables."""
    damage(world / "reports" / place)


def pipe(file: str, world: Path) -> None:
    """Put a pipe in the place of a published file: who reads it waits for ever."""
    (world / "reports" / "toy" / file).unlink()
    os.mkfifo(world / "reports" / "toy" / file)


def rewritten(change: Callable[[str], str], path: Path) -> None:
    path.write_text(change(path.read_text()))


def without(key: str, path: Path) -> None:
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != key}))


def with_value(key: str, value: object, path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


def exchanged(folder: Path) -> None:
    """Put the tables of universes in the place of those of the reference."""
    (folder / "universes").rename(folder.with_name("moved"))
    folder.rename(folder.with_name("other"))
    folder.with_name("moved").rename(folder)
