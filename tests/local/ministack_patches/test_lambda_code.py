"""What two execution environments of one function have on the disk."""

from __future__ import annotations

import io
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from local.ministack_patches.lambda_code import SharedBytes, SharedPackage


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def environment(folder: Path, name: str, **files: str) -> Path:
    """The code folder of an environment that unpacks its package as MiniStack does."""
    package = folder / name / "code.zip"
    code = folder / name / "code"
    code.mkdir(parents=True)
    with zipfile.ZipFile(package, "w") as written:
        for file, text in files.items():
            written.writestr(f"lambdas/{file}.py", text)
    with SharedPackage(package) as opened:
        opened.extractall(code)
    return code


def test_environments_of_one_package_share_it(tmp_path: Path) -> None:
    first, second = (environment(tmp_path, name, desk="print(1)") for name in ("one", "two"))
    assert first.resolve() == second.resolve()
    assert (first / "lambdas" / "desk.py").read_text() == "print(1)"
    assert not (tmp_path / "one" / "code.zip").exists()


def test_environments_that_start_at_once_share_it(tmp_path: Path) -> None:
    files = {f"module{number}": "" for number in range(300)}  # so many that one begins before another ends
    with ThreadPoolExecutor(4) as threads:
        names = [f"environment{number}" for number in range(4)]
        environments = list(threads.map(lambda name: environment(tmp_path, name, **files), names))
    assert len({folder.resolve() for folder in environments}) == 1


def test_an_environment_that_ends_takes_nothing_from_the_others(tmp_path: Path) -> None:
    _, second = (environment(tmp_path, name, desk="print(1)") for name in ("one", "two"))
    shutil.rmtree(tmp_path / "one")
    assert (second / "lambdas" / "desk.py").exists()


def test_changed_code_is_unpacked_anew(tmp_path: Path) -> None:
    before, after = environment(tmp_path, "one", desk="1"), environment(tmp_path, "two", desk="2")
    assert (before / "lambdas" / "desk.py").read_text() == "1"
    assert (after / "lambdas" / "desk.py").read_text() == "2"


def test_a_part_of_a_package_is_unpacked_where_it_is_asked_for(tmp_path: Path) -> None:
    package = tmp_path / "code.zip"
    with zipfile.ZipFile(package, "w") as written:
        written.writestr("a.py", "a")
        written.writestr("b.py", "b")
    with SharedPackage(package) as opened:
        opened.extractall(tmp_path / "part", ["a.py"])
    assert [file.name for file in (tmp_path / "part").iterdir()] == ["a.py"]
    assert package.exists()


def in_s3(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """Put the package of a function into MiniStack's S3."""
    from ministack.core.responses import md5_hash
    from ministack.services import s3

    objects = {"code.zip": {"body": body, "etag": f'"{md5_hash(body)}"'}}
    monkeypatch.setattr(s3, "_buckets", {"assets": {"objects": objects}})


def test_functions_of_one_package_share_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack.services import lambda_svc, s3

    fetch = SharedBytes(s3, lambda_svc._fetch_code_from_s3)
    in_s3(monkeypatch, b"one")
    first = fetch("assets", "code.zip")
    in_s3(monkeypatch, bytes(bytearray(b"one")))
    assert fetch("assets", "code.zip") is first == b"one"
    in_s3(monkeypatch, b"two")
    assert fetch("assets", "code.zip") == b"two"
    assert fetch("assets", "none.zip") is None
    assert fetch("none", "code.zip") is None


def test_the_patch_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniStack unpacks the package anew for each environment."""
    from ministack.core import lambda_runtime

    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("lambdas/desk.py", "print(1)")
    # The code is unpacked by then.
    monkeypatch.setattr(lambda_runtime.subprocess, "Popen", Mock(side_effect=OSError("not started")))
    function = "arn:aws:lambda:us-east-1:000000000000:function:desk"
    configuration = {"Runtime": "python3.12", "FunctionArn": function}
    modules = []
    for _ in range(2):
        worker = lambda_runtime.Worker("desk", configuration, package.getvalue())
        with pytest.raises(OSError, match="not started"):
            worker._spawn()
        modules.append(Path(worker._tmpdir) / "code" / "lambdas" / "desk.py")
    assert modules[0].stat().st_ino != modules[1].stat().st_ino
