"""What holds for the notes in the MLflow UI."""

from test_pages import STUDY

from research.design.plan import make_plan
from research.record.ui_notes import cell_note


def test_the_notes_of_a_run_show_what_is_not_at_its_default():
    plan = make_plan(STUDY)
    note = cell_note(plan, plan.cells[0], 3)
    assert "Fixed: data set digits, width 128" in note
    assert "head" not in note
