"""What holds for the tables at the end of a run."""

import pandas as pd
from made_up import PLAN
from test_findings import claim, make_runs, study

from research.design.plan import make_plan
from research.design.study_files import load_study
from research.judging.findings import judge
from research.publishing.text_tables import SoFar, asked, cell_table


def test_the_table_has_a_line_a_cell_with_mean_interval_and_n_and_says_what_diverged():
    rows = [
        {"cell": "tanh depth=1", "seed": seed, "test_accuracy": value, "diverged_step": step}
        for seed, value, step in ((0, 0.8, None), (1, 0.9, None), (2, float("nan"), 7.0))
    ]
    lines = cell_table(PLAN, pd.DataFrame(rows)).splitlines()
    assert lines[3].split() == ["tanh", "depth=1", "0.8500", "[0.2147,", "1.4853]", "2", "1", "diverged"]
    assert lines[-2].split() == ["relu", "depth=2", "-", "0"]


def test_a_run_says_first_what_it_is_to_find_out_and_whether_it_can(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    asking = load_study("width_sine")
    whole = asked(make_plan(asking))
    assert whole.startswith(f"width_sine: {asking.question[:20]}")
    assert whole.count("\n  - ") == len(asking.claims)
    assert "to judge on 20 seeds each" in whole
    assert max(map(len, whole.splitlines())) <= 60
    assert "only the whole study can judge: this is smoke" in " ".join(asked(make_plan(asking, "smoke")).split())


def test_a_verdict_so_far_is_told_once_it_can_be_and_again_where_it_changes():
    def judged(seeds, score):
        runs = make_runs()
        runs = runs[(runs["activation"] != "relu") | (runs["seed"] < seeds)]
        return judge(study(claim(above=score)), runs, 9, True, so_far=True)

    told = SoFar()
    assert told.lines(judged(2, 0.5), 9) == []
    (first,) = told.lines(judged(4, 0.5), 9)
    assert first.split(":")[0].strip() == "would be ✔ supported, 4 of 9 seeds in"
    assert told.lines(judged(5, 0.5), 9) == []
    (changed,) = told.lines(judged(5, 0.95), 9)
    assert "would be ✘ refuted, 5 of 9 seeds in" in changed


def test_on_a_narrow_terminal_each_metric_of_a_cell_has_a_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    frame = pd.DataFrame([{"cell": "tanh depth=1", "seed": 0, "test_accuracy": 0.8, "diverged_step": None}])
    lines = cell_table(PLAN, frame).splitlines()
    assert lines[1:3] == ["tanh depth=1  n=1", "  test accuracy: 0.8000"]
    assert max(map(len, lines)) <= 40
