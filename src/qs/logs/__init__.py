"""Where log lines go and what they look like: structlog for our own, the same shape for every library's."""

import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from qs.application.kernel import tracing
from qs.logs.crashes import describe_crash
from qs.logs.redaction import redact, scrub
from qs.logs.rotation import RotatingFile
from qs.settings.sections import LogSettings

__all__ = ["configure_logging"]

# They log statements with their values, or a line for every request and job; asked for, they speak up.
_QUIET = (
    "asyncio",
    "httpx",
    "httpcore",
    "alembic",
    "sqlalchemy",
    "arq",
    "uvicorn",
    "uvicorn.error",
    "litestar",
)


def configure_logging(settings: LogSettings, process: str, *, log_sql: bool = False) -> None:
    """Sends the logs of this process to the console (stderr) and the file, as the settings say.

    ``process`` (``api``, ``cron`` …) stands in every line. Calling it again replaces what was set up before.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _name_process(process),
        _name_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    level = settings.level.upper()
    root = logging.getLogger()
    for handler in list(root.handlers):
        if getattr(handler, "is_qs", False):
            root.removeHandler(handler)
            handler.close()
    for handler in _handlers(settings, shared):
        handler.is_qs = True  # type: ignore[attr-defined]
        root.addHandler(handler)
    root.setLevel(level)
    _tame_libraries(level, log_sql=log_sql)


class _Console(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is at that moment, which a test or an embedding program may exchange."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def _handlers(settings: LogSettings, shared: list[Processor]) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if settings.console:
        console = _Console()
        coloured = settings.format == "console" and sys.stderr.isatty()
        console.setFormatter(_formatter(settings.format, shared, colours=coloured))
        handlers.append(console)
    if settings.path is not None:
        file = RotatingFile(
            settings.path,
            max_bytes=settings.max_size_mb * 1_048_576,
            days=settings.days,
            compress=settings.compress,
        )
        file.setFormatter(_formatter(settings.format, shared, colours=False))
        handlers.append(file)
    return handlers or [logging.NullHandler()]


def _formatter(form: str, shared: list[Processor], *, colours: bool) -> logging.Formatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            _traceback,
            redact,
            renderer,
        ],
    )


def _traceback(logger: Any, method: str, event: Any) -> Any:
    # Neither local variables, which hold tokens and links, nor what a database error repeats of a row.
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        described = describe_crash(error)
        if "stack" in described:
            event["exception"] = scrub(described.pop("stack"))
        event |= {name: said for name, said in described.items() if name not in event}
    return event


def _name_process(process: str) -> Processor:
    def name(logger: Any, method: str, event: Any) -> Any:
        event.setdefault("process", process)
        return event

    return name


def _name_trace(logger: Any, method: str, event: Any) -> Any:
    if (ids := tracing.ids()) is not None:
        event["trace_id"], event["span_id"] = ids
    return event


def _tame_libraries(level: str, *, log_sql: bool) -> None:
    for library in _QUIET:
        logger = logging.getLogger(library)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel("DEBUG" if level == "DEBUG" else "WARNING")
    # Its one line per call holds the whole URL, which may be a credential; nobody needs that one.
    logging.getLogger("httpx").setLevel("WARNING")
    # Even then it prints values only where somebody asked for the statements.
    logging.getLogger("sqlalchemy.engine").setLevel("INFO" if log_sql else "WARNING")
    logging.captureWarnings(True)
