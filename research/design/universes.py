"""Which universes are asked for, and in which of them a cell stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from research.design.errors import UserError
from research.design.study import Level, Levels, Study, crossed
from research.design.tuned_cells import Configure, makes_difference

REFERENCE, ALL = "reference", "all"


def asked_for(study: Study, texts: Sequence[str], tier: str = "full") -> tuple[Levels, ...]:
    """The universes that a user asks for, each as a level of every choice, the reference first if it is among them.

    A text is "reference", "all" (those that the study compares, as far as the tier keeps their levels) or
    CHOICE=LEVEL[,LEVEL]. Several of the last kind are crossed; choices that none names are at the reference. Raises
    UserError for anything else.
    """
    words = [text for text in texts if text in (REFERENCE, ALL)]
    if words and len(texts) > 1:
        raise UserError(f"--universes {words[0]}: cannot go with another --universes")
    if words == [ALL] and not study.universes:
        raise UserError(f"--universes {ALL}: {study.name} compares no universes")
    if words == [ALL]:
        kept = study.tiers[tier].levels
        return tuple(one for one in study.designed if all(one[name] in kept.get(name, (one[name],)) for name in one))
    if words:
        return (study.reference,)
    named: dict[str, tuple[Level, ...]] = {}
    for text in texts:
        name, levels = _choice_levels(study, text)
        if name in named:
            raise UserError(f"--universes {text}: {name} is given twice")
        named[name] = levels
    return tuple(sorted(map(study.universe, crossed(**named)), key=lambda universe: universe != study.reference))


def _choice_levels(study: Study, text: str) -> tuple[str, tuple[Level, ...]]:
    known = {choice.name: choice.levels for choice in study.choices}
    name, sign, levels = text.partition("=")
    if not (name and sign and levels):
        raise UserError(f"--universes {text}: must be {REFERENCE}, {ALL} or written CHOICE=LEVEL[,LEVEL]")
    if name not in known:
        raise UserError(f"--universes {text}: no choice {name!r}; {nearest(name, known) or 'there are none'}")
    written = {str(level): level for level in known[name]}
    for level in levels.split(","):
        if level not in written:
            raise UserError(f"--universes {text}: no level {level!r}; {nearest(level, written)}")
    return name, tuple(written[level] for level in dict.fromkeys(levels.split(",")))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is not known: the nearest that is, or all of them; nothing where there are none."""
    known = list(known)
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}" if known else ""


def departures(study: Study, universe: Levels, configure: Configure) -> Levels:
    """In which choices a cell of a universe differs from the reference.

    A choice that makes no difference to the cell's task, which `configure` gives at a level of every choice,
    is at the reference there, so that universes share the cells in which they do not differ.
    """
    kept = dict(universe)
    for choice in study.choices:
        reference = choice.levels[0]
        if kept[choice.name] != reference and not makes_difference(choice, kept, configure):
            kept[choice.name] = reference
    return departing(study, kept)


def departing(study: Study, universe: Levels) -> Levels:
    """The levels of a universe in which it differs from the reference."""
    return {name: level for name, level in universe.items() if level != study.reference[name]}


def universe_name(levels: Levels) -> str:
    """What a universe is called by the levels in which it differs from the reference: `init=he optimizer=adam`."""
    return " ".join(f"{name}={level}" for name, level in levels.items()) or REFERENCE
