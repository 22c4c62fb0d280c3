"""What a user got wrong is told apart from what the program got wrong."""

from research.console import refuse
from research.design.errors import UserError


def test_an_error_of_a_user_is_an_exception_like_others_and_may_say_how_long_it_is(capsys):
    class Listing(UserError):
        longest = 5_000

    text = ", ".join(map(str, range(1000)))
    refuse(Listing(text))
    assert capsys.readouterr().err == f"error: {text}\n"
    refuse(UserError(text))
    assert " ... " in capsys.readouterr().err
