"""A deployment of its own for a benchmark."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local import embedded
from tests.fixtures.deployed_loop import Loop


@contextmanager
def deployed(
    name: str, context: Mapping[str, str], variables: Mapping[str, str] | None = None
) -> Iterator[Loop]:
    """A fresh embedded stack with LabelLoop in it, gone afterwards.

    Args:
        variables: more environment variables for the stack; local/server.py lists them.
    """
    with tempfile.TemporaryDirectory() as home, embedded.stack_in(Path(home), variables=variables) as stack:
        embedded.deploy(stack, name=name, context=context)
        yield Loop(stack, name)
