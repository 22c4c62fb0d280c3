"""Whether the fields of a frozen value are of the kinds that they are annotated with: whoever builds one may err."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from research.design.errors import UserError


def check_types(where: str, value: Any) -> None:
    """Raise UserError for the first field of a dataclass that is not what its annotation says.

    A list passes for a tuple and a whole number for a float. What a Literal admits its owner says better.
    """
    for name, (kind, written) in types_of(value.__class__).items():
        found = getattr(value, name)
        if not is_a(found, kind):
            raise UserError(f"{where}: {name}={found!r} must be {written}")


@cache
def types_of(owner: type) -> dict[str, tuple[Any, str]]:
    """The annotations of a dataclass's fields, resolved and as they are written."""
    hints = get_type_hints(owner)
    return {field.name: (hints[field.name], str(field.type)) for field in fields(owner)}


def is_a(value: object, kind: Any) -> bool:
    """Whether a value is what an annotation says, with all that it holds."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any or origin is Literal:
        return True
    if origin in (Union, types.UnionType):
        return any(is_a(value, part) for part in parts) or (isinstance(value, bool) and int in parts)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            return False
        if parts[-1] is Ellipsis:
            return all(is_a(each, parts[0]) for each in value)
        return len(value) == len(parts) and all(map(is_a, value, parts))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            return False
        return all(is_a(key, parts[0]) and is_a(each, parts[1]) for key, each in value.items())
    if origin is Callable:
        return callable(value)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)
