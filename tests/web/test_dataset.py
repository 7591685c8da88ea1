"""The dataset's pages in Chromium: 250,000 images that scroll, by keys too, and two people at one image."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.fixtures.console_site import Site

_SCROLLED_PAST_300 = """() => {
  scrollTo(0, document.documentElement.scrollHeight)
  return [...document.querySelectorAll('[data-at]')].some((one) => Number(one.dataset.at) > 300)
}"""


def opened(page: Page, n: int) -> None:
    page.locator(f'[data-at="{n}"]').click()
    expect(page.locator(".canvas")).to_be_visible()


def test_a_quarter_of_a_million_images_scroll_and_few_are_in_the_page(site: Site) -> None:
    site.begin(images=250_000)
    page = site.page("dataset")
    expect(page.get_by_text("More than 10,000 images in the dataset")).to_be_visible()
    page.wait_for_function(_SCROLLED_PAST_300)
    assert page.locator(".cell").count() < 120
    # By keys, to a row that was not in the page; and back to the same place from an image.
    page.locator(".cell a").nth(40).focus()
    at = int(page.evaluate("document.activeElement.dataset.at"))
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    expect(page.locator(f'[data-at="{at + 30}"]')).to_be_focused()
    page.keyboard.press(" ")
    expect(page.get_by_text("1 selected")).to_be_visible()
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("Enter")
    expect(page.locator(".canvas")).to_be_visible()
    page.get_by_role("button", name="Dataset", exact=True).click()
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.wait_for_function(f"Math.abs(scrollY - {scrolled}) < 200")


def test_filters_are_the_address_and_a_search_that_finds_little_asks(site: Site) -> None:
    site.begin(images=250_000)
    page = site.page("dataset?label=cone&status=labelled")
    expect(page.get_by_role("combobox", name="Label", exact=True)).to_have_value("cone")
    expect(page.locator(".cell-caption").first).to_contain_text("cone")
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Key or SHA-256").fill("frame 249999.")
    expect(page.get_by_role("button", name="Search on")).to_be_visible()
    expect(page).to_have_url(site.address + "dataset?text=frame+249999.")
    expect(page.get_by_text("0 of the 10,000 images read so far match")).to_be_visible()


def test_who_saves_second_is_told_and_keeps_what_was_drawn(site: Site) -> None:
    page = site.page("dataset")
    opened(page, 2)
    expect(page.locator(".box")).to_have_count(2)
    elsewhere: Any = site.page(f"dataset/{'2'.zfill(64)}")
    expect(elsewhere.locator(".box")).to_have_count(2)
    for each in (elsewhere, page):
        each.locator(".canvas").focus()
        each.keyboard.press("b")
        each.keyboard.press("Enter")
    expect(elsewhere.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Ben changed this image")
    expect(page.locator(".box")).to_have_count(3)
    page.get_by_role("button", name="Load it again").click()
    expect(page.get_by_role("heading", name="Labels before")).to_be_visible()


def test_an_upload_goes_on_once_the_connection_is_back(site: Site) -> None:
    page = site.page("dataset/upload")
    broken = [True]
    page.route("**/mock/uploads/**", lambda route: route.abort() if broken.pop() else route.continue_())
    broken.insert(0, False)
    page.get_by_label("Choose files").set_input_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"a" * 1000}
    )
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("strong")).to_have_text("1 of 1 file uploaded.")
    assert broken == []
