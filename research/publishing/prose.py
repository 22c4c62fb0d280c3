"""Numbers of tables in running text: small counts as words, lists, shares in percent, names of universes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from research.design.study import Level, Study
from research.design.universes import departing
from research.design.wording import quantity, under

INTERVAL = "95 %"  # the level of the intervals in all figures
BAND = f"band of its {INTERVAL} interval"
WITH_INTERVAL = f"with its {INTERVAL} interval"
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def count(number: float) -> str:
    """A whole number: as a word up to twelve, `no` for 0."""
    return COUNTS[int(number)] if 0 <= number < len(COUNTS) else f"{int(number):,}"


def of(part: float, whole: float) -> str:
    """`three of 16`, `none of 16`, or `all 16`."""
    return f"all {count(whole)}" if part == whole else f"{count(part) if part else 'none'} of {count(whole)}"


def listing(things: Iterable[object], none: str = "none") -> str:
    """Things in a row: `4, 6 and 8`."""
    *others, last = [*map(str, things)] or [none]
    return f"{', '.join(others)} and {last}" if others else last


def percent(share: float, places: int = 0) -> str:
    """A share: `65 %`."""
    return f"{100 * share:.{places}f} %" if math.isfinite(share) else "-"


def points(low: float, high: float | None = None, places: int = 1) -> str:
    """A difference of shares, or from which to which: `1.3 points`, `3.0 to 3.9 points`."""
    ends = [low] if high is None else [low, high]
    shown = [f"{100 * end:.{places}f}" if math.isfinite(end) else "-" for end in ends]
    return f"{' to '.join(dict.fromkeys(shown))} points"


def number(value: float) -> str:
    """A number to three digits: `1.14`, `3,072`."""
    return quantity(value) if math.isfinite(value) else "-"


def between(low: float, high: float) -> str:
    """Two numbers, or one where they are the same to three digits: `0.117 to 1.14`."""
    return " to ".join(dict.fromkeys((number(low), number(high))))


def universe(study: Study, levels: Mapping[str, Level]) -> str:
    """A universe by that in which it differs from the reference: `under He initialisation at a tuned rate`."""
    away = departing(study, levels).items()
    return " ".join(under(study.factor(choice), [level]) for choice, level in away) or "in the reference"


def controls(reasons: Iterable[str], verdict: str) -> str:
    """Which controls have a verdict, with in how many of the reasons each is named: "`a` in three and `b` in one"."""
    named = Counter(name for reason in reasons for name in set(re.findall(rf"control ([^;]+?) is {verdict}", reason)))
    return listing(f"`{name}` in {count(often)}" for name, often in named.items())
