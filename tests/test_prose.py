"""What pages conclude takes each number from the tables: in the text's source no digit is typed."""

import ast
import importlib
import re
from collections.abc import Iterator

import pytest
from conftest import ROOT
from made_up import write_tables, write_universes

from research import results
from research.design.study_files import load_study, study_names
from research.publishing.prose import between, controls, count, listing, number, of, percent, points, universe

SCRIPTS = sorted(path.stem for path in (ROOT / "reports").glob("[a-z]*.py"))
EXCEPTED = {  # what has digits and is no result
    "float64": "a type of numbers",
}


def prose(tree: ast.AST) -> Iterator[str]:
    """What is typed as text for readers: parts of f-strings, and strings that are no argument, key or docstring."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr):
            yield from (part.value for part in node.values if isinstance(part, ast.Constant))
            yield from (text for part in node.values if not isinstance(part, ast.Constant) for text in prose(part))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if not isinstance(tree, (ast.Call, ast.Subscript, ast.Compare, ast.Expr, ast.keyword)):
                yield node.value
        else:
            yield from prose(node)


def readers_parts(source: str) -> Iterator[ast.AST]:
    """The parts of a script that give text: CAPTIONS, and the functions that return a string."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "CAPTIONS" for name in node.targets):
            yield node.value
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id == "str":
            yield from node.body


def typed_digits(source: str) -> list[str]:
    texts = [text for part in readers_parts(source) for text in prose(ast.Module([part], []))]
    for name in EXCEPTED:
        texts = [text.replace(name, "") for text in texts]
    return [text for text in texts if re.search(r"\d", text)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_digit_is_typed_in_captions_and_conclusions(name):
    assert typed_digits((ROOT / "reports" / f"{name}.py").read_text()) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('    return f"in {count(3)} of 16 universes"', [" of 16 universes"]),
        ('    return "in 16 universes"', ["in 16 universes"]),
        ('    return listing(f"{at} in 16" for at in (1, 2))', [" in 16"]),
        ("    return f'about {table.query(\"width == 16\").loc[3]} and float64'", []),
        ('    """Of 16 universes."""\n    return f"{16}"', []),
    ],
)
def test_a_digit_that_is_typed_is_found_and_one_in_an_expression_is_none(line, found):
    assert typed_digits(f"def notes(found: Results) -> str:\n{line}\n") == found


def test_a_digit_in_a_caption_is_found():
    assert typed_digits('CAPTIONS = {"a1": ("Every 50 steps.")}') == ["a1", "Every 50 steps."]


@pytest.mark.parametrize("name", SCRIPTS)
def test_conclusions_follow_the_tables(name, tmp_path):
    study, script = load_study(name), importlib.import_module(f"reports.{name}")
    write_universes(study, write_tables(study, tmp_path / name), reached_target=lambda row, rng: 1.0)
    found = results(name, tmp_path)
    assert found.universe_runs is not None
    assert found.universe_findings is not None
    metrics = [column for column in found.universe_runs if re.match("(steady_)?test_|train_|steps_", str(column))]
    others = found._replace(
        universe_runs=found.universe_runs.assign(**{metric: 0.7 * found.universe_runs[metric] for metric in metrics}),
        universe_findings=found.universe_findings.assign(number=0.7 * found.universe_findings["number"]),
    )
    texts = script.notes(found), script.notes(others)
    assert texts[0] != texts[1]
    for text in texts:
        assert not re.search(r"\bnan\b|\binf\b|np\.|Series|\{", text)


def test_every_study_has_conclusions_and_a_caption_for_each_figure():
    assert set(SCRIPTS) == {name for name in study_names() if (ROOT / "reports" / f"{name}.py").is_file()}


def test_numbers_are_written_as_a_reader_says_them():
    assert (count(0), count(3), count(13), count(5000)) == ("no", "three", "13", "5,000")
    assert (of(0, 5), of(5, 6), of(16, 16)) == ("none of five", "five of six", "all 16")
    assert (listing([4, 6, 8]), listing(["he"]), listing([], "nowhere")) == ("4, 6 and 8", "he", "nowhere")
    assert (percent(0.65), percent(0.1416, 1), percent(float("nan"))) == ("65 %", "14.2 %", "-")
    assert (points(0.0301, 0.0394), points(0.091, places=0)) == ("3.0 to 3.9 points", "9 points")
    assert (number(3072), between(1.1401, 1.1402), between(0.1, 1.1)) == ("3,072", "1.14", "0.100 to 1.10")


def test_a_universe_is_named_by_what_differs_from_the_reference():
    study = load_study("activation_depth")
    assert universe(study, study.reference) == "in the reference"
    levels = {**study.reference, "init": "he", "rate": "tuned"}
    assert universe(study, levels) == "under He initialisation at a tuned rate"


def test_controls_are_counted_by_name_and_verdict():
    reasons = ["control a, b is refuted", "control c is refuted; not tuned: lr", "most; control a is inconclusive"]
    assert controls(reasons, "refuted") == "`a, b` in one and `c` in one"
    assert controls(reasons, "inconclusive") == "`a` in one"
    assert controls(["the whole interval lies inside the region"], "refuted") == "none"
