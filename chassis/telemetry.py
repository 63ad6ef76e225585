"""Logs: one JSON object a line, with the call's request id, and never a word that a person wrote."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING

import structlog

from chassis.calls import current_call

if TYPE_CHECKING:
    from structlog.typing import EventDict, ExcInfo, WrappedLogger


def configure_logging(process: str, level: str) -> None:
    """Send the logs of this process, its libraries' too, to standard error.

    Arguments:
        process: the name that each line carries.
        level: the lowest level that is shown, for example "INFO".
    """

    def add_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_process,
        _add_call,
        _describe_exception,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _drop_foreign_text],
            pass_foreign_args=True,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _add_call(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    call = current_call.get()
    if call.request_id:
        event.setdefault("request_id", call.request_id)
    if call.traceparent:
        event.setdefault("traceparent", call.traceparent)
    return event


def _describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say where an exception came from and of what type it is, but not what it says.

    The text of an exception can hold the value that caused it, which may be someone's message.
    """
    exc_info: ExcInfo | BaseException | bool | None = event.pop("exc_info", None)
    error: BaseException | None = None
    if isinstance(exc_info, BaseException):
        error = exc_info
    elif isinstance(exc_info, tuple):
        error = exc_info[1]
    elif exc_info:
        error = sys.exc_info()[1]
    if error is not None:
        event["exception"] = [
            {"type": type(link).__qualname__, "at": _frames(link)} for link in _chain(error)
        ]
    return event


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    return chain


def _frames(error: BaseException) -> list[str]:
    return [
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]


def _drop_foreign_text(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep of a library's line its template, without the values it was filled with.

    A line without values to fill in may have been put together beforehand, as asyncio does with the
    texts of exceptions: of such a one only the place remains that it came from. Only libraries that
    never see what people write may show their values.
    """
    record: logging.LogRecord | None = event.get("_record")
    values = event.pop("positional_args", None)
    if record is not None:
        event["logger"] = record.name
        if not record.name.startswith(("alembic", "uvicorn")):
            template = isinstance(record.msg, str) and values
            event["event"] = record.msg if template else "a line whose text is withheld"
            event["at"] = f"{record.pathname}:{record.lineno} {record.funcName}"
    return event
