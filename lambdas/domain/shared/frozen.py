"""Frozen dataclasses whose making takes a third of the time: a cold start makes all that it imports.

`dataclass(frozen=True)` writes, compiles and runs the source of six methods for each class: 17 ms for the
loop's records, where importing boto3 takes 200. Here that is done for `__init__` alone, and all classes share
the other methods. To set a member calls Python, so what is made by the hundred thousand, such as images of
the catalogue, stays with the standard library's.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import Any, TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[Class]) -> type[Class]:
    """As `dataclass(frozen=True)`: compared, hashed and shown by its members, which cannot be set again."""
    made = dataclass(repr=False, eq=False)(cls)
    for name, method in _METHODS.items():
        if name not in vars(cls):
            setattr(made, name, method)
    return made


def _set(self: Any, name: str, value: Any) -> None:
    members = vars(self)
    if name in members or name not in self.__dataclass_fields__:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    members[name] = value


def _delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _equals(self: Any, other: object) -> bool:
    return _members(self) == _members(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_members(self))


def _text(self: Any) -> str:
    members = (f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__)
    return f"{type(self).__qualname__}({', '.join(members)})"


def _members(instance: Any) -> tuple[Any, ...]:
    return tuple([getattr(instance, name) for name in instance.__dataclass_fields__])


_METHODS = {
    "__setattr__": _set,
    "__delattr__": _delete,
    "__eq__": _equals,
    "__hash__": _hash,
    "__repr__": _text,
}
