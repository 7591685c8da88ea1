"""Archives of datasets: unpacked into a folder, whatever is in them.

Names and sizes in an archive are a stranger's: nothing is written outside of the folder, no link is made, and
what is written is counted, not believed.
"""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from cli.output import CommandError
from lambdas.domain.annotations.types import Problem

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_FILES = 2_000_000
MAX_RATIO = 200
"""Times its own size that an archive may unpack to; pictures hardly shrink, annotations to a tenth."""
FREE_BYTES = 4 * 1024**3
"""What any archive may unpack to, whatever its size."""
_CHUNK = 1024 * 1024
_UTF8 = 0x800
"""Flag of a zip archive's entry whose name is UTF-8: APPNOTE.TXT 4.4.4,
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT ."""
_ENCRYPTED = 0x1
_DRIVE = re.compile(r"[A-Za-z]:")
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, ValueError, IndexError, OverflowError),
)

OnFile = Callable[[], None]
"""Called with each file that was unpacked."""


@dataclass
class Unpacked:
    """What has become of an archive's files."""

    marks: dict[str, str]
    """By name, something that differs between two contents of a file."""
    problems: list[Problem]


class _Entry(Protocol):
    name: str
    mark: str
    refused: str
    """Why it cannot be unpacked; empty if it can."""

    def open(self) -> IO[bytes]:
        """Raises one of _BROKEN, or NotImplementedError."""


def is_archive(path: Path) -> bool:
    """Whether a path is that of an archive."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def stem(path: Path) -> str:
    """The archive's name without what says that it is one."""
    suffix = max((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), key=len, default="")
    return path.name[: len(path.name) - len(suffix)] or path.name


def count(path: Path) -> int | None:
    """The number of files in an archive, if it is known before it is read to its end. Raises CommandError."""
    if not zipfile.is_zipfile(path):
        return None
    with _opened_zip(path) as archive:
        return sum(1 for _ in _zip_entries(archive))


def unpack(path: Path, folder: Path, on_file: OnFile = lambda: None) -> Unpacked:
    """Unpack an archive into a folder that is empty.

    Raises:
        CommandError: it is no archive, is encrypted, or unpacks to more than it should or there is room for.
    """
    result = Unpacked({}, [])
    budget = _Budget(path, folder)
    with ExitStack() as stack:
        for number, entry in enumerate(_entries(path, stack), start=1):
            if number > MAX_FILES:
                raise CommandError(f"{path} has more than {MAX_FILES} files: unpack it, and import a part")
            name, refused = _clean(entry.name)
            if name and (detail := refused or entry.refused or _write(entry, folder, name, budget, result)):
                reason = "leaves_folder" if refused else "not_unpacked"
                result.problems.append(Problem(name, 0, reason, detail, name))
            on_file()
    return result


def _write(entry: _Entry, folder: Path, name: str, budget: _Budget, result: Unpacked) -> str:
    """Write a file. Returns why it could not be, or an empty text."""
    target = folder / name
    try:
        if target.exists():
            return "two files of the archive have this name, and the first was taken: rename one"
        target.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as source, target.open("xb") as written:
            while chunk := source.read(_CHUNK):
                budget.spend(len(chunk))
                written.write(chunk)
    except NotImplementedError as error:
        return f"{error}: unpack the archive with the program that made it"
    except _BROKEN as error:
        # What was written of it is no whole file.
        with suppress(OSError):
            target.unlink()
        return f"{error or type(error).__name__}: it is damaged, or its name cannot be one here"
    result.marks[name] = entry.mark
    return ""


class _Budget:
    """How many bytes an archive may still unpack to."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._most = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
        self._left = self._most
        self._room = shutil.disk_usage(folder).free

    def spend(self, number: int) -> None:
        """Raise CommandError if there is no room for so many bytes more."""
        self._left -= number
        self._room -= number
        if self._left < 0:
            raise CommandError(
                f"{self._path} unpacks to more than {self._most / 1e9:.0f} GB, which no dataset of its size"
                " does: unpack it yourself if you trust it, and import the folder"
            )
        if self._room < _CHUNK:
            raise CommandError(
                f"there is no room in {self._folder.parent} to unpack {self._path}: set TMPDIR to a folder"
                " with more, or unpack it and import the folder"
            )


def _clean(name: str) -> tuple[str, str]:
    """A name as a path inside, empty if it is no file of a dataset; and why it cannot be written, if so."""
    path = name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or path.endswith("/") or any(part.startswith(".") and part != ".." for part in parts):
        return "", ""
    if "__MACOSX" in parts:
        return "", ""
    shown = "/".join(parts)
    if path.startswith("/") or ".." in parts or _DRIVE.match(path):
        return shown, f"{name[:200]!r} leads out of the archive: make it again, of the folder alone"
    return shown, ""


# Zip


class _ZipEntry:
    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive, self._info = archive, info
        self.name, self.mark = _zip_name(info), f"{info.CRC:08x}"
        kind = stat.S_IFMT(info.external_attr >> 16)
        self.refused = "a link: put the file itself into the archive" if kind == stat.S_IFLNK else ""

    def open(self) -> IO[bytes]:
        return self._archive.open(self._info)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The entry's name. What does not say that it is UTF-8 often is, of macOS for one, and else is cp437."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[_ZipEntry]:
    return (_ZipEntry(archive, info) for info in archive.infolist() if not info.is_dir())


def _opened_zip(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (*_BROKEN, NotImplementedError) as error:
        raise _no_archive(path, error) from error
    if any(info.flag_bits & _ENCRYPTED for info in archive.infolist()):
        archive.close()
        raise CommandError(f"{path} is encrypted: unpack it with its password, and import the folder")
    return archive


# Tar


class _TarEntry:
    def __init__(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        self._archive, self._member = archive, member
        self.name, self.mark = member.name, str(member.mtime)
        self.refused = "" if member.isfile() else "a link or device: put the file itself into the archive"

    def open(self) -> IO[bytes]:
        opened = self._archive.extractfile(self._member)
        if opened is None:
            raise tarfile.ExtractError("no file")
        return opened


def _entries(path: Path, stack: ExitStack) -> Iterator[_Entry]:
    if zipfile.is_zipfile(path):
        yield from _zip_entries(stack.enter_context(_opened_zip(path)))
        return
    try:
        archive = stack.enter_context(tarfile.open(path, "r|*"))  # noqa: SIM115 the stack closes it
        for member in archive:
            if not member.isdir():
                yield _TarEntry(archive, member)
    except _BROKEN as error:
        raise _no_archive(path, error) from error


def _no_archive(path: Path, error: Exception) -> CommandError:
    detail = str(error) or type(error).__name__
    return CommandError(f"{path} cannot be read as an archive ({detail}): download or make it again")
