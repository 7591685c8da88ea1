"""XML files of strangers: elements with their lines, without entities, and no more memory than they need."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from lambdas.domain.annotations.problems import AnnotationError

MAX_TREE_BYTES = 16 * 1024 * 1024
"""A file that is held as a whole."""
MAX_ELEMENTS = 100_000
"""Elements inside one that is handed out."""
_MAX_TOKEN_BYTES = 8 * 1024 * 1024
_CHUNK = 64 * 1024
_FORBIDDEN = "entities and external references are not taken: remove them"


class UnparsedError(ValueError):
    """A file is no XML; with the line up to which it is."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message[:200])
        self.line = line


class _Lines(TreeBuilder):
    """A tree whose elements' lines are known."""

    def __init__(self) -> None:
        super().__init__()
        self.parser: Any = None
        self.lines: dict[Element, int] = {}

    def start(self, tag: Any, attrs: Any, /) -> Element:
        element = super().start(tag, attrs)
        self.lines[element] = self.parser.parser.CurrentLineNumber
        return element


def tree(path: Path) -> tuple[Element, dict[Element, int]]:
    """The root of a file, and the line of each element.

    Raises:
        UnparsedError: it is no XML.
        AnnotationError: it is too large, empty, or has entities.
        OSError: the disk failed.
    """
    size = path.stat().st_size
    if size > MAX_TREE_BYTES:
        raise AnnotationError("file_too_large", f"{size} bytes are more than the boxes of an image need")
    data = path.read_bytes()
    if not data.strip():
        raise AnnotationError("empty", "the file has no content: save it again")
    builder = _Lines()
    builder.parser = DefusedXMLParser(target=builder, forbid_dtd=False)
    try:
        builder.parser.feed(data)
        return builder.parser.close(), builder.lines
    except ParseError as error:
        raise UnparsedError(str(error), error.position[0]) from error
    except DefusedXmlException as error:
        raise AnnotationError("forbidden_xml", _FORBIDDEN) from error
    # An encoding that Python does not know, or bytes that are not in the one that the file names.
    except (LookupError, ValueError, AssertionError) as error:
        raise UnparsedError(str(error), 0) from error


class _Stream:
    """Takes elements of some names with all that is in them, and lets the others go."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names
        self.parser: Any = None
        self.root = ""
        self.complete: list[tuple[Element, int]] = []
        self.starts = 0
        self._open: list[Element] = []
        self._line = self._inside = 0

    def start(self, tag: Any, attrs: Any) -> None:
        self.starts += 1
        self.root = self.root or tag
        if not self._open:
            if tag not in self.names:
                return
            self._line, self._inside = self.parser.parser.CurrentLineNumber, 0
        self._inside += 1
        if self._inside > MAX_ELEMENTS:
            raise AnnotationError(
                "element_too_large", f"a {self._open[0].tag} has more inside than can be used"
            )
        element = Element(tag, attrs)
        if self._open:
            self._open[-1].append(element)
        self._open.append(element)

    def end(self, tag: Any) -> None:
        if self._open:
            element = self._open.pop()
            if not self._open:
                self.complete.append((element, self._line))

    def data(self, text: str) -> None:
        if self._open and len(self._open[-1]) == 0 and len(self._open[-1].text or "") < _CHUNK:
            self._open[-1].text = (self._open[-1].text or "") + text

    def close(self) -> None:
        return None


def elements(path: Path, root: str, names: Collection[str]) -> Iterator[tuple[Element, int]]:
    """Every element of these names, outermost ones only, with its line; memory for one at a time.

    Raises:
        UnparsedError: what comes after is no XML, or the root has another name.
        AnnotationError: an element is too large, or there are entities.
        OSError: the disk failed.
    """
    stream = _Stream(names)
    stream.parser = DefusedXMLParser(target=stream, forbid_dtd=False)
    since, before = 0, 0
    with path.open("rb") as file:
        while True:
            data = file.read(_CHUNK)
            try:
                if data:
                    stream.parser.feed(data)
                else:
                    stream.parser.close()
            except ParseError as error:
                yield from stream.complete
                raise UnparsedError(str(error), error.position[0]) from error
            except DefusedXmlException as error:
                raise AnnotationError("forbidden_xml", _FORBIDDEN) from error
            except (LookupError, ValueError, AssertionError) as error:
                if isinstance(error, AnnotationError):
                    raise
                raise UnparsedError(str(error), 0) from error
            if stream.root and stream.root != root:
                raise UnparsedError(f"the file is about {stream.root[:80]!r}, not {root!r}", 1)
            yield from stream.complete
            stream.complete.clear()
            if not data:
                return
            since = 0 if stream.starts > before else since + len(data)
            before = stream.starts
            if since > _MAX_TOKEN_BYTES:
                raise AnnotationError(
                    "element_too_large", "a name or text of more than 8 MB: save the file again"
                )
