"""How many threads compute: many together on a batch, each for itself where every image is a task."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

MOST_THREADS = 8
SWITCH_SECONDS = 0.0002
"""PyTorch gives up Python's lock at every operation. With Python's own 5 ms it waits so long to have it back
whenever another thread is in Python code, and four threads are hardly faster than one."""


def most() -> int:
    """As many as there are processors for this process, up to MOST_THREADS."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_THREADS, found)


@contextmanager
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which PyTorch computes alone. A single image is too little work for PyTorch's own
    threads, which take longer for it and more of the processors' time."""
    threads, switch = torch.get_num_threads(), sys.getswitchinterval()
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with ThreadPoolExecutor(most()) as executor:
            yield executor
    finally:
        torch.set_num_threads(threads)
        sys.setswitchinterval(switch)
