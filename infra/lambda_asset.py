"""Builds the Lambda functions' code asset without Docker: `lambdas/` and every package it needs.

Compiled packages are taken as wheels for the functions' platform, never for the machine that builds.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "lambdas"
REQUIREMENTS = SOURCE / "requirements.txt"
BUILD = ROOT / ".build"

PYTHON = "3.13"
HERE = "here"
"""The platform of the interpreter that builds: what the embedded stack runs its functions with."""
PLATFORMS = {
    "x86_64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "arm64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    HERE: (),
}
"""Wheel tags each platform can load; python3.13 runs on Amazon Linux 2023, whose glibc is 2.34
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html)."""

SERVICES = frozenset({"dynamodb", "events", "rekognition", "s3", "sns", "sqs", "ssm", "stepfunctions", "sts"})
"""The services that the functions call. botocore describes over 400; the others' descriptions are left out,
which makes the asset a third of its size and every cold start shorter."""


def build(platform: str) -> Path:
    """Folder that holds the asset for `platform`, one of PLATFORMS.

    Raises:
        RuntimeError: pip could not get a package for the platform; its message is included.
    """
    packages = _packages(platform)
    asset = BUILD / f"lambda-{platform}"
    if asset.exists():
        shutil.rmtree(asset)
    shutil.copytree(packages, asset, copy_function=_link)
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "requirements.txt")
    shutil.copytree(SOURCE, asset / SOURCE.name, ignore=ignored)
    return asset


def _packages(platform: str) -> Path:
    """The packages of requirements.txt, installed once for each content of that file."""
    recipe = f"{REQUIREMENTS.read_text()}{platform}{sys.version}{sorted(SERVICES)}"
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    target = BUILD / f"packages-{platform}-{key}"
    if target.exists():
        return target
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    _pip_install(partial, platform)
    _leave_out_unused(partial)
    partial.rename(target)
    return target


def _pip_install(target: Path, platform: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-compile", "--only-binary=:all:", "--target", str(target)]
    command += ["--requirement", str(REQUIREMENTS)]
    if platform != HERE:
        command += ["--python-version", PYTHON, "--implementation", "cp"]
        command += [part for tag in PLATFORMS[platform] for part in ("--platform", tag)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Lambda packages for {platform} could not be installed:\n{done.stderr.strip()}")


def _leave_out_unused(packages: Path) -> None:
    for service in (packages / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    shutil.rmtree(packages / "bin", ignore_errors=True)


def _link(source: str, target: str) -> str:
    """Packages never change once installed, so the asset can share their files."""
    Path(target).hardlink_to(source)
    return target
