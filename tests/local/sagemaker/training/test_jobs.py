"""Training jobs: what is refused, what the script finds, and what becomes of what it leaves."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker import http
from local.sagemaker.protocol import SAGEMAKER
from tests.fixtures.sagemaker import ACCOUNT, BUCKET, REGION, ROLE, Bench, Caller
from tests.fixtures.waiting import HUNG_SECONDS

SOURCE = "code/source.tar.gz"
SCRIPT = """
import json, os, sys
from pathlib import Path
folder = Path(os.environ["SM_CHANNEL_IMAGES"])
images = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
manifests = sorted(path.name for path in Path(os.environ["SM_CHANNEL_MANIFESTS"]).iterdir())
keys = sorted(name for name in os.environ if name.startswith(("AWS_", "LABELLOOP_")))
inputs = {"images": images, "manifests": manifests, "arguments": sys.argv[1:], "keys": keys}
(Path(os.environ["SM_MODEL_DIR"]) / "model.onnx").write_text(json.dumps(inputs))
"""


def packed(**files: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return target.getvalue()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    world = made.world
    world.files[BUCKET, SOURCE] = packed(train__py=SCRIPT)
    world.files[BUCKET, "datasets/s1/train.manifest"] = b"{}"
    world.files[BUCKET, "datasets/s1/test.manifest"] = b"{}"
    world.files[BUCKET, "datasets/s10/other.manifest"] = b"{}"
    for name in ("a", "b", "c"):
        world.files[BUCKET, f"images/{name}.jpg"] = b"jpeg"
    manifest = [{"prefix": f"s3://{BUCKET}/"}, "images/a.jpg", "images/c.jpg"]
    world.files[BUCKET, "datasets/s1/images.manifest"] = json.dumps(manifest).encode()
    yield made
    made.service.close()


def request(name: str = "parts-v1", **more: Any) -> dict[str, Any]:
    def channel(name: str, kind: str, key: str) -> dict[str, Any]:
        source = {"S3DataType": kind, "S3Uri": f"s3://{BUCKET}/{key}"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}

    parameters = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "/opt/ml/input/data/code/source.tar.gz",
        "version": "v1",
        "seconds": 5,
    }
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": "pytorch-training:2.9.0", "TrainingInputMode": "File"},
        "HyperParameters": {key: json.dumps(value) for key, value in parameters.items()},
        "InputDataConfig": [
            channel("code", "S3Prefix", SOURCE),
            channel("images", "ManifestFile", "datasets/s1/images.manifest"),
            channel("manifests", "S3Prefix", "datasets/s1/"),
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training", "CompressionType": "NONE"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": True,
        **more,
    }


def ended(bench: Bench, name: str = "parts-v1") -> dict[str, Any]:
    until = time.monotonic() + HUNG_SECONDS
    while time.monotonic() < until:
        job: dict[str, Any] = bench.sagemaker.describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def code(call: Callable[..., Any], **asked: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**asked)
    return str(raised.value.response["Error"]["Code"])


def test_a_script_finds_its_data_and_what_it_leaves_is_put_away(bench: Bench) -> None:
    arn = bench.sagemaker.create_training_job(**request())["TrainingJobArn"]
    assert arn.endswith(":training-job/parts-v1")
    job = ended(bench)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed"), job
    assert job["BillableTimeInSeconds"] >= 1
    folder = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert folder == f"s3://{BUCKET}/training/parts-v1/output/model/"
    inputs = json.loads(bench.world.files[BUCKET, "training/parts-v1/output/model/model.onnx"])
    assert inputs == {
        "images": ["images/a.jpg", "images/c.jpg"],
        "manifests": ["images.manifest", "test.manifest", "train.manifest"],
        "arguments": ["--seconds", "5", "--version", "v1"],
        "keys": [],
    }
    passed = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert passed == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_what_a_script_leaves_is_packed_unless_asked_otherwise(bench: Bench) -> None:
    output = {"S3OutputPath": f"s3://{BUCKET}/training"}
    bench.sagemaker.create_training_job(**request(OutputDataConfig=output))
    packed_uri = ended(bench)["ModelArtifacts"]["S3ModelArtifacts"]
    assert packed_uri == f"s3://{BUCKET}/training/parts-v1/output/model.tar.gz"
    body = io.BytesIO(bench.world.files[BUCKET, "training/parts-v1/output/model.tar.gz"])
    with tarfile.open(fileobj=body) as archive:
        assert archive.getnames() == ["model.onnx"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise ValueError('no image shows a label')", "no image shows a label"),
        (
            "import os, sys; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('said'); sys.exit(3)",
            "AlgorithmError: said, exit code: 3",
        ),
    ],
)
def test_a_script_that_fails_says_why(bench: Bench, script: str, reason: str) -> None:
    bench.world.files[BUCKET, SOURCE] = packed(train__py=script)
    bench.sagemaker.create_training_job(**request())
    job = ended(bench)
    assert job["TrainingJobStatus"] == "Failed"
    assert reason in job["FailureReason"]
    assert not job["ModelArtifacts"]["S3ModelArtifacts"]


def test_a_job_finds_the_checkpoints_that_another_has_left(bench: Bench) -> None:
    script = """
import os
from pathlib import Path
file = Path(os.environ["CHECKPOINTS"]) / "step"
file.write_text(file.read_text() + "+" if file.exists() else "begun")
(Path(os.environ["SM_MODEL_DIR"]) / "model.onnx").write_text(file.read_text())
raise SystemExit("taken away" if file.read_text() == "begun" else 0)
"""
    bench.world.files[BUCKET, SOURCE] = packed(train__py=script)
    more = {
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/training/checkpoints"},
        "Environment": {"CHECKPOINTS": "/opt/ml/checkpoints"},
    }
    bench.world.files[BUCKET, "training/checkpoints/"] = b""
    bench.sagemaker.create_training_job(**request(**more))
    assert "taken away" in ended(bench)["FailureReason"]
    assert bench.world.files[BUCKET, "training/checkpoints/step"] == b"begun"
    bench.sagemaker.create_training_job(**request("parts-v2", **more))
    assert ended(bench, "parts-v2")["TrainingJobStatus"] == "Completed"
    assert bench.world.files[BUCKET, "training/parts-v2/output/model/model.onnx"] == b"begun+"


@pytest.mark.parametrize(("isolated", "reached"), [(True, ["101", "101"]), (False, ["connected", "found"])])
def test_an_isolated_script_reaches_no_network(bench: Bench, isolated: bool, reached: list[str]) -> None:
    """Not even this machine's, where MiniStack is; another one's does as in AWS."""
    script = """
import os, socket, sys
from pathlib import Path
def tried(reach, done):
    try:
        reach()
        return done
    except OSError as error:
        return str(error.errno)
server = socket.create_server(("127.0.0.1", 0))
ends = [
    tried(lambda: socket.socket().connect(server.getsockname()), "connected"),
    tried(lambda: socket.getaddrinfo("127.0.0.1", 80), "found"),
]
(Path(os.environ["SM_MODEL_DIR"]) / "model.onnx").write_text(",".join(ends))
"""
    bench.world.files[BUCKET, SOURCE] = packed(train__py=script)
    bench.sagemaker.create_training_job(**request(EnableNetworkIsolation=isolated))
    assert ended(bench)["EnableNetworkIsolation"] is isolated
    ends = bench.world.files[BUCKET, "training/parts-v1/output/model/model.onnx"].decode().split(",")
    assert [end.replace(str(errno.ENETUNREACH), "101") for end in ends] == reached


@pytest.mark.parametrize(
    ("isolated", "source", "reason"),
    [
        (False, f"s3://{BUCKET}/{SOURCE}", ""),
        (True, f"s3://{BUCKET}/{SOURCE}", "an isolated container cannot fetch s3://"),
        (
            True,
            "/opt/ml/input/data/other/source.tar.gz",
            "there is no /opt/ml/input/data/other/source.tar.gz",
        ),
        (True, "/opt/ml/../../../sagemaker.sqlite", "there is no /opt/ml/"),
    ],
)
def test_a_source_comes_by_a_channel_or_where_there_is_a_network_from_s3(
    bench: Bench, isolated: bool, source: str, reason: str
) -> None:
    asked = request(EnableNetworkIsolation=isolated)
    asked["HyperParameters"]["sagemaker_submit_directory"] = json.dumps(source)
    bench.sagemaker.create_training_job(**asked)
    job = ended(bench)
    assert job["TrainingJobStatus"] == ("Failed" if reason else "Completed")
    assert reason in job.get("FailureReason", "")


SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
    "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/training/checkpoints"},
    "Environment": {"CHECKPOINTS": "/opt/ml/checkpoints"},
}


def test_a_job_goes_on_where_its_spot_machine_was_taken_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next machine finds the checkpoints, and nothing else that the first has left."""
    script = """
import os, time
from pathlib import Path
file, model = Path(os.environ["CHECKPOINTS"]) / "a" / "step", Path(os.environ["SM_MODEL_DIR"])
if not file.exists():
    file.parent.mkdir()
    file.write_text("begun")
    (model / "half.onnx").write_text("half")
    time.sleep(60)
(model / "model.onnx").write_text(file.read_text())
"""
    # Long enough for the script to begin on a busy machine.
    monkeypatch.setenv("LABELLOOP_SPOT_SECONDS", "2")
    bench.world.files[BUCKET, SOURCE] = packed(train__py=script)
    bench.sagemaker.create_training_job(**request(**SPOT))
    job = ended(bench)
    assert job["TrainingJobStatus"] == "Completed", job
    passed = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert 1 <= job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]
    assert job["TrainingStartTime"] <= job["SecondaryStatusTransitions"][2]["StartTime"], "of both machines"
    again = ["Downloading", "Training"]
    assert passed == ["Starting", *again, "Interrupted", *again, "Uploading", "Completed"]
    model = "training/parts-v1/output/model"
    assert bench.world.files[BUCKET, f"{model}/model.onnx"] == b"begun"
    assert (BUCKET, f"{model}/half.onnx") not in bench.world.files


def test_no_file_of_a_job_lies_beside_its_folder(bench: Bench) -> None:
    """Whoever may write to the bucket may not write to the machine that runs the embedded stack."""
    checkpoints = {"S3Uri": f"s3://{BUCKET}/training/checkpoints"}
    manifest = [{"prefix": f"s3://{BUCKET}/"}, "images/a.jpg"]
    beside: list[tuple[str, dict[str, bytes], dict[str, Any]]] = [
        ("a channel", {"datasets/s1/../../../../out": b""}, {}),
        ("a checkpoint", {"training/checkpoints/../../out": b""}, {"CheckpointConfig": checkpoints}),
        ("its folder", {}, {"CheckpointConfig": {**checkpoints, "LocalPath": "/etc"}}),
        ("its folder above", {}, {"CheckpointConfig": {**checkpoints, "LocalPath": "/opt/ml/../../a"}}),
        (
            "a list",
            {
                "datasets/s1/images.manifest": json.dumps([*manifest, "images/../../../../b"]).encode(),
                "images/../../../../b": b"",
            },
            {},
        ),
    ]
    files = dict(bench.world.files)
    for number, (what, more, asked) in enumerate(beside):
        bench.world.files.clear()
        bench.world.files.update({**files, **{(BUCKET, key): body for key, body in more.items()}})
        bench.sagemaker.create_training_job(**request(f"parts-v{number}", **asked))
        job = ended(bench, f"parts-v{number}")
        assert job["TrainingJobStatus"] == "Failed", what
        assert "ClientError" in job["FailureReason"], what


def test_packages_that_are_not_installed_are_named(bench: Bench) -> None:
    source = packed(train__py="", requirements__txt="numpy\nno-such-package==1.0 --hash=sha256:0\n")
    bench.world.files[BUCKET, SOURCE] = source
    bench.sagemaker.create_training_job(**request())
    assert "no-such-package==1.0" in ended(bench)["FailureReason"]


def test_a_source_that_is_not_there_begins_nothing(bench: Bench) -> None:
    del bench.world.files[BUCKET, SOURCE]
    assert code(bench.sagemaker.create_training_job, **request()) == "ValidationException"


@pytest.mark.parametrize("gone", ["datasets/s1/images.manifest", "images/a.jpg"])
def test_data_that_is_not_there_fails_the_job(bench: Bench, gone: str) -> None:
    del bench.world.files[BUCKET, gone]
    bench.sagemaker.create_training_job(**request())
    job = ended(bench)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError")
    assert gone in job["FailureReason"]


def test_a_job_is_stopped_and_ends_when_its_time_is_over(bench: Bench) -> None:
    bench.world.files[BUCKET, SOURCE] = packed(train__py="import time; time.sleep(60)")
    bench.sagemaker.create_training_job(**request())
    bench.sagemaker.stop_training_job(TrainingJobName="parts-v1")
    job = ended(bench)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert code(bench.sagemaker.stop_training_job, TrainingJobName="parts-v1") == "ValidationException"
    bench.sagemaker.create_training_job(**request("parts-v2", StoppingCondition={"MaxRuntimeInSeconds": 1}))
    job = ended(bench, "parts-v2")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_every_end_is_told_to_eventbridge(bench: Bench) -> None:
    """Its times are in milliseconds, and of a failure it has the reason."""
    bench.sagemaker.create_training_job(**request())
    assert ended(bench)["TrainingJobStatus"] == "Completed"
    bench.world.deaf = True
    with pytest.raises(RuntimeError):
        bench.service.resolve()
    bench.world.deaf = False
    bench.service.resolve()
    bench.service.resolve()
    (event,) = bench.world.events
    assert event["detail-type"] == "SageMaker Training Job State Change"
    assert event["resources"] == [event["detail"]["TrainingJobArn"]]
    detail = event["detail"]
    assert (detail["TrainingJobName"], detail["TrainingJobStatus"]) == ("parts-v1", "Completed")
    assert detail["ResourceConfig"] == request()["ResourceConfig"]
    assert detail["TrainingEndTime"] >= detail["CreationTime"] > 1e12
    bench.world.files[BUCKET, SOURCE] = packed(train__py="raise SystemExit('too few images')")
    bench.sagemaker.create_training_job(**request("parts-v2"))
    assert ended(bench, "parts-v2")["TrainingJobStatus"] == "Failed"
    bench.service.resolve()
    assert "too few images" in bench.world.events[-1]["detail"]["FailureReason"]


def test_a_job_that_ran_when_the_stack_ended_has_failed(bench: Bench, tmp_path: Path) -> None:
    bench.world.files[BUCKET, SOURCE] = packed(train__py="import time; time.sleep(60)")
    bench.sagemaker.create_training_job(**request())
    after = bench.again()
    assert "embedded stack" in ended(after)["FailureReason"]
    after.service.close()


REFUSED: list[dict[str, Any]] = [
    {"TrainingJobName": "-v1"},
    {"TrainingJobName": "v" * 64},
    {"AlgorithmSpecification": {"TrainingInputMode": "File"}},
    {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}},
    {"ResourceConfig": {"InstanceType": "m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50}},
    {"EnableManagedSpotTraining": True},
    {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
    },
    {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}},
    {"HyperParameters": {"sagemaker_program": '"train.py"'}},
    {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
    {"Tags": [{"Key": "aws:a", "Value": "1"}]},
]


@pytest.mark.parametrize("more", REFUSED)
def test_what_sagemaker_would_not_take_is_refused(bench: Bench, more: dict[str, Any]) -> None:
    assert code(bench.sagemaker.create_training_job, **request(**more)) == "ValidationException"
    assert not bench.sagemaker.list_training_jobs()["TrainingJobSummaries"]


def test_a_name_is_used_once_and_machines_are_few(bench: Bench) -> None:
    bench.world.files[BUCKET, SOURCE] = packed(train__py="import time; time.sleep(60)")
    bench.sagemaker.create_training_job(**request())
    assert code(bench.sagemaker.create_training_job, **request()) == "ResourceInUse"
    assert code(bench.sagemaker.create_training_job, **request("parts-v2")) == "ResourceLimitExceeded"
    bench.sagemaker.stop_training_job(TrainingJobName="parts-v1")
    ended(bench)
    bench.sagemaker.create_training_job(**request("parts-v2"))
    bench.sagemaker.stop_training_job(TrainingJobName="parts-v2")


def test_a_request_waits_for_the_store_without_stopping_the_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the store may be waiting for the server's loop: to put an event, for one."""
    signed = SimpleNamespace(account=ACCOUNT, region=REGION, access_key="x")
    monkeypatch.setattr(http.authorization, "pin", lambda *_: signed)
    monkeypatch.setattr(http, "_enforce", lambda *_, **__: None)
    held = threading.Event()

    async def heard() -> bool:
        return True

    async def both() -> tuple[int, bool]:
        loop = asyncio.get_running_loop()

        def hold() -> bool:
            with bench.service._store.transaction():
                held.set()
                time.sleep(0.1)
                return asyncio.run_coroutine_threadsafe(heard(), loop).result(HUNG_SECONDS)

        holding = loop.run_in_executor(None, hold)
        await asyncio.to_thread(held.wait)
        scope = {"method": "POST", "path": "/"}
        body = json.dumps({"TrainingJobName": "parts-v1"}).encode()
        asked = ("sagemaker", "DescribeTrainingJob")
        with ThreadPoolExecutor(2) as threads:
            status, _, _ = await http.answer(scope, body, asked, bench.service, threads)
        return status, await holding

    assert asyncio.run(both()) == (400, True)


def test_who_may_not_pass_the_role_begins_nothing(bench: Bench) -> None:
    stranger = bench.client(SAGEMAKER, Caller(passes_roles=False))
    assert code(stranger.create_training_job, **request()) == "AccessDeniedException"


def test_jobs_are_listed_page_by_page(bench: Bench) -> None:
    for number in range(3):
        bench.sagemaker.create_training_job(**request(f"parts-v{number}"))
        ended(bench, f"parts-v{number}")
    bench.sagemaker.create_training_job(**request("other-v1"))
    ended(bench, "other-v1")
    listed: list[list[str]] = []
    more: dict[str, str] = {}
    while True:
        page = bench.sagemaker.list_training_jobs(NameContains="parts-", MaxResults=2, **more)
        listed.append([job["TrainingJobName"] for job in page["TrainingJobSummaries"]])
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert listed == [["parts-v2", "parts-v1"], ["parts-v0"]]
    assert code(bench.sagemaker.describe_training_job, TrainingJobName="nothing") == "ValidationException"


@pytest.mark.parametrize("name", ["../beside.py", "/labelloop-beside.py", "../code-beside/a.py"])
def test_a_source_that_would_be_unpacked_beside_its_folder_fails_the_job(name: str, bench: Bench) -> None:
    bench.world.files[BUCKET, SOURCE] = packed(train__py=SCRIPT, **{name: "raise SystemExit"})
    bench.sagemaker.create_training_job(**request())
    job = ended(bench)
    assert job["TrainingJobStatus"] == "Failed"
    assert f"ClientError: the source's archive holds {name!r}" in job["FailureReason"]
