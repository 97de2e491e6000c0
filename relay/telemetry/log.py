"""Structured logs: one event name and key=value pairs a line. No payloads or secrets at info."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def get(area: str) -> Any:
    """Return the logger of one area, such as ``journal`` or ``webhooks``."""
    return structlog.get_logger(area=area)


def configure(level: str = "info", style: str = "auto") -> None:
    """Write logs to standard error, as JSON or for a terminal; ``auto`` looks at what standard error is."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.root.handlers = [_Foreign()]
    # It warns of subprotocols nobody offers, in the client's own words, among which are tokens.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)


class _Foreign(logging.Handler):
    """Libraries' own log lines, in the form of ours and without traces: the event loop's, aiohttp's."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        error = record.exc_info[1] if record.exc_info else None
        told = {} if error is None else {"error": repr(error)}
        get(record.name).log(record.levelno, record.getMessage(), **told)
