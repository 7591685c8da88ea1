"""Frozen dataclasses that are made quickly, against those of the standard library."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import pytest

from lambdas.domain.shared.frozen import frozen


class _Base:
    name: str
    size: int = 3
    parts: tuple[int, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size: too small")

    @cached_property
    def doubled(self) -> int:
        return 2 * self.size


def _class(make: Any) -> Any:
    members = {name: value for name, value in vars(_Base).items() if name not in ("__dict__", "__weakref__")}
    return make(type("Thing", (), members))


Quick, Standard = _class(frozen), _class(dataclass(frozen=True))


@frozen
class Point:
    """Can be hashed and pickled."""

    x: int
    y: int = 0


@frozen
class Named(Point):
    """Has its own way to be shown."""

    name: str = ""

    def __repr__(self) -> str:
        return self.name


@pytest.mark.parametrize("make", [Quick, Standard])
def test_it_is_what_the_standard_library_makes(make: Any) -> None:
    one, same, other = make("a", parts=(1,)), make("a", 3, (1,), {}), make("b")
    assert one == same
    assert one != other
    assert one != asdict(one)
    assert repr(one) == "Thing(name='a', size=3, parts=(1,), counts={})"
    assert asdict(one) == {"name": "a", "size": 3, "parts": (1,), "counts": {}}
    assert [member.name for member in fields(make)] == ["name", "size", "parts", "counts"]
    assert replace(one, size=4).doubled == 8
    assert one.doubled == 6  # kept in the instance, and no member
    assert one == same
    assert copy.deepcopy(one) == one
    with pytest.raises(ValueError, match="too small"):
        replace(one, size=-1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        make()


@pytest.mark.parametrize("make", [Quick, Standard])
@pytest.mark.parametrize("name", ["name", "size", "else"])
def test_nothing_of_it_can_be_set_or_deleted(make: Any, name: str) -> None:
    thing = make("a")
    with pytest.raises(FrozenInstanceError):
        setattr(thing, name, "b")
    with pytest.raises(FrozenInstanceError):
        delattr(thing, name)
    assert thing == make("a")


def test_equal_ones_are_one_in_a_set() -> None:
    assert {Point(1), Point(1), Point(1, 2)} == {Point(1), Point(1, 2)}
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1)  # noqa: S301


def test_a_class_of_another_is_another() -> None:
    assert Named(1, 2, "here") != Point(1, 2)
    assert repr(Named(1, 2, "here")) == "here"
    assert Named(1, 2, "here") == Named(1, 2, "here")
    assert Named(1, 2, "here") != Named(1, 2, "there")


@pytest.mark.parametrize("make", [Quick, Standard])
@pytest.mark.parametrize(
    ("values", "named", "problem"),
    [
        (("a",), {"name": "b"}, "got multiple values for argument 'name'"),
        (("a",), {"sise": 1}, "got an unexpected keyword argument 'sise'"),
        (("a", 1, (), {}, 5), {}, r"takes .*"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, values: Any, named: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        make(*values, **named)
