"""The page about universes says what was compared, what came out, what was tuned and what was left out."""

import re
from dataclasses import replace

import pytest
from made_up import write_tables, write_universes
from test_read_universes import STUDY, by_init

from research.design.plan import make_plan
from research.design.study import Control
from research.publishing.drawing import page, render
from research.publishing.results import read_published, read_universes
from research.publishing.universe_page import universes_page
from research.study import universes_text


@pytest.fixture
def folder(tmp_path):
    return write_universes(STUDY, write_tables(STUDY, tmp_path / "toy"), test_accuracy=by_init)


def test_the_studys_page_puts_both_verdicts_side_by_side(folder):
    published = read_published(STUDY, folder)
    text = page(published, ["findings"])
    assert "## Across universes" in text
    assert (
        "| ReLU is good | **✔ supported** | **✔ 2 · ✘ 3 of 5** | Holds under He initialisation; fails under default "
        "initialisation. |" in text
    )
    assert "[all universes](universes.md)" in text
    assert "## Across universes" not in page(replace(published, universes=None), ["findings"])


def test_the_page_lists_every_universe_and_what_was_left_out(folder):
    text = universes_page(read_universes(STUDY, folder), None, {})
    assert "| reference | default | customary | 24 |" in text
    assert "| 2 | He | \N{EN DASH} | 24 |" in text
    assert "| 4 | \N{EN DASH} | tuned | 24 |" in text
    assert "Start and rate are crossed \\| since &lt;both> matter." in text
    assert "4 trials of 2 seeds that are used for nothing else" in text
    assert "No winner lies at an end of its range." in text
    assert "**It is ReLU alone** (B 2): **✘ refuted**" in text


def test_where_nothing_was_tuned_nothing_is_said_of_it(tmp_path):
    plan = make_plan(STUDY, scope=("init=default,he",))
    universes = read_universes(STUDY, write_universes(STUDY, tmp_path / "toy", plan, test_accuracy=by_init))
    text = universes_page(universes, None, {})
    assert "## What was tuned" not in text


def test_the_page_says_why_the_reference_may_count_otherwise_among_the_universes(folder):
    text = universes_page(read_universes(STUDY, folder), None, {})
    assert "it may come out otherwise than in its own column" in text
    assert "above" not in text.partition("| claim |")[0]  # where no verdicts stand


def test_universes_in_which_a_control_is_refuted_are_counted(folder, tmp_path):
    number = STUDY.claims[0].number
    study = replace(STUDY, controls=(Control("sane", "ReLU is better than chance", number, above=0.5),))
    folder = write_universes(study, tmp_path / "more", test_accuracy=by_init)
    universes = read_universes(study, folder)
    text = universes_page(universes, None, {})
    assert "In 3 of 5 universes a control is refuted" in text
    assert "✔ 2 · \N{EN DASH} 3 of 5" in text


def test_where_nothing_is_claimed_the_pages_name_no_figure_that_is_not_drawn(tmp_path):
    control = Control("sane", "ReLU is better than chance", STUDY.claims[0].number, above=0.1)
    study = replace(STUDY, claims=(), main_effects=(), controls=(control,))
    folder = write_universes(study, write_tables(study, tmp_path / "toy"), test_accuracy=by_init)
    files = render(read_published(study, folder))
    for name in ("README.md", "universes.md"):
        text = files[name].decode()
        assert set(re.findall(r"\(([\w-]+\.(?:svg|md))\)", text)) <= {*files, "README.md"}
        assert "| claim |" not in text.partition("## Across universes")[2]
        assert "Each claim in each universe" not in text


def test_all_figures_and_tables_are_drawn_and_the_same_each_time(folder):
    published = read_published(STUDY, folder)
    once, again = render(published), render(published)
    assert once == again
    assert {
        "universes.svg",
        "universes_claims.svg",
        "universes.md",
        "universes/findings.csv",
        "universes/summary.csv",
    } <= {*once}


def test_a_study_that_claims_nothing_ends_its_run_with_its_cells(tmp_path):
    study = replace(STUDY, claims=(), main_effects=())
    universes = read_universes(study, write_universes(study, tmp_path / "toy", test_accuracy=by_init))
    text = universes_text(universes, universes.plan, universes.runs)
    assert all(f"\n{cell.name} " in text for cell in universes.plan.cells)
