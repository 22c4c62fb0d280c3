"""Study files that cannot be: broken as Python, without a study, or with a study that makes no sense."""

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bad_input import STUDY_FILE, Case, typed

TARGETS = {  # where in the study each frozen value stands, as an expression with the change in its middle
    "study": "replace(STUDY, {})",
    "arms": "replace(STUDY, arms=replace(STUDY.arms, {}))",
    "tier": "replace(STUDY, tiers={{**STUDY.tiers, 'small': replace(STUDY.tiers['small'], {})}})",
    "number": "replace(STUDY, claims=(replace(STUDY.claims[0], number=replace(NUMBER, {})),))",
    "claim": "replace(STUDY, claims=(replace(STUDY.claims[0], {}),))",
    "control": "replace(STUDY, controls=(replace(STUDY.controls[0], {}),))",
    "tuning": "replace(STUDY, tuning=replace(STUDY.tuning, {}))",
    "main_effect": "replace(STUDY, main_effects=(replace(STUDY.main_effects[0], {}),))",
    "config": "replace(STUDY, configure=lambda **levels: replace(configure(**levels), {}))",
}
TEXT = ("None", "5", "''", "'two\\nlines'")
WORD = ("None", "5", "'no such'")
NUMBER = ("None", "'0.5'", "(1,)", "True")
WHOLE = ("None", "'3'", "2.5", "float('nan')", "-1", "10**15")
TUPLE = ("None", "5", "'test_accuracy'", "{'a': 1}", "(None,)", "(x for x in ())")
FIELDS = {  # of each of them, fields with what they cannot be
    "study": {
        "name": (*WORD, "''", "'Toy'", "'<script>'", "'tot'"),
        "question": TEXT,
        "passage": ("None", "5"),
        "says": ("None", "('a', 'b')"),
        "configure": ("None", "'configure'", "TrainConfig()", "TrainConfig", "lambda: None", "lambda **levels: None",
                      "lambda **levels: dict(levels)", "lambda activation, depth: TrainConfig()",
                      "lambda **levels: levels['width']", "lambda **levels: 1 / 0", "lambda **levels: exit(0)",
                      "lambda **levels: TrainConfig('digits', depth=levels['depth'], activation=levels['activation'])"),
        "arms": ("None", "'activation'", "('tanh', 'relu')", "(STUDY.arms,)", "Factor('width', (8, 16))"),
        "blocks": ("None", "STUDY.blocks[0]", "('depth',)", "(STUDY.arms,)", "()"),
        "grids": ("None", "{'depth': (1,)}", "({'depth': 1},)", "({'depth': ()},)", "({'depth': (9,)},)",
                  "({'width': (8,)},)", "({'init': ('he',)},)", "({'activation': ('relu',)},)"),
        "choices": ("None", "STUDY.choices[0]", "(*STUDY.choices, STUDY.arms)", "()", "STUDY.choices[:1]"),
        "universes": ("None", "'all'", "{'init': 'he'}", "({'init': 'hee'},)", "({'innit': 'he'},)",
                      "({'init': None},)", "({'init': ('he',)},)", "('init=he',)"),
        "universe_reasons": ("None", "5"),
        "tuning": ("None", "{'lr': (0.1, 10.0)}", "5"),
        "headline": (*TUPLE, "()", "('test_acuracy',)"),
        "direction": WORD,
        "tiers": ("None", "{}", "5", "{'full': 3}", "{'small': Tier(seeds=3)}",
                  "{'full': Tier(seeds=3), 'a/b': Tier(3)}",
                  "{'full': Tier(seeds=3), None: Tier(3)}", "[Tier(seeds=3)]"),
        "controls": ("None", "STUDY.controls[0]", "STUDY.claims", "('sane',)"),
        "claims": ("None", "STUDY.claims[0]", "STUDY.claims * 2", "STUDY.controls", "('works',)"),
        "main_effects": ("None", "STUDY.main_effects[0]", "STUDY.claims", "STUDY.main_effects * 2"),
        "amendments": ("None", "'2026-11-28'", "('2026-11-28',)", "STUDY.claims"),
        "revision": ("None", "'2'", "1.5"),
    },
    "arms": {
        "name": ("None", "5", "''", "'seed'", "'depth'", "'a b'", "'<script>'", "'acti\\u0432ation'"),
        "levels": ("None", "5", "'relu'", "()", "('relu', 'relu')", "('1', 1)", "(1, 1.0)", "(None,)", "('relu', '')",
                   "('a=b',)", "('a,b',)", "('a/b',)", "('re lu',)", "('relu\\n',)", "(float('nan'),)",
                   "{'relu', 'tanh'}", "('relu', ('tanh',))", "('tanh', 'gelu')", "('tanh', 'rleu')",
                   "('relu',) + tuple(range(3000))"),
    },
    "tier": {
        "seeds": (*WHOLE, "0"),
        "universe_seeds": WHOLE,
        "first_seed": WHOLE,
        "overrides": ("None", "5", "'epochs=1'", "('epochs', 1)", "{'epoch': 1}", "{'epochs': '1'}", "{'epochs': None}",
                      "{1: 2}"),
        "levels": ("None", "'depth'", "{'depth': 1}", "{'depth': '1'}", "{'depth': ('1',)}", "{'depth': (3,)}",
                   "{'depth': ()}", "{'width': (8,)}", "{'init': ('he',)}", "{'depth': None}"),
    },
    "number": {
        "metric": (*TEXT, "'test_acuracy'", "'test_rmse'", "'gradient_ratio'", "'steps_to_target'"),
        "arms": (*TUPLE, "()", "'relu'", "('rleu',)", "('tanh', 'relu')", "('identity',)"),
        "blocks": ("None", "'depth'", "{}", "{'depth': 1}", "{'depth': ()}", "{'depth': (3,)}", "{'depth': '1'}",
                   "{'dept': (1,)}", "{'depth': (1,), 'init': ('hee',)}"),
        "across_arms": (*WORD, "'ratio'", "'log_slope'", "'first_below'"),
        "across_blocks": (*WORD, "'log_slope'", "'difference'"),
        "missing": ("None", "0.0", "(0.0,)", "('0', '1')", "(1.0, 0.0)", "(float('nan'), 1.0)"),
        "resolution": (*NUMBER, "-1.0", "float('nan')", "float('inf')"),
        "threshold": ("'0.5'", "0.5", "float('nan')"),
    },
    "claim": {
        "name": (*TEXT, "'sane'", "'alone'"),
        "text": TEXT,
        "passage": ("None", "5"),
        "kind": (*WORD, "'Mean'", "['mean']"),
        "number": ("None", "'test_accuracy'", "STUDY.claims[0]", "0.5"),
        "above": (*NUMBER, "float('nan')", "float('inf')", "2.0, below=1.0", "0.5, below=0.5"),
        "below": (*NUMBER, "float('nan')", "float('-inf')"),
        "share": (*NUMBER, "1", "-0.1", "float('nan')"),
        "by_hand": ("None", "5", "'two\\nlines'"),
    },
    "control": {
        "kind": (*WORD, "'Mean'", "'never'"),
        "share": (*NUMBER, "1"),
        "guards": (*TUPLE[:2], "'works'", "('worsk',)", "('works', 'sane')"),
        "name": (*TEXT, "'works'"),
        "text": TEXT,
        "number": ("None", "'test_accuracy'"),
        "above": (*NUMBER, "float('nan')", "2.0, below=1.0"),
        "cells": (*TUPLE[:2], "{'activation': 'identity', 'depth': 1}", "({'activation': 'identity'},)",
                  "({'activation': 'identity', 'depth': 1, 'width': 8},)", "({'activation': 'rleu', 'depth': 1},)",
                  "({'activation': None, 'depth': 1},)"),
    },
    "tuning": {
        "ranges": ("None", "{}", "('lr', 0.1, 10.0)", "{'lr': 10.0}", "{'lr': (10.0, 0.1)}", "{'lr': (0.1, 1, 10)}",
                   "{'lr': ('0.1', '10')}", "{'output': (0.5, 2.0)}", "{'rate': (0.1, 10.0)}", "{'lr': (2.0, 3.0)}",
                   "{'lr': (0.1, float('nan'))}", "{'momentum': (0.5, 2.0)}"),
        "metric": (*WORD, "'test_accuracy'", "'steps_to_target'"),
        "direction": WORD,
        "budget": (*WHOLE, "0"),
        "at_once": (*WHOLE, "0"),
        "seeds": (*WHOLE, "0"),
    },
    "main_effect": {
        "name": (*TEXT, "'works'"),
        "metric": ("None", "5", "'test_acuracy'"),
        "blocks": ("None", "{}", "{'depth': (3,)}", "{'depth': ()}", "{'depth': 1}"),
        "choices": ("None", "{'rate': 'tenth'}", "{'rate': ()}", "{'rate': ('customary', 'tuned')}, above=float('nan')",
                    "{'width': (8,)}", "{'rate': ('tuned', 'customary'), 'init': ('he',)}"),
        "kind": (*WORD, "'always'"),
        "above": (*NUMBER, "1.0, below=0.0"),
    },
    "config": {
        "dataset": WORD,
        "activation": WORD,
        "epochs": (*WHOLE[:4], "10**15"),
        "lr": ("None", "'0.1'", "float('nan')", "-1.0"),
        "probe_epochs": ("5", "[0]", "(1, 0)", "(-1,)", "(0.5,)"),
        "measures": ("'curve_fit'", "('curve_fit',)", "('nothing',)"),
        "no_such": ("1",),
    },
}  # fmt: skip
REQUIRED = {
    "Study": ("name", "question", "passage", "configure", "arms", "blocks", "tiers", "headline"),
    "Factor": ("name", "levels"),
    "Tier": ("seeds",),
    "Tuning": ("ranges", "metric", "direction", "budget", "at_once", "seeds"),
    "Number": ("metric", "arms", "blocks", "across_arms", "across_blocks"),
    "Claim": ("name", "text", "passage", "kind", "number"),
    "Control": ("name", "text", "number"),
    "MainEffect": ("name", "text", "passage", "metric", "blocks", "choices"),
}
VALUES = {
    "Study": "STUDY",
    "Factor": "STUDY.arms",
    "Tier": "STUDY.tiers['small']",
    "Tuning": "STUDY.tuning",
    "Number": "NUMBER",
    "Claim": "STUDY.claims[0]",
    "Control": "STUDY.controls[0]",
    "MainEffect": "STUDY.main_effects[0]",
}
LINES = {  # what is written at the end of the file -> what is said of it
    "raise ValueError('two\\nlines')": r"line \d+: cannot be loaded: ValueError: two\\nlines",
    "raise ValueError": "ValueError",
    "raise RuntimeError('x' * 100_000)": "RuntimeError: xxx",
    "raise SystemExit": "SystemExit",
    "import sys; sys.exit(0)": "SystemExit: 0",
    "import sys; sys.exit('bye')": "SystemExit: bye",
    "class Odd(BaseException): pass\nraise Odd('here')": "Odd: here",
    "raise GeneratorExit": "GeneratorExit",
    "import asyncio; raise asyncio.CancelledError": "CancelledError",
    "raise ExceptionGroup('many', [ValueError('a'), KeyError('b')])": "ExceptionGroup: many",
    "assert STUDY.name == 'other'": "AssertionError",
    "def f(): f()\nf()": "RecursionError",
    "1 / 0": "ZeroDivisionError",
    "undefined": "NameError: name 'undefined'",
    "STUDY.name = 'other'": "cannot assign to field 'name'",
    "del STUDY": r"must define STUDY = Study\(name='toy'",
    "STUDY = None": "must define STUDY",
    "STUDY = [STUDY]": "must define STUDY",
    "STUDY = lambda: STUDY": "must define STUDY",
    "STUDY = 'toy'": "must define STUDY",
    "STUDY = vars(STUDY)": "must define STUDY",
    "STUDY = Study": "must define STUDY",
    "Study = STUDY; del STUDY": "must define STUDY",
    "from studies.toy import missing": "ImportError: cannot import name 'missing'",
    "import studies.toy.more": "ModuleNotFoundError",
    "import no_such_module": "No module named 'no_such_module'",
    "import torch.no_such_part": "No module named 'torch.no_such_part'",
    "from research.design.study import Factr": "cannot import name 'Factr'",
    "from research import Study": "cannot import name 'Study'",
    "open('no such file')": "FileNotFoundError",
    "open('toy.py/x')": "NotADirectoryError",
    "STUDY = (": "'\\(' was never closed",
    "  indented": "unexpected indent",
    "if True:": "expected an indented block",
    "return STUDY": "'return' outside function",
    "STUDY == = 1": "invalid syntax",
    "print 'hello'": "Missing parentheses",
    "x = \u201cquoted\u201d": "invalid character",
    "STUDY\u00a0= None": "invalid non-printable character",
    "<<<<<<< HEAD": "invalid syntax",
    "\tx = 1\n        y = 2\nx": "IndentationError|TabError",
    "f'{'": "SyntaxError",
    "x = '''never ends": "unterminated triple-quoted string",
    "await STUDY": "'await' outside function",
    "int('9' * 5000)": "ValueError: Exceeds the limit",
    "Study(**{f: vars(STUDY)[f] for f in STUDY.__match_args__}, questoin=1)": "unexpected keyword argument 'questoin'",
    "Factor('a', ('b',), ('c',))": r"label=\('c',\) must be str",
    "crossed(('a', 'b'))": "TypeError",
    "TrainConfig(widht=3)": "unexpected keyword argument 'widht'",
    "TrainConfig('digits', network='cnn', head='maps')": "head='maps'",
}  # fmt: skip
CONTENTS = {  # what the file is instead -> what is said of it
    "nothing": (b"", "must define STUDY"),
    "blanks": (b" \n\n\t\n", "must define STUDY|IndentationError"),
    "a comment": (b"# to do", "must define STUDY"),
    "zeros": (bytes(1000), "null bytes"),
    "latin-1": ("x = 'caf\u00e9'\n".encode("latin-1"), "cannot be loaded"),
    "UTF-16": (STUDY_FILE.encode("utf-16"), "cannot be loaded"),
    "of an unknown encoding": (b"# coding: nonesuch\n", "unknown encoding|cannot be loaded"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(range(256)), "cannot be loaded"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "cannot be loaded"),
    "a notebook": (b'{"cells": [], "metadata": null}', "name 'null' is not defined"),
    "a page": (b"<!DOCTYPE html><script>alert(1)</script>", "invalid syntax"),
    "a shell script": (b"#!/bin/sh\nrm -rf ~\n", "invalid syntax"),
    "nested without end": (b"(" * 10_000, "cannot be loaded"),
    "half of it": (STUDY_FILE[: len(STUDY_FILE) // 2].encode(), "cannot be loaded"),
    "the end missing": (STUDY_FILE[:-4].encode(), "was never closed"),
}
FILES = {  # a file's name -> what is said of it
    "my-study.py": "must have the name of its study",
    "Toy.py": "must have the name of its study",
    "1toy.py": "must have the name of its study",
    "toy.v2.py": "must have the name of its study",
    "my toy.py": "must have the name of its study",
    "gro\u00df.py": "must have the name of its study",
    "<script>.py": "must have the name of its study",
    "a,b.py": "must have the name of its study",
    "a=b.py": "must have the name of its study",
    "other.py": r"must define STUDY = Study\(name='other'",
    "research.py": r"must define STUDY = Study\(name='research'",
    "random.py": r"must define STUDY = Study\(name='random'",
    "__init__.py": "must have the name of its study",
}
COMMANDS = (("study", "toy.py"), ("study", "toy.py", "--plan"), ("report", "toy.py"), ("report", "toy.py", "--check"))


def cases() -> Iterator[Case]:
    for text, says in LINES.items():
        yield case("a line in a study file", text, says, partial(append, text))
    for name, (content, says) in CONTENTS.items():
        yield case("a study file that is something else", name, says, partial(write, content))
    for name, says in FILES.items():
        yield case("a study file's name", name, says, partial(rename, name), name)
    for owner, fields in FIELDS.items():
        for field, values in fields.items():
            for value in values:
                line = f"STUDY = {TARGETS[owner].format(f'{field}={value}')}"
                given = [re.escape(word) for word in re.findall(r"(?<=')[^',]+(?=')|nan|[0-9.]+", value)]
                says = rf"toy\.py(, line \d+)?: .*({'|'.join(['toy: ', 'factor ', field, *given])})"
                yield case("a field", f"{owner}: {field}={value}", says, partial(append, line))
    for owner, fields in REQUIRED.items():
        for field in fields:
            line = f"{owner}(**{{k: vars({VALUES[owner]})[k] for k in {owner}.__match_args__ if k != {field!r}}})"
            says = f"line .*missing 1 required positional argument: '{field}'"
            yield case("a field left out", f"{owner}: {field}", says, partial(append, line))


def case(kind: str, name: str, says: str, spoil: Callable[[Path], object], file: str = "toy.py") -> Case:
    """A case of a study file; which command meets it is drawn by its name."""
    command, _, *more = COMMANDS[sum(map(ord, name)) % len(COMMANDS)]
    return Case(kind, name[:60].replace("\n", " "), typed(command, file, *more), says, spoil)


def append(text: str, world: Path) -> None:
    """Write something at the end of the study file."""
    (world / "toy.py").write_text(f"{STUDY_FILE}\n\n{text}\n", encoding="utf-8")


def write(content: bytes, world: Path) -> None:
    """Let the study file be something else."""
    (world / "toy.py").write_bytes(content)


def rename(name: str, world: Path) -> None:
    """Give the study file another name."""
    os.replace(world / "toy.py", world / name)
