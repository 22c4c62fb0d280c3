"""Digests of what is judged: they say whether a claim is what it was when the runs were made."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from research.design.claims import ANYTHING
from research.design.study import Claim, Control, Number, Study

if TYPE_CHECKING:
    pass
from typing import TYPE_CHECKING

from research.design.study import MainEffect


def claim_digest(claim: Claim | Control) -> str:
    """SHA-256 of a claim's text and all that decides its verdict; fields at their default are left out.

    It is the same in every process, and stays so when a field with a default is added. A number that lacks nothing once
    said that what is missing is no number (NaN): it says so still, so that digests of that time hold.
    """
    others = ("name", "passage", "cells", "guards", "by_hand")

    def decisive(value: Claim | Control | Number) -> dict[str, Any]:
        changed = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != f.default}
        return {name: part for name, part in changed.items() if name not in others}

    number = decisive(claim.number) | {"blocks": dict(claim.number.blocks)}
    if claim.number.missing == ANYTHING:
        number["diverged"] = math.nan
    content = {"kind": "mean"} | decisive(claim) | {"number": number}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def judged_digests(study: Study) -> dict[str, str]:
    """The digests of the controls and claims that are judged in the reference universe."""
    return {judged.name: claim_digest(judged) for judged in study.judged}


def main_effect_digest(study: Study, claim: MainEffect) -> str:
    """SHA-256 of a claim's text and all that decides its verdict, the same in every process."""
    content = {f.name: getattr(claim, f.name) for f in fields(claim) if f.name not in ("name", "passage")}
    content |= {"blocks": dict(claim.blocks), "choices": dict(claim.choices), "arms": study.arms.levels}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def claim_digests(study: Study) -> dict[str, str]:
    """The digests of all that is judged of a study, by name: controls, claims, main effects."""
    return judged_digests(study) | {claim.name: main_effect_digest(study, claim) for claim in study.main_effects}
