"""The section about what was tuned says how, the winner of each cell, and which are not tuned after all."""

import pytest
from made_up import write_tables
from test_read_universes import STUDY
from test_tuning_tables import REFERENCE, changed_reference

from research.publishing.drawing import page, render
from research.publishing.results import read_published
from research.publishing.tuning_section import tuning_section


@pytest.fixture
def folder(tmp_path):
    return write_tables(REFERENCE, tmp_path / "toy")


def test_the_page_of_a_tuned_reference_says_what_was_tuned(folder):
    text = page(read_published(REFERENCE, folder), ["findings"])
    section = text.partition("## What was tuned")[2].partition("##")[0]
    assert "Each cell that is tuned has a search of its own, all with the same budget: 4 trials of 2 seeds" in section
    assert "No winner lies at an end of its range." in section
    assert "| relu depth=1 | 0.100 | 1.00 |  |" in section
    assert "- Tuned for each cell: learning rate." in text
    assert "learning rate 0.1" not in text
    assert "[tuning.csv](tuning.csv), a row a trial" in text


def test_winners_at_an_edge_are_named(folder):
    changed_reference(folder, lambda trials: trials.assign(lr=trials["lr"].where(~trials["winner"], 2.9)))
    published = read_published(REFERENCE, folder)
    section = tuning_section(published.plan, published.trials)
    assert "Winners within a tenth of an end of their range" in section
    assert section.count("at the high end") == 4
    assert "Such a cell is not tuned." in section


def test_where_nothing_was_tuned_nothing_is_said_of_it(tmp_path):
    published = read_published(STUDY, write_tables(STUDY, tmp_path / "toy"))
    assert tuning_section(published.plan, published.trials) == ""
    text = page(published, ["findings"])
    assert "tuned" not in text
    assert "tuning.csv" not in text


def test_the_same_tables_give_the_same_bytes(folder):
    once, again = (render(read_published(REFERENCE, folder)) for _ in range(2))
    assert once == again
