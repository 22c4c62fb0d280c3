"""What a result is of: the task, how it is stacked and tuned, and revisions, as text; fingerprints are taken of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from research.design.task import Task
from research.design.tiers import Tuning

NUMERICS = 3  # raise when a change in the harness's own tasks or of a default changes any result
NO_CODE: Mapping[str, str] = {}


def identity(
    task: Task,
    size: int,
    revision: int,
    tuning: Tuning | None = None,
    numerics: int = NUMERICS,
    same_as: Mapping[str, str] = NO_CODE,
) -> str:
    """What the fingerprint is taken of, as JSON: non-default fields, what else the task names, stack size, revision.

    Of a cell that is tuned also how: the winner follows from it. Results that were made before have the `numerics` of
    then. `same_as` maps digests of code to those of earlier code that gives the same.
    """
    content = {"config": task.changed(), **task.identity(numerics), "revision": revision, "stack_size": size}
    if "code" in content:
        content["code"] = same_as.get(str(content["code"]), content["code"])
    if versions := {name: metric.version for name, metric in task.gives().items() if metric.version}:
        content["metrics"] = versions
    if tuning is not None:
        how = asdict(tuning)
        if not tuning.widen:  # as it was before there was a choice
            del how["widen"]
        content["tuning"] = {
            **how,
            "ranges": {name: [float(end) for end in ends] for name, ends in tuning.ranges.items()},
        }
    return json.dumps(content, sort_keys=True)


def identity_difference(recorded: str, planned: str, task: Task | None = None) -> str:
    """The first field in which two identities differ, both sides named; else that what was recorded was changed.

    What only one of them has is at the default of the task's class.
    """
    try:
        old, new = (_flat(json.loads(text)) for text in (recorded, planned))
        name = next(name for name in sorted({**old, **new}) if old.get(name) != new.get(name))
    except (ValueError, TypeError, LookupError, StopIteration):
        return "its tags were changed by hand"
    default = {f.name: f.default for f in fields(task)}.get(name) if task is not None else None
    return f"{name}: recorded with {old.get(name, default)!r}, now {new.get(name, default)!r}"


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity with the fields of its task, and the versions of its metrics, beside the rest."""
    versions = {f"version of {name}": number for name, number in identity.pop("metrics", {}).items()}
    return {**identity.pop("config"), **versions, **identity}
