"""Whatever is sent: a clear error, never a failure, and nothing has changed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas import http
from lambdas.domain.review.desk import labels
from tests.console.test_routes import CASES, request_of
from tests.fixtures.api_gateway import ANN, ApiResponse, Gateway
from tests.fixtures.console_deployment import BOX, ConsoleDeployment

READS = [route for route, case in CASES.items() if case.body is not None]
"""Routes that read a body."""
DEEP = "[" * 100_000 + "]" * 100_000
LARGE = json.dumps({"reason": "x" * http.MAX_BODY_BYTES})
NOT_JSON = {
    "nothing at all": None,
    "empty": "",
    "blank": "  ",
    "no JSON": "verdict=labelled",
    "half": '{"verdict": "labelled"',
    "two": "{}{}",
    "a list": "[]",
    "text": '"labelled"',
    "a number": "1",
    "null": "null",
    "NaN": '{"seconds": NaN}',
    "Infinity": '{"seconds": -Infinity}',
    "a member twice": '{"count": 1, "count": 2}',
    "deep": DEEP,
    "deep within": f'{{"boxes": {DEEP}}}',
    "5000 digits": '{"count": ' + "9" * 5000 + "}",
    "half a surrogate pair": '{"reason": "\\ud800"}',
    "half a pair as a name": '{"\\udfff": 1}',
    "a byte order mark": "\ufeff{}",
    "control characters": '{"reason": "\u0001"}',
}
ENCODED = {
    "broken base64": "e30*",
    "cut base64": "e3",
    "not UTF-8": base64.b64encode(b'{"a": "\xff\xfe"}').decode(),
    "UTF-16": base64.b64encode('{"count": 1}'.encode("utf-16")).decode(),
    "no text": base64.b64encode(b"\0\1\2").decode(),
}


def assert_refused(answer: ApiResponse, *statuses: int) -> None:
    """In one shape, with something to do."""
    assert answer.status in statuses, answer.document
    assert set(answer.document) == {"error"}
    assert set(answer.document["error"]) <= {"code", "message", "field"}
    assert answer.code
    assert 3 < len(answer.message) < 500


@pytest.mark.parametrize("route", READS)
def test_what_is_no_json_object(route: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before, request, who = deployment.dump(), request_of(route, deployment), CASES[route].who
    answers = {name: gateway.send(request, body, who=who) for name, body in NOT_JSON.items()}
    answers |= {name: gateway.send(request, body, who=who, encoded=True) for name, body in ENCODED.items()}
    for answer in answers.values():
        assert_refused(answer, 400)
    assert {name for name, answer in answers.items() if answer.code != "not_json"} == set()
    assert deployment.dump() == before


@pytest.mark.parametrize("route", READS)
def test_a_body_that_is_too_large(route: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before, request, who = deployment.dump(), request_of(route, deployment), CASES[route].who
    assert_refused(gateway.send(request, LARGE, who=who), 413)
    assert_refused(gateway.send(request, "x" * 5 * http.MAX_BODY_BYTES, who=who), 413)
    encoded = base64.b64encode(LARGE.encode()).decode()
    assert_refused(gateway.send(request, encoded, who=who, encoded=True), 413)
    wide = json.dumps({"reason": "\u20ac" * (http.MAX_BODY_BYTES // 2)}, ensure_ascii=False)
    assert_refused(gateway.send(request, wide, who=who), 413)
    assert deployment.dump() == before


@pytest.mark.parametrize("route", READS)
def test_an_encoded_body_is_as_good(route: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    body = base64.b64encode(json.dumps(CASES[route].body).encode()).decode()
    answer = gateway.send(request_of(route, deployment), body, who=CASES[route].who, encoded=True)
    assert answer.status == CASES[route].status


@pytest.mark.parametrize("route", READS)
def test_an_unknown_member_is_named(route: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before, case = deployment.dump(), CASES[route]
    for unknown in ("extra", "<script>", "\u20ac", "x" * 5000, "__proto__", ""):
        answer = gateway.ask(request_of(route, deployment), {**case.body, unknown: 1}, who=case.who)
        assert_refused(answer, 422)
        assert answer.field == unknown[:60]
    assert deployment.dump() == before


@pytest.mark.parametrize("route", [route for route in CASES if route not in READS])
def test_a_body_where_none_is_read_changes_nothing_about_the_answer(
    route: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    case = CASES[route]
    for body, encoded in ((NOT_JSON["half"], False), (DEEP, False), ("e30*", True)):
        answer = gateway.send(request_of(route, deployment), body, who=case.who, encoded=encoded)
        assert answer.status in (case.status, 409), answer.document
        deployment.restore()


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**399, 10**400),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["labelled", "nothing", "unusable", "cat", "sub-ben", "image/png", "#aabbcc", "\0", "1e400"]
    ),
    st.lists(st.integers(-5, 200), max_size=3),
    st.lists(st.just("cat"), max_size=3),
    st.lists(st.fixed_dictionaries({key: st.integers(-5, 200) for key in BOX}), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
MEMBERS = {
    "POST /api/claims": ["count", "held"],
    "POST /api/tasks/{task}/answer": ["verdict", "boxes", "labels", "reason", "seconds", "correction"],
    "POST /api/tasks/{task}/skip": ["reason"],
    "PUT /api/admin/tasks/{task}/assignment": ["reviewer"],
    "POST /api/admin/rollbacks": ["version"],
    "POST /api/admin/versions/{version}/approval": ["decision", "why"],
    "POST /api/admin/serving": ["request", "why"],
    "PUT /api/admin/thresholds": ["percent"],
    "PUT /api/label-issues/{issue}": ["verdict", "version"],
    "PUT /api/admin/labels": ["colour", "key", "instruction", "examples", "retired"],
    "POST /api/admin/labels/renaming": ["name", "cursor"],
    "PUT /api/images/{image}/labels": ["kind", "changed_at", "boxes", "labels"],
    "POST /api/images/{image}/undo": ["changed_at", "revision"],
    "POST /api/images/review": ["images"],
    "POST /api/admin/images/exclusion": ["images", "excluded"],
    "POST /api/admin/images/labels": ["images", "before", "after"],
    "POST /api/admin/uploads": ["files"],
    "POST /api/admin/uploads/parts": ["key", "size", "content_type", "upload_id"],
    "POST /api/admin/uploads/completion": ["key", "size", "upload_id"],
    "POST /api/try": ["content_type", "size"],
}


@pytest.mark.long
@pytest.mark.parametrize("route", READS)
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_values_are_taken_or_refused_and_then_nothing_changes(
    route: str, deployment: ConsoleDeployment, gateway: Gateway, data: st.DataObject
) -> None:
    deployment.restore()
    body = data.draw(st.dictionaries(st.sampled_from(MEMBERS[route]), ODD))
    before = deployment.dump()
    answer = gateway.ask(request_of(route, deployment), body, who=CASES[route].who)
    if answer.status >= 400:
        assert_refused(answer, 422)
        assert answer.field
        assert deployment.dump() == before
    else:
        assert answer.status == CASES[route].status


# What an answer may say. The image is 100 pixels wide and 80 high.


def box(**sides: Any) -> dict[str, Any]:
    return {**BOX, **sides}


MANY = [box(left=n % 70, top=n // 70 % 60, width=1 + n // 4200) for n in range(10_000)]
NO_BOXES: list[tuple[dict[str, Any], str]] = [
    ({"left": -1}, "boxes[0]"),
    ({"top": -1}, "boxes[0]"),
    ({"left": 71}, "boxes[0]"),
    ({"top": 61}, "boxes[0]"),
    ({"left": 100}, "boxes[0]"),
    ({"width": 0}, "boxes[0]"),
    ({"height": 0}, "boxes[0]"),
    ({"width": -5}, "boxes[0]"),
    ({"width": 101}, "boxes[0]"),
    ({"width": 10**400}, "boxes[0]"),
    ({"left": -(10**400)}, "boxes[0]"),
    ({"left": 1.0}, "boxes[0].left"),
    ({"left": "1"}, "boxes[0].left"),
    ({"left": None}, "boxes[0].left"),
    ({"left": True}, "boxes[0].left"),
    ({"left": [1]}, "boxes[0].left"),
    ({"label": "cow"}, "boxes[0].label"),
    ({"label": "<img src=x onerror=alert(1)>"}, "boxes[0].label"),
    ({"label": "Cat"}, "boxes[0].label"),
    ({"label": ""}, "boxes[0].label"),
    ({"label": None}, "boxes[0].label"),
    ({"label": ["cat"]}, "boxes[0].label"),
    ({"label": {"cat": 1}}, "boxes[0].label"),
    ({"confidence": 99}, "boxes[0]"),
]
BAD_ANSWERS: list[tuple[dict[str, Any], str]] = [
    *(({"verdict": "labelled", "boxes": [box(**sides)]}, field) for sides, field in NO_BOXES),
    ({"verdict": "labelled", "boxes": [BOX, 1]}, "boxes[1]"),
    ({"verdict": "labelled", "boxes": [BOX, {"label": "cat"}]}, "boxes[1]"),
    ({"verdict": "labelled", "boxes": [BOX, BOX]}, "boxes"),
    ({"verdict": "labelled", "boxes": MANY}, "boxes"),
    ({"verdict": "labelled", "boxes": {}}, "boxes"),
    ({"verdict": "labelled", "boxes": []}, "verdict"),
    ({"verdict": "labelled"}, "verdict"),
    ({"verdict": "labelled", "labels": ["cat"]}, "labels"),
    ({"verdict": "labelled", "labels": ["cat"] * 10_000}, "labels"),
    ({"verdict": "labelled", "labels": "cat"}, "labels"),
    ({"verdict": "labelled", "labels": [None]}, "labels"),
    ({"verdict": "nothing", "boxes": [BOX]}, "verdict"),
    ({"verdict": "unusable", "boxes": [BOX]}, "verdict"),
    ({"verdict": "skip"}, "verdict"),
    ({"verdict": None}, "verdict"),
    ({"verdict": ["nothing"]}, "verdict"),
    ({"verdict": {"nothing": 1}}, "verdict"),
    ({}, "verdict"),
    ({"verdict": "unusable", "reason": 1}, "reason"),
    ({"verdict": "unusable", "reason": "x" * 501}, "reason"),
    ({"verdict": "unusable", "reason": "a\u0000b"}, "reason"),
    ({"verdict": "unusable", "reason": "a\u001bb"}, "reason"),
    ({"verdict": "nothing", "seconds": -1}, "seconds"),
    ({"verdict": "nothing", "seconds": "1"}, "seconds"),
    ({"verdict": "nothing", "seconds": True}, "seconds"),
    ({"verdict": "nothing", "seconds": None}, "seconds"),
]


@pytest.mark.parametrize(
    ("body", "field"), BAD_ANSWERS, ids=[f"{n} {f}" for n, (_, f) in enumerate(BAD_ANSWERS)]
)
def test_an_answer_that_cannot_be(
    body: dict[str, Any], field: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    before = deployment.dump()
    answer = gateway.ask(f"POST /api/tasks/{deployment.mine.id}/answer", body)
    assert_refused(answer, 422)
    assert (answer.code, answer.field) == ("bad_answer", field)
    assert deployment.dump() == before


def test_a_number_beyond_every_float(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before = deployment.dump()
    for number in ("1e400", "-1e400"):
        sent = f'{{"verdict": "nothing", "seconds": {number}}}'
        assert gateway.send(f"POST /api/tasks/{deployment.mine.id}/answer", sent).field == "seconds"
    assert deployment.dump() == before


def test_a_box_that_fills_the_image(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    body = {"verdict": "labelled", "boxes": [box(left=0, top=0, width=100, height=80)], "seconds": 10**400}
    assert gateway.ask(f"POST /api/tasks/{deployment.mine.id}/answer", body).document["state"] == "done"


def test_markup_is_kept_as_the_text_that_it_is(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    name = "<script>alert('x')</script>"
    labels.put(deployment.reviews.table, name, {})
    body = {"verdict": "labelled", "boxes": [box(label=name)], "reason": name, "seconds": 1}
    assert gateway.ask(f"POST /api/tasks/{deployment.mine.id}/answer", body).status == 200
    assert [box.label for box in deployment.reviews.image_of(deployment.mine).boxes] == [name]
    response = gateway.ask("GET /api/labels")
    assert name in [label["label"] for label in response.document["labels"]]
    assert response.headers["Content-Type"] == "application/json"


def test_a_retired_label_is_not_to_be_used(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    gateway.ask("PUT /api/admin/labels?label=cat", {"retired": True}, who=ANN)
    answer = gateway.ask(
        f"POST /api/tasks/{deployment.mine.id}/answer", {"verdict": "labelled", "boxes": [BOX]}
    )
    assert (answer.status, answer.field) == (422, "boxes[0].label")


@pytest.mark.parametrize("count", [0, 6, -1, 1.0, "1", None, True, [1], 10**400])
def test_a_claim_of_no_sensible_number(count: Any, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before = deployment.dump()
    answer = gateway.ask("POST /api/claims", {"count": count})
    assert (answer.status, answer.field) == (422, "count")
    assert deployment.dump() == before


@pytest.mark.parametrize("held", [None, "a", {"a": 1}, [1], [["a"]]])
def test_a_claim_that_holds_no_tasks(held: Any, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before = deployment.dump()
    answer = gateway.ask("POST /api/claims", {"held": held})
    assert (answer.status, answer.field) == (422, "held")
    assert deployment.dump() == before


@pytest.mark.parametrize("reason", [1, None, ["x"], "x" * 501, "a\0b", "\x7f"])
def test_a_reason_that_is_none(reason: Any, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before = deployment.dump()
    answer = gateway.ask(f"POST /api/tasks/{deployment.mine.id}/skip", {"reason": reason})
    assert (answer.status, answer.field) == (422, "reason")
    assert deployment.dump() == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"verdict": "perhaps"}, "one of labelled, nothing, unusable"),
        ({"verdict": "nothing", "reason": 1}, "reason: expected text, got a whole number"),
        ({"verdict": "labelled", "boxes": {}}, "boxes: expected a list, got an object"),
        ({"verdict": "nothing", "reason": "x" * 501}, "reason: expected text of at most 500"),
    ],
)
def test_what_is_wrong_with_a_member_is_said_in_words_for_people(
    body: dict[str, Any], message: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    answer = gateway.ask(f"POST /api/tasks/{deployment.mine.id}/answer", body)
    assert answer.status == 422
    assert message in answer.message
