"""How many threads compute. Each does so for itself, with images of its own: for networks as small as these,
PyTorch's own threads wait for one another longer than they compute."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

MAX_THREADS = 8
SWITCH_SECONDS = 0.0002
"""How often Python passes its lock on while threads compute. PyTorch gives the lock up at every operation.
With Python's own 5 ms it waits so long to have it back whenever another thread is in Python code, and four
threads are hardly faster than one."""


def max_threads() -> int:
    """The number of threads that compute: the processors of this process, up to MAX_THREADS."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_THREADS, processors)


@contextmanager
def pool(count: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """A pool of so many threads, or of one for each processor. Where they are fewer than the processors,
    PyTorch has its own threads in each for the rest."""
    count = max_threads() if count is None else count
    threads, switch = torch.get_num_threads(), sys.getswitchinterval()
    torch.set_num_threads(max(1, max_threads() // count))
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with ThreadPoolExecutor(count) as executor:
            yield executor
    finally:
        torch.set_num_threads(threads)
        sys.setswitchinterval(switch)
