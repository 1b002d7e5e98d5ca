"""Structured logs with a request id and without personal data: exceptions lose their messages."""

import logging.config
import sys
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


def _places(traceback: TracebackType | None) -> list[str]:
    """`file:line function` of each frame; no values, no source lines."""
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places


def scrub_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Replace an exception by types and places: a unique violation's text quotes the address."""
    found: Any = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if not isinstance(error, BaseException):
        return event
    chain: list[dict[str, Any]] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 5:
        kind = f"{type(seen).__module__}.{type(seen).__qualname__}"
        chain.append({"type": kind, "at": _places(seen.__traceback__)[-12:]})
        seen = seen.__cause__ or seen.__context__
    # Not "exception": the renderers take that for a text.
    event["failure"] = chain
    return event


def drop_request(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Django attaches the whole request to its records; only the status is wanted."""
    record = event.get("_record")
    status = getattr(record, "status_code", None)
    if status is not None:
        event["status"] = status
    return event


def configure_logging(*, level: str, as_json: bool) -> None:
    """Send structlog and the standard library's records through one chain to stderr."""
    # A record that can't be written must not print its exception, message and all, instead.
    logging.raiseExceptions = not as_json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        scrub_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"structured": _formatter(shared, as_json=as_json)},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": level},
            # Its messages hold the address asked for, and addresses hold tokens.
            "loggers": {
                "django.request": {"level": "ERROR"},
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                "django.security.csrf": {"level": "ERROR"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.app.trace": {"level": "WARNING"},
            },
        }
    )


def _formatter(shared: list[Processor], *, as_json: bool) -> dict[str, Any]:
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, drop_request],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    }
