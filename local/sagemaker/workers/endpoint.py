"""The worker queue over HTTP, for a review desk or a script:

    GET  /_labelloop/workers/queue?worker=W&limit=N     {"work": [...]} that waits for W, oldest first;
                                                        with &name=LOOP or JOB of that one
    GET  /_labelloop/workers/queue/ID                   one of them, whatever its state
    POST /_labelloop/workers/queue/ID/answer            {"worker": W, "boxes": [...], "seconds": S}, or
                                                        with "labels": [...] for boxes

No credentials: it is the embedded stack's, which answers this machine only. A POST has to be JSON by its
content type, which no page of another origin can send without being asked first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from local.sagemaker.workers.queue import WorkerQueue, WorkError

PATH = "/_labelloop/workers/"
MAX_BODY_BYTES = 1024 * 1024
_WORK = re.compile(r"queue/(\d{1,15})(/answer)?")
_MEMBERS = {"worker", "boxes", "labels", "seconds"}

Reply = tuple[int, dict[str, str], bytes]


def answer(  # noqa: PLR0917 a request's parts
    queue: WorkerQueue, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> Reply:
    """The answer to a request: status, headers and body."""
    try:
        return _json(200, _response(queue, method, path.removeprefix(PATH), query, headers, body))
    except WorkError as error:
        return _json(error.status, {"message": error.message})


def _response(  # noqa: PLR0917 a request's parts
    queue: WorkerQueue, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    match = _WORK.fullmatch(path)
    if method == "GET" and path == "queue":
        asked = parse_qs(query)
        limit = asked.get("limit", ["20"])[-1]
        if not limit.isdecimal():
            raise WorkError(422, f"limit has to be a number, not {limit!r}")
        worker, name = (asked.get(key, [""])[-1] for key in ("worker", "name"))
        return {"work": queue.waiting(worker, int(limit), name)}
    if method == "GET" and match and not match[2]:
        return queue.describe(queue.find(int(match[1])))
    if method == "POST" and match and match[2]:
        answer = _answer_in(headers, body)
        seconds = answer.get("seconds", 0.0)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 10**9:
            raise WorkError(422, "seconds has to be a number of seconds")
        work = queue.answer(int(match[1]), answer["worker"], answer, float(seconds))
        return {"state": work.state, "wanted": work.wanted, "answers": len(work.responses)}
    raise WorkError(404, f"{method} {PATH}{path} is nothing here: see local/sagemaker/workers/endpoint.py")


def _answer_in(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise WorkError(415, "send it as application/json")
    if len(body) > MAX_BODY_BYTES:
        raise WorkError(413, f"up to {MAX_BODY_BYTES} bytes are taken")
    try:
        answer = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise WorkError(422, f"the body is not JSON: {error}") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("worker"), str):
        raise WorkError(422, 'the body has to be an object with "worker"')
    if unknown := set(answer) - _MEMBERS:
        raise WorkError(422, f"unknown: {', '.join(sorted(unknown))}")
    return answer


def _json(status: int, answer: Mapping[str, Any]) -> Reply:
    return status, {"content-type": "application/json"}, json.dumps(answer).encode()
