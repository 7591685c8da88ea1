"""The pages of what a version was evaluated to, in Chromium."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Request, Route, expect

from tests.fixtures.console_site import Site

V7 = "versions/v7-0123456789ab"


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def test_a_moved_threshold_shows_its_counts_and_is_in_the_address(site: Site) -> None:
    page = site.page(f"{V7}?label=crate")
    slider = page.get_by_role("slider", name="Threshold")
    expect(slider).to_have_value("47")
    counts = page.locator(".eval-counts")
    expect(counts).to_contain_text("Wrong13")
    with page.expect_request("**/evaluation?threshold=crate%3A48") as asked:
        slider.press("ArrowRight")
    assert asked.value.method == "GET"
    expect(counts).to_contain_text("Wrong12")
    assert query(page) == {"threshold": ["crate:48"], "label": ["crate"]}
    page.reload()
    expect(slider).to_have_value("48")
    page.go_back()
    expect(slider).to_have_value("47")
    page.get_by_role("button", name="Best F1").click()
    best = query(page)["threshold"]
    page.get_by_role("button", name="in this deployment").click()
    with page.expect_request("**/admin/thresholds?label=crate") as taken:
        page.get_by_role("dialog").get_by_role("button", name="Use ").click()
    assert [f"crate:{(taken.value.post_data_json or {})['percent']}"] == best
    expect(page.get_by_text("Detections count by it within seconds.")).to_be_visible()


def test_a_cell_of_the_matrix_opens_its_images(site: Site) -> None:
    page = site.page(V7)
    with page.expect_request("**/mistakes?*") as asked:
        page.get_by_role("link", name="5: cone, detected as crate").click()
    assert {"truth": ["cone"], "detected": ["crate"]}.items() <= parse_qs(
        urlsplit(asked.value.url).query
    ).items()
    expect(page.get_by_text("cone, detected as crate")).to_be_visible()
    page.get_by_role("button", name="Show all mistakes").click()
    expect(page.get_by_text("30 in all, the surest first")).to_be_visible()


def test_mistakes_are_filtered_and_opened_by_keyboard(site: Site) -> None:
    page = site.page(f"{V7}?view=mistakes")
    cards = page.locator(".eval-card")
    expect(cards).to_have_count(24)
    page.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(30)
    page.get_by_role("button", name="Missed", exact=True).click()
    expect(cards).to_have_count(7)
    assert query(page)["kind"] == ["missed"]
    page.get_by_role("combobox", name="Label").select_option("crate")
    expect(cards).to_have_count(3)
    cards.first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="crate, missed")
    expect(dialog.get_by_role("img")).to_be_visible()
    first = dialog.locator(".runs-name").inner_text()
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".runs-name")).not_to_have_text(first)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_label("Confidence from").fill("95")
    page.get_by_label("Confidence from").press("Tab")
    assert query(page)["min"] == ["95"]


def test_boxes_lie_where_the_objects_are(site: Site) -> None:
    page = site.page(f"{V7}?view=mistakes&kind=confusion")
    page.locator(".eval-card").first.click()
    picture = page.get_by_role("dialog").get_by_role("img")
    box = page.get_by_role("dialog").locator(".eval-box-truth").first
    expect(box).to_be_visible()
    whole, drawn = picture.bounding_box(), box.bounding_box()
    assert whole and drawn
    scale = whole["width"] / 1280
    assert abs(drawn["x"] - whole["x"] - 100 * scale) < 2
    assert abs(drawn["y"] - whole["y"] - 80 * scale) < 2
    assert abs(drawn["width"] - 90 * scale) < 2


def test_two_versions_side_by_side(site: Site) -> None:
    page = site.page(V7)
    page.get_by_role("button", name="Side by side").click()
    expect(page.get_by_label("Compare with")).to_have_value("v6-0123456789ab")
    expect(page.get_by_text("2 more were labelled otherwise in between")).to_be_visible()
    page.get_by_role("button", name="Better (3)").click()
    expect(page.get_by_text("v7, 0 mistakes").first).to_be_visible()
    assert query(page) == {"view": ["beside"], "change": ["better"]}


def test_nothing_to_see_is_said_in_a_sentence(site: Site) -> None:
    page = site.page("versions/v4-0123456789ab")
    expect(page.get_by_text("the engine has this version no more")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing to show")).to_be_visible()
    page.goto(f"{site.address}versions/v6-0123456789ab")
    expect(page.get_by_role("alert")).to_contain_text(
        "2 lines of the evaluation file are missing or cannot be read"
    )


SKIP_ALL = """async () => {
  for (let key = 0; key < 7; key++) {
    window.dispatchEvent(new KeyboardEvent('keydown', { key: 's' }))
    await new Promise((done) => setTimeout(done))
  }
}"""
"""Faster than pictures are drawn; no key is lost."""


def test_contradicted_labels_are_gone_through_by_one_key_each(site: Site) -> None:
    page = site.page("label-issues")
    question = page.get_by_role("heading", level=2)
    expect(question).to_have_text(
        "Labelled barrel. A model that has not learned from this image sees cone at 94 %."
    )
    with page.expect_request("**/label-issues/*") as asked:
        page.keyboard.press("a")
    assert asked.value.method == "PUT"
    assert asked.value.post_data_json == {"version": "v7-0123456789ab", "verdict": "accepted"}
    expect(question).to_have_text("Nothing is labelled there. v7 sees cone at 89 %.")
    with page.expect_request("**/label-issues/*") as asked:
        page.keyboard.press("r")
    assert (asked.value.post_data_json or {})["verdict"] == "rejected"
    expect(page.get_by_text("3 of 8, by v7-0123456789ab")).to_be_visible()
    with page.expect_request("**/label-issues/*") as asked:
        page.keyboard.press("z")
    assert asked.value.method == "DELETE"
    expect(question).to_have_text("Nothing is labelled there. v7 sees cone at 89 %.")
    page.evaluate(SKIP_ALL)
    expect(page.get_by_role("heading", name="That was all")).to_be_visible()


def test_the_next_label_is_there_before_the_answer_has_arrived(site: Site) -> None:
    page = site.page("label-issues")
    held: list[Route] = []
    sent: list[Request] = []
    page.on("request", lambda asked: sent.append(asked) if "/api/label-issues/" in asked.url else None)
    page.route("**/api/label-issues/*", lambda route: route.continue_() if held else held.append(route))
    expect(page.get_by_text("1 of 8")).to_be_visible()
    page.keyboard.press("r")
    expect(page.get_by_text("2 of 8")).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_text("3 of 8")).to_be_visible()
    page.keyboard.press("z")
    page.keyboard.press("z")
    expect(page.get_by_text("1 of 8")).to_be_visible()
    # One after the other, as the second may be about the same image.
    (first,) = sent
    with page.expect_request(lambda asked: asked.method == "DELETE" and asked.url == first.url):
        held[0].continue_()
    assert [(one.post_data_json or {}).get("verdict", one.method) for one in sent] == [
        "rejected",
        "accepted",
        "DELETE",
        "DELETE",
    ]


def test_an_answer_that_is_refused_is_asked_for_again(site: Site) -> None:
    """Unless nobody can give it any more."""
    page = site.page("label-issues")
    answers: list[str] = []
    status, message = 403, "reviewers alone answer"

    def refuse(route: Route) -> None:
        answers.append(route.request.url)
        route.fulfill(status=status, json={"error": {"code": "conflict", "message": message}})

    page.route("**/api/label-issues/*", refuse)
    # The second click of two finds the next label, which nobody has looked at.
    page.get_by_role("button", name="It is cone").dblclick()
    expect(page.get_by_text("reviewers alone answer")).to_be_visible()
    question = page.get_by_role("heading", level=2)
    expect(question).to_have_text("Nothing is labelled there. v7 sees cone at 89 %.")
    assert len(answers) == 1
    page.keyboard.press("s")
    expect(page.get_by_role("button", name="It is cone")).to_be_visible()
    status, message = 409, "the image is labelled otherwise by now"
    page.keyboard.press("a")
    expect(page.get_by_text("labelled otherwise by now")).to_be_visible()
    expect(page.get_by_text("3 of 8")).to_be_visible()
    expect(page.get_by_role("button", name="Take back")).to_be_disabled()
