"""The review desk as the embedded stack's worker portal: what is said there comes back from the workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lambdas import desk as desk_handler
from lambdas.domain.review import routing
from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.answers import InvalidAnswerError
from lambdas.domain.review.desk.desk import NotClaimedError, Reviewer, TaskFinishedError, TaskGoneError
from lambdas.domain.review.desk.task import Task, TaskBusyError
from lambdas.domain.review.workforce.worker_portal import Portal
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Kind
from local.sagemaker.workers import endpoint
from tests.fixtures.reviews import ANN, BEN, CAT, CLAIM_SECONDS, Reviews, labelled, submission
from tests.fixtures.workforce import DEPLOYMENT, LABELS, Workers


@pytest.fixture
def workers(reviews: Reviews, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(reviews, tmp_path)
    yield made
    made.bench.service.close()


@pytest.fixture
def portal(workers: Workers) -> Iterator[Portal]:
    """The queue of workers' forms, as the embedded stack serves it."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            queue = workers.bench.service.queue
            status, response_headers, content = endpoint.answer(
                queue, self.command, path, query, headers, body
            )
            self.send_response(status)
            for name, value in response_headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield Portal(f"http://127.0.0.1:{server.server_port}{endpoint.PATH}", DEPLOYMENT)
        server.shutdown()


def claim(workers: Workers, who: Reviewer) -> list[Task]:
    return desk.claim(workers.reviews.table, who, 5, CLAIM_SECONDS, routes=Portal.routes)


def answer(workers: Workers, portal: Portal, task: Task, who: Reviewer, **body: Any) -> Task:
    return portal.answer(workers.reviews.table, task.id, who, submission(body or labelled()), LABELS)


@pytest.mark.long
def test_an_answer_about_a_human_loop_s_task_comes_back_by_its_output(
    workers: Workers, portal: Portal
) -> None:
    workers.asked("other")
    task = workers.asked()
    assert {held.id for held in claim(workers, ANN)} >= {task.id}
    handed_on = answer(workers, portal, task, ANN, **labelled(seconds=3))
    assert (handed_on.state, handed_on.answers) == ("open", ())
    assert [claim.kind for claim in handed_on.claims] == ["handed_on"]
    assert task.id not in {held.id for held in desk.held_by(workers.reviews.table, ANN, clock.now())}
    assert answer(workers, portal, task, ANN) == handed_on
    assert workers.tell() == ["answered"]
    done = workers.reviews.read(task)
    assert (done.state, done.outcome) == ("done", "labelled")
    assert [(given.reviewer, given.seconds) for given in done.answers] == [(ANN.sub, 3.0)]
    assert [box.label for box in workers.reviews.image_of(task).boxes] == ["cat"]
    assert answer(workers, portal, task, ANN) == done
    with pytest.raises(TaskFinishedError):
        answer(workers, portal, task, BEN)


@pytest.mark.parametrize(
    ("kind", "body", "outcome"),
    [
        ("detection", {"verdict": "nothing"}, "nothing"),
        ("classification", {"verdict": "nothing"}, "nothing"),
        ("classification", {"verdict": "labelled", "labels": ["dog", "cat"]}, "labelled"),
    ],
)
def test_whatever_workers_can_answer_can_be_answered(
    kind: Kind, body: dict[str, Any], outcome: str, workers: Workers, portal: Portal
) -> None:
    task = workers.asked(kind=kind)
    answer(workers, portal, task, ANN, **body)
    workers.tell()
    assert workers.reviews.read(task).outcome == outcome
    assert workers.reviews.image_of(task).labels == tuple(sorted(body.get("labels", ())))


def test_an_answer_about_an_image_of_a_labeling_job_comes_back_by_its_manifest(
    workers: Workers, portal: Portal
) -> None:
    batch, tasks = workers.batch("a", "b")
    for task, label in zip(reversed(tasks), ("dog", "cat"), strict=True):
        answer(workers, portal, task, BEN, **labelled({**CAT, "label": label}))
    assert routing.read_job(workers.routes(), batch) == (2, 0)
    labels = [workers.reviews.image_of(task).boxes[0].label for task in tasks]
    assert labels == ["cat", "dog"]


def test_what_workers_cannot_say_is_refused_and_changes_nothing(workers: Workers, portal: Portal) -> None:
    task = workers.asked()
    before = workers.reviews.items()
    for body, why in (
        ({"verdict": "unusable", "reason": "blurred"}, "skip it, and say why"),
        ({"verdict": "labelled", "boxes": [{**CAT, "left": 99}]}, "out of the image"),
        ({"verdict": "labelled", "boxes": [{**CAT, "label": "cow"}]}, "no label 'cow'"),
    ):
        with pytest.raises(InvalidAnswerError, match=why):
            answer(workers, portal, task, ANN, **body)
    # A label that was defined after the loop was started.
    with pytest.raises(InvalidAnswerError, match="'cow' is none of cat, dog"):
        portal.answer(
            workers.reviews.table,
            task.id,
            ANN,
            submission(labelled({**CAT, "label": "cow"})),
            [*LABELS, "cow"],
        )
    assert workers.reviews.items() == before


def test_a_task_that_is_not_the_reviewer_s_is_refused(workers: Workers, portal: Portal) -> None:
    task = workers.asked()
    claim(workers, BEN)
    with pytest.raises(NotClaimedError, match="Ben has this task"):
        answer(workers, portal, task, ANN)
    desk.delete(workers.reviews.table, task.id, "Ann")
    with pytest.raises(TaskGoneError):
        answer(workers, portal, task, BEN)


def test_what_no_worker_was_asked_yet_is_to_be_tried_again(workers: Workers, portal: Portal) -> None:
    task = workers.task("a", "a2i", token="a")
    with pytest.raises(TaskBusyError, match=f"nothing of pets-{task.id} waits for you"):
        answer(workers, portal, task, ANN)
    assert workers.reviews.read(task).claims == ()


def test_a_task_of_the_desk_s_own_is_answered_on_it(workers: Workers, portal: Portal) -> None:
    task = workers.reviews.task()
    assert answer(workers, portal, task, ANN).answer_of(ANN.sub)


def test_there_is_a_portal_where_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKER_PORTAL_URL", raising=False)
    assert desk_handler.worker_portal() is None
    monkeypatch.setenv("WORKER_PORTAL_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("DEPLOYMENT", DEPLOYMENT)
    assert desk_handler.worker_portal() == Portal("http://127.0.0.1:1/", DEPLOYMENT)
