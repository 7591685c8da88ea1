"""Human loops: how they are asked, and how what workers said is read."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from lambdas.domain.review.desk.task import Suggestions
from lambdas.domain.review.workforce import a2i, worker_answers, worker_image, worker_template
from lambdas.domain.review.workforce.errors import RouteError
from lambdas.domain.shared.annotation import Box, Kind
from tests.fixtures.sagemaker import BUCKET, Bench
from tests.fixtures.workforce_tasks import CAT, DEPLOYMENT, LABELS, suggested, task

LOOP = f"{DEPLOYMENT}-{task().id}"
FLOW = "arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/flow"
SIZE = {"width": 120, "height": 80}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.service.close()


def start(bench: Bench, flow: str, asked: Any = None, labels: list[str] = LABELS, **more: Any) -> str:
    return a2i.start_loop(
        bench.a2i,
        bench.world.s3,
        asked or task(),
        labels,
        deployment=DEPLOYMENT,
        bucket=BUCKET,
        flow_definition_arn=flow,
        **more,
    )


def human_answer(content: Any, worker: str = "a12b3cdefg4h5i67", **changed: Any) -> dict[str, Any]:
    """One of humanAnswers, as the developer guide shows them."""
    return {
        "acceptanceTime": "2026-03-02T18:59:15.191Z",
        "answerContent": content,
        "submissionTime": "2026-03-02T18:59:58.321Z",
        "timeSpentInSeconds": 40.5,
        "workerId": worker,
        "workerMetadata": {
            "identityData": {
                "identityProviderType": "Cognito",
                "issuer": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_123456789",
                "sub": f"sub-of-{worker}",
            }
        },
        **changed,
    }


def output(*answers: Any, **changed: Any) -> bytes:
    document = {
        "flowDefinitionArn": FLOW,
        "humanAnswers": list(answers),
        "humanLoopName": LOOP,
        "inputContent": {"taskObject": "s3://data-bucket/images/a.png"},
        **changed,
    }
    return json.dumps(document).encode()


def boxes(*drawn: Any, name: str = "boundingBox", size: Any = SIZE) -> dict[str, Any]:
    return {name: {"boundingBoxes": list(drawn), "inputImageProperties": size}}


def read(document: bytes, kind: Kind = "detection") -> a2i.LoopAnswers:
    return a2i.answers_of(document, task(kind=kind), LABELS, deployment=DEPLOYMENT)


# Names


def test_a_loop_is_named_after_its_deployment_and_task() -> None:
    name = a2i.loop_name(DEPLOYMENT, task().id)
    assert name == "labelloop-dev-a1b2c3d4e5f60718293a-1"
    assert a2i.task_of(DEPLOYMENT, name) == task().id


def test_the_longest_deployment_s_loops_fit() -> None:
    assert len(a2i.loop_name("d" * 31, f"{'f' * 20}-9999999999")) == a2i.MAX_NAME
    with pytest.raises(RouteError, match="64 characters"):
        a2i.loop_name("d" * 31, f"{'f' * 20}-99999999999")


@pytest.mark.parametrize(
    "name",
    ["other-a1b2c3d4e5f60718293a-1", "labelloop-dev-two-a1b2c3d4e5f60718293a-1", "labelloop-dev-", "x"],
)
def test_a_loop_of_somebody_else_is_none_of_ours(name: str) -> None:
    assert a2i.task_of(DEPLOYMENT, name) is None


# Asking


def test_a_task_goes_to_workers_and_comes_back(bench: Bench) -> None:
    flow = bench.flow(worker_template.for_loops())
    asked = task(suggestions=suggested(("cat", 1, 2, 30, 20), ("retired", 1, 1, 9, 9)))
    start(bench, flow, asked, instructions="Only <b>whole</b> cats {{ please }}")
    (work,) = bench.waiting()
    assert work["choices"] == LABELS
    assert work["initial"] == [{"label": "cat", "left": 1, "top": 2, "width": 30, "height": 20}]
    bench.answer({"boxes": [CAT]}, "sub-of-ann", 7.25)

    change = a2i.status_change(bench.world.events[0], DEPLOYMENT)
    assert change is not None
    assert (change.task_id, change.status, change.reason) == (asked.id, "Completed", "")
    assert change == a2i.describe_loop(bench.a2i, DEPLOYMENT, asked.id)
    document = a2i.read_output(bench.world.s3, change)
    (answer,) = a2i.answers_of(document, asked, LABELS, deployment=DEPLOYMENT).answers
    assert (answer.reviewer, answer.verdict, answer.seconds) == ("sub-of-ann", "labelled", 7.25)
    assert answer.boxes == (Box("cat", 5, 6, 30, 20),)


@pytest.mark.parametrize(
    ("chosen", "verdict", "labels"),
    [(["dog", "cat"], "labelled", ("cat", "dog")), ([worker_answers.NOTHING], "nothing", ())],
)
def test_a_classification_goes_to_workers_and_comes_back(
    bench: Bench, chosen: list[str], verdict: str, labels: tuple[str, ...]
) -> None:
    asked = task(kind="classification", suggestions=suggested(labels=("dog", "retired")))
    start(bench, bench.flow(worker_template.for_loops()), asked)
    (work,) = bench.waiting()
    assert work["choices"] == [*LABELS, worker_answers.NOTHING]
    bench.answer({"labels": chosen})
    change = a2i.describe_loop(bench.a2i, DEPLOYMENT, asked.id)
    assert change is not None
    document = a2i.read_output(bench.world.s3, change)
    assert json.loads(document)["inputContent"]["hint"] == "A model suggests: dog."
    (answer,) = a2i.answers_of(document, asked, LABELS, deployment=DEPLOYMENT).answers
    assert (answer.verdict, answer.labels) == (verdict, labels)


def test_asking_twice_asks_once_also_with_other_words(bench: Bench) -> None:
    flow = bench.flow(worker_template.for_loops())
    first = start(bench, flow)
    assert start(bench, flow) == first
    assert start(bench, flow, labels=[*LABELS, "cow"]) == first
    assert len(bench.waiting()) == 1


def test_a_loop_that_has_ended_is_not_asked_again(bench: Bench) -> None:
    flow = bench.flow(worker_template.for_loops())
    start(bench, flow)
    a2i.stop_loop(bench.a2i, DEPLOYMENT, task().id)
    with pytest.raises(RouteError, match="Stopped already"):
        start(bench, flow)


def test_a_flow_definition_that_is_not_there_is_named(bench: Bench) -> None:
    with pytest.raises(RouteError, match="flow-definition/flow: ValidationException: There is no flow"):
        start(bench, FLOW)


def test_what_may_pass_stays_an_error_of_the_service(bench: Bench) -> None:
    class Busy:
        def start_human_loop(self, **_: Any) -> None:
            slow_down = {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}
            raise ClientError(slow_down, "StartHumanLoop")

    with pytest.raises(ClientError, match="slow down"):
        a2i.start_loop(
            Busy(),
            bench.world.s3,
            task(),
            LABELS,
            deployment=DEPLOYMENT,
            bucket=BUCKET,
            flow_definition_arn=FLOW,
        )


@pytest.mark.parametrize(
    ("labels", "kind", "problem"),
    [
        ([], "detection", "no label"),
        ([f"l{n}" for n in range(51)], "detection", "51 labels"),
        ([f"l{n}" for n in range(50)], "classification", "50 labels"),
        (["cat", worker_answers.NOTHING], "classification", "rename it"),
    ],
)
def test_labels_that_workers_cannot_choose_from_are_reported(
    bench: Bench, labels: list[str], kind: Kind, problem: str
) -> None:
    with pytest.raises(worker_answers.UnusableLabelsError, match=problem):
        start(bench, FLOW, task(kind=kind), labels)


def test_fifty_labels_of_boxes_are_taken(bench: Bench) -> None:
    flow = bench.flow(worker_template.for_loops())
    start(bench, flow, labels=[f"l{n}" for n in range(50)])
    assert len(bench.waiting()[0]["choices"]) == 50


def test_instructions_beyond_what_a2i_takes_are_reported(bench: Bench) -> None:
    with pytest.raises(RouteError, match="shorten the instructions"):
        start(bench, FLOW, instructions="é" * (a2i.MAX_INPUT_BYTES // 2))


def test_an_image_stored_otherwise_is_shown_upright(bench: Bench) -> None:
    stored = Image.new("RGB", (40, 20))
    stored.paste((255, 0, 0), (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    kept = io.BytesIO()
    stored.save(kept, "PNG", exif=exif)
    bench.world.files[BUCKET, "images/a.png"] = kept.getvalue()
    key = worker_image.key(bench.world.s3, BUCKET, "images/a.png")
    assert key == "reviews/upright/a.png"
    with Image.open(io.BytesIO(bench.world.files[BUCKET, key])) as shown:
        assert shown.size == (20, 40)
        assert shown.getexif().get(0x0112, 1) == 1
        assert shown.convert("RGB").getpixel((10, 2)) == (255, 0, 0)
        assert shown.convert("RGB").getpixel((10, 30)) == (0, 0, 0)


def test_an_image_that_is_upright_is_shown_itself(bench: Bench) -> None:
    assert worker_image.key(bench.world.s3, BUCKET, "images/a.png") == "images/a.png"
    assert not any(key.startswith(worker_image.UPRIGHT) for _, key in bench.world.files)


def test_stopping_what_is_not_there_or_has_ended_is_nothing(bench: Bench) -> None:
    a2i.stop_loop(bench.a2i, DEPLOYMENT, task().id)
    start(bench, bench.flow(worker_template.for_loops()))
    a2i.stop_loop(bench.a2i, DEPLOYMENT, task().id)
    a2i.stop_loop(bench.a2i, DEPLOYMENT, task().id)
    change = a2i.status_change(bench.world.events[0], DEPLOYMENT)
    assert change is not None
    assert (change.status, change.output) == ("Stopped", None)
    assert change.reason == f"human loop {LOOP} Stopped"
    with pytest.raises(RouteError, match="Stopped"):
        a2i.read_output(bench.world.s3, change)


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied", "NoSuchBucket"])
def test_an_output_that_s3_refuses_is_reported(code: str) -> None:
    with pytest.raises(RouteError, match=f"s3://b/k cannot be read: .*{code}"):
        a2i.read_output(refusing(code), a2i.LoopChange(task().id, LOOP, "Completed", ("b", "k"), ""))


def test_an_output_that_s3_cannot_give_now_is_asked_for_again() -> None:
    with pytest.raises(ClientError, match="SlowDown"):
        a2i.read_output(refusing("SlowDown"), a2i.LoopChange(task().id, LOOP, "Completed", ("b", "k"), ""))


def refusing(code: str) -> Any:
    """S3 that answers with this error."""

    def get_object(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject")

    return SimpleNamespace(get_object=get_object)


def test_a_task_without_a_loop_has_none(bench: Bench) -> None:
    assert a2i.describe_loop(bench.a2i, DEPLOYMENT, task().id) is None


# Events


def event(**detail: Any) -> dict[str, Any]:
    """As the developer guide shows one."""
    return {
        "version": "0",
        "source": "aws.sagemaker",
        "detail-type": "SageMaker A2I HumanLoop Status Change",
        "detail": {
            "creationTime": "2026-03-02T17:37:36.740Z",
            "failureCode": None,
            "failureReason": None,
            "flowDefinitionArn": FLOW,
            "humanLoopName": LOOP,
            "humanLoopOutput": {"outputS3Uri": "s3://b/flow/2026/03/02/17/37/36/loop x/output.json"},
            "humanLoopStatus": "Completed",
            **detail,
        },
    }


def test_the_documented_event_is_understood() -> None:
    change = a2i.status_change(event(), DEPLOYMENT)
    assert change is not None
    assert change.output == ("b", "flow/2026/03/02/17/37/36/loop x/output.json")


def test_a_failure_says_why() -> None:
    failed = event(
        humanLoopStatus="Failed", humanLoopOutput=None, failureCode="Expired", failureReason="Nobody came"
    )
    change = a2i.status_change(failed, DEPLOYMENT)
    assert change is not None
    assert change.reason == f"human loop {LOOP} Failed: Expired: Nobody came"


def test_an_event_of_another_s_loop_is_left_alone() -> None:
    assert a2i.status_change(event(humanLoopName="somebody-elses-loop"), DEPLOYMENT) is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({**event(), "source": "aws.s3"}, "was expected"),
        ({**event(), "detail-type": "SageMaker Training Job State Change"}, "was expected"),
        ({**event(), "detail": None}, "names no human loop"),
        ({**event(), "detail": {}}, "names no human loop"),
        (event(humanLoopStatus="Vanished"), "no status of A2I"),
        (event(humanLoopOutput=None), "names no output"),
        (event(humanLoopOutput={"outputS3Uri": "https://b/k"}), "s3://bucket/key"),
    ],
)
def test_an_event_that_is_none_says_so(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(RouteError, match=problem):
        a2i.status_change(given, DEPLOYMENT)


# Answers


def test_every_worker_s_answer_is_read_in_the_order_of_submission() -> None:
    late = human_answer(boxes(CAT), "bob", submissionTime="2026-03-02T19:30:00.000Z")
    result = read(output(late, human_answer(boxes(), "ann")))
    assert result.refused == ()
    assert [answer.reviewer for answer in result.answers] == ["sub-of-ann", "sub-of-bob"]
    assert [answer.verdict for answer in result.answers] == ["nothing", "labelled"]
    assert result.answers[0].at == "2026-03-02T18:59:58.321000Z"
    assert result.answers[0].name == "A2I worker ann"


def test_a_worker_of_a_public_workforce_is_known_by_id() -> None:
    single = human_answer(boxes(CAT))
    del single["workerMetadata"], single["timeSpentInSeconds"]
    (answer,) = read(output(single)).answers
    assert (answer.reviewer, answer.seconds) == ("a12b3cdefg4h5i67", 0.0)


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ({"crowd-image-classifier": {"label": "dog"}}, ("dog",)),
        ({"any": {"labels": ["dog", "cat"]}}, ("cat", "dog")),
        ({"any": {"labels": []}}, ()),
        ({"any": {"label": worker_answers.NOTHING}}, ()),
    ],
)
def test_both_image_classifiers_are_read(content: dict[str, Any], labels: tuple[str, ...]) -> None:
    (answer,) = read(output(human_answer(content)), "classification").answers
    assert answer.labels == labels
    assert answer.verdict == ("labelled" if labels else "nothing")


def test_a_box_that_sticks_out_by_rounding_is_cut_off() -> None:
    edge = {**CAT, "left": 90, "width": 31}
    (answer,) = read(output(human_answer(boxes(edge)))).answers
    assert answer.boxes == (Box("cat", 90, 6, 30, 20),)


def test_a_box_drawn_twice_over_itself_is_one() -> None:
    (answer,) = read(output(human_answer(boxes(CAT, {**CAT, "label": "dog"}, CAT)))).answers
    assert [box.label for box in answer.boxes] == ["cat", "dog"]


def test_a_label_that_was_retired_meanwhile_still_counts() -> None:
    content = {"labels": ["cat", "cow", worker_answers.NOTHING, 7]}
    cow = human_answer(boxes({**CAT, "label": "cow"}))
    (answer,) = read(output(cow, inputContent=content)).answers
    assert answer.boxes[0].label == "cow"


def test_one_worker_s_bad_answer_does_not_cost_the_others() -> None:
    result = read(output(human_answer(boxes({**CAT, "left": 200}), "ann"), human_answer(boxes(CAT), "bob")))
    assert [answer.reviewer for answer in result.answers] == ["sub-of-bob"]
    (refused,) = result.refused
    assert refused.startswith("answer 1 (sub-of-ann): box 1: ")
    assert "120 x 80" in refused


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (boxes({**CAT, "left": 200}), "reaches out of 120 x 80"),
        (boxes({**CAT, "top": -9}), "begins outside"),
        (boxes({**CAT, "width": 0}), "above 0"),
        (boxes({**CAT, "width": 1, "height": 1}), "1 x 1 pixels"),
        (boxes({**CAT, "label": "cow"}), r"'cow' is none of those asked for \(cat, dog\)"),
        (boxes({**CAT, "label": None}), "None is none of those"),
        (boxes({**CAT, "height": "tall"}), "height has to be a number"),
        (boxes({**CAT, "height": float("nan")}), "no position"),
        (boxes("cat"), "has to be an object"),
        (boxes(*[CAT] * 51), "51 boxes"),
        (
            boxes(CAT, size={"width": 80, "height": 120}),
            "drawn on 80 x 120 pixels, but the image is 120 x 80",
        ),
        (boxes(CAT, size=None), "drawn on None x None"),
        ({"boundingBox": {"boundingBoxes": "all", "inputImageProperties": SIZE}}, "has to be a list"),
        ({}, "has 0 answers of a crowd-bounding-box"),
        ({**boxes(CAT), **boxes(CAT, name="again")}, "has 2 answers"),
        ({"crowd-image-classifier": {"label": "dog"}}, "has 0 answers"),
        ("text", "no object answerContent"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(content: Any, problem: str) -> None:
    with pytest.raises(a2i.NoAnswersError, match=problem):
        read(output(human_answer(content)))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"any": {"labels": ["cow"]}}, "'cow' is none"),
        ({"any": {"labels": "dog"}}, "have to be a list"),
        ({"any": {"labels": ["dog", worker_answers.NOTHING]}}, "and dog of one image"),
        (boxes(CAT), "has 0 answers of a crowd-image-classifier"),
    ],
)
def test_a_classification_that_cannot_be_used_says_why(content: Any, problem: str) -> None:
    with pytest.raises(a2i.NoAnswersError, match=problem):
        read(output(human_answer(content)), "classification")


def test_an_answer_without_a_time_is_refused() -> None:
    with pytest.raises(a2i.NoAnswersError, match="submissionTime is None"):
        read(output(human_answer(boxes(CAT), submissionTime=None)))


@pytest.mark.parametrize("document", [b"", b"<html>", b"\xff\xfe", b"[]", b"3", b'{"humanAnswers": '])
def test_an_output_that_is_no_json_object_says_so(document: bytes) -> None:
    with pytest.raises(a2i.NotJsonError, match="JSON"):
        read(document)


def test_an_output_without_a_list_of_answers_says_so() -> None:
    with pytest.raises(a2i.NotJsonError, match="humanAnswers"):
        read(output(humanAnswers={}))


def test_an_output_of_another_loop_says_so() -> None:
    with pytest.raises(a2i.OtherLoopError, match="'labelloop-dev-ffff-2', not of"):
        read(output(human_answer(boxes(CAT)), humanLoopName="labelloop-dev-ffff-2"))


def test_an_output_without_answers_says_so() -> None:
    with pytest.raises(a2i.NoAnswersError, match="without any answer"):
        read(output())


def test_every_error_is_named_when_nothing_can_be_used() -> None:
    with pytest.raises(a2i.NoAnswersError, match=r"answer 1 .*'cow'.*; answer 2 \(2\): has no object"):
        read(output(human_answer(boxes({**CAT, "label": "cow"})), "nonsense"))


def test_a_task_without_suggestions_suggests_nothing(bench: Bench) -> None:
    start(bench, bench.flow(worker_template.for_loops()), task(suggestions=Suggestions()))
    assert bench.waiting()[0]["initial"] == []
