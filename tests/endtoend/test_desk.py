"""The review desk on the embedded stack, as people use it: in Chromium, and over its HTTP API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.routes import ROUTES
from local.console_client import ConsoleClient
from local.people import Person, add_person
from local.scenes import detection_scenes
from tests.browser import chromium
from tests.fixtures.console_pages import (
    add_people,
    client,
    desk_is_ready,
    execution_status,
    image_of,
    short_tokens,
    signed_in,
    task_of,
    tasks,
)
from tests.fixtures.deployed_loop import Loop, until

IMAGES = 14
BOX = {"label": "nut", "left": 20, "top": 30, "width": 40, "height": 50}


@pytest.fixture(scope="module")
def loop(parts: Loop) -> Loop:
    return parts


@pytest.fixture(scope="module")
def people(loop: Loop) -> dict[str, Person]:
    groups = {"ann": "administrators", "ruth": "reviewers", "bob": "reviewers", "cas": "reviewers"}
    return add_people(loop, groups)


@pytest.fixture(scope="module")
def desk(loop: Loop, people: dict[str, Person]) -> Loop:
    """Images that wait for people, and two labels."""
    admin = client(loop, people["ann"])
    for label in ("nut", "gear"):
        admin.ask("PUT", f"/api/admin/labels?label={label}", {"instruction": f"every {label}"})
    for scene in detection_scenes(IMAGES, seed=70):
        loop.put(f"incoming/unlabeled/{scene.name}.jpg", scene.jpeg())
    until(lambda: admin.get("/api/queue")["open"] == IMAGES, 90, "every image is a task")
    return loop


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright's own event loop must not be that of other tests' threads.
    with chromium() as opened:
        yield opened


def opened(browser: Browser, loop: Loop, person: Person, **look: Any) -> tuple[Page, list[str]]:
    """The desk with its first task; and what the browser complains of."""
    page, complaints = signed_in(browser, loop, person, **look)
    desk_is_ready(page)
    return page, complaints


def test_a_task_from_sign_in_to_the_catalogue(
    desk: Loop, people: dict[str, Person], browser: Browser
) -> None:
    page, complaints = opened(browser, desk, people["ruth"])
    task = task_of(page)
    page.keyboard.press("b")  # a box in the middle
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    until(lambda: image_of(desk, task).status == "labelled", 60, "the answer is in the catalogue")
    image = image_of(desk, task)
    assert [box.label for box in image.boxes] in (["nut"], ["gear"])
    assert image.changed_by == "review by ruth"
    assert task_of(page) != task
    until(lambda: execution_status(desk, task) == "SUCCEEDED", 60, "its execution has gone on")
    assert complaints == []
    page.context.close()


def test_an_image_without_objects(desk: Loop, people: dict[str, Person], browser: Browser) -> None:
    page, _ = opened(browser, desk, people["ruth"])
    task = task_of(page)
    page.keyboard.press("n")
    until(lambda: (seen := tasks(desk).get(task)) and seen.outcome == "nothing", 60, "it is answered")
    assert image_of(desk, task).boxes == ()
    page.context.close()


def test_what_was_said_without_a_connection_is_sent_later(
    desk: Loop, people: dict[str, Person], browser: Browser
) -> None:
    page, _ = opened(browser, desk, people["bob"])
    task = task_of(page)
    page.context.set_offline(True)
    page.keyboard.press("n")
    expect(page.get_by_text("1 to send")).to_be_visible()
    waiting = tasks(desk).get(task)
    assert waiting is not None
    assert waiting.state == "open"
    page.context.set_offline(False)
    until(lambda: (seen := tasks(desk).get(task)) and seen.state == "done", 60, "it is sent")
    page.context.close()


def test_a_task_that_somebody_else_got_is_told(
    desk: Loop, people: dict[str, Person], browser: Browser
) -> None:
    page, _ = opened(browser, desk, people["bob"])
    task = task_of(page)
    cas = client(desk, people["cas"])
    cas.ask("POST", "/api/claims", {"count": 1})
    given = {"reviewer": cas.get("/api/me")["sub"]}
    client(desk, people["ann"]).ask("PUT", f"/api/admin/tasks/{task}/assignment", given)
    page.keyboard.press("n")
    expect(page.get_by_text("cas has this task")).to_be_visible()
    waiting = tasks(desk).get(task)
    assert waiting is not None
    assert (waiting.state, waiting.answers) == ("open", ())
    page.context.close()


# Over HTTP


def requests() -> list[tuple[str, str, str]]:
    """Every route there is: whose it is, its method and a path."""
    return [
        (name, route.split()[0], route.split()[1].replace("{", "").replace("}", ""))
        for name, routes in ROUTES.items()
        for route in routes
    ]


@pytest.fixture(scope="module")
def tokens(desk: Loop, people: dict[str, Person]) -> dict[str, str]:
    """That open no route, though some are an administrator's; and a reviewer's, for an administrator's
    routes."""
    with short_tokens(desk, 1):
        expired = client(desk, people["ann"])
    until(lambda: expired.try_to("GET", "/api/me").status == 401, 30, "the token has expired")
    return {
        "none": "",
        "no token": "e30.e30.e30",
        "expired": expired.token,
        "another pool's": token_of_another_pool(desk),
        "a reviewer's": client(desk, people["ruth"]).token,
    }


def token_of_another_pool(desk: Loop) -> str:
    cognito = desk.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="others")["UserPool"]["Id"]
    address = desk.outputs["ConsoleAddress"]
    app = cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName="page",
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", "profile"],
        AllowedOAuthFlowsUserPoolClient=True,
        CallbackURLs=[address],
        SupportedIdentityProviders=["COGNITO"],
    )["UserPoolClient"]["ClientId"]
    cognito.create_group(UserPoolId=pool, GroupName="administrators")
    mallory = add_person(desk.stack, pool, "mallory", ["administrators"])
    stranger = ConsoleClient(address)
    stranger.config = {**stranger.config, "clientId": app}
    stranger.sign_in(mallory.name, mallory.password)
    assert stranger.token
    return stranger.token


@pytest.mark.parametrize(("name", "method", "path"), requests())
def test_no_route_is_open(name: str, method: str, path: str, desk: Loop, tokens: dict[str, str]) -> None:
    asking = ConsoleClient(desk.outputs["ConsoleAddress"])
    statuses = {}
    for whose, asking.token in tokens.items():
        if name == "admin" or whose != "a reviewer's":
            statuses[whose] = asking.try_to(method, path, {}).status
    assert statuses == {whose: 403 if whose == "a reviewer's" else 401 for whose in statuses}


def test_the_template_has_no_other_route(desk: Loop) -> None:
    api = desk.client("apigatewayv2")
    (http_api,) = [one for one in api.get_apis()["Items"] if one["Name"] == f"{desk.name}-console"]
    routes = api.get_routes(ApiId=http_api["ApiId"])["Items"]
    assert {route["RouteKey"] for route in routes} == {route for some in ROUTES.values() for route in some}
    assert {route["AuthorizationType"] for route in routes} == {"JWT"}


def test_a_link_is_good_for_its_image_alone(desk: Loop, people: dict[str, Person]) -> None:
    (task,) = client(desk, people["cas"]).ask("POST", "/api/claims", {"count": 1})["tasks"]
    with urllib.request.urlopen(task["url"], timeout=10) as answer:  # noqa: S310
        assert answer.read(3) == b"\xff\xd8\xff"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(task["url"].replace("/images/", "/datasets/"), timeout=10)  # noqa: S310
    client(desk, people["cas"]).ask("DELETE", f"/api/claims/{task['id']}")


def test_several_at_once_never_answer_one_task_twice(desk: Loop, people: dict[str, Person]) -> None:
    def review(person: Person) -> list[str]:
        asking = client(desk, person)
        answered: list[str] = []
        while claimed := asking.ask("POST", "/api/claims", {"count": 2})["tasks"]:
            for task in claimed:
                answer = {"verdict": "labelled", "boxes": [BOX], "seconds": 1}
                assert asking.ask("POST", f"/api/tasks/{task['id']}/answer", answer)["state"] == "done"
                answered.append(task["id"])
        return answered

    before = client(desk, people["ann"]).get("/api/queue")["open"]
    with ThreadPoolExecutor(3) as pool:
        lists = list(pool.map(review, [people[name] for name in ("ruth", "bob", "cas")]))
    answered = [task for some in lists for task in some]
    assert len(answered) == len(set(answered))
    assert before >= len(answered) >= before - 6  # the browsers' claims have not ended yet
    for task in answered:
        assert json.dumps([box.label for box in image_of(desk, task).boxes]) == '["nut"]'


def test_a_stranger_gets_the_page_and_nothing_else(desk: Loop) -> None:
    stranger = ConsoleClient(desk.outputs["ConsoleAddress"])
    assert stranger.try_to("GET", "/runs/some-run").content.startswith("<!doctype html>")
    assert stranger.try_to("GET", "/api/nothing").status in (401, 404)


def test_a_picture_is_tried_and_sent_to_review(desk: Loop, people: dict[str, Person]) -> None:
    ruth = client(desk, people["ruth"])
    data = next(iter(detection_scenes(1, seed=71))).jpeg()
    sent = ruth.ask("POST", "/api/try", {"content_type": "image/jpeg", "size": len(data)})
    address, headers = sent["upload"]["url"], sent["upload"]["headers"]
    for other, body in ((address, data + b"more"), (address.replace(sent["id"], "f" * 32), data)):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            put(other, body, headers)
    put(address, data, headers)
    assert ruth.try_to("POST", f"/api/try/{sent['id']}/detection").content["error"]["code"] == "no_champion"
    task = ruth.ask("POST", f"/api/try/{sent['id']}/review")["task"]
    opened = tasks(desk).get(task)
    assert opened is not None
    assert opened.reason == "requested"
    assert image_of(desk, task).status == "unlabelled"


def put(address: str, body: bytes, headers: dict[str, str]) -> None:
    request = urllib.request.Request(address, data=body, headers=headers, method="PUT")  # noqa: S310
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


@pytest.mark.parametrize("name", ["nut/bolt", "50% off", "what?"])
def test_a_label_of_any_name_is_managed(name: str, desk: Loop, people: dict[str, Person]) -> None:
    ann, address = client(desk, people["ann"]), f"/api/admin/labels?label={quote(name, safe='')}"
    assert ann.ask("PUT", address, {"instruction": "look twice"})["label"] == name
    ann.ask("PUT", address, {"retired": True})
    retired = {"label": name, "retired": True}
    until(
        lambda: any(retired.items() <= one.items() for one in ann.get("/api/labels")["labels"]),
        15,
        "the desk knows it",
    )
