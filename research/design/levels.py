"""Factors and their levels: what a level may be, and how it is told from others in keys, names and tables."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from research.design.errors import UserError
from research.design.type_checks import check_types

Level = str | int | float
Levels = Mapping[str, Level]


@dataclass(frozen=True)
class Factor:
    """Something set on purpose, and the values it is set to. Of a choice the first level is the reference.

    The rest is for people alone and decides no result. `label` is how it is called where its name would not do,
    `phrase` how levels are said in a sentence: "under {} initialisation". `words` are what levels are called, `in_text`
    what stands for them in a sentence, where that is something else. What the study's tasks say of their fields and
    values (`Task.words`, `Task.phrases`) need not be said again.
    """

    name: str
    levels: tuple[Level, ...]
    label: str = ""
    phrase: str = ""
    words: Mapping[Any, str] = field(default_factory=dict)
    in_text: Mapping[Any, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.levels, (tuple, list)):
            check_levels(f"factor {self.name!r}", self.levels)
        check_types(f"factor {self.name!r}", self)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", self.name):
            raise UserError(
                f"factor {self.name!r}: must be named by letters, digits and _, as an argument of configure() is"
            )
        for text in (self.label, self.phrase, *self.words.values(), *self.in_text.values()):
            if not text.isprintable():
                raise UserError(f"factor {self.name!r}: {text!r} must be one line of text")
        if self.phrase and self.phrase.count("{}") != 1:
            raise UserError(f"factor {self.name!r}: phrase={self.phrase!r} must have one place for levels: {{}}")


def check_levels(place: str, levels: Sequence[Level]) -> None:
    """Raise UserError for levels that no key can hold, or that a key or a table would not tell apart."""
    for level in levels:
        if isinstance(level, bool) or not isinstance(level, str | int | float):
            raise UserError(f"{place}: {level!r} must be a word or a number (str, int or float)")
        if isinstance(level, float) and not math.isfinite(level):
            raise UserError(f"{place}: {level!r} must be finite")
        if not re.fullmatch(r"[A-Za-z0-9_.+-]+", str(level)) or not re.search("[A-Za-z0-9]", str(level)):
            raise UserError(f"{place}: {level!r} must be made of letters, digits and _ . + -, not of signs alone")
    if not levels or len(set(levels)) < len(levels):
        raise UserError(f"{place}: levels must be one or more, each once, not {levels}")
    first: dict[str, Level] = {}
    for level in levels:
        if (other := first.setdefault(level_word(level), level)) != level:
            raise UserError(
                f"{place}: levels {other!r} and {level!r} read alike in a table; call one of them otherwise"
            )


def level_word(level: object) -> str:
    """A level as text, the same whether a table holds it as a number or as text."""
    try:
        return repr(float(str(level)) + 0.0)  # a table of whole numbers has no -0
    except ValueError:
        return str(level)


def is_level(level: Level, known: Iterable[Level]) -> bool:
    """Whether a level is one of these, in a key too: 1 is neither 1.0 nor True nor "1"."""
    return any(level == other and str(level) == str(other) for other in known)
