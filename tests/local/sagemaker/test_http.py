"""Human loops and labeling jobs behind the real server, IAM on, boto3 in front."""

from __future__ import annotations

import functools
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.review.desk.task import Answer
from lambdas.domain.review.workforce import a2i as workforce_a2i
from lambdas.domain.review.workforce import ground_truth, worker_template
from lambdas.domain.review.workforce.ground_truth import JobSettings
from tests.fixtures.engine import eventually
from tests.fixtures.engine_server import ACCOUNT, REGION, Server
from tests.fixtures.sagemaker import picture
from tests.fixtures.workforce_tasks import CAT, DEPLOYMENT, LABELS, task

BUCKET = "review-bucket"
WORKTEAM = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:workteam/private-crowd/team"
LOOPS = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:human-loop/{DEPLOYMENT}-*"
CORS: dict[str, list[str]] = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": []}
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
S3_OF_ROLE = {
    "Effect": "Allow",
    "Action": ["s3:GetObject", "s3:PutObject"],
    "Resource": f"arn:aws:s3:::{BUCKET}/*",
}

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("sagemaker"))
    s3 = started.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="images/a.png", Body=picture())
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [CORS]})
    yield started
    started.end()


@pytest.fixture(scope="module")
def role(server: Server) -> str:
    return make_role(server, "reviews", [TRUST], [S3_OF_ROLE])


@pytest.fixture(scope="module")
def flow(server: Server, role: str) -> str:
    return make_flow(server, "boxes", role)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def make_role(server: Server, name: str, trust: list[Any], allowed: list[Any]) -> str:
    iam = server.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(*trust))
    iam.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=policy(*allowed))
    return str(made["Role"]["Arn"])


def make_flow(server: Server, name: str, role: str) -> str:
    sagemaker = server.client("sagemaker")
    template = {"Content": worker_template.for_loops()}
    ui = sagemaker.create_human_task_ui(HumanTaskUiName=name, UiTemplate=template)
    made = sagemaker.create_flow_definition(
        FlowDefinitionName=name,
        HumanLoopConfig={
            "WorkteamArn": WORKTEAM,
            "HumanTaskUiArn": ui["HumanTaskUiArn"],
            "TaskTitle": "Review",
            "TaskDescription": "Review an image",
            "TaskCount": 1,
        },
        OutputConfig={"S3OutputPath": f"s3://{BUCKET}/reviews/a2i"},
        RoleArn=role,
    )
    return str(made["FlowDefinitionArn"])


def user(server: Server, name: str, *allowed: dict[str, Any]) -> dict[str, str]:
    """Credentials of an IAM user that may do this and nothing else."""
    iam = server.client("iam")
    iam.create_user(UserName=name)
    if allowed:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*allowed))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def allow(action: str | list[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def start(server: Server, flow: str, number: int, a2i: Any = None) -> Any:
    asked = task(id=f"{'a' * 20}-{number}")
    workforce_a2i.start_loop(
        a2i or server.client("sagemaker-a2i-runtime"),
        server.client("s3"),
        asked,
        LABELS,
        deployment=DEPLOYMENT,
        bucket=BUCKET,
        flow_definition_arn=flow,
    )
    return asked


def http(server: Server, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 an address of this machine
        f"{server.url}/_labelloop/workers/{path}", data, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return json.loads(answer.read())


def answer(server: Server, name: str, given: dict[str, Any]) -> None:
    """Answer what waits of a loop or job."""
    waiting = [work for work in http(server, "queue?worker=ann")["work"] if work["name"] == name]
    assert waiting
    for work in waiting:
        http(server, f"queue/{work['id']}/answer", {"worker": "ann", **given})


def code(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**members)
    return str(refused.value.response["Error"]["Code"])


def test_an_answered_loop_is_told_by_an_event_and_its_output_read(server: Server, flow: str) -> None:
    events, sqs = server.client("events"), server.client("sqs")
    url = sqs.create_queue(QueueName="loops")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {**allow("sqs:SendMessage", arn), "Principal": {"Service": "events.amazonaws.com"}}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(allowed)})
    pattern = {
        "source": [workforce_a2i.SOURCE],
        "detail-type": [workforce_a2i.DETAIL_TYPE],
        "detail": {"flowDefinitionArn": [flow]},
    }
    events.put_rule(Name="loops", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="loops", Targets=[{"Id": "queue", "Arn": arn}])

    asked = start(server, flow, 1)
    name = workforce_a2i.loop_name(DEPLOYMENT, asked.id)
    (work,) = [work for work in http(server, "queue?worker=ann")["work"] if work["name"] == name]
    with urllib.request.urlopen(work["url"], timeout=20) as image:  # noqa: S310
        assert image.read() == picture()
    answer(server, name, {"boxes": [CAT]})

    messages = eventually(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages"))
    change = workforce_a2i.status_change(json.loads(messages[0]["Body"]), DEPLOYMENT)
    assert change is not None
    assert (change.task_id, change.status) == (asked.id, "Completed")
    document = workforce_a2i.read_output(server.client("s3"), change)
    answers = workforce_a2i.answers_of(document, asked, LABELS, deployment=DEPLOYMENT)
    assert [(box.label, box.left) for box in answers.answers[0].boxes] == [("cat", 5)]


def test_a_labeling_job_is_answered_and_its_manifest_read(server: Server, role: str) -> None:
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    settings = JobSettings(REGION, DEPLOYMENT, BUCKET, role, WORKTEAM)
    name = ground_truth.start_job(sagemaker, s3, "batch-1", [task()], LABELS, settings)
    answer(server, name, {"boxes": [CAT]})
    status = ground_truth.job_status(sagemaker, name)
    assert status.state == "finished"
    assert status.output is not None
    bucket, key = status.output
    chunks = s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks()
    answer_given = ground_truth.answers_of(chunks, [task()], LABELS)[task().id]
    assert isinstance(answer_given, Answer)
    assert [box.label for box in answer_given.boxes] == ["cat"]


def test_policies_decide_who_starts_and_sees_loops(server: Server, flow: str) -> None:
    nobody = server.client("sagemaker-a2i-runtime", user(server, "nobody"))
    content = {"InputContent": "{}"}
    denied = code(nobody.start_human_loop, HumanLoopName="x", FlowDefinitionArn=flow, HumanLoopInput=content)
    assert denied == "AccessDeniedException"
    starter = server.client(
        "sagemaker-a2i-runtime",
        user(
            server,
            "starter",
            allow("sagemaker:StartHumanLoop", flow),
            allow("sagemaker:DescribeHumanLoop", LOOPS),
        ),
    )
    asked = start(server, flow, 2, starter)
    assert workforce_a2i.describe_loop(starter, DEPLOYMENT, asked.id) is not None
    assert code(starter.describe_human_loop, HumanLoopName="other-loop") == "AccessDeniedException"
    name = workforce_a2i.loop_name(DEPLOYMENT, asked.id)
    assert code(starter.stop_human_loop, HumanLoopName=name) == "AccessDeniedException"
    other = flow.replace("/boxes", "/other")
    denied = code(
        starter.start_human_loop, HumanLoopName="x", FlowDefinitionArn=other, HumanLoopInput=content
    )
    assert denied == "AccessDeniedException"


def test_a_labeling_job_needs_permission_and_a_role_that_may_be_passed(server: Server, role: str) -> None:
    jobs = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:labeling-job/{DEPLOYMENT}-*"
    keys = user(server, "labeller", allow("sagemaker:CreateLabelingJob", jobs))
    sagemaker = server.client("sagemaker", keys)
    settings = JobSettings(REGION, DEPLOYMENT, BUCKET, role, WORKTEAM)
    with pytest.raises(ClientError, match=r"iam:PassRole") as refused:
        ground_truth.start_job(sagemaker, server.client("s3"), "batch-2", [task()], LABELS, settings)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert code(sagemaker.describe_labeling_job, LabelingJobName="x") == "AccessDeniedException"


@pytest.mark.parametrize(
    ("passed_to", "team", "allowed"),
    [
        ("sagemaker.amazonaws.com", WORKTEAM, True),
        ("lambda.amazonaws.com", WORKTEAM, False),
        ("sagemaker.amazonaws.com", f"{WORKTEAM}-2", False),
    ],
)
def test_conditions_on_the_role_and_the_workers_are_evaluated(
    server: Server, role: str, passed_to: str, team: str, allowed: bool
) -> None:
    number = sum(map(ord, passed_to + team))
    create = allow("sagemaker:CreateLabelingJob", "*")
    passing = allow("iam:PassRole", role)
    create["Condition"] = {"ArnEquals": {"sagemaker:WorkteamArn": team}}
    passing["Condition"] = {"StringEquals": {"iam:PassedToService": passed_to}}
    sagemaker = server.client("sagemaker", user(server, f"labeller-{number}", create, passing))
    settings = JobSettings(REGION, DEPLOYMENT, BUCKET, role, WORKTEAM)
    asked = sagemaker, server.client("s3"), f"batch-{number}", [task()], LABELS, settings
    if allowed:
        ground_truth.stop_job(server.client("sagemaker"), ground_truth.start_job(*asked))
    else:
        with pytest.raises(ClientError, match="AccessDenied"):
            ground_truth.start_job(*asked)


JOB = f"{DEPLOYMENT}-v1"
OWN, OTHERS = ([{"Key": "labelloop:deployment", "Value": name}] for name in (DEPLOYMENT, "others"))


def training(role: str, **more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": JOB,
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": "pytorch", "TrainingInputMode": "File"},
        "HyperParameters": {"sagemaker_program": '"a.py"', "sagemaker_submit_directory": '"/opt/ml/a"'},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": True,
        "Tags": OWN,
        **more,
    }


def has_failed(sagemaker: Any, job: str) -> bool:
    status: str = sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"]
    return status == "Failed"


def trainer(server: Server, name: str, role: str, *, adds_tags: bool = True) -> Any:
    """Who may do with training jobs what the deployment's functions may."""
    jobs = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{DEPLOYMENT}-v*"
    create, stop = allow("sagemaker:CreateTrainingJob", jobs), allow("sagemaker:StopTrainingJob", jobs)
    tag = allow("sagemaker:AddTags", jobs if adds_tags else f"{jobs}-none")
    tag["Condition"] = {"StringEquals": {"aws:RequestTag/labelloop:deployment": DEPLOYMENT}}
    create["Condition"] = {**tag["Condition"], "Bool": {"sagemaker:NetworkIsolation": "true"}}
    stop["Condition"] = {"StringEquals": {"aws:ResourceTag/labelloop:deployment": DEPLOYMENT}}
    return server.client("sagemaker", user(server, name, create, tag, stop, allow("iam:PassRole", role)))


@pytest.mark.parametrize(
    ("name", "adds_tags", "more"),
    [
        ("connected", True, {"EnableNetworkIsolation": False}),
        ("unsaid", True, {"EnableNetworkIsolation": None}),
        ("others", True, {"Tags": OTHERS}),
        ("untagged", True, {"Tags": []}),
        ("no-tags", False, {}),
    ],
)
def test_what_a_training_job_must_be_like_is_evaluated(
    server: Server, role: str, name: str, adds_tags: bool, more: dict[str, Any]
) -> None:
    client = trainer(server, f"trainer-{name}", role, adds_tags=adds_tags)
    asked = {key: value for key, value in training(role, **more).items() if value is not None}
    assert code(client.create_training_job, **asked) == "AccessDeniedException"


def test_a_training_job_of_another_deployment_is_not_stopped(server: Server, role: str) -> None:
    client, anybody = trainer(server, "trainer", role), server.client("sagemaker")
    for asker, name, tags in ((client, JOB, OWN), (anybody, f"{JOB}1", OTHERS)):
        asker.create_training_job(**training(role, TrainingJobName=name, Tags=tags))
        # It has no such source.
        eventually(functools.partial(has_failed, anybody, name))
    assert code(client.stop_training_job, TrainingJobName=f"{JOB}1") == "AccessDeniedException"
    assert code(client.stop_training_job, TrainingJobName=JOB) == "ValidationException", "it has ended"


def test_who_signs_wrongly_learns_nothing(server: Server) -> None:
    wrong = {**user(server, "known"), "aws_secret_access_key": "not-it"}
    for service, call, members in (
        ("sagemaker-a2i-runtime", "describe_human_loop", {"HumanLoopName": "UPPER"}),
        ("sagemaker", "describe_labeling_job", {"LabelingJobName": "-"}),
    ):
        client = server.client(service, wrong)
        assert code(getattr(client, call), **members) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("name", "trust", "allowed", "message"),
    [
        (
            "untrusting",
            [{**TRUST, "Principal": {"Service": "lambda.amazonaws.com"}}],
            [S3_OF_ROLE],
            "does not let sagemaker.amazonaws.com assume it",
        ),
        ("blind", [TRUST], [{**S3_OF_ROLE, "Action": "s3:PutObject"}], "AccessDenied"),
    ],
)
def test_a_loop_works_with_its_flow_definition_s_role_only(
    server: Server, name: str, trust: list[Any], allowed: list[Any], message: str
) -> None:
    flow = make_flow(server, name, make_role(server, name, trust, allowed))
    asked = start(server, flow, 3 if name == "blind" else 4)
    change = workforce_a2i.describe_loop(server.client("sagemaker-a2i-runtime"), DEPLOYMENT, asked.id)
    assert change is not None
    assert change.status == "Failed"
    assert message in change.reason


@pytest.mark.parametrize(
    "rule", [None, {**CORS, "AllowedMethods": ["PUT"]}, {**CORS, "AllowedOrigins": ["https://a.b"]}]
)
def test_a_bucket_whose_images_no_page_may_get_fails_the_loop(server: Server, flow: str, rule: Any) -> None:
    s3 = server.client("s3")
    s3.delete_bucket_cors(Bucket=BUCKET)
    if rule:
        s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    try:
        asked = start(server, flow, 100 + len(str(rule)))
    finally:
        s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [CORS]})
    change = workforce_a2i.describe_loop(server.client("sagemaker-a2i-runtime"), DEPLOYMENT, asked.id)
    assert change is not None
    assert "has no CORS rule" in change.reason


def test_what_is_not_sagemaker_s_goes_to_ministack(server: Server) -> None:
    """A bucket may be called as the A2I runtime's path is."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="human-loops")
    s3.put_object(Bucket="human-loops", Key="x", Body=b"y")
    assert s3.get_object(Bucket="human-loops", Key="x")["Body"].read() == b"y"


def test_an_operation_that_is_not_emulated_says_so(server: Server) -> None:
    assert code(server.client("sagemaker").list_workteams) == "UnknownOperationException"
