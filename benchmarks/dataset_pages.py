"""The console's pages with 250,000 images on the embedded stack: what its API answers, what Chromium shows.

`IMAGES=5000 python -m benchmarks dataset_pages` is a first look at fewer.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from benchmarks import data
from benchmarks.many_images import CHAMPION, Filled, filled
from tests.browser import chromium
from tests.fixtures.console_pages import fill_in

IMAGES = int(os.environ.get("IMAGES", data.MANY))
ROUNDS = 5
FIRST_MS, NEXT_MS = 1000, 100
"""Limits: until a page's first useful content, and for an interaction with what is there."""
DEEP_PAGES = 20
PATIENCE_MS = 60_000
_VERSION = f"/api/versions/{CHAMPION}"
_PAGES = {
    "home": ("home", "#home-waiting"),
    "the dataset": ("dataset", ".cell img"),
    "the dataset of a label": ("dataset?label={label}", ".cell img"),
    "an image": ("dataset/{sha256}", ".canvas img"),
    "wrong labels": ("label-issues", ".label-issue"),
    "an evaluation": (f"versions/{CHAMPION}", "main table"),
    "its mistakes": (f"versions/{CHAMPION}?view=mistakes", ".eval-card"),
    "production": (f"production/{CHAMPION}", "main table"),
    "model versions": ("versions", "main article"),
    "runs": ("runs", "main table"),
    "costs": ("costs", "main table"),
    "tasks": ("admin/tasks", "main table"),
    "the review desk": ("review", "[data-task]"),
}
"""Address of each page, and what is its first useful content."""


def measure() -> None:
    """Fill a deployment, ask its API, and look at its pages."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with filled(Path(folder), IMAGES) as deployment:
            print(
                f"  {IMAGES:,} images, deployed and filled in {time.perf_counter() - began:.0f} s", flush=True
            )
            ask(deployment)
            show(deployment)


# The API


def ask(deployment: Filled) -> None:
    """What each request takes by the stack's server and its functions, warm."""
    get = deployment.client.get
    for what, path in (
        ("all images", "/api/images"),
        ("a status", "/api/images?status=labelled"),
        ("a label", f"/api/images?label={deployment.label}"),
        ("a dataset", "/api/images?dataset=TEST"),
        ("a label and a dataset", f"/api/images?label={deployment.label}&dataset=TEST"),
        ("a SHA-256", f"/api/images?text={deployment.sha256}"),
        ("a part of a key, one request of its search", f"/api/images?text={deployment.text}"),
        ("near-duplicates, one request of their search", f"/api/images?near={deployment.sha256}"),
        ("the number of images", "/api/images/count"),
        ("an image", f"/api/images/{deployment.sha256}"),
        ("home", "/api/home"),
        ("label issues", "/api/label-issues"),
        ("an evaluation", f"{_VERSION}/evaluation"),
        ("its mistakes", f"{_VERSION}/mistakes"),
        ("production", f"{_VERSION}/production"),
        ("pictures of production", f"{_VERSION}/production/pictures"),
        ("model versions", "/api/versions"),
        ("runs", "/api/runs"),
    ):
        _print_request(what, lambda path=path: get(path))
    cursor = ""
    times = []
    for _ in range(DEEP_PAGES):
        began = time.perf_counter()
        cursor = get(f"/api/images?cursor={cursor}")["cursor"] or ""
        times.append(1000 * (time.perf_counter() - began))
    print(
        f"  pages 1 to {DEEP_PAGES} of all images one after the other: {statistics.median(times):.0f} ms each"
    )


def _print_request(what: str, request: Callable[[], Any]) -> None:
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        request()
        times.append(1000 * (time.perf_counter() - began))
    first, *others = times
    print(f"  {what}: {statistics.median(others):.0f} ms, the first time {first:.0f} ms", flush=True)


# The pages


def show(deployment: Filled) -> None:
    """Each page from its address to its first useful content; then scrolling and keys on the wall."""
    address = deployment.loop.outputs["ConsoleAddress"]
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.goto(address)
        page.get_by_role("button", name="Sign in").click()
        fill_in(page, deployment.person)
        for what, (path, content) in _PAGES.items():
            place = path.format(label=deployment.label, sha256=deployment.sha256)
            times = [_first_content(page, address + place, content) for _ in range(ROUNDS)]
            _print_verdict(f"{what}, from its address to its content", times, FIRST_MS)
        _first_content(page, address + "dataset", ".cell img")
        taken = [page.evaluate(_SCROLL) for _ in range(DEEP_PAGES)]
        cells = page.locator(".cell").count()
        _print_verdict(f"a screen of thumbnails further, {cells} in the page", taken, NEXT_MS)
        page.locator(".cell a").first.focus()
        _print_verdict("an arrow key on the wall", [page.evaluate(_KEY) for _ in range(DEEP_PAGES)], NEXT_MS)


def _first_content(page: Page, address: str, content: str) -> float:
    """Milliseconds from the beginning of the navigation to the frame that shows the content."""
    page.goto(address, wait_until="commit")
    page.locator(content).first.wait_for(timeout=PATIENCE_MS)
    shown: float = page.evaluate("performance.now()")
    return shown


def _print_verdict(what: str, times: list[float], limit: int) -> None:
    median = statistics.median(times)
    verdict = "within" if median <= limit else "OVER"
    print(f"  {what}: {median:.0f} ms, {max(times):.0f} ms at most; limit {limit} ms: {verdict}", flush=True)


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
