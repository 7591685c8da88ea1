"""What the tests of the console's pages have in common: people signed in, and what the pages lead to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect

from lambdas.domain import catalogue
from lambdas.domain.catalogue import CatalogueImage
from lambdas.domain.reviews.tasks import ReviewTable
from local.console_client import ConsoleClient
from local.people import Person, add_person
from tests.endtoend.loop import Loop


def add_people(loop: Loop, groups: dict[str, str]) -> dict[str, Person]:
    """Somebody for each name, in the group that stands beside it."""
    return {
        name: add_person(loop.stack, loop.outputs["UserPoolId"], name, [group])
        for name, group in groups.items()
    }


def client(loop: Loop, person: Person) -> ConsoleClient:
    made = ConsoleClient(loop.outputs["ConsoleAddress"])
    made.sign_in(person.name, person.password)
    return made


def signed_in(
    browser: Browser, loop: Loop, person: Person, path: str = "", **look: Any
) -> tuple[Page, list[str]]:
    """A page of the console, signed in by Cognito's page; and what the browser complains of."""
    look.setdefault("viewport", {"width": 1280, "height": 800})
    page = browser.new_context(**look).new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    page.goto(loop.outputs["ConsoleAddress"] + path)
    page.get_by_role("button", name="Sign in").click()
    fill_in(page, person)
    return page, complaints


def fill_in(page: Page, person: Person) -> None:
    """Cognito's own page."""
    page.get_by_label("Username").fill(person.name)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".who-name")).to_have_text(person.name)


@contextmanager
def short_tokens(loop: Loop, seconds: int) -> Iterator[None]:
    """Access tokens end after so many seconds; Cognito's own shortest are of five minutes."""
    cognito, pool = loop.client("cognito-idp"), loop.outputs["UserPoolId"]
    (found,) = cognito.list_user_pool_clients(UserPoolId=pool)["UserPoolClients"]
    app = {"UserPoolId": pool, "ClientId": found["ClientId"]}
    before = cognito.describe_user_pool_client(**app)["UserPoolClient"]
    units = {**before["TokenValidityUnits"], "AccessToken": "seconds"}
    cognito.update_user_pool_client(**app, AccessTokenValidity=seconds, TokenValidityUnits=units)
    try:
        yield
    finally:
        cognito.update_user_pool_client(
            **app,
            AccessTokenValidity=before["AccessTokenValidity"],
            TokenValidityUnits=before["TokenValidityUnits"],
        )


def desk_is_ready(page: Page) -> None:
    expect(page.get_by_role("button", name="Confirm")).to_be_enabled()


def task_of(page: Page) -> str:
    """The task on the desk."""
    shown = page.locator("[data-task]").first
    expect(shown).to_be_visible()
    return str(shown.get_attribute("data-task"))


def tasks(loop: Loop) -> ReviewTable:
    return ReviewTable(loop._table("ReviewTable"))


def image_of(loop: Loop, task: str) -> CatalogueImage:
    found = tasks(loop).get(task)
    assert found is not None
    image = catalogue.get_image(loop.catalogue, found.image)
    assert image is not None
    return image


def execution_status(loop: Loop, task: str) -> str:
    """Of the execution that waits for the task."""
    arn = loop.outputs["ReviewMachineArn"].replace(":stateMachine:", ":execution:") + f":{task}"
    return str(loop.stepfunctions.describe_execution(executionArn=arn)["status"])
