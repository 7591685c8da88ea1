"""Worker task templates: whatever labels, instructions and headers say, they are shown and nothing else."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from lambdas.domain.review.workforce import worker_answers, worker_template
from lambdas.domain.shared.annotation import Kind
from local.sagemaker.workers import forms

HOSTILE = (
    "cat",
    "<script>alert(1)</script>",
    "</crowd-form>",
    "\"><img src=x onerror='x'>",
    'it\'s "quoted"',
    "{{ task.input.taskObject }}",
    "{% raw %}{%- for x in y %}",
    "}} {{",
    "&amp; &lt; &#39;",
    "back\\slash \\u0041",
    "日本語 ✓",
)
IMAGE = "s3://data-bucket/images/a b's {{x}}.png"
KINDS: tuple[Kind, ...] = ("detection", "classification")


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def loop_input(kind: Kind, **changed: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "taskObject": IMAGE,
        "labels": list(HOSTILE),
        "suggestions": [{"label": HOSTILE[1], "left": 1, "top": 2, "width": 3, "height": 4}],
        "header": "Is it <b>here</b>? {{ 1 }}",
        "instructions": "plain",
        "hint": "",
        **changed,
    }


def render(template: str, task_input: dict[str, Any]) -> str:
    return str(forms._liquid().from_string(template).render(task={"input": task_input}))


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_a_loop_come_to_the_worker_as_they_are(kind: Kind) -> None:
    form = forms.of(worker_template.for_loops(), loop_input(kind))
    assert form.choices == HOSTILE
    assert form.image == IMAGE
    assert form.header == "Is it <b>here</b>? {{ 1 }}"


def test_suggested_boxes_are_drawn_already() -> None:
    form = forms.of(worker_template.for_loops(), loop_input("detection"))
    assert form.initial == ({"label": HOSTILE[1], "left": 1, "top": 2, "width": 3, "height": 4},)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", HOSTILE)
def test_words_of_a_loop_add_no_element(kind: Kind, words: str) -> None:
    template = worker_template.for_loops()
    plain = Page(render(template, loop_input(kind, labels=["cat"], suggestions=[])))
    hostile = Page(
        render(
            template,
            loop_input(kind, labels=[words], instructions=words, hint=words, header=words, suggestions=[]),
        )
    )
    assert hostile.tags == plain.tags
    assert hostile.text.count(words) == 3, "instructions twice, and the hint"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", HOSTILE)
def test_instructions_of_a_job_are_shown_as_they_are(kind: Kind, words: str) -> None:
    task_input = {"taskObject": IMAGE, "labels": list(HOSTILE)}
    plain = Page(render(worker_template.for_jobs(kind, "SAID"), task_input))
    hostile = Page(render(worker_template.for_jobs(kind, words), task_input))
    assert hostile.tags == plain.tags
    assert hostile.text == plain.text.replace("SAID", words)
    assert plain.text.count("SAID") == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_needs_no_more_than_ground_truth_hands_a_template(kind: Kind) -> None:
    form = forms.of(worker_template.for_jobs(kind, ""), {"taskObject": IMAGE, "labels": list(HOSTILE)})
    assert form.choices == HOSTILE
    assert form.header == worker_template.HEADERS[kind]


@pytest.mark.parametrize(
    ("kind", "element", "name"),
    [
        ("detection", "crowd-bounding-box", "boundingBox"),
        ("classification", "crowd-image-classifier-multi-select", "crowd-image-classifier-multi-select"),
    ],
)
def test_elements_have_the_names_that_aws_says_not_to_change(kind: Kind, element: str, name: str) -> None:
    job = forms.of(worker_template.for_jobs(kind, ""), {"taskObject": IMAGE, "labels": ["a", "b"]})
    loop = forms.of(worker_template.for_loops(), loop_input(kind))
    assert (job.element, job.name) == (loop.element, loop.name) == (element, name)


def test_a_classification_says_what_to_choose_if_nothing_fits() -> None:
    page = Page(render(worker_template.for_loops(), loop_input("classification")))
    assert worker_answers.NOTHING in page.text


def test_any_text_stands_in_an_attribute() -> None:
    words = json.dumps(HOSTILE)
    header = f'header="{worker_template.text(words)}"'
    element = f'<crowd-bounding-box name="b" src="s" labels="[&#34;a&#34;]" {header}>'
    assert forms.of(element, {}).header == words
