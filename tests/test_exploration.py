"""What was declared and found before an amendment is kept as it was, and stays on the page."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from bad_input import STUDY_FILE
from made_up import write_tables, write_universes

from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.plan import make_plan
from research.design.study import Amendment
from research.design.study_files import load_study
from research.publishing.exploration import freeze
from research.publishing.tables import PROVENANCE, SUMS, TABLES, UNIVERSE_TABLES
from research.report import main

AMENDMENT = '("2026-11-28", "Half became 70 %.", "A coin | has half.", "Seeds 0 to 2.")'
AMENDED = (
    STUDY_FILE.replace("Tier(seeds=3)", "Tier(seeds=3, first_seed=100)")
    .replace("The toy works", "The toy works well")
    .replace('NUMBER, above=0.5),),\n    main_effects', 'NUMBER, above=0.7),),\n    main_effects')
    .replace("import MainEffect", "import Amendment, MainEffect")
    .replace("    controls=(", f"    amendments=(Amendment{AMENDMENT},),\n    controls=(")
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """A folder with a study of a user, what is published of it from numbers that are made up, and the index."""
    folder = tmp_path_factory.mktemp("drawn") / "place"
    folder.mkdir()
    (folder / "toy.py").write_text(STUDY_FILE)
    study = load_study(str(folder / "toy.py"))
    write_tables(study, folder / "reports" / "toy")
    write_universes(study, folder / "reports" / "toy")
    assert report(folder) == 0
    return folder


@pytest.fixture
def place(drawn, tmp_path) -> Path:
    """A copy of it that may be changed."""
    return Path(shutil.copytree(drawn, tmp_path / "place"))


@pytest.fixture
def frozen(place) -> Path:
    """The same with what is published frozen."""
    assert report(place, "--freeze") == 0
    return place


def report(folder: Path, *options: str) -> int:
    return main([str(folder / "toy.py"), *options, "--reports", str(folder / "reports")])


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_tables_findings_and_what_they_were_made_with_are_frozen_with_their_sums(frozen):
    files = files_in(frozen / "reports" / "toy" / "exploration")
    universes = (*UNIVERSE_TABLES, PROVENANCE, "findings.csv", "summary.csv")
    assert set(files) == {
        *TABLES, PROVENANCE, "findings.csv", "code.json", SUMS, *(f"universes/{name}" for name in universes)
    }  # fmt: skip
    published = files_in(frozen / "reports" / "toy")
    assert {name for name in files if published.get(name) != files[name]} == {"findings.csv", "code.json", SUMS}
    summed = dict(reversed(line.split("  ")) for line in files[SUMS].decode().splitlines())
    assert summed == {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != SUMS}
    old, new = (
        pd.read_csv(frozen / "reports" / "toy" / name).set_index("name")
        for name in ("findings.csv", "exploration/findings.csv")
    )
    pd.testing.assert_frame_equal(new[old.columns], old)
    assert new.loc["works", "text"] == "The toy works"
    assert new.loc["works", "condition"] == "test accuracy of ReLU, the mean over depth 1 is above 50 % on average"
    assert new.loc["works", "measured"].startswith("95.")
    assert new.loc["works", "universes"] == "✔ 5 of 5"


def test_frozen_files_stay_as_they_are_and_the_page_quotes_what_came_out_after_an_amendment(frozen):
    before = files_in(frozen / "reports" / "toy" / "exploration")
    (frozen / "toy.py").write_text(AMENDED)
    study = load_study(str(frozen / "toy.py"))
    shutil.rmtree(frozen / "reports" / "toy" / "universes")
    write_tables(study, frozen / "reports" / "toy")
    write_universes(study, frozen / "reports" / "toy")
    assert report(frozen) == 0
    assert report(frozen, "--check") == 0
    assert files_in(frozen / "reports" / "toy" / "exploration") == before
    page = (frozen / "reports" / "toy" / "README.md").read_text()
    section = page.partition("## Amendments")[2].partition("## Run it again")[0]
    assert "**2026-11-28.** Half became 70 %. *Why:* A coin \\| has half. *Seen by then:* Seeds 0 to 2." in section
    assert "Judged on seeds 0 to 2, in universes on 3 of them, by code of" in section
    assert f"(numerics {NUMERICS})" in section
    (row,) = (line for line in section.splitlines() if line.startswith("| The toy works ("))
    assert "| test accuracy of ReLU, the mean over depth 1 is above 50 % on average | 95." in row
    assert row.endswith("| 3 | ✔ supported | ✔ 5 of 5 |")
    assert "The toy works well" in page.partition("## Amendments")[0]
    assert "The toy works well" not in section


def test_where_nothing_was_amended_the_page_says_nothing_of_it(drawn):
    assert "Amendments" not in (drawn / "reports" / "toy" / "README.md").read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda place: (place / "runs.csv").write_text("a"), "runs.csv: is not what was frozen; bring it back from"),
        (lambda place: (place / "universes" / "findings.csv").unlink(), "findings.csv: was frozen and is not there"),
        (lambda place: (place / "new.csv").write_text("a"), "new.csv: is none of the frozen files; remove it"),
        (lambda place: (place / "universes" / ".x").write_text("a"), ".x: is none of the frozen files; remove it"),
        (lambda place: (place / SUMS).unlink(), "exploration: cannot be read"),
    ],
)
def test_what_was_frozen_and_is_no_longer_so_is_refused_and_named_by_the_check(frozen, capsys, change, says):
    assert report(frozen) == 0
    change(frozen / "reports" / "toy" / "exploration")
    capsys.readouterr()
    assert report(frozen) == 2
    assert says in capsys.readouterr().err
    assert report(frozen, "--check") == 2
    assert says in capsys.readouterr().err


def test_the_lock_of_an_editor_is_none_of_the_files(frozen):
    assert report(frozen) == 0
    (frozen / "reports" / "toy" / "exploration" / ".#runs.csv").symlink_to("me@host.1:2")
    (frozen / "reports" / "toy" / ".#README.md").symlink_to("me@host.1:2")
    (frozen / "reports" / "other").mkdir()
    assert (report(frozen), report(frozen, "--check")) == (0, 0)


def test_nothing_is_frozen_twice_or_unless_it_is_what_the_study_says_now(place, capsys):
    (place / "toy.py").write_text(
        STUDY_FILE.replace('"nowhere", "mean", NUMBER, above=0.5', '"nowhere", "mean", NUMBER, above=0.99')
    )
    assert report(place, "--freeze") == 2
    line = "findings.csv: is not what its tables say; python -m research.report draws it again"
    assert line in capsys.readouterr().err
    (place / "toy.py").write_text(STUDY_FILE)
    assert report(place, "--freeze") == 0
    assert report(place, "--freeze") == 2
    assert "exploration: is frozen already, and nothing writes it again" in capsys.readouterr().err


def test_what_is_to_be_frozen_is_named(drawn, capsys):
    assert main(["--freeze", "--reports", str(drawn / "reports")]) == 2
    assert "--freeze: needs the NAME of a study" in capsys.readouterr().err


def test_a_study_that_claims_nothing_has_nothing_to_freeze(tmp_path):
    from test_design import TOY

    write_tables(TOY, tmp_path / "toy")
    with pytest.raises(UserError, match="toy claims nothing"):
        freeze(TOY, tmp_path / "toy")


def test_a_study_of_which_nothing_is_published_but_the_exploration_is_left_out(tmp_path, capsys):
    place = tmp_path / "width_sine" / "exploration"
    place.mkdir(parents=True)
    (place / SUMS).write_bytes(b"")
    assert main(["--reports", str(tmp_path), "--check"]) == 0
    (place / "a").write_text("a")
    assert main(["--reports", str(tmp_path), "--check"]) == 1
    assert "a: is none of the frozen files; remove it" in capsys.readouterr().out


def test_the_numerics_that_made_the_tables_are_kept_not_those_of_the_code_that_freezes_them(place):
    study = load_study(str(place / "toy.py"))
    shutil.rmtree(place / "reports" / "toy")
    write_tables(study, place / "reports" / "toy", make_plan(study, numerics=NUMERICS - 1))
    assert report(place) == 0
    assert report(place, "--freeze") == 0
    assert json.loads((place / "reports" / "toy" / "exploration" / "code.json").read_text()) == {
        "numerics": NUMERICS - 1,
        "revision": 1,
    }


GOOD = {"date": "2026-11-28", "what": "a margin", "why": "a reason", "seen": "seeds 0 to 9"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"date": ""}, "amendment: date='' must be a day such as 2026-11-28"),
        ({"date": "20261128"}, "amendment: date='20261128' must be a day"),
        ({"date": "2026-02-30"}, "amendment: date='2026-02-30' must be a day"),
        ({"date": "28 Nov 2026"}, "amendment: date='28 Nov 2026' must be a day"),
        ({"what": " "}, "amendment of 2026-11-28: what=' ' must be one line of text"),
        ({"why": ""}, "amendment of 2026-11-28: why='' must be one line of text"),
        ({"seen": "a\nb"}, r"amendment of 2026-11-28: seen='a\\nb' must be one line of text"),
        ({"why": None}, "amendment: why"),
    ],
)
def test_an_amendment_without_a_date_or_a_reason_is_refused_when_it_is_built(changes, says):
    assert Amendment(**GOOD).why == "a reason"
    with pytest.raises(UserError, match=says):
        Amendment(**GOOD | changes)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (', "Seeds 0 to 2.")', ")", "missing 1 required positional argument: 'seen'"),
        (", first_seed=100", "", "toy: an amended study is judged on seeds that nobody has seen: tier 'full' needs a"),
        (
            "),),\n    controls",
            '), Amendment("2026-11-27", "a", "b", "c")),\n    controls',
            "toy: amendments must stand in",
        ),
    ],
)
def test_a_study_file_with_an_amendment_that_cannot_be_is_one_line(tmp_path, old, new, says):
    assert old in AMENDED
    (tmp_path / "toy.py").write_text(AMENDED.replace(old, new))
    with pytest.raises(UserError, match=says):
        load_study(str(tmp_path / "toy.py"))
