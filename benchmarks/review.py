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
from lambdas.domain import catalogue
from lambdas.domain.reviews.tasks import ReviewTable
from local.console_client import ConsoleClient
from local.people import Person, add_person
from local.scenes import DETECTION_LABELS, detection_scenes
from tests.browser import chromium
from tests.endtoend.loop import Loop, until

CLICKS, CLICK_LIMIT_MS = 100, 100
REVIEWERS, TASKS, CATALOGUE_LIMIT_S = 20, 500, 2.0
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
        admin = _person(loop, "admin", "administrators")
        _labels(address, admin)
        _open_tasks(loop, CLICKS + TASKS)
        _clicks(loop, address)
        _crowd(loop, address)


# From a click to the next image, and the page


def _clicks(loop: Loop, address: str) -> None:
    person = _person(loop, "clicker", "reviewers")
    weights: dict[str, int] = {}
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("response", lambda answer: _weigh(answer, address, weights))
        page.goto(address)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Username").fill(person.name)
        page.get_by_label("Password").fill(person.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("[data-task] img")
        page.wait_for_load_state("networkidle")
        page.evaluate(_WATCH)
        for number in range(1, CLICKS + 1):
            # A person looks at least so long; the next picture is fetched meanwhile.
            page.wait_for_timeout(300)
            page.keyboard.press("n")
            # The page's policy forbids what waits for an expression.
            until(lambda: page.evaluate("window.passages.length") >= number, 15, "the next picture is there")  # noqa: B023
        passages = sorted(page.evaluate("window.passages"))
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
class _Tally:
    lock: threading.Lock = field(default_factory=threading.Lock)
    answered: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


def _crowd(loop: Loop, address: str) -> None:
    people = [_person(loop, f"reviewer-{number}", "reviewers") for number in range(REVIEWERS)]
    tally, left = _Tally(), _open(loop)
    began = time.monotonic()
    with ThreadPoolExecutor(REVIEWERS) as pool:
        list(pool.map(lambda person: _review(loop, address, person, tally), people))
    seconds = time.monotonic() - began
    twice = sum(count > 1 for count in tally.answered.values())
    slowest = sorted(tally.seconds)
    print(f"{REVIEWERS} reviewers at once on {left} tasks: {left / seconds:.1f} tasks/s")
    print(f"  answered twice: {twice}, lost: {left - len(tally.answered)}")
    print(
        f"  from the answer to the catalogue: p50 {statistics.median(slowest):.2f} s,"
        f" slowest {slowest[-1]:.2f} s, limit {CATALOGUE_LIMIT_S} s"
    )


def _review(loop: Loop, address: str, person: Person, tally: _Tally) -> None:
    desk = ConsoleClient(address)
    desk.sign_in(person.name, person.password)
    table = Loop(loop.stack, loop.name).catalogue  # boto3's resources are not for two threads at once
    chance = random.Random(person.name)  # noqa: S311 not for secrets
    while tasks := desk.ask("POST", "/api/claims", {"count": 3})["tasks"]:
        for task in tasks:
            label = chance.choice(DETECTION_LABELS)
            box = {"label": label, "left": 10, "top": 10, "width": 40, "height": 40}
            began = time.monotonic()
            desk.ask(
                "POST",
                f"/api/tasks/{task['id']}/answer",
                {"verdict": "labelled", "boxes": [box], "seconds": 1.5},
            )
            _until_labelled(table, task["image"], label)
            with tally.lock:
                tally.answered[task["id"]] += 1
                tally.seconds.append(time.monotonic() - began)


def _until_labelled(table: Any, sha256: str, label: str) -> None:
    while (image := catalogue.get_image(table, sha256)) is None or label not in image.label_names:
        time.sleep(0.02)


# What both need


def _labels(address: str, admin: Person) -> None:
    desk = ConsoleClient(address)
    desk.sign_in(admin.name, admin.password)
    for label in DETECTION_LABELS:
        desk.ask("PUT", f"/api/admin/labels?label={label}", {"instruction": f"every {label}"})


def _open_tasks(loop: Loop, count: int) -> None:
    for scene in detection_scenes(count, seed=7):
        loop.put(f"incoming/unlabeled/{scene.name}.jpg", scene.jpeg())
    until(lambda: _open(loop) >= count, 600, f"{count} tasks are open")


def _open(loop: Loop) -> int:
    return ReviewTable(loop._table("ReviewTable")).count("open")


def _person(loop: Loop, name: str, group: str) -> Person:
    return add_person(loop.stack, loop.outputs["UserPoolId"], name, groups=[group])
