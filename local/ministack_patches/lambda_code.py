"""The functions' code, read, unpacked and compiled once.

AWS: a new execution environment is ready within the 10 seconds of the Init phase, as many as start at once.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
MiniStack: unpacks a function's whole package anew for every environment: 20 requests at once are 2 GB on the
disk, and wait for half a minute. It reads a function's package from S3 for each function that has it, and
keeps them all: forty functions are a gigabyte of memory.

Here environments of the same package share one folder, into which nothing is written but compiled modules,
and functions of the same package share its bytes.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_UNPACKING = threading.Lock()
"""One thread unpacks at a time. No attribute of the class: each ZipFile has a `_lock` of its own."""
_COMPILED = "import sys\nsys.dont_write_bytecode = False\n"
"""A head for MiniStack's worker that lets it write compiled modules, whatever the shell says: only the first
environment of a package should compile it."""


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    # They read the environment when first imported.
    from ministack.core import lambda_runtime  # noqa: PLC0415
    from ministack.services import lambda_svc, s3  # noqa: PLC0415

    lambda_svc._fetch_code_from_s3 = SharedBytes(s3, lambda_svc._fetch_code_from_s3)
    lambda_runtime.zipfile = _Zipfile(lambda_runtime.zipfile)
    lambda_runtime._PYTHON_WORKER_SCRIPT = _COMPILED + lambda_runtime._PYTHON_WORKER_SCRIPT


class SharedBytes:
    """What fetches a package from S3: the same bytes each time, not equal ones, until it is overwritten."""

    def __init__(self, s3: Any, fetch: Callable[..., bytes | None]) -> None:
        self._s3, self._fetch = s3, fetch
        self._packages: dict[tuple[str, str], tuple[str, bytes]] = {}

    def __call__(self, bucket: str, key: str, version_id: str | None = None) -> bytes | None:
        content = self._s3._buckets.get(bucket, {}).get("objects", {}).get(key)
        if version_id or content is None:
            return self._fetch(bucket, key, version_id=version_id)
        etag, package = self._packages.get((bucket, key), ("", b""))
        if etag == content["etag"]:
            return package
        code = self._fetch(bucket, key)
        if code:
            self._packages[bucket, key] = content["etag"], code
        return code


class _Zipfile:
    """The module as MiniStack's Lambda sees it."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    ZipFile = property(lambda self: SharedPackage)


class SharedPackage(zipfile.ZipFile):
    """A package that is unpacked into a folder of its own beside the environments', which get links to it."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Make the empty folder `path` a link to the package's; parts of a package are unpacked as ever."""
        if path is None or members is not None or pwd is not None:
            super().extractall(path, members, pwd)
            return
        with _UNPACKING:
            shared = self._unpacked()
            # Each environment has a copy of the package too, of no use any more.
            Path(str(self.filename)).unlink()
        Path(path).rmdir()
        Path(path).symlink_to(shared, target_is_directory=True)

    def _unpacked(self) -> Path:
        facts = repr([(member.filename, member.file_size, member.CRC) for member in self.infolist()])
        digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
        shared = Path(tempfile.gettempdir()) / f"labelloop-code-{digest}"
        if not shared.exists():
            unpacked = Path(tempfile.mkdtemp(dir=shared.parent))
            super().extractall(unpacked)
            unpacked.replace(shared)
        return shared
