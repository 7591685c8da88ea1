"""Chromium, driven by Playwright: the one that is installed, whoever installed it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
QUIET = (
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-gpu",
)
"""Nothing but what a test asks for."""
MISSING = (
    "no Chromium or Chrome is installed: `make browser` installs one,"
    " or install Debian's package chromium or Google Chrome yourself"
)


def executable() -> str | None:
    """The browser on this machine; None if there is none but perhaps Playwright's own."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser with an empty profile.

    Raises:
        RuntimeError: there is none; the message says how to get one.
    """
    # Chromium's sandbox refuses to run for root, which is who runs in many containers.
    arguments = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        path = executable()
        if path is None and not Path(playwright.chromium.executable_path).exists():
            raise RuntimeError(MISSING)
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
