"""Parts of a document that are read one by one: one that cannot be read leaves the others as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from aws_lambda_powertools import Logger

from lambdas.domain.shared.errors import ApiError

logger = Logger(child=True)
Part = TypeVar("Part", bound=str)
Value = TypeVar("Value")
Otherwise = TypeVar("Otherwise")


class Parts(Generic[Part]):
    """Reads the parts of a document, and knows which of them could not be read.

    Args:
        count_unread: is called for each part that could not be read, once that is logged.
    """

    def __init__(self, count_unread: Callable[[], None]) -> None:
        self.unread: list[Part] = []
        self._count_unread = count_unread

    def read(self, part: Part, read: Callable[[], Value], otherwise: Otherwise) -> Value | Otherwise:
        """The part, or what stands for one that cannot be read.

        Raises:
            ApiError: what is asked for is wrong, or there is none.
        """
        try:
            return read()
        except ApiError:
            raise
        except Exception:
            # Whatever it is, whoever asks has more use for the other parts than for none.
            logger.exception("a part of a document could not be read", extra={"part": part})
            self._count_unread()
            if part not in self.unread:
                self.unread.append(part)
            return otherwise
