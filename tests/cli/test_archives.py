"""Archives: what is unpacked of them, and what is refused."""

from __future__ import annotations

import io
import json
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.importing import archives
from cli.importing.sources import ArchiveSource
from cli.output import CommandError
from tests.fixtures.cli import Cli
from tests.fixtures.cli_datasets import coco
from tests.fixtures.images import picture


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return path


def make_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return path


def unpacked(path: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files that came out of an archive, and the reasons of those that did not."""
    target = path.with_name(path.name + ".out")
    target.mkdir()
    result = archives.unpack(path, target)
    files = {
        file.relative_to(target).as_posix(): file.read_bytes() for file in target.rglob("*") if file.is_file()
    }
    assert set(files) == set(result.marks)
    return files, {problem.file: problem.reason for problem in result.problems}


DATASET = {
    "set/images/a.jpg": picture(1),
    "set/annotations.json": json.dumps(coco(["images/a.jpg"])).encode(),
    "__MACOSX/set/images/._a.jpg": b"\0",
    "set/.DS_Store": b"\0",
}


@pytest.mark.parametrize("name", ["parts.v2.zip", "parts.v2.tar.gz", "parts.v2.TGZ"])
def test_an_archive_is_imported(cli: Cli, tmp_path: Path, name: str) -> None:
    make = make_zip if name.endswith("zip") else make_tar
    path = make(tmp_path / name, DATASET)
    document = cli.json("import", str(path))
    assert (document["name"], document["format"], document["source"]) == ("parts.v2", "coco", str(path))
    assert (document["images"], document["problems"]) == ({"labelled": 1, "unlabelled": 0}, {})
    assert cli.json("import", str(path))["sent"]["sent_before"] == 1
    assert "1 labelled" in cli("import", str(path), "--dry-run").output


def test_of_another_archive_of_the_same_name_changed_images_are_sent(cli: Cli, tmp_path: Path) -> None:
    cli.json("import", str(make_zip(tmp_path / "a.zip", DATASET)))
    changed = DATASET | {"set/images/a.jpg": picture(2)}
    sent = cli.json("import", str(make_zip(tmp_path / "a.zip", changed)))["sent"]
    assert (sent["images"], sent["sent_before"]) == (1, 0)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_names_that_lead_out_are_refused(tmp_path: Path, make: object) -> None:
    names = ["../a.jpg", "/etc/b.jpg", "C:\\c.jpg", "x/../../d.jpg", "..\\e.jpg"]
    files = dict.fromkeys(names, b"x") | {"good.jpg": b"g", "win\\f.jpg": b"f"}
    path = (make_zip if make is make_zip else make_tar)(tmp_path / "a.archive", files)
    taken, problems = unpacked(path)
    assert taken == {"good.jpg": b"g", "win/f.jpg": b"f"}
    assert set(problems.values()) == {"leaves_folder"} and len(problems) == len(names)
    assert not (tmp_path / "a.jpg").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("link.jpg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert unpacked(tmp_path / "a.zip") == ({}, {"link.jpg": "not_unpacked"})
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo(f"link{kind!r}.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    files, problems = unpacked(tmp_path / "a.tar")
    assert files == {} and set(problems.values()) == {"not_unpacked"}


def test_names_without_the_mark_of_utf_8(tmp_path: Path) -> None:
    """macOS writes UTF-8 without saying so, old Windows programs cp437."""
    path = make_zip(tmp_path / "a.zip", {"Ubung.jpg": b"1", "cafe.jpg": b"2"})
    body = path.read_bytes()
    body = body.replace(b"Ubung.jpg", "Übng.jpg".encode()).replace(b"cafe.jpg", "café.jpg".encode("cp437"))
    path.write_bytes(body)
    assert set(unpacked(path)[0]) == {"Übng.jpg", "café.jpg"}


def test_names_that_cannot_be_and_names_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning):
        for name in ("a.jpg", "a.jpg", "x" * 300 + ".jpg", "b", "b/c.jpg"):
            archive.writestr(name, name)
    files, problems = unpacked(path)
    assert set(files) == {"a.jpg", "b"}
    assert len(problems) == 3


def test_bombs_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)
    path = make_zip(tmp_path / "a.zip", {f"{i}.json": b" " * 3_000_000 for i in range(3)})
    with pytest.raises(CommandError, match="unpacks to more than"):
        ArchiveSource(path)
    with pytest.raises(CommandError, match="unpacks to more than"):
        ArchiveSource(make_tar(tmp_path / "a.tgz", {"a.json": b" " * 9_000_000}))
    monkeypatch.setattr(archives, "MAX_FILES", 2)
    with pytest.raises(CommandError, match="more than 2 files"):
        ArchiveSource(make_zip(tmp_path / "b.zip", {f"{i}.json": b" " for i in range(3)}))


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "a.zip", DATASET)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    with pytest.raises(CommandError, match="TMPDIR"):
        ArchiveSource(path)


def test_encrypted_and_broken_archives(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.jpg": b"x" * 100, "b.jpg": b"y" * 100}, zipfile.ZIP_STORED)
    whole = path.read_bytes()
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(encrypted)
    with pytest.raises(CommandError, match="encrypted"):
        ArchiveSource(path)
    path.write_bytes(whole.replace(b"x" * 100, b"z" * 100))
    files, problems = unpacked(path)
    assert (files, problems) == ({"b.jpg": b"y" * 100}, {"a.jpg": "not_unpacked"})
    for body in (whole[:50], b"", b"no archive"):
        path.write_bytes(body)
        with pytest.raises(CommandError, match="cannot be read as an archive"):
            ArchiveSource(path)


def test_a_method_that_is_not_known(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.jpg": b"x" * 100}, zipfile.ZIP_STORED)
    body = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        body[body.index(mark) + at] = 9
    path.write_bytes(body)
    assert unpacked(path)[1] == {"a.jpg": "not_unpacked"}


@settings(max_examples=40)
@given(st.data())
def test_whatever_is_damaged_nothing_else_is_raised(data: st.DataObject) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        make = data.draw(st.sampled_from([make_zip, make_tar]))
        path = make(Path(folder, "a.zip"), {"a.jpg": b"x" * 50, "b/c.json": b"y" * 50})
        body = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(body)
        try:
            archives.unpack(path, path.parent)
        except CommandError as error:
            assert str(path) in str(error)
