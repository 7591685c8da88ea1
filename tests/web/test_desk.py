"""The review desk in Chromium: everything that a reviewer can do there, by mouse, touch and keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import CDPSession, Locator, Page, expect

from tests.fixtures.console_site import (
    Site,
    boxes,
    desk_is_ready,
    drag,
    on_screen,
    scale,
    task_of,
    wait_until,
)

Point = tuple[float, float]
TOUCH = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
SIDES = ("left", "top", "width", "height")


def answer_to(site: Site, page: Page, task: str) -> dict[str, Any]:
    """What was sent about a task, once it has gone."""
    wait_until(page, "localStorage.getItem('labelloop.outbox') === '[]'")
    answer: dict[str, Any] = site.received()["answers"][task]
    return answer


def confirmed(site: Site, page: Page) -> list[dict[str, Any]]:
    """Confirms the task on the desk: the boxes that were sent."""
    task = task_of(page)
    page.keyboard.press("Enter")
    answer = answer_to(site, page, task)
    assert answer["verdict"] == "labelled"
    sent: list[dict[str, Any]] = answer["boxes"]
    return sent


def lies_at(box: dict[str, Any], *place: int) -> bool:
    """A pointer is no more exact than a pixel of the screen, which may be two of the picture."""
    return all(abs(box[side] - wanted) <= 2 for side, wanted in zip(SIDES, place, strict=True))


# By mouse


def test_a_box_is_drawn_moved_and_resized(site: Site) -> None:
    page = site.desk()
    drag(page, (700, 600), (500, 400))
    drag(page, (600, 500), (650, 520))
    drag(page, (750, 620), (850, 720))
    (box,) = confirmed(site, page)
    assert box["label"] == "crate"
    assert lies_at(box, 550, 420, 300, 300)


def test_boxes_stay_inside_the_picture(site: Site) -> None:
    page = site.desk()
    drag(page, (1100, 700), (1290, 860))
    drag(page, (1200, 780), (1275, 850))
    (box,) = confirmed(site, page)
    assert box["left"] + box["width"] <= 1280
    assert box["top"] + box["height"] <= 853


def test_a_box_is_drawn_on_top_of_another_and_each_is_selected(site: Site) -> None:
    page = site.desk()
    drag(page, (100, 100), (600, 500))
    page.keyboard.press("Escape")
    drag(page, (200, 200), (300, 280))
    assert len(boxes(page)) == 2
    listed = page.get_by_role("region", name="Boxes").get_by_role("button")
    page.mouse.click(*on_screen(page, 1000, 800))
    expect(page.locator(".box.chosen")).to_have_count(0)
    page.mouse.click(*on_screen(page, 550, 450))
    expect(listed.first).to_have_attribute("aria-pressed", "true")
    page.mouse.click(*on_screen(page, 1000, 800))
    page.mouse.click(*on_screen(page, 250, 240))
    expect(listed.last).to_have_attribute("aria-pressed", "true")


def test_the_cursor_tells_what_a_press_does(site: Site) -> None:
    page = site.desk()
    canvas = page.locator(".canvas")
    drag(page, (200, 200), (600, 500))
    for place, cursor in (((400, 350), "move"), ((600, 500), "nwse-resize"), ((200, 350), "ew-resize")):
        page.mouse.move(*on_screen(page, *place))
        expect(canvas).to_have_css("cursor", cursor)
    page.mouse.move(*on_screen(page, 900, 700))
    expect(canvas).to_have_css("cursor", "crosshair")


def test_a_large_picture_is_zoomed_and_panned(site: Site) -> None:
    page = site.desk()
    whole = scale(page)
    begun = on_screen(page, 0, 0)
    # The wheel's event names its place in whole pixels of the screen.
    at = (round(begun[0] + 300 * whole), round(begun[1] + 300 * whole))
    point = ((at[0] - begun[0]) / whole, (at[1] - begun[1]) / whole)
    page.mouse.move(*at)
    page.mouse.wheel(0, -600)
    assert scale(page) > 2 * whole
    assert on_screen(page, *point) == pytest.approx(at, abs=1)
    page.keyboard.down(" ")
    page.mouse.down()
    page.mouse.move(at[0] + 60, at[1] - 40)
    page.mouse.up()
    page.keyboard.up(" ")
    assert on_screen(page, *point) == pytest.approx((at[0] + 60, at[1] - 40), abs=1)
    assert boxes(page) == []
    drag(page, (310, 310), (330, 340))
    page.keyboard.press("0")
    assert scale(page) == pytest.approx(whole)
    for button in ("Zoom in", "Zoom out", "Whole image"):
        page.get_by_role("button", name=button, exact=True).click()
    assert scale(page) == pytest.approx(whole)
    (box,) = confirmed(site, page)
    assert lies_at(box, 310, 310, 20, 30)


def test_what_was_done_is_undone_and_done_again(site: Site) -> None:
    page = site.desk()
    undo, redo = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    drag(page, (100, 100), (300, 200))
    drag(page, (200, 150), (400, 350))  # a move of many frames is one step
    page.keyboard.press("Delete")
    assert boxes(page) == []
    undo.click()
    page.keyboard.press("z")
    assert len(boxes(page)) == 1
    undo.click()
    assert boxes(page) == []
    expect(undo).to_be_disabled()
    page.keyboard.press("Shift+Z")
    redo.click()
    page.keyboard.press("Delete")
    page.keyboard.press("z")
    drag(page, (500, 400), (600, 500))  # what came back is selected: its corner is taken, and no box drawn
    (box,) = confirmed(site, page)
    assert lies_at(box, 300, 300, 300, 200)


# By touch


def touch(page: Page) -> CDPSession:
    return page.context.new_cdp_session(page)


def fingers(session: CDPSession, page: Page, kind: str, *places: Point) -> None:
    """Fingers on pixels of the screen."""
    points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def swipe(session: CDPSession, page: Page, start: Point, end: Point) -> None:
    """One finger, from one pixel of the picture to another."""
    a, b = on_screen(page, *start), on_screen(page, *end)
    fingers(session, page, "touchStart", a)
    for part in (0.3, 0.7, 1):
        fingers(session, page, "touchMove", (a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])))
    fingers(session, page, "touchEnd")


def test_one_finger_draws_and_moves_even_a_small_box(site: Site) -> None:
    page = site.desk(**TOUCH)
    session = touch(page)
    swipe(session, page, (400, 400), (520, 520))  # 35 pixels of the screen: smaller than a finger
    swipe(session, page, (460, 460), (660, 560))
    page.get_by_role("button", name="Confirm").click()
    (box,) = answer_to(site, page, "task-0")["boxes"]
    assert abs(box["left"] - 600) <= 6  # a pixel of this screen is more than three of the picture
    assert abs(box["width"] - 120) <= 6


def test_two_fingers_zoom_and_pan_and_draw_nothing(site: Site) -> None:
    page = site.desk(**TOUCH)
    session = touch(page)
    before = scale(page)
    x, y = on_screen(page, 640, 426)
    fingers(session, page, "touchStart", (x - 30, y))
    fingers(session, page, "touchStart", (x - 30, y), (x + 30, y))
    for apart in (40, 60, 90):
        fingers(session, page, "touchMove", (x - apart, y + apart / 3), (x + apart, y + apart / 3))
    fingers(session, page, "touchEnd", (x - 90, y + 30))
    fingers(session, page, "touchMove", (x - 20, y + 80))  # the finger that is left does nothing
    fingers(session, page, "touchEnd")
    assert scale(page) == pytest.approx(3 * before, rel=0.02)
    assert on_screen(page, 640, 426) == pytest.approx((x, y + 30), abs=2)
    assert boxes(page) == []


# By keyboard alone


def test_a_whole_task_by_keyboard(site: Site) -> None:
    page = site.desk()
    keys = ["b", "ArrowRight", "Alt+ArrowDown", "Shift+ArrowRight", "Alt+Shift+ArrowDown", "1", "b", "Delete"]
    for key in keys:
        page.keyboard.press(key)
    (box,) = confirmed(site, page)
    assert box == {"label": "cone", "left": 481, "top": 330, "width": 321, "height": 223}


def test_tab_goes_through_the_boxes_and_then_on(site: Site) -> None:
    page = site.desk()
    page.keyboard.press("n")
    expect(page.locator(".box.proposed")).to_have_count(3)
    announced = page.locator("[aria-live=polite].visually-hidden")
    for label in ("crate 91 %", "pallet 78 %", "barrel 65 %"):
        page.keyboard.press("Tab")
        expect(announced).to_contain_text(f"Selected {label}")
    page.keyboard.press("Shift+Tab")
    expect(announced).to_contain_text("Selected pallet")
    page.keyboard.press("c")
    assert boxes(page)[1].startswith("crate")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_accessible_name("crate")
    expect(focused).to_have_attribute("aria-keyshortcuts", "c")


def test_characters_do_nothing_where_they_are_switched_off(site: Site) -> None:
    page = site.desk()
    page.keyboard.press("?")
    page.get_by_role("switch", name="Use letters, digits and symbols as shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    for key in ("b", "n", "1", "?"):
        page.keyboard.press(key)
    assert (task_of(page), boxes(page)) == ("task-0", [])
    expect(page.get_by_role("dialog")).to_have_count(0)


# Other answers


def test_a_task_is_skipped_with_a_reason_and_taken_back(site: Site) -> None:
    site.begin(tasks=2)
    page = site.desk()
    form = page.get_by_role("dialog", name="Skip this image")
    page.keyboard.press("s")
    expect(form.get_by_role("radio").first).to_be_focused()  # a key pressed before that is the desk's
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert answer_to(site, page, "task-0") == {"reason": "Too many objects for me to draw"}
    page.get_by_role("button", name="Skip").click()
    form.get_by_label("Other reason").fill("Half of it is missing")
    form.get_by_role("button", name="Skip").click()
    assert answer_to(site, page, "task-1") == {"reason": "Half of it is missing"}
    expect(page.get_by_text("Of the images that wait, you skipped 2.")).to_be_visible()
    expect(page.locator(".figures")).to_contain_text("0 left")
    page.get_by_role("button", name="Review what you skipped").click()
    desk_is_ready(page)
    assert task_of(page) == "task-0"


def test_an_image_is_unusable_or_empty(site: Site) -> None:
    page = site.desk()
    page.keyboard.press("u")
    page.get_by_label("Shows a person or other private detail").check()
    page.keyboard.press("Enter")
    answer = answer_to(site, page, "task-0")
    assert (answer["verdict"], answer["reason"]) == ("unusable", "Shows a person or other private detail")
    page.keyboard.press("n")
    assert answer_to(site, page, "task-1")["verdict"] == "nothing"
    page.keyboard.press("p")
    expect(page.get_by_text("Correcting your answer")).to_be_visible()
    assert task_of(page) == "task-1"
    page.keyboard.press("Escape")
    assert task_of(page) == "task-2"
    page.get_by_role("button", name="Previous image").click()
    page.keyboard.press("z")  # with nothing to undo
    assert task_of(page) == "task-0"
    drag(page, (100, 100), (300, 250))
    page.get_by_role("button", name="Correct").click()
    answer = answer_to(site, page, "task-0")
    assert (answer["verdict"], answer["correction"], len(answer["boxes"])) == ("labelled", True, 1)
    assert task_of(page) == "task-2"
    page.get_by_title("Your answers").click()
    answers = page.get_by_role("dialog", name="Your answers").get_by_role("button", name="Correct")
    expect(answers.first).to_contain_text("Labelled: crate")
    answers.last.click()
    assert task_of(page) == "task-1"


def test_labels_of_the_whole_image_are_chosen(site: Site) -> None:
    site.begin(kind="classification")
    page = site.desk()
    crate, cone = (page.get_by_role("button", name=name).first for name in ("crate", "cone"))
    expect(crate).to_have_attribute("aria-pressed", "true")  # the model's suggestion
    page.keyboard.press("1")
    expect(cone).to_have_attribute("aria-pressed", "true")
    crate.click()
    expect(crate).to_have_attribute("aria-pressed", "false")
    drag(page, (300, 300), (600, 500))  # pans: there is nothing to draw
    page.keyboard.press("Enter")
    assert answer_to(site, page, "task-0")["labels"] == ["cone"]


def test_a_task_without_an_answer_is_not_confirmed(site: Site) -> None:
    page = site.desk()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Draw a box, or choose No objects.")).to_be_visible()
    assert task_of(page) == "task-0"


# The next ones


def test_the_next_pictures_are_there_already(site: Site) -> None:
    page = site.desk()
    ready = "performance.getEntriesByType('resource').filter(one => one.name.includes('/pictures/')).length"
    wait_until(page, f"{ready} === 4")
    painted = page.evaluate(
        """() => {
          const press = new KeyboardEvent('keydown', {key: 'n', bubbles: true})
          document.querySelector('.canvas').dispatchEvent(press)
          return new Promise(done => requestAnimationFrame(() => {
            const image = document.querySelector('.canvas img')
            const task = document.querySelector('[data-task]').dataset.task
            done([task, image.complete && image.naturalWidth > 0])
          }))
        }"""
    )
    assert painted == ["task-1", True]
    expect(page.locator(".figures")).to_contain_text("119 left")
    expect(page.locator(".figures")).to_contain_text("1 today")


def test_a_picture_that_cannot_be_read_is_asked_for_again(site: Site) -> None:
    context = site.context()
    context.route("**/mock/pictures/0", lambda route: route.abort())
    page = site.signed_in(context)
    expect(page.get_by_role("heading", name="The image did not load")).to_be_visible()
    context.unroute("**/mock/pictures/0")
    page.get_by_role("button", name="Reload").click()
    desk_is_ready(page)
    assert task_of(page) == "task-0"


def test_an_empty_queue_fills_by_itself_when_looked_at(site: Site) -> None:
    site.begin(tasks=1)
    page = site.desk()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.locator(".visually-hidden[aria-live]")).to_have_text("Nothing to review.")
    site.change(tasks=2)
    page.get_by_role("button", name="Refresh").click()
    desk_is_ready(page)
    assert task_of(page) == "task-1"


def test_a_desk_without_labels_says_who_defines_them(site: Site) -> None:
    site.begin(empty=True, administrator=False)
    page = site.page()
    expect(page.get_by_text("Ask an administrator to define them")).to_be_visible()
    site.change(administrator=True)
    page.reload()
    expect(page.locator(".side").get_by_role("link", name="Define labels")).to_be_visible()


# What is not lost


def test_a_reload_gives_back_what_was_drawn(site: Site) -> None:
    page = site.desk()
    page.keyboard.press("n")
    expect(page.locator(".box.proposed")).to_have_count(3)
    drag(page, (100, 100), (300, 250))
    before = boxes(page)
    page.reload()
    desk_is_ready(page)
    assert (task_of(page), boxes(page)) == ("task-1", before)
    expect(page.locator("[aria-live=polite].visually-hidden")).to_contain_text(
        "Your unsent changes were restored."
    )


def test_a_lost_connection_loses_no_answer(site: Site) -> None:
    page = site.desk()
    page.context.set_offline(True)
    page.keyboard.press("n")
    page.keyboard.press("n")
    expect(page.get_by_text("2 to send")).to_be_visible()
    assert site.received()["answers"] == {}
    page.context.set_offline(False)
    answer_to(site, page, "task-0")
    answer_to(site, page, "task-1")
    expect(page.get_by_text("to send")).to_have_count(0)


def test_an_expired_sign_in_loses_no_work(site: Site) -> None:
    page = site.desk()
    site.change(error={"status": 401})
    page.keyboard.press("n")
    expect(page.get_by_role("alert")).to_contain_text("Your session has expired.")
    drag(page, (100, 100), (300, 250))
    drawn = boxes(page)
    site.change(error=None)
    page.get_by_role("button", name="Sign in again").click()
    assert answer_to(site, page, "task-0")["verdict"] == "nothing"
    desk_is_ready(page)
    assert (task_of(page), boxes(page)) == ("task-1", drawn)


def test_two_people_at_one_browser_do_not_get_each_other_s_drawings(site: Site) -> None:
    site.begin(shared=True)
    page = site.desk()
    drag(page, (100, 100), (300, 250))
    drawn = boxes(page)
    sign_out(page)
    site.change(sub="u2", name="Ben")
    sign_in(page)
    assert (task_of(page), boxes(page)) == ("task-0", [])
    sign_out(page)
    site.change(sub="u1", name="Rosa")
    sign_in(page)
    assert (task_of(page), boxes(page)) == ("task-0", drawn)


def sign_in(page: Page) -> None:
    page.get_by_role("button", name="Sign in", exact=True).click()
    desk_is_ready(page)


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_signing_out_gives_back_what_is_claimed_and_ends_the_tokens(site: Site) -> None:
    page = site.desk()
    wait_until(page, "navigator.locks.query().then(({held}) => held.length === 4)")
    assert site.received()["claimed"] == ["task-0", "task-1", "task-2", "task-3"]
    sign_out(page)
    received = site.received()
    assert (received["claimed"], received["revoked"]) == ([], ["mock r"])


# Others at the same tasks


def test_two_tabs_have_different_tasks(site: Site) -> None:
    page = site.desk()
    other = page.context.new_page()
    other.goto(site.address + "review")
    desk_is_ready(other)
    assert (task_of(page), task_of(other)) == ("task-0", "task-4")
    other.close()
    page.keyboard.press("n")
    assert answer_to(site, page, "task-0")["verdict"] == "nothing"


def toast(page: Page) -> Locator:
    return page.locator(".toast")


def test_an_answer_that_is_not_taken_is_reported_and_the_desk_goes_on(site: Site) -> None:
    page = site.desk()
    site.change(error={"status": 409, "code": "not_yours", "message": "Ben has this task; claim another"})
    page.keyboard.press("n")
    expect(toast(page)).to_contain_text("An answer was not accepted: Ben has this task; claim another.")
    expect(page.get_by_text("to send")).to_have_count(0)
    assert task_of(page) == "task-1"


def test_a_task_that_was_answered_on_another_machine_leaves_the_desk(site: Site) -> None:
    page = site.desk()
    drag(page, (100, 100), (300, 250))
    site.answer_elsewhere("task-0")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(toast(page)).to_contain_text(
        "this task is done; go on to the next. What you drew on it was not sent."
    )
    assert task_of(page) == "task-1"
    page.reload()
    desk_is_ready(page)
    assert task_of(page) == "task-1"
