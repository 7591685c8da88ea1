"""Takes the pictures of the console that the README shows: `make pictures`.

The built page runs in Chromium over the API in memory that its tests have (console/dev), with scenes from
local/scenes.py in the place of that API's drawings. So the pictures show the page as it is now, with figures
that are invented.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import FilePayload, Page, Route, expect

from local.scenes import Scene, detection_scenes
from tests.fixtures.console_site import Site, desk_is_ready, served

FOLDER = Path(__file__).parent / "pictures"
MAX_BYTES = 200_000
LOOK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
SIZE = (1200, 900)
"""Of the scenes, in pixels."""

LABELS = {
    "crate": "hex-nut",
    "cone": "gear",
    "barrel": "hex-bolt",
    "pallet": "washer",
    "forklift": "spring",
    "ladder": "rivet",
    "drum": "pin",
    "sack": "clip",
    "trolley": "spacer",
    "a label with a rather long name": "retaining-ring",
}
"""Labels of the API in memory, and what they are in the pictures."""
SCENE_LABELS = {"nut": "hex-nut", "bolt": "hex-bolt"}
CONFIDENCES = (97.2, 94.8, 91.3, 88.6, 83.9, 71.5)
SCREEN = 18
"""Thumbnails that are in view."""
TRIED = 3
"""The scene that is sent from the try-it page."""


class Stage:
    """The API in memory with scenes in its answers."""

    def __init__(self) -> None:
        scenes = detection_scenes(60, seed=12, sizes=[SIZE])
        self._scenes = [scene for scene in scenes if len(scene.boxes) >= 5 and len(scene.labels) >= 3]

        self._jpegs: dict[int, bytes] = {}

    def play(self, page: Page) -> None:
        page.route("**/config.json", self._config)
        page.route("**/mock/pictures/*", self._picture)
        page.route("**/api/**", self._api)

    def scene(self, number: int) -> Scene:
        return self._scenes[number % len(self._scenes)]

    def _config(self, route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), "deployment": "machine-parts"})

    def _picture(self, route: Route) -> None:
        number = int(route.request.url.rpartition("/")[2])
        if number not in self._jpegs:
            self._jpegs[number] = self.scene(number).jpeg()
        route.fulfill(body=self._jpegs[number], content_type="image/jpeg")

    def _api(self, route: Route) -> None:
        response = route.fetch()
        body = json.loads(_renamed(response.text()))
        if route.request.url.endswith("/claims"):
            for task in body["tasks"]:
                task["width"], task["height"] = SIZE
                number = int(task["url"].rpartition("/")[2])
                task["suggestions"] = {
                    "boxes": [{"label": label, **box} for label, box in self._seen(number)]
                }
        elif route.request.url.endswith("/detection"):
            body["width"], body["height"] = SIZE
            body["labels"] = [
                {"name": label, "confidence": box.pop("confidence"), "box": box}
                for label, box in self._seen(TRIED)
            ]
        elif route.request.url.endswith("/labels"):
            for label in body["labels"]:
                label["retired"] = False
        elif "/mistakes" in route.request.url:
            for mistake in body["mistakes"]:
                self._mistake(mistake)
        elif "/label-issues" in route.request.url:
            for issue in body["issues"]:
                self._issue(issue)
        elif "/api/images" in route.request.url and "images" in body:
            for image in body["images"]:
                self._line(image)
        route.fulfill(response=response, json=body)

    def _mistake(self, mistake: dict[str, Any]) -> None:
        """Put a confusion on a part of its picture."""
        image, judged = mistake["image"], mistake["judged"]
        image.update(width=SIZE[0], height=SIZE[1], state="")
        label, box = next(self._seen(int(image["url"].rpartition("/")[2])))
        box.pop("confidence")
        judged["truth"] |= {"label": label, "box": box}
        judged["detection"]["box"] = {**box, "left": box["left"] + 6, "width": box["width"] - 3}

    def _issue(self, issue: dict[str, Any]) -> None:
        """Put what is at issue on a part of its picture."""
        image = issue["image"]
        number = int(image["url"].rpartition("/")[2])
        sha256 = hashlib.sha256(bytes([number])).hexdigest()
        image.update(image=sha256, width=SIZE[0], height=SIZE[1])
        label, box = next(self._seen(number))
        box.pop("confidence")
        issue.update(others=[])
        for side in filter(None, (issue["before"], issue["after"])):
            side["box"] = box
        if issue["after"]:
            issue["after"]["label"] = label

    def _line(self, image: dict[str, Any]) -> None:
        """Put the boxes of a thumbnail on the parts of its picture."""
        image.update(width=SIZE[0], height=SIZE[1])
        if image["status"] != "unlabelled":
            boxes = [{"label": label, **box} for label, box in self._seen(int(image["image"]))]
            image["boxes"] = [{name: box[name] for name in box if name != "confidence"} for box in boxes]
            image["labels"] = sorted({box["label"] for box in boxes})

    def _seen(self, number: int) -> Iterator[tuple[str, dict[str, float]]]:
        """Labels and boxes of a scene as a model sees them: a few pixels off, and more or less sure."""
        chance = random.Random(number)  # noqa: S311 not for secrets
        for box, confidence in zip(self.scene(number).boxes, CONFIDENCES, strict=False):
            yield (
                SCENE_LABELS.get(box.label, box.label),
                {
                    "left": max(0, box.left - chance.randint(0, 5)),
                    "top": max(0, box.top - chance.randint(0, 5)),
                    "width": box.width + chance.randint(2, 7),
                    "height": box.height + chance.randint(2, 7),
                    "confidence": confidence,
                },
            )


def _renamed(body: str) -> str:
    for label, name in LABELS.items():
        body = re.sub(rf"\b{label}\b", name, body)
    return re.sub(r"\blabelloop-(\d+)", lambda match: _version(int(match[1])), body)


def _version(number: int) -> str:
    """A version's name as a run gives it: its number and its snapshot."""
    return f"v{number}-{hashlib.sha256(bytes([number])).hexdigest()[:16]}"


# What is on each page before its picture is taken


def _review_desk(page: Page, stage: Stage) -> None:
    desk_is_ready(page)
    page.get_by_role("region", name="Boxes").get_by_role("button").nth(3).click()


def _run(page: Page, stage: Stage) -> None:
    expect(page.get_by_role("heading", name="Gates")).to_be_visible()


def _versions(page: Page, stage: Stage) -> None:
    expect(page.get_by_role("article").first).to_be_visible()


def _evaluation(page: Page, stage: Stage) -> None:
    expect(page.get_by_role("img", name="Precision over recall")).to_be_visible()


def _mistakes(page: Page, stage: Stage) -> None:
    pictures = page.locator(".eval-card img")
    expect(pictures).to_have_count(8)
    for picture in pictures.all():
        picture.evaluate("image => image.decode()")


def _home(page: Page, stage: Stage) -> None:
    expect(page.locator("#home-waiting")).to_be_visible()


def _dataset(page: Page, stage: Stage) -> None:
    pictures = page.locator(".cell img")
    expect(pictures.nth(SCREEN - 1)).to_be_attached()
    for picture in pictures.all()[:SCREEN]:
        picture.evaluate("image => image.decode()")


def _wrong_labels(page: Page, stage: Stage) -> None:
    page.locator(".label-issue img").first.evaluate("image => image.decode()")


def _production(page: Page, stage: Stage) -> None:
    expect(page.locator("main table").first).to_be_visible()


def _detection(page: Page, stage: Stage) -> None:
    file = FilePayload(name="bench.jpg", mimeType="image/jpeg", buffer=stage.scene(TRIED).jpeg())
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.locator("figure")).to_contain_text("hex-nut")


@dataclass(frozen=True)
class Shot:
    """A picture: its page, what has to be done and waited for, and whether it holds a photograph."""

    path: str
    prepare: Callable[[Page, Stage], None]
    photograph: bool


SHOTS = {
    "home": Shot("home", _home, photograph=False),
    "dataset": Shot("dataset", _dataset, photograph=True),
    "wrong-labels": Shot("label-issues", _wrong_labels, photograph=True),
    "production": Shot("production/v7-0123456789ab", _production, photograph=False),
    "review-desk": Shot("review", _review_desk, photograph=True),
    "run": Shot("runs/run-20261123-0006", _run, photograph=False),
    "versions": Shot("versions", _versions, photograph=False),
    "evaluation": Shot("versions/v7-0123456789ab?label=cone", _evaluation, photograph=False),
    "mistakes": Shot("versions/v7-0123456789ab?view=mistakes&kind=confusion", _mistakes, photograph=True),
    "detection": Shot("try", _detection, photograph=True),
}


def take(site: Site, stage: Stage, name: str) -> Path:
    """Take one picture: its file.

    Raises:
        RuntimeError: it is larger than a README should have.
    """
    shot = SHOTS[name]
    site.begin()
    page = site.page("nothing", **LOOK)
    stage.play(page)
    page.goto(site.address + shot.path)
    shot.prepare(page, stage)
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)  # transitions have ended
    target = _save(page.screenshot(), name, shot.photograph)
    site.close()
    if target.stat().st_size > MAX_BYTES:
        raise RuntimeError(f"{target} has {target.stat().st_size} bytes, more than {MAX_BYTES}")
    return target


def _save(screenshot: bytes, name: str, photograph: bool) -> Path:
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    FOLDER.mkdir(exist_ok=True)
    if photograph:
        target = FOLDER / f"{name}.jpg"
        image.save(target, quality=85, optimize=True)
    else:
        target = FOLDER / f"{name}.png"
        image.quantize(128).save(target, optimize=True)
    return target


def main(names: list[str]) -> None:
    stage = Stage()
    with served() as site:
        for name in names or SHOTS:
            target = take(site, stage, name)
            print(f"{target.relative_to(Path.cwd())}, {target.stat().st_size // 1000} kB")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
