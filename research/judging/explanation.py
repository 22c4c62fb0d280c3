"""Verdicts of universes -> the fewest choices that keep them apart, in one sentence."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from research.design.study import Factor, Level, Levels
from research.design.wording import under

VERBS = {"supported": "holds", "refuted": "fails", "inconclusive": "stays open", "mixed": "is mixed"}
MOST_PURE = 3  # choices that a sentence may name, where they keep all verdicts apart,
MOST_IMPURE = 2  # and where they do so only mostly:
FEWEST_RIGHT = 0.75  # in at least this share of the universes
MOST_PARTS = 5  # a longer list of cases tells nobody anything

Part = tuple[tuple[Level, ...], ...]  # for each choice the levels that it may have


@dataclass(frozen=True)
class Split:
    """Universes grouped by their levels of `choices`: each group's most frequent verdict, "mixed" where two are."""

    choices: tuple[str, ...]
    verdicts: Mapping[tuple[Level, ...], str]
    sizes: Mapping[tuple[Level, ...], int]
    impure: frozenset[tuple[Level, ...]]
    num_right: int

    @property
    def parts(self) -> dict[str, list[Part]]:
        """For each verdict the groups that have it, as few products of levels."""
        by_verdict = {verdict: [key for key in self.verdicts if self.verdicts[key] == verdict] for verdict in VERBS}
        return {verdict: joined_keys(keys) for verdict, keys in by_verdict.items() if keys}

    @property
    def remainder(self) -> str:
        """The verdict that is said of all other universes, since listing them would take over two parts; or none."""
        most = max(self.parts, key=lambda verdict: len(self.parts[verdict]))
        return most if len(self.parts[most]) > 2 else ""

    @property
    def num_listed(self) -> int:
        """How many parts a sentence lists."""
        return sum(len(parts) for verdict, parts in self.parts.items() if verdict != self.remainder)


def across_sentence(
    universes: Sequence[Levels],
    verdicts: Sequence[str],
    choices: Sequence[Factor],
    importance: Mapping[str, float],
) -> str:
    """One sentence that says in which universes a claim holds, by the choices that keep the verdicts apart.

    It has the words of the choices (`Study.factor`).
    Of choices that do so equally well those of more `importance` are named; none, where no two universes disagree: that
    a verdict is open in one says only that it has too few seeds. Withheld universes and those that were not judged
    decide nothing and are counted.
    """
    judged = [(levels, verdict) for levels, verdict in zip(universes, verdicts, strict=True) if verdict in VERBS]
    judged.sort(key=lambda case: [choice.levels.index(case[0][choice.name]) for choice in choices])
    counts = Counter(verdict for _, verdict in judged)
    names = [choice.name for choice in choices if len({levels[choice.name] for levels, _ in judged}) > 1]
    if not judged:
        text = "says nothing in any universe" if len(universes) > 1 else "says nothing"
    elif len(counts) == 1:
        (verdict,) = counts
        which = "judged universe" if len(judged) < len(universes) else "universe"
        text = f"{VERBS[verdict]} in {f'all {len(judged)} {which}s' if len(judged) > 1 else f'the only {which}'}"
    elif not {"supported", "refuted"} <= set(counts):
        text = _counted(counts)
    elif split := best_split(judged, names, importance):
        text = described(split, choices, universes, len(judged))
    else:
        text = f"{_counted(counts)}: no choice keeps them apart"
    return f"{text[0].upper()}{text[1:]}{_left_out(verdicts)}."


def best_split(
    judged: Sequence[tuple[Levels, str]], names: Sequence[str], importance: Mapping[str, float]
) -> Split | None:
    """The fewest of up to three choices whose levels keep the verdicts apart; else the up to two that mostly do; else
    none."""

    def weight(split: Split) -> float:
        # Rounded, so that ties are broken alike wherever their last bits differ.
        return round(sum(importance.get(name, 0.0) for name in split.choices), 9)

    def splits(size: int) -> list[Split]:
        found = (split_by(judged, chosen) for chosen in itertools.combinations(names, size))
        return [split for split in found if split.num_listed <= MOST_PARTS]

    for size in range(1, MOST_PURE + 1):
        if pure := [split for split in splits(size) if not split.impure]:
            return max(pure, key=weight)
    base = max(Counter(verdict for _, verdict in judged).values())
    fewest = max(base + 1, FEWEST_RIGHT * len(judged))
    mostly = [split for size in range(1, MOST_IMPURE + 1) for split in splits(size) if split.num_right >= fewest]
    return max(mostly, key=lambda split: (split.num_right, -len(split.choices), weight(split)), default=None)


def split_by(judged: Sequence[tuple[Levels, str]], choices: tuple[str, ...]) -> Split:
    """The universes with their verdicts, grouped by their levels of these choices."""
    groups: dict[tuple[Level, ...], Counter[str]] = {}
    for levels, verdict in judged:
        groups.setdefault(tuple(levels[name] for name in choices), Counter())[verdict] += 1
    verdicts = {}
    for key, counts in groups.items():
        (first, most), *others = counts.most_common()
        verdicts[key] = "mixed" if others and others[0][1] == most else first
    impure = frozenset(key for key, counts in groups.items() if len(counts) > 1)
    num_right = sum(max(counts.values()) for key, counts in groups.items() if verdicts[key] != "mixed")
    return Split(choices, verdicts, {key: counts.total() for key, counts in groups.items()}, impure, num_right)


def joined_keys(keys: Sequence[tuple[Level, ...]]) -> list[Part]:
    """The keys as products of levels, joined along one choice after the other in the order that leaves the fewest."""
    found = []
    for order in itertools.permutations(range(len(keys[0]))):
        parts: Iterable[Part] = [tuple((level,) for level in key) for key in keys]
        for axis in order:
            joined: dict[Part, tuple[Level, ...]] = {}
            for part in parts:
                rest = part[:axis] + part[axis + 1 :]
                joined[rest] = joined.get(rest, ()) + part[axis]
            parts = [(*rest[:axis], levels, *rest[axis:]) for rest, levels in joined.items()]
        found.append(list(parts))
    return min(found, key=len)


def described(split: Split, choices: Sequence[Factor], universes: Sequence[Levels], num_judged: int) -> str:
    """What holds where: `holds under He initialisation with either optimiser; fails with SGD under default`.

    Levels are only said to be every one there is where each is that of a judged universe.
    """
    by_name = {choice.name: choice for choice in choices}
    there = {name: {levels[name] for levels in universes} for name in split.choices}

    def phrase(part: Part) -> str:
        texts = []
        for name, levels in zip(split.choices, part, strict=True):
            in_order = [level for level in by_name[name].levels if level in levels]
            texts.append(under(by_name[name], in_order, every=len(in_order) == len(there[name])))
        return " ".join(texts)

    clauses = []
    for verdict, parts in sorted(split.parts.items(), key=lambda item: item[0] == split.remainder):
        keys = [key for key in split.verdicts if split.verdicts[key] == verdict]
        verb = f"{'mostly ' if verdict != 'mixed' and split.impure & set(keys) else ''}{VERBS[verdict]}"
        if verdict == split.remainder:
            clauses.append(f"{verb} in the {sum(split.sizes[key] for key in keys)} others")
        else:
            clauses.append(f"{verb} {', and '.join(map(phrase, parts))}")
    exceptions = f" ({split.num_right} of {num_judged} universes are so)" if split.impure else ""
    return "; ".join(clauses) + exceptions


def _counted(counts: Counter[str]) -> str:
    texts = [f"{verb} in {counts[verdict]}" for verdict, verb in VERBS.items() if counts[verdict]]
    return f"{', '.join(texts)} of {counts.total()} universes"


def _left_out(verdicts: Sequence[str]) -> str:
    reasons = {"withheld": "a control is refuted", "not judged": "it was not judged"}
    return "".join(
        f"; in {verdicts.count(verdict)} of {len(verdicts)} universes {reason}"
        for verdict, reason in reasons.items()
        if verdict in verdicts
    )
