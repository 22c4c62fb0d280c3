"""What holds for the tables at the end of a run."""

import pandas as pd
from made_up import PLAN

from research.publishing.text_tables import cell_table


def test_the_table_has_a_line_a_cell_with_mean_interval_and_n_and_says_what_diverged():
    rows = [
        {"cell": "tanh depth=1", "seed": seed, "test_accuracy": value, "diverged_step": step}
        for seed, value, step in ((0, 0.8, None), (1, 0.9, None), (2, float("nan"), 7.0))
    ]
    lines = cell_table(PLAN, pd.DataFrame(rows)).splitlines()
    assert lines[3].split() == ["tanh", "depth=1", "0.8500", "[0.2147,", "1.4853]", "2", "1", "diverged"]
    assert lines[-2].split() == ["relu", "depth=2", "-", "0"]
