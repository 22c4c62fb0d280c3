"""What a result is of: the fields, data and revisions that decide it, as text; fingerprints are taken of it."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from research.design.study import Tuning
from research.training.config import TrainConfig
from research.training.data import DATA

NUMERICS = 3  # raise when a change in code or of a default changes any result


def identity(
    config: TrainConfig, size: int, revision: int, tuning: Tuning | None = None, numerics: int = NUMERICS
) -> str:
    """What the fingerprint is taken of, as JSON: non-default fields, data checksum, stack size, revision, numerics.

    Of a cell that is tuned also how: the winner follows from it. Results that were made before have the `numerics` of
    then.
    """
    changed = {f.name: getattr(config, f.name) for f in fields(config) if getattr(config, f.name) != f.default}
    floats = {f.name for f in fields(config) if f.type == "float"}  # where 1 is 1.0, and -0.0 is 0.0
    content = {
        "config": {name: float(value) + 0.0 if name in floats else value for name, value in changed.items()},
        "data": DATA[config.dataset].digest,
        "numerics": numerics,
        "revision": revision,
        "stack_size": size,
    }
    if tuning is not None:
        how = asdict(tuning)
        if not tuning.widen:  # as it was before there was a choice
            del how["widen"]
        content["tuning"] = {
            **how,
            "ranges": {name: [float(end) for end in ends] for name, ends in tuning.ranges.items()},
        }
    return json.dumps(content, sort_keys=True)


def identity_difference(recorded: str, planned: str) -> str:
    """The first field in which two identities differ, both sides named; else that what was recorded was changed."""
    try:
        old, new = (_flat(json.loads(text)) for text in (recorded, planned))
        name = next(name for name in sorted({**old, **new}) if old.get(name) != new.get(name))
    except (ValueError, TypeError, LookupError, StopIteration):
        return "its tags were changed by hand"
    default = {f.name: f.default for f in fields(TrainConfig)}.get(name)
    return f"{name}: recorded with {old.get(name, default)!r}, now {new.get(name, default)!r}"


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    return {**identity.pop("config"), **identity}
