"""What a user can get wrong."""

from __future__ import annotations


class UserError(Exception):
    """What a user can get wrong, in one line that says what, where and what to do. Commands exit with status 2.

    They leave out the middle of a message of more than `longest` characters: what was given may have thousands.
    """

    longest = 400
