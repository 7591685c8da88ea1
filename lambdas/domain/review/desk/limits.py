"""What reviewers and administrators may send; who reads requests needs nothing else of the desk."""

from __future__ import annotations

from typing import Literal

State = Literal["open", "done", "given_back", "deleted"]
STATES: tuple[State, ...] = ("open", "done", "given_back", "deleted")
"""Of tasks, by which administrators list them."""
Verdict = Literal["labelled", "nothing", "unusable"]
"""What an answer says of an image."""
MAX_CLAIMS = 5
"""Claimed in one request; and of them a reviewer holds twice as many at most, so that nobody hoards."""
MAX_INSTRUCTION = 300
"""Characters that a label is explained in."""
MAX_EXAMPLES = 6
"""Images that a label is explained by."""
