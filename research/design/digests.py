"""Digests of what is judged: they say whether a claim is what it was when the runs were made."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from dataclasses import MISSING, fields
from typing import Any

from research.design.claims import ANYTHING, Claim, Control, MainEffect, Number
from research.design.study import Study


def claim_digest(claim: Claim | Control, predicted: tuple[float, ...] = ()) -> str:
    """SHA-256 of a claim's text and all that decides its verdict; fields at their default are left out.

    It is the same in every process, and stays so when a field with a default is added. A number that lacks nothing once
    said that what is missing is no number (NaN): it says so still, so that digests of that time hold. `predicted` is
    what its prediction gives in its cells.
    """
    others = ("name", "passage", "cells", "guards", "by_hand")

    def decisive(value: Claim | Control | Number) -> dict[str, Any]:
        defaults = {f.name: f.default if f.default_factory is MISSING else f.default_factory() for f in fields(value)}
        changed = {name: part for name, default in defaults.items() if (part := getattr(value, name)) != default}
        return {name: part for name, part in changed.items() if name not in others}

    number = decisive(claim.number) | {"blocks": dict(claim.number.blocks)}
    if claim.number.at:
        number["at"] = dict(claim.number.at)
    if predicted:
        number["predicted"] = predicted
    if claim.number.missing == ANYTHING:
        number["diverged"] = math.nan
    content = {"kind": "mean"} | decisive(claim) | {"number": number}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def judged_digests(study: Study) -> dict[str, str]:
    """The digests of the controls and claims that are judged in the reference universe."""
    return {judged.name: claim_digest(judged, predicted_in(study, judged.number)) for judged in study.judged}


def predicted_in(study: Study, number: Number) -> tuple[float, ...]:
    """What a number's prediction gives in each of its cells in the reference universe; nothing where it has none."""
    if not number.over:
        return ()
    names = (study.arms.name, *number.blocks)
    points = itertools.product(number.arms, *number.blocks.values())
    return tuple(study.predicted(number.over, dict(zip(names, point, strict=True))) for point in points)


def main_effect_digest(study: Study, claim: MainEffect) -> str:
    """SHA-256 of a claim's text and all that decides its verdict, the same in every process."""
    content = {f.name: getattr(claim, f.name) for f in fields(claim) if f.name not in ("name", "passage")}
    content |= {"blocks": dict(claim.blocks), "choices": dict(claim.choices), "arms": study.arms.levels}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def claim_digests(study: Study) -> dict[str, str]:
    """The digests of all that is judged of a study, by name: controls, claims, main effects."""
    return judged_digests(study) | {claim.name: main_effect_digest(study, claim) for claim in study.main_effects}
