"""Builds the console's site with Vite, once for each content of its sources."""

from __future__ import annotations

import subprocess
from pathlib import Path

from infra import lambda_asset
from infra.lambda_asset import BUILD, ROOT

SOURCE = ROOT / "console"
_LEFT_OUT = ("dist", "node_modules", "tests", "dev")


def build() -> Path:
    """Folder that holds the built site.

    Raises:
        RuntimeError: Vite could not build it; its message is included.
    """
    files = [path for path in sorted(SOURCE.rglob("*")) if path.is_file() and not _left_out(path)]
    packages = (ROOT / "package-lock.json").read_text()
    key = lambda_asset.digest(
        packages, *(f"{path.relative_to(SOURCE)}\0{path.read_text()}" for path in files)
    )
    return lambda_asset.made(BUILD / f"console-{key}", _build)


def _left_out(path: Path) -> bool:
    return path.relative_to(SOURCE).parts[0] in _LEFT_OUT


def _build(target: Path) -> None:
    command = [str(ROOT / "node_modules" / ".bin" / "vite"), "build", str(SOURCE)]
    command += ["--outDir", str(target), "--emptyOutDir", "--logLevel", "warn"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the console could not be built:\n{done.stderr.strip()}\n{done.stdout.strip()}")
