"""Frozen dataclasses whose making takes a fifth of the time: a cold start makes all that it imports.

`dataclass(frozen=True)` writes, compiles and runs the source of six methods for each class: 17 ms for the
loop's records, where importing boto3 takes 200. Here all classes share their methods. An instance takes
longer to make, so what is made by the hundred thousand, such as images of the catalogue, stays with the
standard library's.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass
from typing import Any, TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[Class]) -> type[Class]:
    """As `dataclass(frozen=True)`: compared, hashed and shown by its members, which cannot be set again."""
    made = dataclass(init=False, repr=False, eq=False)(cls)
    for name, method in _METHODS.items():
        if name not in vars(cls):
            setattr(made, name, method)
    return made


def _initialize(self: Any, /, *values: Any, **named: Any) -> None:
    cls = type(self)
    names: tuple[str, ...] = cls.__match_args__
    if len(values) > len(names):
        raise TypeError(f"{cls.__name__}.__init__() takes {len(names)} values at most, not {len(values)}")
    members = vars(self)
    members.update(zip(names, values, strict=False))
    if twice := named.keys() & members.keys():
        raise TypeError(f"{cls.__name__}.__init__() got multiple values for argument {min(twice)!r}")
    if unknown := named.keys() - names:
        raise TypeError(f"{cls.__name__}.__init__() got an unexpected keyword argument {min(unknown)!r}")
    members.update(named)
    if len(members) < len(names):
        _fill(cls, members)
    if hasattr(cls, "__post_init__"):
        self.__post_init__()


def _fill(cls: Any, members: dict[str, Any]) -> None:
    """Give members their defaults."""
    missing = []
    for name in cls.__match_args__:
        if name in members:
            continue
        field = cls.__dataclass_fields__[name]
        if field.default is not MISSING:
            members[name] = field.default
        elif field.default_factory is not MISSING:
            members[name] = field.default_factory()
        else:
            missing.append(repr(name))
    if missing:
        arguments = "argument" if len(missing) == 1 else "arguments"
        raise TypeError(
            f"{cls.__name__}.__init__() missing {len(missing)} required positional {arguments}:"
            f" {', '.join(missing)}"
        )


def _set(self: Any, name: str, value: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


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
    "__init__": _initialize,
    "__setattr__": _set,
    "__delattr__": _delete,
    "__eq__": _equals,
    "__hash__": _hash,
    "__repr__": _text,
}
