"""The console's pages with 250,000 images: what its functions answer, and what Chromium shows.

The functions run in this process, against an embedded stack with these images; the pages have the console's
mock of the API behind them, with as many, and with thumbnails as the loop makes them. Beside what a request
took stands the processor time of both, which other work on the machine does not lengthen as much.
`IMAGES=5000 python -m benchmarks dataset_pages` looks at fewer.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from playwright.sync_api import Page

from benchmarks import data
from benchmarks.many_images import CHAMPION, Filled, filled
from infra import console_asset
from lambdas.domain.images import thumbnails
from local.scenes import detection_scenes
from tests.fixtures.console_site import served

IMAGES = int(os.environ.get("IMAGES", data.MANY))
ROUNDS = 5
FIRST_MS, NEXT_MS = 1000, 100
"""Limits: until a page's first useful content, and for an interaction with what is there."""
FIRST_LOAD_KB = 250
DEEP_PAGES = 20
THUMBNAILS = 40
"""Files that the wall shows by turns, each under an address of its own."""
PATIENCE_MS = 60_000
_VERSION = f"/api/versions/{CHAMPION}"
_MOCKED = "v7-0123456789ab"
_PAGES = {
    "home": ("home", "#home-waiting"),
    "the dataset": ("dataset", ".cell img"),
    "wrong labels": ("label-issues", ".label-issue"),
    "an evaluation": (f"versions/{_MOCKED}", "main table"),
    "its mistakes": (f"versions/{_MOCKED}?view=mistakes", ".eval-card"),
    "production": (f"production/{_MOCKED}", "main table"),
    "model versions": ("versions", "main article"),
    "runs": ("runs", "main table"),
    "the review desk": ("review", "[data-task]"),
}
"""Address of each page, and what is its first useful content."""


def measure() -> None:
    """Fill the stores, ask the functions, and look at the pages."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with filled(Path(folder), IMAGES) as probe:
            print(f"  {IMAGES:,} images, filled in {time.perf_counter() - began:.0f} s", flush=True)
            ask(probe)
    first_load()
    show()


# The API


def ask(probe: Filled) -> None:
    """What each request takes in its function and the stack's server, warm."""
    for what, path in (
        ("all images", "/api/images"),
        ("a status", "/api/images?status=labelled"),
        ("a label", f"/api/images?label={probe.label}"),
        ("a dataset", "/api/images?dataset=TEST"),
        ("a label and a dataset", f"/api/images?label={probe.label}&dataset=TEST"),
        ("a SHA-256", f"/api/images?text={probe.sha256}"),
        ("a part of a key, one request of its search", f"/api/images?text={probe.text}"),
        ("near-duplicates, one request of their search", f"/api/images?near={probe.sha256}"),
        ("the number of images", "/api/images/count"),
        ("an image", f"/api/images/{probe.sha256}"),
        ("home", "/api/home"),
        ("of home how good the versions are", "/api/home/quality"),
        ("label issues", "/api/label-issues"),
        ("an evaluation", f"{_VERSION}/evaluation"),
        ("its mistakes", f"{_VERSION}/mistakes"),
        ("production", f"{_VERSION}/production"),
        ("pictures of production", f"{_VERSION}/production/pictures"),
        ("model versions", "/api/versions"),
        ("runs", "/api/runs"),
    ):
        _print_request(what, path, probe.stack)
    cursor = ""
    times = []
    for _ in range(DEEP_PAGES):
        began = time.perf_counter()
        cursor = get(f"/api/images?cursor={cursor}")["cursor"] or ""
        times.append(1000 * (time.perf_counter() - began))
    print(
        f"  pages 1 to {DEEP_PAGES} of all images one after the other: {statistics.median(times):.0f} ms each"
    )


def get(path: str) -> Any:
    """The document that the function of a route answers with."""
    # They read the environment when they are first asked.
    from lambdas import console, dataset  # noqa: PLC0415

    route, _, query = path.partition("?")
    app = dataset.app if route.startswith("/api/images") else console.app
    claims = {"sub": "s", "username": "s", "cognito:groups": "[administrators]"}
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    answer = app.resolve(
        {
            "rawPath": route,
            "rawQueryString": query,
            "queryStringParameters": given,
            "requestContext": {"http": {"method": "GET"}, "authorizer": {"jwt": {"claims": claims}}},
        }
    )
    document = json.loads(answer["body"])
    if answer["statusCode"] != 200 or (isinstance(document, dict) and document.get("unread")):
        raise SystemExit(f"{path}: {answer['statusCode']} {str(document)[:300]}")
    return document


def _print_request(what: str, path: str, stack: int) -> None:
    times, worked = list[float](), list[float]()
    for _ in range(ROUNDS + 1):
        began, before = time.perf_counter(), _processor_seconds(stack)
        get(path)
        times.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (_processor_seconds(stack) - before))
    median = statistics.median(times[1:])
    verdict = "within" if max(median, times[0]) <= FIRST_MS else "OVER"
    print(
        f"  {what}: {median:.0f} ms, the first time {times[0]:.0f} ms; of the processors"
        f" {statistics.median(worked[1:]):.0f} and {worked[0]:.0f} ms; limit {FIRST_MS} ms: {verdict}",
        flush=True,
    )


def _processor_seconds(stack: int) -> float:
    """What this process and the stack's have used of the processors."""
    fields = Path(f"/proc/{stack}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


# The pages


def first_load() -> None:
    """What a browser loads before it shows anything, as CloudFront compresses it at best and at worst."""
    built = console_asset.build()
    page = (built / "index.html").read_text()
    names = re.findall(r'(?:src|href)="/([^"]+)"', page)
    files = [page.encode(), *((built / name).read_bytes() for name in names)]
    kilobytes = sum(len(gzip.compress(file, 6)) for file in files) / 1000
    others = sum(len(gzip.compress(file.read_bytes(), 6)) for file in built.rglob("*") if file.is_file())
    print(
        f"  the first load: {kilobytes:.0f} kB of {len(files)} files, gzipped; limit {FIRST_LOAD_KB} kB;"
        f" the whole console {others / 1000:.0f} kB",
        flush=True,
    )


def show() -> None:
    """Each page from its address to its first useful content; then scrolling and keys on the wall."""
    with tempfile.TemporaryDirectory() as folder, served(_thumbnails(Path(folder))) as site:
        site.begin(images=IMAGES)
        page = site.page("home")
        page.locator("#home-waiting").wait_for()
        for what, (path, content) in _PAGES.items():
            times = [_first_content(page, site.address + path, content) for _ in range(ROUNDS)]
            _print_verdict(f"{what}, from its address to its content", times, FIRST_MS)
        _first_content(page, site.address + "dataset", ".cell img")
        taken = [_screen_further(page) for _ in range(DEEP_PAGES)]
        cells = page.locator(".cell").count()
        _print_verdict(f"a screen of thumbnails further, {cells} in the page", taken, NEXT_MS)
        taken = [page.evaluate(_SCROLL) for _ in range(DEEP_PAGES)]
        _print_verdict("the same, one right after the other", taken, NEXT_MS)
        page.locator(".cell a").first.focus()
        taken = [page.evaluate(_KEY, "ArrowRight") for _ in range(DEEP_PAGES)]
        _print_verdict("an arrow key on the wall", taken, NEXT_MS)
        _first_content(page, site.address + "label-issues", ".label-issue")
        taken = [page.evaluate(_KEY, "r") for _ in range(ROUNDS)]
        page.get_by_text(f"{ROUNDS + 1} of ").wait_for()
        _print_verdict("an answer about a wrong label, until the next is there", taken, NEXT_MS)


def _thumbnails(folder: Path) -> Path:
    for number, scene in enumerate(detection_scenes(THUMBNAILS, 1)):
        (folder / f"{number:03}.jpg").write_bytes(thumbnails.of_file(scene.jpeg()))
    return folder


def _first_content(page: Page, address: str, content: str) -> float:
    """Milliseconds from the beginning of the navigation to the frame that shows the content."""
    page.goto(address, wait_until="commit")
    page.locator(content).first.wait_for(timeout=PATIENCE_MS)
    shown: float = page.evaluate("performance.now()")
    return shown


def _screen_further(page: Page) -> float:
    """Milliseconds until the next screen of the wall is painted, after a rest as while somebody looks."""
    page.evaluate(_REST)
    taken: float = page.evaluate(_SCROLL)
    return taken


def _print_verdict(what: str, times: list[float], limit: int) -> None:
    median = statistics.median(times)
    verdict = "within" if median <= limit else "OVER"
    print(f"  {what}: {median:.0f} ms, {max(times):.0f} ms at most; limit {limit} ms: {verdict}", flush=True)


_PAINTED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
_REST = """async () => {
  const images = () => [...document.querySelectorAll('.cell img')]
  let before
  do {
    before = images().length
    await new Promise((done) => setTimeout(done, 200))
  } while (images().length !== before || !images().every((img) => img.complete))
}"""
"""Until no thumbnails come any more."""
_SCROLL = f"""async () => {{
  const began = performance.now()
  const isInView = (img) => {{
    const box = img.getBoundingClientRect()
    return box.bottom > 0 && box.top < innerHeight
  }}
  scrollBy(0, innerHeight)
  do await {_PAINTED}
  while (![...document.querySelectorAll('.cell img')].filter(isInView).every((img) => img.complete))
  return performance.now() - began
}}"""
"""Until a frame is painted in which each thumbnail in view is loaded."""
_KEY = f"""async (key) => {{
  const began = performance.now()
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key, bubbles: true }}))
  await {_PAINTED}
  return performance.now() - began
}}"""
