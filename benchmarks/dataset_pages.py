"""The dataset's pages at 250,000 images: what the function answers, and what Chromium shows.

The items are written straight into the embedded stack's state, in the shape in which the code writes them: by
requests it would take an hour. The function runs in this process, against that stack's DynamoDB; the page has
the console's mock of the API behind it.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from boto3.dynamodb.types import TypeSerializer

from benchmarks import data
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import label_entries, split_ledger
from lambdas.domain.catalogue.split_ledger import AssignedImage, Ledger
from lambdas.domain.shared.annotation import DatasetType
from local import embedded
from local.ministack_state.database import DATABASE, Change, Database

IMAGES = data.MANY
ROUNDS = 5
FIRST_MS, NEXT_MS = 1000, 100
"""Limits: until a page's first useful content, and for an interaction with what is there."""
DEEP_PAGES = 20
_NAME = "dataset-pages"
_PART = 20_000


def measure() -> None:
    """Fill a stack, ask for pages of images by each filter, and scroll the page."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with embedded.stack_in(home) as stack, mock.patch.dict(os.environ, stack.environment):
            table = data.create_table(_NAME)
            table.put_item(Item={"id": "form"})
        began = time.perf_counter()
        probe = _fill(home / "state" / "ministack" / DATABASE)
        print(f"  {IMAGES:,} images written in {time.perf_counter() - began:.0f} s", flush=True)
        with embedded.stack_in(home) as stack, mock.patch.dict(os.environ, stack.environment):
            _ask(probe)
    _show()


def _fill(file: Path) -> dict[str, str]:
    """Write images, their labels' entries and the ledger; what to ask for: a label, a hash, a key."""
    database, written = Database(file), 0
    try:
        kind = f"item:arn:aws:dynamodb:{embedded.REGION}:{embedded.ACCOUNT}:table/{_NAME}"
        ((form, _),) = database.read(kind)
        changes: list[Change] = []
        for item in _items():
            key = form.replace("form", item["id"]["S"])
            changes.append(Change(kind, key, json.dumps(item)))
            if len(changes) == _PART:
                database.write(changes)
                written += len(changes)
                changes.clear()
        database.write(changes)
    finally:
        database.close()
    first = next(data.images(IMAGES))
    return {"label": first.label_names[0], "sha256": first.sha256, "text": min(first.sources)[-12:]}


def _items() -> Iterator[dict[str, Any]]:
    """Every item as DynamoDB holds it."""
    serialize = TypeSerializer().serialize
    ledger: dict[str, list[AssignedImage]] = defaultdict(list)
    for number, image in enumerate(data.images(IMAGES)):
        yield {name: serialize(value) for name, value in catalogue_images.as_item(image).items()}
        for label in image.label_names:
            entry = label_entries.entry(label, image.sha256, image.changed_at, image.revision)
            yield {name: serialize(value) for name, value in entry.items()}
        dataset_type: DatasetType = "TRAIN" if number % 5 else "TEST"
        ledger[image.sha256[:2]].append(AssignedImage(image.sha256, dataset_type, image.perceptual_hash))
    for bucket, assigned in ledger.items():
        written = _Written()
        Ledger({}).assign(written, bucket, assigned)  # pyrefly: ignore[bad-argument-type]
        yield {name: serialize(value) for name, value in written.item.items()}
    assert len(ledger) == len(split_ledger.BUCKETS)


class _Written:
    """A table that keeps the item that it is given."""

    def put_item(self, *, Item: dict[str, Any], **_: Any) -> None:
        self.item = Item


def _ask(probe: dict[str, str]) -> None:
    environment = {
        "CATALOGUE_TABLE": _NAME,
        "REVIEW_TABLE": _NAME,
        "DATA_BUCKET": _NAME,
        "DEPLOYMENT": _NAME,
        "THUMBNAIL_KEY": "0" * 64,
    }
    with mock.patch.dict(os.environ, environment):
        # Reads the environment when it is first asked.
        from lambdas import dataset  # noqa: PLC0415

        def get(query: str) -> Callable[[], Any]:
            return lambda: json.loads(dataset.app.resolve(_event(query))["body"])

        began = time.perf_counter()
        get("")()
        seconds = time.perf_counter() - began
        print(f"  the first request, which sorts the stack's indexes: {seconds:.1f} s")
        for what, query in (
            ("all images", ""),
            ("a status", "status=labelled"),
            ("a label", f"label={probe['label']}"),
            ("a dataset", "dataset=TEST"),
            ("a label and a dataset", f"label={probe['label']}&dataset=TEST"),
            ("a SHA-256", f"text={probe['sha256']}"),
            ("a part of a key, one request of its search", f"text={probe['text']}"),
            ("near-duplicates, one request of their search", f"near={probe['sha256']}"),
        ):
            _print(what, get(query), FIRST_MS)
        cursor = ""
        times = []
        for _ in range(DEEP_PAGES):
            began = time.perf_counter()
            cursor = get(f"cursor={cursor}")()["cursor"]
            times.append(1000 * (time.perf_counter() - began))
        print(f"  pages 1 to {DEEP_PAGES} one after the other: {statistics.median(times):.0f} ms each")


def _event(query: str) -> dict[str, Any]:
    claims = {"sub": "s", "username": "s", "cognito:groups": "[reviewers]"}
    return {
        "rawPath": "/api/images",
        "rawQueryString": query,
        "requestContext": {"http": {"method": "GET"}, "authorizer": {"jwt": {"claims": claims}}},
    }


def _print(what: str, ask: Callable[[], Any], limit: int) -> None:
    times, answer = list[float](), None
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = ask()
        times.append(1000 * (time.perf_counter() - began))
    median = statistics.median(times)
    verdict = "within" if median <= limit else "OVER"
    images = len(answer["images"]) if answer else 0
    print(f"  {what}: {median:.0f} ms, {images} images; limit {limit} ms: {verdict}", flush=True)


def _show() -> None:
    """The page itself: from its address to thumbnails, and what scrolling and keys take."""
    from tests.fixtures.console_site import served  # noqa: PLC0415 brings Playwright

    with served() as site:
        site.begin(images=IMAGES)
        page = site.page("dataset")
        page.locator(".cell").first.wait_for()
        first = page.evaluate("performance.now()")
        print(f"  from the address to thumbnails in Chromium: {first:.0f} ms; limit {FIRST_MS} ms")
        taken = [page.evaluate(_SCROLL) for _ in range(DEEP_PAGES)]
        cells = page.locator(".cell").count()
        print(
            f"  a screen further: {statistics.median(taken):.0f} ms, {max(taken):.0f} ms at most, until it is"
            f" painted; limit {NEXT_MS} ms; {cells} thumbnails in the page"
        )
        page.locator(".cell a").first.focus()
        taken = [page.evaluate(_KEY) for _ in range(DEEP_PAGES)]
        print(f"  an arrow key: {statistics.median(taken):.0f} ms; limit {NEXT_MS} ms")


_PAINTED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
_SCROLL = f"""async () => {{
  const began = performance.now()
  scrollBy(0, innerHeight)
  await {_PAINTED}
  return performance.now() - began
}}"""
_KEY = f"""async () => {{
  const began = performance.now()
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'ArrowRight', bubbles: true }}))
  await {_PAINTED}
  return performance.now() - began
}}"""
