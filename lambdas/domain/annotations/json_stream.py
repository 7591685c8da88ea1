"""A JSON stream: the lists of an object in a file of any length, read an element at a time.

It is the project's own because json.load holds whole files in memory, several times over as objects, and
ijson does not take NaN (https://github.com/ICRAR/ijson/issues/33), which some writers of COCO files put out.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

MAX_ELEMENT = 8 * 1024 * 1024
"""Characters of one element, or of a value that is no list."""
_CHUNK = 64 * 1024
_MAX_DIGITS = 4000
"""Python refuses to read numbers of more than 4,300:
https://docs.python.org/3/library/stdtypes.html#int-max-str-digits ."""
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

_SPACE = re.compile(r"[ \t\n\r]*")
_FIRST = re.compile(r"[ \t\n\r]*([^ \t\n\r])")
_NO_NAMES = re.compile(r"[ \t\n\r]*(?:(\})|(?=[^ \t\n\r]))")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*([^ \t\n\r])")
_NO_ELEMENTS = re.compile(r"\[[ \t\n\r]*(?:(\])|(?=[^ \t\n\r]))")
_NEXT_ELEMENT = re.compile(r"[ \t\n\r]*([,\]])")
_NEXT_NAME = re.compile(r"[ \t\n\r]*([,}])")

T = TypeVar("T")


class CutError(ValueError):
    """The file goes on with something that is not JSON, or ends too early."""


class Lists:
    """The lists of the object that a file holds, in UTF-8 or, with a byte order mark, in UTF-16.

    NaN and Infinity, which some writers put where JSON has no word for them, come as None, as do whole
    numbers of thousands of digits. Used in a `with` block.
    """

    def __init__(self, path: Path, max_bytes: float = math.inf) -> None:
        """Args: max_bytes: bytes to look at, about; the file is as if cut there.

        Raises:
            OSError: the disk failed.
        """
        self._file: IO[bytes] = path.open("rb")
        self._max_bytes = max_bytes
        self._decode = codecs.getincrementaldecoder(self._encoding())().decode
        self._text = ""
        self._at = 0
        self._ended = False
        self._broken: UnicodeDecodeError | None = None
        self.names: list[str] = []
        """What the object has, as far as it has been read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def elements(self) -> Iterator[tuple[str, Any]]:
        """Each element of each list, with the list's name; none of what is no object.

        Raises:
            CutError: what comes after is not JSON.
            OSError: the disk failed.
        """
        if self._parse(_matched(_FIRST)) != "{":
            return
        closed = self._parse(_matched(_NO_NAMES)) is not None
        while not closed:
            name, first = self._parse(_name)
            self.names.append(name)
            if first == "[":
                yield from self._list(name)
            else:
                self._parse(_value)
            closed = self._parse(_matched(_NEXT_NAME)) == "}"
        self._fill()
        if self._text.strip():
            raise self._cut("more after the end")

    def list_elements(self) -> Iterator[Any]:
        """Each element of the list that the file holds instead of an object; none if it holds no list.

        Raises:
            CutError: what comes after is not JSON.
            OSError: the disk failed.
        """
        if self._parse(_matched(_FIRST)) != "[":
            return
        self._at -= 1
        for _, element in self._list(""):
            yield element

    def members(self, inside: str = "") -> Iterator[tuple[str, Any]]:
        """Each member of the object that the file holds; of that called `inside`, its own in its place.

        Raises:
            CutError: what comes after is not JSON.
            OSError: the disk failed.
        """
        if self._parse(_matched(_FIRST)) != "{":
            return
        yield from self._members(inside)
        self._fill()
        if self._text.strip():
            raise self._cut("more after the end")

    def _members(self, inside: str) -> Iterator[tuple[str, Any]]:
        closed = self._parse(_matched(_NO_NAMES)) is not None
        while not closed:
            name, first = self._parse(_name)
            if inside and name == inside and first == "{":
                self._parse(_matched(_FIRST))
                yield from self._members("")
            else:
                yield name, self._parse(_value)
            closed = self._parse(_matched(_NEXT_NAME)) == "}"

    def _list(self, name: str) -> Iterator[tuple[str, Any]]:
        last = self._parse(_matched(_NO_ELEMENTS)) is not None
        while not last:
            yield name, self._parse(_element)
            last = self._parse(_next_element) == "]"

    def _parse(self, parse: Callable[[str, int], tuple[T, int]]) -> T:
        """Parse what the text goes on with; more is read until there is enough of it."""
        while True:
            try:
                taken, self._at = parse(self._text, self._at)
                return taken
            except RecursionError as error:
                raise self._cut("lists and objects too deep inside each other") from error
            except json.JSONDecodeError as error:
                if self._ended:
                    raise self._cut(str(self._broken or error.msg)) from error
                if len(self._text) - self._at > MAX_ELEMENT:
                    raise self._cut(
                        f"a value of more than {MAX_ELEMENT} characters, or {error.msg}"
                    ) from error
            self._fill()

    def _fill(self) -> None:
        rest = self._text[self._at :]
        # Twice as much each time, or an element of megabytes would be read from its start too often.
        data = self._file.read(max(_CHUNK, len(rest))) if self._file.tell() < self._max_bytes else b""
        try:
            self._ended = not data
            more = self._decode(data, self._ended)
        except UnicodeDecodeError as error:
            self._ended, self._broken = True, error
            more = error.object[: error.start].decode(error.encoding)
        self._text, self._at = rest + more, 0

    def _cut(self, why: str) -> CutError:
        return CutError(f"{why[:200]}, at or before byte {self._file.tell()}")

    def _encoding(self) -> str:
        beginning = self._file.read(3)
        for mark, encoding in _BOMS.items():
            if beginning.startswith(mark):
                self._file.seek(len(mark))
                return encoding
        self._file.seek(0)
        return "utf-8"


def list_elements(path: Path) -> Iterator[Any]:
    """Each element of the list that a file holds; errors as Lists.list_elements."""
    with Lists(path) as lists:
        yield from lists.list_elements()


def members(path: Path, inside: str = "") -> Iterator[tuple[str, Any]]:
    """Each member of the object that a file holds; as Lists.members."""
    with Lists(path) as lists:
        yield from lists.members(inside)


def names(path: Path, max_bytes: int) -> list[str]:
    """What an object has, looking at about so many bytes of its file; empty if it is no object.

    Raises:
        OSError: the disk failed.
    """
    with Lists(path, max_bytes) as lists:
        with suppress(CutError):
            for _ in lists.elements():
                pass
        return lists.names


# Parts of the text: from a position on, what is there and where it ends


def _decoded(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _LENIENT.raw_decode(text, at)


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


_DECODER = json.JSONDecoder(parse_constant=lambda word: None, strict=False)
_LENIENT = json.JSONDecoder(parse_constant=lambda word: None, parse_int=_integer, strict=False)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _matched(pattern: re.Pattern[str]) -> Callable[[str, int], tuple[str, int]]:
    """A parser that takes what the pattern matches: its group."""

    def parse(text: str, at: int) -> tuple[str, int]:
        if not (match := pattern.match(text, at)):
            raise json.JSONDecodeError("not what JSON goes on with", text, at)
        return match[1], match.end()

    return parse


def _name(text: str, at: int) -> tuple[tuple[str, str], int]:
    """A name, and what its value begins with, which is left to be read."""
    name, end = _decoded(text, _after_space(text, at))
    first, end = _colon(text, end)
    if not isinstance(name, str):
        raise json.JSONDecodeError("names have to be text", text, at)
    return (name, first), end - 1


def _element(text: str, at: int) -> tuple[Any, int]:
    element, end = _decoded(text, _after_space(text, at))
    if isinstance(element, int | float):
        # At the end of the text a number might go on.
        _next_element(text, end)
    return element, end


def _value(text: str, at: int) -> tuple[Any, int]:
    value, end = _decoded(text, at)
    _next_name(text, end)
    return value, end


_colon, _next_element, _next_name = _matched(_COLON), _matched(_NEXT_ELEMENT), _matched(_NEXT_NAME)
