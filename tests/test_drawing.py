"""What holds for what is drawn of a study, whoever asks for it."""

import pandas as pd
from made_up import PLAN, write_tables
from test_tables import recorded_state

from research.design.places import STUDIES
from research.design.plan import make_plan
from research.design.study_files import load_study
from research.publishing.drawing import publish, render, script_of
from research.publishing.results import read_published
from research.publishing.tables import PROVENANCE, SUMS, TABLES
from research.record.store import Store
from research.report import main


def test_a_smaller_tier_is_drawn_but_not_judged(tmp_path):
    study = load_study("pixel_shuffle")
    folder = write_tables(study, tmp_path / "pixel_shuffle", make_plan(study, "smoke"))
    assert main(["pixel_shuffle", "--reports", str(tmp_path)]) == 0
    assert set(pd.read_csv(folder / "findings.csv")["verdict"]) == {"not judged"}
    assert (folder / "learning_curves.svg").is_file()
    assert "not the study as declared, but `pixel_shuffle-smoke`" in (folder / "README.md").read_text()
    assert "○ 3 not judged" in " ".join((tmp_path / "index.html").read_text().replace("</span>", "").split())


def test_a_study_without_claims_or_script_is_published_as_tables(tmp_path):
    store = Store(tmp_path / "store")
    state = recorded_state(store)
    runs, judgement = publish(store, PLAN, state, tmp_path / "out")
    assert judgement is None
    assert len(runs) == 12
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*TABLES, PROVENANCE, SUMS}
    assert render(read_published(PLAN.study, tmp_path / "out")) == {}


def test_a_study_that_draws_its_own_figures_needs_no_script_and_another_folders_study_has_none_of_ours(tmp_path):
    (tmp_path / "width_sine.py").write_text((STUDIES / "width_sine.py").read_text())
    assert script_of(load_study("width_sine")).__name__ == "reports.width_sine"
    assert script_of(load_study(str(tmp_path / "width_sine.py"))) is None
    with (tmp_path / "width_sine.py").open("a") as file:
        file.write("\n\ndef figures(tables):\n    return {}\n")
    assert script_of(load_study(str(tmp_path / "width_sine.py"))).figures(None) == {}
