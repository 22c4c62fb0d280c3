"""Studies run from Python: research.run, in scripts and notebooks."""

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT, Toy, processes_of, wait_until

import research
from research.design.errors import UserError


def test_a_run_gives_the_frames_of_what_the_command_leaves(fresh, capsys):
    found = research.run(fresh.file, store=fresh.store, workers=2)
    printed = capsys.readouterr().out
    assert "4 of 4 stacks to train, 2 workers" in printed
    assert "✔ supported" in printed
    assert set(found.findings["verdict"]) == {"supported"}
    for frame, same in zip(found, research.results(str(fresh.file), fresh.store / "reports"), strict=True):
        if frame is not None:
            pd.testing.assert_frame_equal(frame, same)


def test_what_is_recorded_is_not_run_again_and_a_smaller_tier_has_no_verdict(copied, capsys):
    assert len(research.run(str(copied.file), store=copied.store).runs) == 40
    assert "to train" not in capsys.readouterr().out
    found = research.run(copied.file, tier="small", seeds=2, store=copied.store)
    assert "2 of 2 stacks to train" in capsys.readouterr().out
    assert len(found.runs) == 4
    assert set(found.findings["verdict"]) == {"not judged"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tier": "large"}, "large"),
        ({"workers": 0}, "--workers 0: at least one worker is needed"),
        ({"store": "mysql://here"}, "mysql:// is no store"),
    ],
)
def test_what_the_command_refuses_is_raised(fresh, options, reason):
    with pytest.raises(UserError, match=reason):
        research.run(fresh.file, **{"store": fresh.store} | options)
    assert not fresh.store.exists()


def test_what_fails_is_raised_at_the_end(fresh):
    fresh.file.write_text(
        fresh.file.read_text().replace("        for done, seed in", "        1 / 0\n        for done, seed in")
    )
    with pytest.raises(RuntimeError, match="4 stacks failed"):
        research.run(fresh.file, store=fresh.store)


def test_an_interrupted_script_leaves_nothing_running_and_the_next_call_goes_on(tmp_path):
    toy = Toy(tmp_path).write()
    toy.file.write_text(
        toy.file.read_text().replace("        for done, seed in", "        sleep(3)\n        for done, seed in")
    )
    script = tmp_path / "script.py"
    call = f"research.run({str(toy.file)!r}, store={str(toy.store)!r}, workers=1)"
    as_at_a_terminal = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    script.write_text(f"{as_at_a_terminal}\nimport research\n{call}\n")
    printed = tmp_path / "printed"
    with printed.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, script], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    wait_until(lambda: "[1/4]" in printed.read_text(), 180, process)
    os.kill(process.pid, signal.SIGINT)  # to it alone, as a notebook does
    assert process.wait(120) != 0
    assert "stopped; what is finished is recorded" in printed.read_text()
    assert "KeyboardInterrupt" in printed.read_text()
    assert set(toy.statuses()) <= {"FINISHED", "KILLED"}
    wait_until(lambda: not processes_of(process.pid))
    assert len(research.run(toy.file, store=toy.store).runs) == 40
