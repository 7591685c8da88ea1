"""What a function has written during an invocation.

AWS: answers when the function does; what it wrote follows (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
says minutes later).
MiniStack: looks every millisecond for more of it, and answers once none has come for five; a function that
writes nothing is waited for 50 milliseconds.

Here Python's workers end what they wrote with a mark, before their response goes out, so that nobody has to
wait for what may still come.
"""

from __future__ import annotations

import queue
import time
from typing import Any

_MARK = "\x1eend of invocation "
"""Ends what an invocation has written, with the invocation's id; functions write no such character."""
_SECONDS = 0.25
"""How long the line is waited for, as MiniStack waits at most: without it the worker was killed."""
_RESPONDS = "        _real_stdout.flush()\n\nrun()\n"
"""How the worker's script ends: what it has to say of the invocation goes out, and the next is waited for."""
_ENDS = '        print("{mark}" + _ms_ctx.get("request_id", ""), file=sys.stderr, flush=True)\n'


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core import lambda_runtime  # noqa: PLC0415 reads the environment when first imported

    script, invoke = lambda_runtime._PYTHON_WORKER_SCRIPT, lambda_runtime.Worker.invoke
    drain = lambda_runtime.Worker._drain_stderr_bounded
    if not script.endswith(_RESPONDS):
        raise RuntimeError("MiniStack's worker for Python does not end as local/ministack_patches has it")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.removesuffix(_RESPONDS) + _marked()

    def invoked(worker: Any, event: Any, request_id: str, **named: Any) -> Any:
        # A worker has one invocation at a time.
        worker.end_of_log = _MARK + request_id
        return invoke(worker, event, request_id, **named)

    def drained(worker: Any) -> str:
        if not str(worker.config.get("Runtime", "")).startswith("python"):
            return str(drain(worker))
        return "\n".join(_lines(worker._stderr_queue, worker.end_of_log))

    lambda_runtime.Worker.invoke = invoked
    lambda_runtime.Worker._drain_stderr_bounded = drained


def _marked() -> str:
    return _ENDS.format(mark=_MARK.replace("\x1e", "\\x1e")) + _RESPONDS


def _lines(written: queue.Queue[str], end: str) -> list[str]:
    """What was written until the end, or until now if no end comes."""
    lines: list[str] = []
    until = time.monotonic() + _SECONDS
    while (left := until - time.monotonic()) > 0:
        try:
            line = written.get(timeout=left)
        except queue.Empty:
            break
        # The mark may follow a line that was not ended, and one of an earlier invocation may have come late.
        text, mark, _ = line.partition(_MARK)
        if text or not mark:
            lines.append(text)
        if line.endswith(end):
            break
    return lines
