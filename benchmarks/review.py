"""The review desk on the embedded stack: how fast it goes on, 20 reviewers at once, what the page weighs."""

from __future__ import annotations

import gzip
import random
import statistics
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from benchmarks.embedded_stack import deployed
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.shared import clock
from local.console_client import ConsoleClient
from local.people import Person, add_person
from local.scenes import DETECTION_LABELS, detection_scenes
from tests.browser import chromium
from tests.fixtures.deployed_loop import Loop, until

CLICKS, CLICK_LIMIT_MS = 100, 100
REVIEWERS, TASKS, CATALOGUE_LIMIT_S = 20, 500, 2.0
LOOK_S, PATIENCE_S = 0.1, 30
PAGE_LIMIT_KB = 250
TUNING = {"min_new_images": "100000", "review_open_limit": "1000", "review_claim_seconds": "600"}

_WATCH = """() => {
  // From the key to the frame in which the next task's picture is on screen.
  window.passages = [];
  window.addEventListener('keydown', (event) => {
    if (event.key !== 'n') return;
    const began = performance.now();
    const stage = () => document.querySelector('[data-task]');
    const before = stage()?.dataset.task;
    const look = () => {
      const picture = stage()?.querySelector('img');
      const shown = stage()?.dataset.task !== before && picture?.complete && picture.naturalWidth > 0;
      if (shown) requestAnimationFrame(() => window.passages.push(performance.now() - began));
      else if (performance.now() - began < 10000) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, true);
}"""


def measure() -> None:
    with deployed("desk", TUNING) as loop:
        address = loop.outputs["ConsoleAddress"]
        _labels(_signed_in(loop, address, "admin", "administrators"))
        _open_tasks(loop, CLICKS + TASKS)
        _clicks(loop, address)
        _reviewers(loop, address)


# From a click to the next image, and the page


def _clicks(loop: Loop, address: str) -> None:
    person = _person(loop, "clicker", "reviewers")
    weights: dict[str, int] = {}
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})

        def note_response(answer: Any) -> None:
            _weigh(answer, address, weights)

        page.on("response", note_response)
        page.goto(address)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Username").fill(person.name)
        page.get_by_label("Password").fill(person.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("[data-task] img")
        page.wait_for_load_state("networkidle")
        page.remove_listener("response", note_response)
        page.evaluate(_WATCH)
        for number in range(1, CLICKS + 1):
            # A person looks at least so long; the next picture is fetched meanwhile.
            page.wait_for_timeout(300)
            page.keyboard.press("n")
            # The page's policy forbids what waits for an expression.
            until(lambda: page.evaluate("window.passages.length") >= number, 15, "the next picture is there")  # noqa: B023
        passages = sorted(page.evaluate("window.passages"))
        # Leaving the desk gives its claims back; the browser's end would not.
        page.get_by_role("link", name="Runs").click()
        until(lambda: _claimed(loop) == 0, 15, "the page's claims are given back")
    print(f"{CLICKS} tasks in Chromium, from the key to the next picture; limit {CLICK_LIMIT_MS} ms")
    print(f"  p50 {statistics.median(passages):.0f} ms, p95 {passages[int(0.95 * CLICKS) - 1]:.0f} ms")
    print(f"first load of the page; limit {PAGE_LIMIT_KB} kB")
    print(f"  {sum(weights.values()) / 1000:.0f} kB compressed in {len(weights)} files")


def _weigh(answer: Any, address: str, weights: dict[str, int]) -> None:
    """Scripts, styles and pages of the console's own; as gzip would send them."""
    parts = urlsplit(answer.url)
    if parts.netloc == urlsplit(address).netloc and not parts.path.startswith("/api/") and answer.ok:
        weights.setdefault(parts.path, len(gzip.compress(answer.body(), 9)))


# Many reviewers at once


@dataclass
class _Times:
    """When reviewers answered, and when the catalogue had it; seconds of the clock, by image."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: Counter[str] = field(default_factory=Counter)
    answered_at: dict[str, float] = field(default_factory=dict)
    catalogued_at: dict[str, float] = field(default_factory=dict)
    ended: float = 0.0

    def uncatalogued(self) -> list[str]:
        with self.lock:
            return [
                catalogue_images.image_id(image)
                for image in self.answered_at
                if image not in self.catalogued_at
            ]


def _reviewers(loop: Loop, address: str) -> None:
    desks = [_signed_in(loop, address, f"reviewer-{number}") for number in range(REVIEWERS)]
    times, left = _Times(), _open(loop)
    watching = threading.Thread(target=_watch_catalogue, args=[loop.catalogue, times], daemon=True)
    watching.start()
    began = time.monotonic()
    with ThreadPoolExecutor(REVIEWERS) as pool:
        list(pool.map(lambda desk: _review(desk, times), desks))
    times.ended = time.monotonic()
    watching.join(PATIENCE_S + 10)
    twice = sum(count > 1 for count in times.answers.values())
    waits = sorted(times.catalogued_at[image] - times.answered_at[image] for image in times.catalogued_at)
    within = sum(wait <= CATALOGUE_LIMIT_S for wait in waits)
    print(f"{REVIEWERS} reviewers at once on {left} tasks: {left / (times.ended - began):.1f} tasks/s")
    print(f"  answered twice: {twice}, lost: {left - len(times.catalogued_at)}, still open: {_open(loop)}")
    print(f"  from the answer to the catalogue; limit {CATALOGUE_LIMIT_S} s, looked at every {LOOK_S} s")
    print(
        f"  p50 {statistics.median(waits):.2f} s, p95 {waits[int(0.95 * len(waits)) - 1]:.2f} s,"
        f" slowest {waits[-1]:.2f} s; {within} of {len(waits)} within the limit"
    )


def _watch_catalogue(table: Any, times: _Times) -> None:
    """One reader for all: twenty would be measured more than what they measure."""
    while (waiting := times.uncatalogued()) or not times.ended:
        images = catalogue_images.get_images(table, waiting[: catalogue_images.MAX_BATCH])
        now = time.monotonic()
        times.catalogued_at |= {image.sha256: now for image in images if image.status == "labelled"}
        if times.ended and now - times.ended > PATIENCE_S:
            break
        time.sleep(LOOK_S)


def _review(desk: ConsoleClient, times: _Times) -> None:
    chance = random.Random()  # noqa: S311 not for secrets
    while tasks := desk.ask("POST", "/api/claims", {"count": 3})["tasks"]:
        for task in tasks:
            label = chance.choice(DETECTION_LABELS)
            box = {"label": label, "left": 10, "top": 10, "width": 40, "height": 40}
            answer = {"verdict": "labelled", "boxes": [box], "seconds": 1.5}
            with times.lock:
                times.answers[task["id"]] += 1
                times.answered_at[task["image"]] = time.monotonic()
            desk.ask("POST", f"/api/tasks/{task['id']}/answer", answer)


# What both need


def _labels(desk: ConsoleClient) -> None:
    for label in DETECTION_LABELS:
        desk.ask("PUT", f"/api/admin/labels?label={label}", {"instruction": f"every {label}"})


def _open_tasks(loop: Loop, count: int) -> None:
    for scene in detection_scenes(count, seed=7):
        loop.put(f"incoming/unlabeled/{scene.name}.jpg", scene.jpeg())
    until(lambda: _open(loop) >= count, 600, f"{count} tasks are open")


def _open(loop: Loop) -> int:
    return ReviewTable(loop._table("ReviewTable")).count("open")


def _claimed(loop: Loop) -> int:
    now = clock.now()
    return sum(
        bool(task.active_claims(now)) for task in ReviewTable(loop._table("ReviewTable")).in_state("open")
    )


def _signed_in(loop: Loop, address: str, name: str, group: str = "reviewers") -> ConsoleClient:
    person = _person(loop, name, group)
    desk = ConsoleClient(address)
    desk.sign_in(person.name, person.password)
    return desk


def _person(loop: Loop, name: str, group: str) -> Person:
    return add_person(loop.stack, loop.outputs["UserPoolId"], name, groups=[group])
