"""Chromium, driven by Playwright: the one that is installed, whoever installed it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, expect, sync_playwright

PACKAGES = ("chromium-headless-shell", "chromium")
"""Debian's. The first, which Playwright's own is too, has no windows, and needs less of everything."""
FONTS = "fonts-liberation"
NAMES = (*PACKAGES, "chromium-browser", "google-chrome-stable", "google-chrome")
QUIET = (
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-gpu",
)
"""Nothing but what a test asks for."""
PATIENCE_MS = 30_000
"""How long pages may take to show what they should: machines are busy at times."""
MISSING = (
    "no Chromium or Chrome is installed: `make browser` installs one,"
    " or install Debian's package chromium-headless-shell, Chromium or Google Chrome yourself"
)


def executable() -> str | None:
    """The browser on this machine; None if there is none but perhaps Playwright's own."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser with an empty profile.

    Raises:
        RuntimeError: there is none; the message says how to get one.
    """
    # Chromium's sandbox refuses to run for root, which is who runs in many containers.
    arguments = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        if not _there(playwright):
            raise RuntimeError(MISSING)
        path = executable()
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def _there(playwright: Playwright) -> bool:
    return executable() is not None or Path(playwright.chromium.executable_path).exists()


def install() -> int:
    """Make sure that there is a browser: the exit status of what was tried."""
    with sync_playwright() as playwright:
        if _there(playwright):
            return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        status = _install_packages()
    else:
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        status = subprocess.run(command, check=False).returncode
    if status:
        print(f"It did not work: {MISSING}", file=sys.stderr)  # noqa: T201
    return status


def _install_packages() -> int:
    # What Chromium recommends is for people: printers, a desktop's services.
    apt_get = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    subprocess.run(["apt-get", "update", "-qq"], check=False)
    status = 1
    for package in PACKAGES:
        status = subprocess.run([*apt_get, package, FONTS], check=False).returncode
        if not status:
            break
    return status


if __name__ == "__main__":
    sys.exit(install())
