"""Whatever loads meanwhile, pytest can look through the loggers."""

from __future__ import annotations

import logging


def test_a_logger_may_come_while_all_are_looked_through() -> None:
    for _ in logging.Logger.manager.loggerDict.values():
        logging.getLogger(f"{__name__}.{len(logging.Logger.manager.loggerDict)}")
