"""What a command takes, and how it says in one line what it does not."""

import argparse

import pytest

from research.console import MOST_WORKERS, Parser, check_workers, named_folder, refuse
from research.design.errors import UserError


def test_an_option_is_written_out_and_one_that_is_not_known_is_an_error_in_one_line():
    parser = Parser("tool", "does things")
    parser.add_argument("--redo", action="store_true")
    assert parser.parse_args(["--redo"]).redo
    with pytest.raises(UserError, match="unrecognized arguments: --red; see --help"):
        parser.parse_args(["--red"])


def test_a_folder_need_not_be_there_but_a_file_a_broken_link_and_nothing_are_no_folders(tmp_path):
    assert named_folder(str(tmp_path / "new")) == tmp_path / "new"
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for text in (tmp_path / "file", tmp_path / "link", tmp_path / "file" / "below", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            named_folder(str(text))


@pytest.mark.parametrize("number", [0, -1, MOST_WORKERS + 1])
def test_a_number_of_workers_that_cannot_be_is_refused(number):
    check_workers(1)
    with pytest.raises(UserError, match=f"--workers {number}"):
        check_workers(number)


def test_what_a_user_got_wrong_is_one_line_that_hides_nothing_and_is_no_longer_than_a_screen(capsys):
    assert refuse(UserError("a name with\na line and \x1b[31m colour")) == 2
    assert capsys.readouterr().err == "error: a name with\\na line and \\x1b[31m colour\n"
    refuse(UserError("x" * 10_000 + "the end"))
    line = capsys.readouterr().err
    assert len(line) < 1.1 * UserError.longest
    assert line.endswith("the end\n")
