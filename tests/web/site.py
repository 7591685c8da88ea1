"""The built page in Chromium, with console/dev's API in memory behind it: no stack to wait for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from infra import console_asset
from infra.lambda_asset import ROOT
from tests.browser import PATIENCE_MS, chromium

PICTURE = (1280, 853)
"""Of the mock's pictures, in pixels."""
_USER = {"access_token": "mock", "refresh_token": "r", "token_type": "Bearer", "profile": {"sub": "u1"}}
_SIGN_IN = f"""
if (location.protocol === 'http:' && !sessionStorage.length)
  sessionStorage.setItem('oidc.user:mock:mock', JSON.stringify({{...{json.dumps(_USER)}, expires_at: 4e9}}))
"""
"""What signing in leaves in a tab: https://github.com/authts/oidc-client-ts"""


@dataclass
class Site:
    address: str
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What the policy refused and what broke in any page."""

    def begin(self, **world: Any) -> None:
        """Everything anew: members of `first` in console/dev/mock.ts."""
        self._send("POST", "mock/world", world)

    def change(self, **world: Any) -> None:
        self._send("PATCH", "mock/world", world)

    def received(self) -> dict[str, Any]:
        """What the mock API has received: answers by task, claims that were not released, revoked tokens."""
        with urllib.request.urlopen(self.address + "mock/received") as answer:  # noqa: S310
            received: dict[str, Any] = json.load(answer)
        return received

    def answer_elsewhere(self, task: str) -> None:
        """As the same person does on another machine."""
        self._send("POST", f"api/tasks/{task}/answer", {"verdict": "nothing", "seconds": 1})

    def _send(self, method: str, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), method=method)  # noqa: S310
        urllib.request.urlopen(request).close()  # noqa: S310

    def context(self, **look: Any) -> BrowserContext:
        """A browser of its own: nothing is stored in it."""
        look.setdefault("viewport", {"width": 1280, "height": 800})
        made = self.browser.new_context(**look)
        made.on("console", lambda said: self._complain(said.text) if _is_refusal(said.text) else None)
        made.on("weberror", lambda broken: self._complain(str(broken.error)))
        self.contexts.append(made)
        return made

    def _complain(self, text: str) -> None:
        self.complaints.append(text)

    def page(self, path: str = "review", **look: Any) -> Page:
        """A page whose tab is signed in."""
        context = self.context(**look)
        context.add_init_script(_SIGN_IN)
        page = context.new_page()
        page.goto(self.address + path)
        return page

    def signed_in(self, context: BrowserContext, path: str = "review") -> Page:
        """A page, signed in by its button."""
        page = context.new_page()
        page.goto(self.address + path)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.locator(".who")).to_be_visible()
        return page

    def desk(self, **look: Any) -> Page:
        """The review desk with its first picture painted."""
        page = self.page(**look)
        desk_is_ready(page)
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        self.contexts.clear()


def _is_refusal(text: str) -> bool:
    return "Content Security" in text


@contextmanager
def served() -> Iterator[Site]:
    """The page as it is deployed, under the policy that it is deployed with."""
    vite = [f"{ROOT}/node_modules/.bin/vite", "preview", f"{ROOT}/console"]
    where = ["--outDir", str(console_asset.build()), "--host", "127.0.0.1", "--port", "0"]
    environment = {**os.environ, "NO_COLOR": "1"}
    with subprocess.Popen([*vite, *where], stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout
            lines = iter(server.stdout.readline, "")
            found = next(filter(None, (re.search(r"http://\S+", line) for line in lines)))
            with chromium() as browser:
                yield Site(found[0], browser)
        finally:
            server.terminate()


def desk_is_ready(page: Page) -> None:
    expect(page.get_by_role("button", name="Confirm")).to_be_enabled()
    picture = page.locator(".canvas img")
    expect(picture).to_be_visible()
    picture.evaluate("image => image.decode()")


def wait_until(page: Page, condition: str) -> None:
    """Until something holds in the page. Playwright's own waiting needs what the policy refuses."""
    held = page.evaluate(
        f"""new Promise(done => {{
          const end = performance.now() + {PATIENCE_MS}
          const look = async () => {{
            const held = await ({condition})
            if (held || performance.now() > end) done(held)
            else setTimeout(look, 20)
          }}
          look()
        }})"""
    )
    assert held, condition


def task_of(page: Page) -> str:
    """The task on the desk."""
    return str(page.locator("[data-task]").get_attribute("data-task"))


def boxes(page: Page) -> list[str]:
    """The boxes as the list tells them: label, and size in pixels of the image or confidence."""
    listed = page.get_by_role("region", name="Boxes").get_by_role("listitem")
    return [" ".join(one.split()) for one in listed.all_inner_texts()]


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the picture lies on the screen."""
    at = page.locator(".canvas img").bounding_box()
    assert at
    scale = at["width"] / PICTURE[0]
    return at["x"] + x * scale, at["y"] + y * scale


def scale(page: Page) -> float:
    """Screen pixels for a pixel of the picture."""
    at = page.locator(".canvas img").bounding_box()
    assert at
    return at["width"] / PICTURE[0]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """By mouse, from one pixel of the picture to another."""
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, *end), steps=3)
    page.mouse.up()
