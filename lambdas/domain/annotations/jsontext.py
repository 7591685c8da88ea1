"""JSON files of any length, read an element at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import ijson  # type: ignore[import-untyped]

_BOM = b"\xef\xbb\xbf"
MAX_DEPTH = 100
MAX_WORD = 16 * 1024 * 1024
"""Bytes."""
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_NOT_NUMBERS = {b"-Infinity": b"null", b"Infinity": b"null", b"NaN": b"null"}


class CutError(ValueError):
    """The file goes on with something that is not JSON, or ends too early."""


def elements(path: Path, section: str) -> Iterator[Any]:
    """The elements of the lists that an object has under a name, as far as the file can be read.

    NaN and Infinity, which some writers put where JSON has no word for them, come as None.

    Raises:
        CutError: what comes after is not JSON.
        OSError: the disk failed.
    """
    with path.open("rb") as file:
        try:
            yield from ijson.items(_Tolerant(file), f"{section}.item")
        except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
            raise CutError(f"{_told(error)}, at or before byte {file.tell()}") from error


def keys(path: Path, events: int) -> Iterator[str]:
    """Names of what an object has on its first level, looking at no more than so many tokens."""
    with path.open("rb") as file:
        try:
            for number, (prefix, event, value) in enumerate(ijson.parse(_Tolerant(file))):
                if number >= events or (number == 0 and event != "start_map"):
                    return
                if prefix == "" and event == "map_key":
                    yield value
        except (ijson.JSONError, UnicodeDecodeError, RecursionError):
            return


def _told(error: Exception) -> str:
    """The parser's message without the excerpt of the file that follows it."""
    first = error.args[0] if error.args else ""
    # The C parser gives bytes where its excerpt of the file is no UTF-8.
    text = first.decode(errors="replace") if isinstance(first, bytes) else str(error)
    return text.strip().split("\n")[0][:200] or "not JSON"


class _Tolerant:
    """A file of JSON without byte order mark, NaN and Infinity, and without what would fill the memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._in_text = False
        self._rest = b""
        self._begun = False
        self._depth = self._plain = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, about as many as asked for. Raises ijson.JSONError."""
        if size == 0:
            return b""
        data = self._file.read(size)
        if not self._begun:
            self._begun, data = True, data.removeprefix(_BOM)
        if not data:
            rest, self._rest = self._rest, b""
            return rest
        data = self._rest + data
        # A word or an escape may go on in what comes next.
        keep = _unfinished(data)
        data, self._rest = data[: len(data) - keep], data[len(data) - keep :]
        return self._clean(data) or self.read(size)

    def _clean(self, data: bytes) -> bytes:
        # Text between quotes is left as it is, and an escaped quote in it does not end it.
        escaped = b"\\" in data
        known = data.replace(b"\\\\", b"\\\0").replace(b'\\"', b"\\\1") if escaped else data
        if b"NaN" in data or b"Infinity" in data:
            pieces = known.split(b'"')
            for index in range(int(self._in_text), len(pieces), 2):
                pieces[index] = _without_words(pieces[index])
            known = b'"'.join(pieces)
            data = known.replace(b"\\\1", b'\\"').replace(b"\\\0", b"\\\\") if escaped else known
        self._check(known)
        return data

    def _check(self, data: bytes) -> None:
        pieces = data.translate(None, _NO_STRUCTURE).split(b'"')
        for bracket in b"".join(pieces[int(self._in_text) :: 2]):
            self._depth += 1 if bracket in b"[{" else -1
            if self._depth > MAX_DEPTH:
                raise ijson.JSONError(f"lists and objects inside each other more than {MAX_DEPTH} deep")
        self._in_text ^= len(pieces) % 2 == 0
        self._plain = 0 if len(pieces) > 1 or b"," in data else self._plain + len(data)
        if self._plain > MAX_WORD:
            raise ijson.JSONError(f"a text or number of more than {MAX_WORD} bytes")


def _without_words(piece: bytes) -> bytes:
    for word, instead in _NOT_NUMBERS.items():
        piece = piece.replace(word, instead)
    return piece


def _unfinished(data: bytes) -> int:
    """How many of the last bytes cannot be judged before more is known."""
    backslashes = len(data) - len(data.rstrip(b"\\"))
    if backslashes % 2:
        return 1
    if data.endswith(tuple(_NOT_NUMBERS)):
        return 0
    for word in _NOT_NUMBERS:
        for length in range(len(word) - 1, 0, -1):
            if data.endswith(word[:length]):
                return length
    return 0
