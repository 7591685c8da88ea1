"""The queue of what waits for workers: human loops and the images of labeling jobs."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from PIL import Image

from local.sagemaker.host import AccessError, Host
from local.sagemaker.store import Response, Store, Work
from local.sagemaker.workers import forms
from local.sagemaker.workers.forms import Form, FormError

logger = logging.getLogger("labelloop.workers")

MAX_LIMIT = 1000
_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)


class WorkError(Exception):
    """A worker cannot have or do this: an HTTP status, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class WorkerQueue:
    """The queue as a worker portal asks it.

    Args:
        answered: told of work that has its last answer; writes the output of its loop or job.
    """

    def __init__(self, store: Store, host: Host, answered: Callable[[Work], None]) -> None:
        self._store = store
        self._host = host
        self._answered = answered
        self._lock = threading.Lock()

    def waiting(self, worker: str, limit: int = 20, name: str = "") -> list[dict[str, Any]]:
        """Descriptions of the work that waits for this worker, oldest first.

        Args:
            name: of the human loop or labeling job, if those of one are meant.
        """
        self._store.expire(time.time())
        return [self.describe(work) for work in self._store.waiting(worker, min(limit, MAX_LIMIT), name)]

    def describe(self, work: Work) -> dict[str, Any]:
        """The description of work that a worker portal needs; `url` reads the image for 15 minutes."""
        form = form_of(work.form)
        return {
            "id": work.id,
            "of": work.kind,
            "name": work.name,
            "position": work.position,
            "state": work.state,
            "expires_at": work.expires,
            "wanted": work.wanted,
            "answers": len(work.responses),
            "element": form.element,
            "header": form.header,
            "choices": list(form.choices),
            "initial": list(form.initial),
            "image": form.image,
            "url": self._url(work, form),
        }

    def _url(self, work: Work, form: Form) -> str:
        """A URL of the image; empty if the role cannot be used any more."""
        try:
            role = str(work.form["role"])
            return self._host.objects(role, work.region).url(*bucket_and_key(form.image))
        except (AccessError, FormError) as error:
            logger.warning("work %s: %s", work.id, error)
            return ""

    def find(self, id: int) -> Work:
        """The work of this id.

        Raises:
            WorkError: there is none.
        """
        work = self._store.work(id)
        if work is None:
            raise WorkError(404, f"there is no work {id}")
        return work

    def answer(self, id: int, worker: str, given: Mapping[str, Any], seconds: float = 0.0) -> Work:
        """Keep a worker's answer; the last one that is wanted ends the loop, or the image in its job.

        Args:
            worker: an id, such as the subject in a user pool; each answers once.
            given: as `forms.content` takes it.
            seconds: that the worker worked.

        Raises:
            WorkError: there is no such work, it waits no longer, or it cannot be answered so.
        """
        if not worker:
            raise WorkError(422, "worker has to say who answers")
        with self._lock:
            work = self._open(id, worker)
            now = time.time()
            content = self._content(work, given)
            work = self._store.respond(work, Response(worker, now - max(seconds, 0.0), now, content))
        if work.state == "answered":
            self._answered(work)
        return work

    def _open(self, id: int, worker: str) -> Work:
        self._store.expire(time.time())
        work = self.find(id)
        if work.state != "waiting":
            raise WorkError(409, f"work {id} waits no longer: it is {work.state}")
        if any(response.worker == worker for response in work.responses):
            raise WorkError(409, f"{worker} has answered work {id} already; another worker has to")
        return work

    def _content(self, work: Work, given: Mapping[str, Any]) -> Mapping[str, Any]:
        form = form_of(work.form)
        try:
            data = self._host.objects(str(work.form["role"]), work.region).get(*bucket_and_key(form.image))
            with Image.open(BytesIO(data)) as image:
                size = image.size
            return forms.content(form, given, size)
        except (AccessError, FormError) as error:
            raise WorkError(422, str(error)) from error


def form_of(kept: Mapping[str, Any]) -> Form:
    values = {name: kept[name] for name in Form.__dataclass_fields__}
    values |= {"choices": tuple(kept["choices"]), "initial": tuple(kept["initial"])}
    return Form(**values)


def bucket_and_key(uri: str) -> tuple[str, str]:
    """The bucket and key of an S3 URI.

    Raises:
        FormError: the URI does not read s3://bucket/key.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise FormError(f"{uri!r} does not read s3://bucket/key")
    return match[1], match[2]
