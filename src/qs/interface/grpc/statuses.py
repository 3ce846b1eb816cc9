"""The one place of gRPC statuses: each of our errors as a code, a sentence and details (google.rpc, AIP-193)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from qs.application.kernel.preconditions import PreconditionFailed
from qs.domain.kernel.errors import (
    Absent,
    Forbidden,
    Gone,
    Invalid,
    Limited,
    QsError,
    Refused,
    Unauthenticated,
    Unavailable,
)
from qs.interface.rest.languages import Language
from qs.interface.rest.parsing import Malformed
from qs.interface.rest.problems import RETRY_AFTER_S, status_of
from qs.interface.rest.titles import title

STATUSES: dict[type[QsError], StatusCode] = {
    Malformed: StatusCode.INVALID_ARGUMENT,
    Unauthenticated: StatusCode.UNAUTHENTICATED,
    Forbidden: StatusCode.PERMISSION_DENIED,
    Absent: StatusCode.NOT_FOUND,
    Refused: StatusCode.FAILED_PRECONDITION,
    Gone: StatusCode.FAILED_PRECONDITION,
    PreconditionFailed: StatusCode.ABORTED,
    Invalid: StatusCode.INVALID_ARGUMENT,
    Limited: StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: StatusCode.UNAVAILABLE,
    QsError: StatusCode.INTERNAL,
}

ERROR = "qs-error"
_DETAILS = "grpc-status-details-bin"
_DOMAIN = "qs"
_LOCALES: dict[Language, str] = {"en": "en", "zh": "zh-CN"}


class Failure(NamedTuple):
    """How a call fails: ``metadata`` is what goes behind it."""

    code: StatusCode
    sentence: str
    metadata: tuple[tuple[str, Any], ...]


def failure_of(error: QsError, language: Language) -> Failure:
    """The failure that tells of one of our errors, its title in that language."""
    code = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    status = Status(code=code.value[0], message=str(error))
    for detail in _details(error, language):
        status.details.add().Pack(detail)
    return Failure(code, str(error), ((ERROR, error.code), (_DETAILS, status.SerializeToString())))


def _details(error: QsError, language: Language) -> Iterator[Message]:
    reason = error.code.replace(".", "_").upper()
    yield details.ErrorInfo(reason=reason, domain=_DOMAIN, metadata={"code": error.code})
    yield details.LocalizedMessage(
        locale=_LOCALES[language], message=title(error.code, status_of(error), language)
    )
    if isinstance(error, Invalid):
        yield details.BadRequest(
            field_violations=[
                {"field": problem.pointer.lstrip("/").replace("/", "."), "description": problem.detail}
                for problem in error.problems
            ]
        )
    retry_after = getattr(error, "retry_after", RETRY_AFTER_S if isinstance(error, Unavailable) else None)
    if retry_after is not None:
        yield details.RetryInfo(retry_delay=Duration(seconds=max(1, round(retry_after))))
