from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from cli.batch import spool, stored
from cli.batch.images import BadEntryError, Image, checked
from cli.batch.lists import ListSource
from cli.batch.sources import Source, source_of
from cli.batch.spool import Spool
from cli.batch.stored import Stored
from cli.output import CommandError
from lambdas.domain.batch import files

DATA = "parts-data"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        for bucket in (DATA, "cameras", "reports"):
            client.create_bucket(Bucket=bucket)
        yield client


def read(source: Source) -> list[str]:
    return [f"{image.bucket}/{image.key}" for image in source.images()]


def a_list(tmp_path: Path, name: str, content: str | bytes) -> ListSource:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return ListSource(Stored.on_disk(path), DATA)


# Lists


def test_a_csv_file_names_its_columns(tmp_path: Path) -> None:
    content = '\ufeffVersion_Id,bucket,Key,size\n,cameras,"a, b.jpg",1\nv1,,c.jpg,2\n\n'
    source = a_list(tmp_path, "night.csv", content)
    assert list(source.images()) == [Image("cameras", "a, b.jpg"), Image(DATA, "c.jpg", "v1")]
    assert source.default_name == "night"
    assert source.remarks.bad_count == 0


def test_a_csv_file_of_one_column_needs_no_heading(tmp_path: Path) -> None:
    source = a_list(tmp_path, "a.csv", "s3://cameras/x y.jpg\r\nb.png\r\n")
    assert read(source) == ["cameras/x y.jpg", "parts-data/b.png"]


def test_columns_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"2 columns, and none is called key: .*bucket,key,version_id"):
        read(a_list(tmp_path, "a.csv", "cameras,x.jpg\n"))


def test_json_lines_name_keys_addresses_and_entries_of_manifests(tmp_path: Path) -> None:
    lines = [
        "a.jpg",
        "s3://cameras/b.jpg",
        {"key": "c.jpg", "bucket": "cameras", "version_id": "v1", "note": 1},
        {"source-ref": "s3://cameras/d.jpg", "bolt": 1},
    ]
    source = a_list(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines)))
    assert list(source.images()) == [
        Image(DATA, "a.jpg"),
        Image("cameras", "b.jpg"),
        Image("cameras", "c.jpg", "v1"),
        Image("cameras", "d.jpg"),
    ]


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("a.jsonl", b"{", "it is not JSON"),
        ("a.jsonl", b"[" * 60_000, "it is not JSON"),
        ("a.jsonl", b"3", "neither an object nor a text"),
        ("a.jsonl", b'{"key": 3}', "have to be text"),
        ("a.jsonl", b'{"other": "a.jpg"}', "there is no key"),
        ("a.jsonl", b'"\\ud800.jpg"', "the key is not Unicode"),
        ("a.jsonl", b'{"key": "a.jpg", "version_id": "\\ud800"}', "version_id is none of S3's"),
        ("a.jsonl", b'{"key": "a.jpg", "bucket": "NO_BUCKET"}', "no name of a bucket"),
        ("a.csv", b'"a.jpg', "no line of a CSV file"),
        ("a.csv", b"https://example.com/a.jpg", "neither a key nor an address"),
        ("a.csv", b"folder/", "is a folder"),
        ("a.csv", b"\xff.jpg", "not UTF-8"),
        ("a.csv", b"x" * 1025, "1024 bytes at most"),
        ("a.txt", b"x" * 200_000, "more than 64 kB"),
    ],
)
def test_lines_that_are_no_keys_are_named_and_counted(
    tmp_path: Path, name: str, line: bytes, reason: str
) -> None:
    good = b'"good.jpg"' if name.endswith("jsonl") else b"good.jpg"
    source = a_list(tmp_path, name, b"\n".join([good, line, good, line]))
    assert read(source) == ["parts-data/good.jpg"] * 2
    assert [bad.where for bad in source.remarks.bad] == ["line 2", "line 4"]
    assert reason in source.remarks.bad[0].reason


def test_many_bad_lines_are_counted_and_the_first_ones_named(tmp_path: Path) -> None:
    source = a_list(tmp_path, "a.jsonl", "nothing\n" * 500)
    assert read(source) == []
    assert (source.remarks.bad_count, len(source.remarks.bad)) == (500, 10)


def test_a_list_in_a_bucket_is_of_that_bucket(s3: Any) -> None:
    s3.put_object(Bucket="cameras", Key="lists/a.txt.gz", Body=gzip.compress(b"x,y.jpg\nz.jpg\n"))
    source = source_of("s3://cameras/lists/a.txt.gz", s3, DATA)
    assert read(source) == ["cameras/x,y.jpg", "cameras/z.jpg"]
    assert source.default_name == "a"


def test_a_list_that_is_not_there_or_broken_is_said_so(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"s3://cameras/none.csv cannot be read: .*"):
        read(source_of("s3://cameras/none.csv", s3, DATA))
    with pytest.raises(CommandError, match="is broken"):
        read(a_list(tmp_path, "a.csv.gz", "no gzip"))


LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=20)


@given(LINES, st.sampled_from(["a.csv", "a.jsonl", "a.txt"]))
@settings(max_examples=50)
def test_no_line_breaks_a_list_and_each_is_an_image_or_named(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], name: str
) -> None:
    source = a_list(tmp_path_factory.mktemp("list"), name, b"\n".join(lines))
    try:
        images = list(source.images())
    except CommandError as error:
        assert "column" in str(error)
        return
    for image in images:
        checked(image.bucket, image.key)
    blank = sum(not line.decode(errors="replace").strip() for line in lines)
    heading = bool(lines) and name == "a.csv"
    assert len(lines) - blank - heading <= len(images) + source.remarks.bad_count <= len(lines)


def test_a_long_list_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    def peak(number: int) -> int:
        path = tmp_path / f"{number}.csv.gz"
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.writelines(f"folder/{line}.jpg\n" for line in range(number))
        source = ListSource(Stored.on_disk(path), DATA)
        tracemalloc.start()
        with Spool() as images:
            for _ in images.fill(source.images()):
                pass
            assert sum(len(part) for part in spool.parts(images, "night")) == number
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(6000) < peak(500) + 200_000


# Prefixes


def test_a_prefix_is_a_folder_unless_a_star_ends_it(s3: Any) -> None:
    for key in (
        "2026/",
        "2026/a.JPG",
        "2026/b/c.png",
        "2026/raw",
        "2026/notes.txt",
        "2026-11/d.jpeg",
        "2026/e.gif",
    ):
        s3.put_object(Bucket="cameras", Key=key, Body=b"1")
    folder = source_of("s3://cameras/2026", s3, DATA)
    assert read(folder) == ["cameras/2026/a.JPG", "cameras/2026/b/c.png", "cameras/2026/raw"]
    assert folder.remarks.left_out == {".txt": 1, ".gif": 1}
    assert (folder.where, folder.default_name) == ("s3://cameras/2026/", "2026")
    assert "cameras/2026-11/d.jpeg" in read(source_of("s3://cameras/2026*", s3, DATA))


def test_a_prefix_of_no_bucket_is_refused(s3: Any) -> None:
    with pytest.raises(CommandError, match=r"s3://none-such/ cannot be listed: .*NoSuchBucket"):
        read(source_of("s3://none-such", s3, DATA))
    with pytest.raises(CommandError, match="name a bucket and a prefix"):
        source_of("s3://", s3, DATA)


# Inventories


def inventory(s3: Any, rows: list[list[str]], *, format: str = "CSV", schema: str = "", md5: str = "") -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    body = gzip.compress(text.getvalue().encode())
    s3.put_object(Bucket="reports", Key="cameras/all/data/1.csv.gz", Body=body)
    manifest = {
        "sourceBucket": "cameras",
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": format,
        "fileSchema": schema or "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size",
        "files": [
            {
                "key": "cameras/all/data/1.csv.gz",
                "size": len(body),
                "MD5checksum": md5 or hashlib.md5(body, usedforsecurity=False).hexdigest(),
            }
        ],
    }
    s3.put_object(Bucket="reports", Key="cameras/all/2026/manifest.json", Body=json.dumps(manifest).encode())
    return "s3://reports/cameras/all/2026/manifest.json"


@pytest.mark.parametrize("encode", [quote, quote_plus])
def test_an_inventory_names_the_latest_versions(s3: Any, encode: Any) -> None:
    rows = [
        ["cameras", encode("a b+ü.jpg"), "v2", "true", "false", "10"],
        ["cameras", encode("a b+ü.jpg"), "v1", "false", "false", "9"],
        ["cameras", "gone.jpg", "v1", "true", "true", ""],
        ["cameras", "notes.txt", "v1", "true", "false", "10"],
        ["cameras", "folder%2F", "v1", "true", "false", "0"],
        ["cameras", "%ff.jpg", "v1", "true", "false", "1"],
        ["cameras", "short"],
    ]
    source = source_of(inventory(s3, rows), s3, DATA)
    assert list(source.images()) == [Image("cameras", "a b+ü.jpg", size=10)]
    assert source.remarks.left_out == {"older versions": 1, "deleted objects": 1, ".txt": 1}
    assert [bad.where for bad in source.remarks.bad] == ["1.csv.gz, line 6", "1.csv.gz, line 7"]
    assert source.default_name == "cameras"


def test_an_inventory_of_current_versions_has_fewer_columns(s3: Any) -> None:
    where = inventory(s3, [["cameras", "a.jpg"]], schema="Bucket, Key")
    assert read(source_of(where, s3, DATA)) == ["cameras/a.jpg"]


@pytest.mark.parametrize("format", ["ORC", "Parquet"])
def test_an_inventory_in_another_format_is_refused_with_what_helps(s3: Any, format: str) -> None:
    with pytest.raises(CommandError, match=f"in {format}, and only CSV is read: choose CSV"):
        source_of(inventory(s3, [], format=format), s3, DATA)


def test_an_inventory_whose_list_is_another_is_refused(s3: Any) -> None:
    where = inventory(s3, [["cameras", "a.jpg"]], schema="Bucket, Key", md5="0" * 32)
    with pytest.raises(CommandError, match=r"is not what .* lists"):
        read(source_of(where, s3, DATA))


def test_another_manifest_is_no_inventory(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"files": [{"name": "a"}]}')
    with pytest.raises(CommandError, match="not the manifest of an S3 Inventory"):
        source_of(str(tmp_path / "manifest.json"), s3, DATA)


# Folders


def test_a_folder_has_its_images_in_order(s3: Any, tmp_path: Path) -> None:
    for name in ("b.jpg", "a/c.PNG", "notes.txt", ".hidden.jpg", "old.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"123")
    (tmp_path / "linked").symlink_to("/etc")
    source = source_of(str(tmp_path), s3, DATA)
    assert [(image.key, image.size, image.file) for image in source.images()] == [
        ("b.jpg", 3, "b.jpg"),
        ("a/c.PNG", 3, "a/c.PNG"),
    ]
    assert source.remarks.left_out == {".gif": 1}
    assert source.remarks.bad[0].where == "linked"


def test_a_path_too_long_for_a_key_is_named(s3: Any, tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(10):
        deep /= "d" * 100
    deep.mkdir(parents=True)
    (deep / "a.jpg").write_bytes(b"1")
    source = source_of(str(tmp_path), s3, DATA)
    assert read(source) == []
    assert "too long" in source.remarks.bad[0].reason


@pytest.mark.parametrize(("name", "words"), [("a.jpg", "labelloop detect"), ("a.doc", "give a folder")])
def test_what_is_no_source_is_refused(s3: Any, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"1")
    with pytest.raises(CommandError, match=words):
        source_of(str(tmp_path / name), s3, DATA)
    with pytest.raises(CommandError, match="does not exist"):
        source_of(str(tmp_path / "none"), s3, DATA)


# What is kept of them


def test_what_was_counted_is_what_is_sent() -> None:
    images = [Image("cameras", f"{number}.jpg", size=2) for number in range(files.PART_LINES + 1)]
    images[0] = Image(DATA, "ü\n.jpg", "v1", 5, "ü\n.jpg", "m")
    with Spool() as kept:
        assert list(kept.fill(images)) == images
        assert (kept.count, kept.bytes) == (101, 205)
        assert kept.buckets == {DATA: 1, "cameras": 100}
        assert list(kept) == images
        first, second = spool.parts(kept, "night")
    assert [line.id for line in second] == ["100"]
    assert first[0].key == "batches/night/images/ü\n.jpg"
    assert first[1].key == "1.jpg"


def test_lines_of_any_length_are_read_in_pieces() -> None:
    most = stored.MAX_LINE_BYTES
    content = io.BytesIO(b"a" * (most * 3) + b"\nb\n" + b"c" * most + b"\nd")
    assert list(stored.lines(content)) == [None, b"b", None, b"d"]


def test_names_that_s3_has_not_are_refused() -> None:
    for bucket, key in (("A", "a"), ("ok-bucket", ""), ("ok-bucket", "x" * 1025)):
        with pytest.raises(BadEntryError):
            checked(bucket, key)
