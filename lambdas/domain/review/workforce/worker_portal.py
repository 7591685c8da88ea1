"""The worker portal of the embedded stack: workers of A2I and Ground Truth work at the review desk there.

An answer at the desk goes to the queue of workers' forms (local/sagemaker/workers/endpoint.py), and
comes back as it does from AWS: by a human loop's output and the event of its end, by a labeling job's output
manifest.
On AWS workers have a portal of AWS's own: no function knows this one, and the desk refuses their tasks.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, ClassVar
from urllib.parse import urlencode

from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.answers import InvalidAnswerError, Submission
from lambdas.domain.review.desk.desk import Reviewer
from lambdas.domain.review.desk.task import Answer, Route, Task, TaskBusyError
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.review.workforce import a2i, ground_truth, worker_answers
from lambdas.domain.shared.frozen import frozen

_SECONDS = 10
_MAX_WORK = 1000
"""Images of a job that are looked through; more than a job has."""
# The queue is on this machine, whatever proxy leads out of it.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@frozen
class Portal:
    """The queue of workers' forms on the embedded stack."""

    url: str
    """Of the queue; ends in a slash."""
    deployment: str
    routes: ClassVar[tuple[Route, ...]] = (*desk.ON_THE_DESK, "a2i", "groundtruth")

    def answer(
        self,
        table: ReviewTable,
        id: str,
        reviewer: Reviewer,
        submission: Submission,
        labels: Collection[str],
    ) -> Task:
        """`desk.answer` of a task of any route; of those with workers, hand the answer on as a worker's.

        Raises:
            DeskError: the task is done, gone, or not the reviewer's.
            InvalidAnswerError: the answer cannot be kept, or workers could not say it.
            TaskBusyError: the workers' queue does not have the task yet, or not any more.
        """
        task = table.get(id)
        if task is None or task.route in desk.ON_THE_DESK or task.answer_of(reviewer.sub):
            return desk.answer(table, id, reviewer, submission, labels)
        if reviewer.sub not in task.seen_by:
            self._send(task, desk.check_answer(task, reviewer, submission, labels, routes=self.routes))
        return desk.hand_on(table, id, reviewer)

    def _send(self, task: Task, given: Answer) -> None:
        form = {"worker": given.reviewer, "seconds": given.seconds, **_form(task, given)}
        try:
            self._ask(f"queue/{self._work(task, given.reviewer)}/answer", form)
        except urllib.error.HTTPError as refused:
            message = json.load(refused)["message"]
            if refused.code == InvalidAnswerError.status:
                raise InvalidAnswerError(
                    "boxes" if task.kind == "detection" else "labels", message
                ) from refused
            raise TaskBusyError(f"{message}; try again") from refused

    def _work(self, task: Task, worker: str) -> int:
        """What waits for this worker of the task's human loop, or of the task's image in its labeling job."""
        if task.route == "a2i":
            name = a2i.loop_name(self.deployment, task.id)
        else:
            name = ground_truth.job_name(self.deployment, task.execution)
        waiting = self._ask(f"queue?{urlencode({'worker': worker, 'name': name, 'limit': _MAX_WORK})}")[
            "work"
        ]
        # Images are named by their content, their upright copies too.
        ours = [work["id"] for work in waiting if _file(work["image"]) == _file(task.key)]
        if not ours:
            raise TaskBusyError(f"nothing of {name} waits for you at the workers' queue; try again")
        return int(ours[0])

    def _ask(self, path: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 the embedded stack's own address
            self.url + path,
            data=None if document is None else json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _opener.open(request, timeout=_SECONDS) as response:
            answered: dict[str, Any] = json.load(response)
            return answered


def _form(task: Task, given: Answer) -> dict[str, Any]:
    """What a worker's form holds of an answer."""
    if given.verdict == "unusable":
        raise InvalidAnswerError(
            "verdict", f"workers of {task.route} cannot say that an image is unusable: skip it, and say why"
        )
    if task.kind == "detection":
        return {"boxes": [asdict(box) for box in given.boxes]}
    return {"labels": list(given.labels) or [worker_answers.NOTHING]}


def _file(address: str) -> str:
    return address.rpartition("/")[2]
