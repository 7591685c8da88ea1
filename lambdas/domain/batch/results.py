"""The results of a batch brought together: shards with their summaries, one manifest, one summary of all.

Each worker writes its shard and, after it, what the shard comes to in numbers. So the sum of a million images
is read from ten thousand small objects, and no line is looked at twice. A summary that does not belong to its
shard, as its worker was killed between the two, is made anew from the shard.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, field
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from lambdas.domain.batch import files
from lambdas.domain.batch.files import ResultLine
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HISTOGRAM_BINS = 20
"""Of the confidence, each 5 percent wide; the last one has 100 percent in it."""
MAX_EXAMPLES = 3
"""Keys of images that are named for each kind of failure."""
MAX_MISSING_NAMED = 20
"""Parts without results that are named; all are counted."""
THREADS = 16
"""Requests to S3 at once: most of the time of a small object is waiting."""
_WINDOW = 512
"""Objects that are asked for ahead, so that memory does not grow with the batch."""
_JSON_LINES = "application/x-ndjson"

In = TypeVar("In")
Out = TypeVar("Out")


@frozen
class LabelCount:
    """How often a label was seen: its objects, the images with one or more, and the objects by confidence."""

    objects: int = 0
    images: int = 0
    histogram: tuple[int, ...] = (0,) * HISTOGRAM_BINS

    def __add__(self, other: LabelCount) -> LabelCount:
        bins = tuple(a + b for a, b in zip(self.histogram, other.histogram, strict=True))
        return LabelCount(self.objects + other.objects, self.images + other.images, bins)


@frozen
class Failures:
    """Images that could not be looked at for one kind of reason, with the words about the first of them."""

    images: int = 0
    reason: str = ""
    examples: tuple[str, ...] = ()
    """Addresses of some of them."""

    def __add__(self, other: Failures) -> Failures:
        examples = (*self.examples, *other.examples)[:MAX_EXAMPLES]
        return Failures(self.images + other.images, self.reason or other.reason, examples)


@frozen
class Counts:
    """What lines of results come to in numbers."""

    lines: int = 0
    detected: int = 0
    failed: int = 0
    without_objects: int = 0
    """Images that were looked at, and in which nothing was seen."""
    labels: dict[str, LabelCount] = field(default_factory=dict)
    failures: dict[str, Failures] = field(default_factory=dict)
    """By the short name of what went wrong."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.lines + other.lines,
            self.detected + other.detected,
            self.failed + other.failed,
            self.without_objects + other.without_objects,
            _added(self.labels, other.labels, LabelCount()),
            _added(self.failures, other.failures, Failures()),
        )


@frozen
class Shard:
    """One object of results: which one it is, and what its lines come to."""

    key: str
    bytes: int
    sha256: str
    etag: str
    """S3's mark of this content, by which a summary belongs to its shard."""
    counts: Counts


@frozen
class Summary:
    """What a whole batch comes to."""

    counts: Counts
    shards: int
    missing: int
    """Images without a line in the results: nobody has answered for them yet."""


def count(lines: Iterable[ResultLine]) -> Counts:
    """What lines come to in numbers."""
    counted, labels, failures = Counter[str](), dict[str, LabelCount](), dict[str, Failures]()
    for line in lines:
        counted["lines"] += 1
        if line.status == "failed":
            counted["failed"] += 1
            where = f"s3://{line.bucket}/{line.key}" if line.key else line.id
            failure = Failures(1, line.reason, (where,))
            failures[line.error] = failures.get(line.error, Failures()) + failure
            continue
        counted["detected"] += 1
        counted["without_objects"] += not line.labels
        labels = _added(labels, _labels_of(line), LabelCount())
    return Counts(
        counted["lines"],
        counted["detected"],
        counted["failed"],
        counted["without_objects"],
        labels,
        failures,
    )


def write_shard(
    s3: S3Client,
    bucket: str,
    name: str,
    input_key: str,
    lines: Sequence[ResultLine],
    *,
    condition: Mapping[str, str] | None = None,
) -> Shard:
    """Write the results for a part of the input, and then what they come to.

    Done twice it writes the same two objects.

    Args:
        condition: IfMatch or IfNoneMatch, without which nothing is written.

    Raises:
        botocore.exceptions.ClientError: S3 failed, or the condition does not hold.
    """
    unless: Any = condition or {}
    key = files.result_key(name, input_key)
    body = files.as_text(lines).encode()
    etag = s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=_JSON_LINES, **unless)["ETag"]
    shard = _shard(key, body, etag, lines)
    s3.put_object(
        Bucket=bucket,
        Key=files.shard_summary_key(name, input_key),
        Body=json.dumps(asdict(shard), ensure_ascii=False).encode(),
        ContentType="application/json",
    )
    return shard


@frozen
class Gathered:
    """The shards of a batch, without what their lines come to, and what all of them come to."""

    summary: Summary
    shards: tuple[dict[str, Any], ...]
    missing_parts: tuple[str, ...]
    """The first parts of the input that have no results."""


def gather(s3: S3Client, bucket: str, name: str, total: int) -> Gathered:
    """What the shards of a batch come to, as far as there are any.

    It reads a small object for each shard, some hundreds a second: 10^6 images take less than a minute, 10^7
    less than ten, and a shard takes some 300 bytes of memory.

    Args:
        total: images of the batch. Those without a line are counted as missing.
    """
    counts, shards, missing = Counts(), list[dict[str, Any]](), list[str]()
    for part, shard in zip(_parts(name, total), _shards(s3, bucket, name, total), strict=True):
        if shard is None:
            missing.append(part)
            continue
        counts += shard.counts
        lines = shard.counts.lines
        shards.append({"key": shard.key, "lines": lines, "bytes": shard.bytes, "sha256": shard.sha256})
    summary = Summary(counts, len(shards), max(0, total - counts.lines))
    return Gathered(summary, tuple(shards), tuple(missing[:MAX_MISSING_NAMED]))


def merge(s3: S3Client, bucket: str, name: str, *, total: int, version: str) -> Summary:
    """Bring the shards of a batch together: write its manifest.json and its summary.json.

    Args:
        total: images of the batch. Those without a line are counted as missing.
        version: name of the model version that was asked.
    """
    gathered = gather(s3, bucket, name, total)
    heading = {"batch": name, "model_version": version, "images": total, "at": clock.now()}
    lines = gathered.summary.counts.lines
    manifest = {**heading, "format": "jsonl", "lines": lines, "shards": gathered.shards}
    _write(s3, bucket, files.manifest_key(name), manifest)
    _write(s3, bucket, files.summary_key(name), {**heading, **document(gathered)})
    return gathered.summary


def document(gathered: Gathered) -> dict[str, Any]:
    """What a batch comes to as summary.json has it: lists, the most frequent first."""
    summary = gathered.summary
    counts = summary.counts
    labels = sorted(counts.labels.items(), key=lambda item: (-item[1].objects, item[0]))
    failures = sorted(counts.failures.items(), key=lambda item: (-item[1].images, item[0]))
    return {
        "detected": counts.detected,
        "failed": counts.failed,
        "without_objects": counts.without_objects,
        "missing": summary.missing,
        "missing_parts": list(gathered.missing_parts),
        "shards": summary.shards,
        "labels": [{"label": label, **asdict(each)} for label, each in labels],
        "histogram": list(sum((each for _, each in labels), LabelCount()).histogram),
        "histogram_step": 100 / HISTOGRAM_BINS,
        "failures": [{"error": error, **asdict(each)} for error, each in failures],
    }


def lines(s3: S3Client, bucket: str, name: str, total: int) -> Iterator[ResultLine]:
    """The results of a batch, in the order of its input, as far as there are any.

    Some shards are read ahead; memory does not grow with their number.
    """

    def read(key: str) -> list[ResultLine]:
        body = _read(s3, bucket, files.result_key(name, key))
        return files.result_lines(body.decode()) if body is not None else []

    for shard in ahead(read, _parts(name, total)):
        yield from shard


def ahead(function: Callable[[In], Out], arguments: Iterable[In]) -> Iterator[Out]:
    """The function's results in the order of the arguments; THREADS of them are worked on at once."""
    with ThreadPoolExecutor(THREADS) as pool:
        window: list[In] = []
        for argument in arguments:
            window.append(argument)
            if len(window) == _WINDOW:
                yield from pool.map(function, window)
                window = []
        yield from pool.map(function, window)


def _parts(name: str, total: int) -> Iterator[str]:
    """Keys of all parts of a batch's input, in their order."""
    return (files.input_key(name, number) for number in range(-(-total // files.PART_LINES)))


def _shards(s3: S3Client, bucket: str, name: str, total: int) -> Iterator[Shard | None]:
    """The shard of each part of the input; None where there is none yet."""
    etags: dict[str, str] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=files.results_prefix(name)
    ):
        etags |= {entry["Key"]: entry["ETag"] for entry in page.get("Contents", [])}

    def read(part: str) -> Shard | None:
        key = files.result_key(name, part)
        if key not in etags:
            return None
        summary = _read(s3, bucket, files.shard_summary_key(name, part))
        shard = _read_shard(summary) if summary is not None else None
        return shard if shard and shard.etag == etags[key] else _counted_anew(s3, bucket, key)

    return ahead(read, _parts(name, total))


def _counted_anew(s3: S3Client, bucket: str, key: str) -> Shard | None:
    try:
        opened = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if _is_missing(error):
            return None
        raise
    body = opened["Body"].read()
    return _shard(key, body, opened["ETag"], files.result_lines(body.decode()))


def _shard(key: str, body: bytes, etag: str, lines: Sequence[ResultLine]) -> Shard:
    return Shard(key, len(body), hashlib.sha256(body).hexdigest(), etag, count(lines))


def _read_shard(body: bytes) -> Shard:
    values = json.loads(body)
    counts = values.pop("counts")
    counts["labels"] = {
        label: LabelCount(each["objects"], each["images"], tuple(each["histogram"]))
        for label, each in counts["labels"].items()
    }
    counts["failures"] = {
        error: Failures(each["images"], each["reason"], tuple(each["examples"]))
        for error, each in counts["failures"].items()
    }
    return Shard(**values, counts=Counts(**counts))


def _labels_of(line: ResultLine) -> dict[str, LabelCount]:
    seen: dict[str, LabelCount] = {}
    for label in line.labels:
        bins = [0] * HISTOGRAM_BINS
        bins[min(int(label["confidence"] * HISTOGRAM_BINS / 100), HISTOGRAM_BINS - 1)] = 1
        name = label["label"]
        seen[name] = seen.get(name, LabelCount(images=1)) + LabelCount(1, 0, tuple(bins))
    return seen


def _added(ones: dict[str, Any], others: dict[str, Any], nothing: Any) -> dict[str, Any]:
    return {**ones, **{name: ones.get(name, nothing) + each for name, each in others.items()}}


def _read(s3: S3Client, bucket: str, key: str) -> bytes | None:
    """The object; None if there is none."""
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if _is_missing(error):
            return None
        raise


def _is_missing(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in ("NoSuchKey", "404")


def _write(s3: S3Client, bucket: str, key: str, values: dict[str, Any]) -> None:
    body = json.dumps(values, indent=2, ensure_ascii=False).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
