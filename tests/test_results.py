"""What is published can be had as frames."""

from made_up import write_tables, write_universes
from test_read_universes import STUDY, by_init

from research.publishing import results as frames


def test_without_universes_their_frames_are_none(tmp_path, monkeypatch):
    write_tables(STUDY, tmp_path / "toy")
    monkeypatch.setattr(frames, "load_study", lambda name: STUDY)
    found = frames.results("toy", tmp_path)
    assert len(found.runs) == 4 * 10
    assert found[5:] == (None, None, None, None)


def test_universes_come_as_runs_findings_summary_and_trials(tmp_path, monkeypatch):
    write_universes(STUDY, write_tables(STUDY, tmp_path / "toy"), test_accuracy=by_init)
    monkeypatch.setattr(frames, "load_study", lambda name: STUDY)
    found = frames.results("toy", tmp_path)
    assert len(found.universe_runs) == 5 * 4 * 6
    assert len(found.tuning) == 4 * 4
    assert found.universe_findings.groupby("claim").size().to_dict() == {"good": 5}
    summary = found.universe_summary.set_index("claim")
    assert summary.loc["good", "supported_share"] == 0.4
    assert summary.loc["good", "sentence"].startswith("Holds under He initialisation")
    assert summary.loc["alone", "kind"] == "main_effect"
