"""What a field may hold is said by its annotation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from research.design.errors import UserError
from research.design.type_checks import check_types, is_a
from research.training.config import TrainConfig


@dataclass
class Part:
    """A value with a field that may be empty."""

    size: float
    name: str | None = None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a", str),
        (1, int),
        (1, float),
        (float("nan"), float),
        (None, float | None),
        (0.5, float | None),
        (True, str | int | float),
        ("anything", Literal["a", "b"]),
        (object(), Any),
        (len, Callable[..., int]),
        (int, Callable[..., int]),
        ((), tuple[str, ...]),
        (("a", 1, 0.5), tuple[str | int | float, ...]),
        (["a"], tuple[str, ...]),
        (range(3), tuple[int, ...]),
        ((0.1, 10), tuple[float, float]),
        ({}, Mapping[str, int]),
        ({"a": (1, 2)}, Mapping[str, tuple[int, ...]]),
        (Part(1), Part),
    ],
)
def test_what_an_annotation_says_is_admitted(value, kind):
    assert is_a(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, str),
        (b"a", str),
        (1.0, int),
        (True, int),
        (True, float),
        ("1", float),
        (1j, float),
        ("", float | None),
        (None, str | int | float),
        ("len", Callable[..., int]),
        ("abc", tuple[str, ...]),
        (b"abc", tuple[int, ...]),
        ({"a"}, tuple[str, ...]),
        (iter("a"), tuple[str, ...]),
        (None, tuple[str, ...]),
        (("a", None), tuple[str, ...]),
        ((0.1,), tuple[float, float]),
        ((0.1, 1, 10), tuple[float, float]),
        ({"a"}, Mapping[str, int]),
        ({1: 1}, Mapping[str, int]),
        ({"a": 1}, Mapping[str, tuple[int, ...]]),
        ({"a": "1"}, Mapping[str, tuple[str, ...]]),
        (Part, Part),
    ],
)
def test_what_an_annotation_does_not_say_is_not(value, kind):
    assert not is_a(value, kind)


def test_the_first_wrong_field_is_named_with_what_it_holds_and_what_it_may():
    check_types("part", Part(1))
    with pytest.raises(UserError, match=r"\Apart: size='1' must be "):
        check_types("part", Part("1", 5))
    with pytest.raises(UserError, match=r"\Apart: name=5 must be "):
        check_types("part", Part(1, 5))


def test_a_configuration_is_what_its_annotations_say():
    check_types("configuration", TrainConfig(lr=1, probe_epochs=(0,)))
