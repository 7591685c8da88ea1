"""The console's pages in Chromium: what they say when something is wrong, and how they look."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from infra.lambda_asset import ROOT
from tests.fixtures.console_site import PICTURE, Site, desk_is_ready

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"


def test_a_failed_sign_in_is_reported(site: Site) -> None:
    site.begin(signInError="User is disabled")
    page = site.context().new_page()
    page.goto(site.address)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Sign-in failed: User is disabled. Try again.")
    site.begin()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def test_the_home_page_leads_to_what_waits(site: Site) -> None:
    page = site.page("")
    expect(page.get_by_role("heading", name="Waits for you")).to_be_visible()
    assert page.url.endswith("/home")
    page.get_by_role("link", name="See what changed").click()
    expect(page.get_by_role("heading", name="Production", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="Precision in production over time")).to_be_visible()
    sides = [page.get_by_role("region", name=name, exact=True) for name in ("Arrived", "Test images")]
    for side in sides:
        expect(side.get_by_role("img")).to_have_count(6)
    page.get_by_role("link", name="LabelLoop").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    site.change(sub="u2", administrator=False)
    page.goto(site.address)
    desk_is_ready(page)


def test_the_home_page_says_what_could_not_be_read(site: Site) -> None:
    site.begin(unread=True)
    page = site.page("home", bypass_csp=True)
    for card in ("Champion", "Waits for you", "Precision in production", "F1 by version", "Last runs"):
        region = page.get_by_role("region", name=card, exact=True)
        expect(region.get_by_text("could not be read just now").first).to_be_visible()
    expect(page.get_by_text("Nothing waits for anybody.")).to_have_count(0)
    assert violations(page) == []


def test_a_page_that_breaks_says_so_and_the_others_go_on(site: Site) -> None:
    page = site.page("runs")
    page.route("**/api/versions", lambda route: route.fulfill(json={"versions": [{}]}))
    go(page, "Model versions")
    expect(page.get_by_role("heading", name="Something went wrong on this page")).to_be_visible()
    page.unroute("**/api/versions")
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_role("article")).to_have_count(5)


@pytest.mark.parametrize("path", ["runs/%E0%A4%A", "nothing/here"])
def test_there_is_no_such_page(path: str, site: Site) -> None:
    page = site.page("nothing")
    # Only a link of the page itself gets there: a server refuses such an address.
    page.evaluate(f"history.pushState(null, '', '/{path}'); dispatchEvent(new Event('popstate'))")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()


def test_a_console_without_its_settings_says_so(site: Site) -> None:
    page = site.context().new_page()
    page.route("**/config.json", lambda route: route.fulfill(status=403))
    page.goto(site.address)
    expect(page.get_by_role("heading", name="The console could not start")).to_be_visible()


def test_a_task_is_given_to_one_of_two_people_of_one_name(site: Site) -> None:
    page = site.page("admin/tasks")
    page.get_by_role("button", name="Reassign").first.click()
    chosen = page.get_by_role("combobox", name="Reviewer")
    expect(chosen.get_by_role("option")).to_have_text(
        ["Any reviewer", "Ben (sub-Ben)", "Chiara", "Ben (another-)", "Rosa"]
    )
    chosen.select_option("Ben (another-)")
    with page.expect_request("**/assignment") as asked:
        page.get_by_role("dialog").get_by_role("button", name="Reassign").click()
    assert asked.value.post_data_json == {"reviewer": "another-Ben"}
    expect(page.get_by_text("The task is assigned to Ben.")).to_be_visible()


def test_a_label_is_named_only_once(site: Site) -> None:
    page = site.page("admin/labels")
    page.get_by_role("button", name="Add a label").click()
    form = page.get_by_role("dialog", name="Add a label")
    form.get_by_label("Name").fill("crate")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_have_text("This label already exists: edit it.")
    form.get_by_label("Name").fill("sack")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="sack")).to_be_visible()


def test_a_label_is_merged_and_gets_examples_from_the_images_that_have_it(site: Site) -> None:
    page = site.page("admin/labels")
    page.get_by_role("button", name="Rename or merge cone").click()
    form = page.get_by_role("dialog", name="Rename or merge cone")
    form.get_by_label("New name").fill("crate")
    expect(form.get_by_text("crate exists: the two become one")).to_be_visible()
    form.get_by_role("button", name="Merge").click()
    expect(page.get_by_text("cone is called crate now, on 174 images.")).to_be_visible()
    expect(page.get_by_text("Renamed to crate")).to_be_visible()
    page.get_by_role("button", name="Edit crate").click()
    form = page.get_by_role("dialog", name="Edit crate")
    form.get_by_role("checkbox", name="Image 3 with crate").check()
    with page.expect_request("**/admin/labels?label=crate") as asked:
        form.get_by_role("button", name="Save").click()
    assert len((asked.value.post_data_json or {})["examples"]) == 3


def test_the_desk_loads_no_more_than_250_kb(site: Site) -> None:
    page = site.desk()
    loaded = page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    own = [name for name in loaded if "/assets/" in name]
    assert any(name.endswith(".css") for name in own)
    sizes = [len(gzip.compress(page.request.get(name).body())) for name in {*own, page.url}]
    assert sum(sizes) <= 250_000


def test_a_version_that_was_approved_is_asked_about_no_more(site: Site) -> None:
    page = site.page("versions")
    page.get_by_role("button", name="Approve v8").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("Approved by you, it is being started.")).to_have_count(2)
    expect(page.get_by_role("button", name="Approve v8")).to_have_count(0)
    expect(page.get_by_text("Waits for approval")).to_have_count(0)


def test_what_is_refused_is_said_in_the_dialog_and_what_was_written_stays(site: Site) -> None:
    page = site.page("versions")
    error = {"error": {"code": "bad_request", "message": "the reason is no text", "field": "why"}}
    page.route("**/approval", lambda route: route.fulfill(status=422, json=error), times=1)
    page.get_by_role("button", name="Decline v8").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("too slow")
    dialog.get_by_role("button", name="Decline").click()
    expect(dialog.get_by_role("alert")).to_have_text("the reason is no text")
    expect(dialog.get_by_role("textbox")).to_have_value("too slow")
    dialog.get_by_role("button", name="Decline").click()
    expect(dialog).to_have_count(0)


def test_a_version_that_was_decided_about_meanwhile_is_shown_as_it_is(site: Site) -> None:
    page = site.page("versions")
    page.get_by_role("button", name="Decline v8").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Decline")).to_be_disabled()
    dialog.get_by_role("textbox").fill("too slow")
    page.route("**/api/versions", _approved_by_ann)
    error = {"error": {"code": "conflict", "message": "v8 was decided about already: approved by Ann"}}
    page.route("**/approval", lambda route: route.fulfill(status=409, json=error))
    dialog.get_by_role("button", name="Decline").click()
    expect(dialog.get_by_role("alert")).to_have_text("v8 was decided about already: approved by Ann")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Approved by Ann: good")).to_be_visible()
    expect(page.get_by_role("button", name="Approve v8")).to_have_count(0)


def _approved_by_ann(route: Route) -> None:
    document = route.fetch().json()
    document["versions"][0]["approval"] |= {"decision": "approved", "by": "Ann", "why": "good"}
    route.fulfill(json=document)


# How they look


@dataclass(frozen=True)
class Look:
    width: int
    scheme: Any

    def settings(self) -> dict[str, Any]:
        # Axe has to be put into the page, which the policy refuses.
        return {
            "viewport": {"width": self.width, "height": 800},
            "color_scheme": self.scheme,
            "bypass_csp": True,
            "reduced_motion": "reduce",
        }


LOOKS = [Look(1280, "light"), Look(390, "dark")]
"""Each width and each scheme once."""
OTHERS = [Look(1280, "dark"), Look(390, "light")]


def named(look: Look) -> str:
    return f"{look.width}-{look.scheme}"


@pytest.fixture(params=LOOKS, ids=named)
def look(request: pytest.FixtureRequest) -> Look:
    look: Look = request.param
    return look


@pytest.mark.parametrize("look", [*LOOKS, *OTHERS], ids=named)
def test_every_page_and_dialog_is_accessible(look: Look, site: Site) -> None:
    page = site.page(**look.settings())
    problems = {name: [*violations(page), *too_wide(page)] for name in everything(page)}
    assert len(problems) == 50
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}


NOTHING_YET = {
    "Runs": "No runs yet",
    "Model versions": "No model versions yet",
    "Dataset": "No images yet",
    "Wrong labels": "Nothing is contradicted",
    "Batches": "No batches yet",
    "Costs": "No costs yet",
    "Tasks": "No open tasks",
    "Reviewers": "No reviewers yet",
    "Labels": "No labels yet",
    "Applications": "No applications yet",
}


def test_every_place_of_the_navigation_can_be_seen(look: Look, site: Site) -> None:
    page = site.page("runs", **look.settings())
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    menu = page.get_by_role("button", name="Menu", exact=True)
    if menu.is_visible():
        menu.click()
    places = page.get_by_role("navigation", name="Main").get_by_role("link").all()
    assert len(places) == 13
    for place in places:
        box = place.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= look.width
    assert too_wide(page, "html, header, nav, nav ul") == []
    if look.width >= 1280:
        assert len({place.bounding_box()["y"] for place in places}) == 1, "in one line"  # pyrefly: ignore


def test_what_there_is_before_there_is_anything_is_accessible(look: Look, site: Site) -> None:
    site.begin(empty=True, tasks=0)
    page = site.page(**look.settings())
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    empty = page.locator(".no-task")
    expect(empty.get_by_role("link", name="Upload images")).to_have_attribute("href", "/dataset/upload")
    expect(empty.get_by_role("link", name="Define labels")).to_have_attribute("href", "/admin/labels")
    problems = {"Review": violations(page)}
    page.get_by_role("link", name="LabelLoop").click()
    expect(page.get_by_text("Nothing waits for anybody.")).to_be_visible()
    champion = page.get_by_role("region", name="Champion")
    expect(champion.get_by_role("link", name="Upload images")).to_have_attribute("href", "/dataset/upload")
    problems["Home"] = violations(page)
    for name, heading in NOTHING_YET.items():
        go(page, name)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        problems[name] = violations(page)
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}


def test_the_desk_for_whole_images_and_after_sign_in_has_ended_is_accessible(look: Look, site: Site) -> None:
    site.begin(kind="classification")
    page = site.desk(**look.settings())
    problems = {"desk": [*violations(page), *too_wide(page, ".side")]}
    site.change(error={"status": 401})
    page.keyboard.press("n")
    expect(page.get_by_role("alert")).to_be_visible()
    problems["ended"] = violations(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    problems["signed out"] = violations(page)
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}


def too_wide(page: Page, within: str = "html, dialog, .table-scroll, .table td") -> list[str]:
    """By how many pixels something is wider than what it is in: the page, its dialog, a table, a cell."""
    problems: list[str] = page.evaluate(
        """within => [...document.querySelectorAll(within)]
          .filter(one => one.scrollWidth > one.clientWidth)
          .map(one => `${one.tagName} by ${one.scrollWidth - one.clientWidth}`)""",
        within,
    )
    return problems


def violations(page: Page) -> list[str]:
    """What axe finds, each with the first element that has it."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE)
    problems: list[str] = page.evaluate(
        """axe.run(document).then(({violations}) =>
          violations.map(({id, nodes}) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`))"""
    )
    return problems


def go(page: Page, name: str) -> None:
    """By its place in the navigation."""
    menu = page.get_by_role("button", name="Menu", exact=True)
    if menu.is_visible():
        menu.click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).click()


def everything(page: Page) -> Iterator[str]:
    """Opens every page and every dialog, and tells its name once it shows what there is."""
    yield from home(page)
    yield from desk_and_dialogs(page)
    yield from models(page)
    yield from dataset(page)
    yield from administration(page)
    page.evaluate("history.pushState(null, '', '/nothing'); dispatchEvent(new Event('popstate'))")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    yield "no page"


def home(page: Page) -> Iterator[str]:
    page.get_by_role("link", name="LabelLoop").click()
    expect(page.get_by_role("heading", name="Images by label")).to_be_visible()
    yield "home"
    page.get_by_role("link", name="Pictures").click()
    expect(page.get_by_role("heading", name="Labels, weakest first")).to_be_visible()
    expect(page.get_by_role("region", name="Test images", exact=True).get_by_role("img")).to_have_count(6)
    yield "a version in production"


def desk_and_dialogs(page: Page) -> Iterator[str]:
    go(page, "Review")
    desk_is_ready(page)
    page.keyboard.press("n")
    expect(page.locator(".box.proposed")).to_have_count(3)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="How to label crate").click()
    yield "the desk with a selected box"
    for key, name in (("?", "help"), ("s", "skipping"), ("u", "unusable")):
        page.locator(".canvas").focus()
        page.keyboard.press(key)
        yield from in_dialog(page, name)
    page.get_by_title("Your answers").click()
    yield from in_dialog(page, "one's own answers")
    page.keyboard.press("p")
    expect(page.get_by_text("Correcting your answer")).to_be_visible()
    yield "an answer to be corrected"


def models(page: Page) -> Iterator[str]:
    go(page, "Runs")
    expect(page.get_by_role("table", name="Runs")).to_be_visible()
    yield "runs"
    page.get_by_role("row").filter(has_text="Running").get_by_role("link").click()
    expect(page.get_by_role("heading", name="Steps")).to_be_visible()
    yield "a run"
    page.get_by_role("button", name="Cancel the run").click()
    yield from in_dialog(page, "cancelling a run")
    go(page, "Model versions")
    page.get_by_role("button", name="Show all 10 labels").first.click()
    yield "versions"
    yield from approval(page)
    page.get_by_role("button", name="Roll back to").first.click()
    yield from in_dialog(page, "going back to a version")
    yield from evaluation(page)
    go(page, "Wrong labels")
    expect(page.get_by_role("heading", name="Labelled barrel.")).to_be_visible()
    yield "wrong labels"
    go(page, "Batches")
    expect(page.get_by_role("table", name="Batches")).to_be_visible()
    yield "batches"
    page.get_by_role("link", name="night-shift").click()
    expect(page.get_by_text("61,200 of 250,000 images have an answer, 24 %")).to_be_visible()
    page.get_by_role("button", name="Cancel the batch").click()
    yield from in_dialog(page, "cancelling a batch")
    page.get_by_role("link", name="All batches").click()
    page.get_by_role("link", name="2026-11", exact=True).click()
    expect(page.get_by_role("img", name="Objects by confidence")).to_be_visible()
    yield "a batch that is done"
    go(page, "Costs")
    expect(page.get_by_role("img", name="Costs, the latest last")).to_be_visible()
    yield "costs"
    page.get_by_role("button", name="By model version").click()
    expect(page.get_by_role("table", name="Costs").get_by_text("v7-0123456789ab")).to_be_visible()
    yield "costs by version"
    go(page, "Try it")
    expect(page.get_by_role("heading", name="Try it")).to_be_visible()
    yield "nothing tried yet"
    picture = io.BytesIO()
    Image.new("RGB", PICTURE, "grey").save(picture, "PNG")
    chosen = page.get_by_label("Image file", exact=True)
    chosen.set_input_files({"name": "bench.png", "mimeType": "image/png", "buffer": picture.getvalue()})
    expect(page.get_by_role("heading", name="Detections")).to_be_visible()
    yield "a picture that was tried"
    page.get_by_role("button", name="Code", exact=True).click()
    expect(page.get_by_label("From Python", exact=True)).to_contain_text("detect_custom_labels")
    yield "the code that asks about it"
    chosen.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"?"})
    expect(page.get_by_role("alert")).to_contain_text("not a JPEG or PNG image")
    expect(page.locator(".try-image")).to_have_count(0)


def dataset(page: Page) -> Iterator[str]:
    go(page, "Dataset")
    page.get_by_role("checkbox", name="Select unlabeled/line-1/frame 1.jpg").check(force=True)
    expect(page.get_by_text("1 selected")).to_be_visible()
    yield "the dataset with an image selected"
    page.get_by_role("button", name="Change label").click()
    yield from in_dialog(page, "changing a label")
    page.get_by_role("button", name="Exclude").click()
    yield from in_dialog(page, "excluding images")
    page.get_by_role("link", name="frame 2.jpg").first.click()
    expect(page.locator(".box")).to_have_count(2)
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Labels before")).to_be_visible()
    yield "an image of the dataset"
    page.keyboard.press("b")
    page.get_by_role("button", name="Dataset", exact=True).click()
    expect(page.get_by_role("dialog", name="Leave without saving?")).to_be_visible()
    yield "leaving an image"
    page.get_by_role("button", name="Discard changes").click()
    page.get_by_role("link", name="Report", exact=True).click()
    expect(page.get_by_role("heading", name="Boxes on an image")).to_be_visible()
    yield "the dataset report"
    page.get_by_role("link", name="All images").click()
    page.get_by_role("link", name="Upload images").click()
    expect(page.get_by_role("heading", name="Upload images")).to_be_visible()
    yield "nothing uploaded yet"
    page.get_by_label("Choose files").set_input_files(UPLOADED)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("heading", name="Not uploaded")).to_be_visible()
    expect(page.locator("strong")).to_have_text("1 of 2 files uploaded, 1 not taken.")
    yield "files that were uploaded"


UPLOADED: Any = [
    {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"a"},
    {"name": "b.gif", "mimeType": "image/gif", "buffer": b"b"},
]


def approval(page: Page) -> Iterator[str]:
    for act in ("Approve", "Decline"):
        page.get_by_role("button", name=f"{act} v8").click()
        yield from in_dialog(page, f"{act} a version")


def evaluation(page: Page) -> Iterator[str]:
    page.get_by_role("link", name="Evaluation of v7").click()
    page.get_by_role("button", name="cone", exact=True).click()
    expect(page.get_by_role("img", name="Precision over recall of cone")).to_be_visible()
    yield "an evaluation"
    page.get_by_role("button", name="Use the model\u2019s own again").click()
    yield from in_dialog(page, "leaving a threshold to the model")
    page.get_by_role("button", name="Mistakes", exact=True).click()
    expect(page.get_by_role("heading", name="in all, the surest first")).to_be_visible()
    yield "mistakes"
    page.get_by_role("button", name="at 94 %").click()
    yield from in_dialog(page, "a mistake")
    page.get_by_role("button", name="Side by side").click()
    expect(page.get_by_text("On the 118 test images of both")).to_be_visible()
    yield "two versions side by side"


def administration(page: Page) -> Iterator[str]:
    go(page, "Tasks")
    page.get_by_role("button", name="Done").click()
    for act in ("View image", "Reopen"):
        page.get_by_role("button", name=act).first.click()
        yield from in_dialog(page, f"{act} a task that is done")
    page.get_by_role("button", name="Open", exact=False).first.click()
    for act in ("View image", "Reassign", "Delete the task of"):
        page.get_by_role("button", name=act).first.click()
        yield from in_dialog(page, f"{act} a task")
    yield "tasks"
    go(page, "Reviewers")
    expect(page.get_by_role("table", name="Reviewers")).to_be_visible()
    yield "reviewers"
    go(page, "Applications")
    row = page.get_by_role("table", name="Applications").get_by_role("row").filter(has_text="shop-cameras")
    expect(row).to_contain_text("912,345")
    yield "applications"
    go(page, "Labels")
    for act in ("Add a label", "Edit crate", "Rename or merge cone"):
        page.get_by_role("button", name=act).click()
        yield from in_dialog(page, act)
    yield "labels"


def in_dialog(page: Page, name: str) -> Iterator[str]:
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("Loading")).to_have_count(0)
    yield name
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
