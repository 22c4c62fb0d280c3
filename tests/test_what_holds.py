"""The claims that matter most, by how they came out."""

import pytest
from made_up import write_tables

from research.design.study_files import load_study
from research.publishing.drawing import entry
from research.publishing.results import read_published
from research.publishing.what_holds import chosen, what_holds


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What is told of a study whose numbers make sigmoid stall and ReLU converge."""
    study = load_study("activation_depth")
    folder = write_tables(
        study, tmp_path_factory.mktemp("reports") / study.name,
        train_progress=lambda row, rng: 0.01 if row["activation"] == "sigmoid" else 0.9,
    )  # fmt: skip
    return entry(read_published(study, folder))


def test_a_claim_is_told_where_its_verdict_puts_it(told):
    parts = {each.finding.name: each.part for each in chosen([told])}
    assert (parts["sigmoid-stalls"], parts["tanh-stalls"], parts["relu-converges"]) == ("holds", "fails", "holds")
    text = what_holds([told], "figure.svg")
    holds, _, fails = text.partition("## Does not hold")
    assert "At 4 and more layers ReLU converges." in holds
    assert "At 4 and more layers the loss of tanh barely moves." in fails
    assert "*0 of 20 seeds, median 90.0 %; [activation_depth](activation_depth/README.md).*" in fails


def test_only_claims_of_published_studies_are_told(told):
    assert {each.study for each in chosen([told])} == {"activation_depth"}
    assert chosen([]) == []
