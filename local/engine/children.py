"""Child processes that cannot outlive the engine, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def spawn(module: str, *arguments: str, log: Path, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Run `python -m module arguments`; its output goes to the file `log`.

    The child must call `end_with_parent`: its standard input is a pipe that closes when this process ends,
    even when it is killed. PR_SET_PDEATHSIG would strike when the thread that started the child ends.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            start_new_session=True,
        )


def end_with_parent() -> None:
    """End this process, a child, as soon as its parent is gone."""
    threading.Thread(target=_wait_for_end, daemon=True, name="parent-watch").start()


def end(child: subprocess.Popen[bytes], *, seconds: float = 5.0) -> int:
    """End the child, kindly for some seconds; its return code."""
    if child.stdin:
        child.stdin.close()
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def last_words(log: Path) -> str:
    """The last line that a child wrote: of a traceback, the exception."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1].strip() if lines else "it said nothing"


def _wait_for_end() -> None:
    # The file descriptor and not sys.stdin: a buffer's lock would be held until the process ends.
    while os.read(0, 1):
        pass
    os._exit(1)
