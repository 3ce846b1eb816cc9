"""Messages that ask for an execution of a job: one execution per key, however often a message comes."""

from collections import Counter
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog

from qs.application.kernel.brokers import DeadLetter
from qs.application.scheduler.operating import JobOperating
from qs.application.scheduler.request_ports import JobRequest
from qs.domain.kernel.errors import Invalid, Problem, QsError, Unavailable

ACTOR = "system:broker"
MOST_BYTES = 128 * 1024
_MOST_PAYLOAD_BYTES = 64 * 1024
# An error that nobody foresaw may pass, and must not keep what comes behind from its turn.
_MOST_TRIES = 5
_MOST_REMEMBERED = 1000

_encode = msgspec.json.Encoder(order="sorted").encode
_log = structlog.get_logger()


class TenantNotActive(Unavailable):
    code = "job_request.tenant_not_active"
    sentence = (
        "the tenant of the setting mq.tenant is not there or suspended; requests wait until it is active"
    )


class JobRequestInvalid(Invalid):
    code = "job_request.invalid"
    sentence = "the message is no request for an execution of a job; send job_id and idempotency_key in JSON"


class ForeignTenant(QsError):
    code = "job_request.foreign_tenant"
    sentence = "the message is for another tenant than this queue; nothing was run"


class JobRequestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a message holds. ``tenant``, its short name or id, may only repeat whose queue it is."""

    job_id: UUID
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
    tenant: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    payload: dict[str, Any] | None = None


class JobRequestAccepting:
    """Acts on messages; who may write to the queue may run the jobs of the one tenant whose it is."""

    def __init__(
        self,
        operating: JobOperating,
        active_tenant: Callable[[str], Awaitable[UUID | None]],
        tenant: str,
        *,
        translate: Callable[[BaseException], QsError | None],
    ) -> None:
        self._operating = operating
        self._active_tenant = active_tenant
        self._tenant = tenant
        self._translate = translate
        self._failures: Counter[bytes] = Counter()

    async def accept(self, body: bytes) -> DeadLetter | None:
        """Returns when the execution waits for a worker, or with why it never will.

        Raises:
            Unavailable: it cannot be told now, as while the database is away; the message must come again.
        """
        try:
            await self._run(body)
        except Exception as error:
            known = error if isinstance(error, QsError) else self._translate(error)
            if isinstance(known, Unavailable):
                raise known from error
            if known is not None:
                return DeadLetter(known.code, _reason(known))
            if self._is_hopeless(body):
                _log.exception("job_request_failed")
                return DeadLetter(
                    "job_request.failed", f"it failed {_MOST_TRIES} times: {type(error).__name__}"
                )
            raise
        return None

    async def _run(self, body: bytes) -> None:
        asked = read_request(body)
        tenant_id = await self._active_tenant(self._tenant)
        if tenant_id is None:
            raise TenantNotActive
        if asked.tenant is not None and await self._active_tenant(asked.tenant) != tenant_id:
            raise ForeignTenant
        digest = sha256(_encode([asked.job_id, asked.payload])).digest()
        request = JobRequest(asked.job_id, asked.idempotency_key, digest, asked.payload)
        execution_id = await self._operating.run_requested(tenant_id, request, actor=ACTOR)
        _log.info("job_requested", job_id=str(asked.job_id), execution_id=str(execution_id))

    def _is_hopeless(self, body: bytes) -> bool:
        if len(self._failures) >= _MOST_REMEMBERED:
            self._failures.clear()
        digest = sha256(body).digest()
        self._failures[digest] += 1
        return self._failures[digest] >= _MOST_TRIES


def read_request(body: bytes) -> JobRequestBody:
    """Raises JobRequestInvalid, which names the field and repeats nothing of the message."""
    if len(body) > MOST_BYTES:
        raise JobRequestInvalid([Problem("", f"must have at most {MOST_BYTES} bytes")])
    try:
        request = msgspec.json.decode(body, type=JobRequestBody)
    except msgspec.ValidationError as error:
        raise JobRequestInvalid([Problem("", str(error)[:300])]) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise JobRequestInvalid([Problem("", "must be a JSON object in UTF-8")]) from None
    if request.payload is not None and len(_encode(request.payload)) > _MOST_PAYLOAD_BYTES:
        raise JobRequestInvalid([Problem("/payload", f"must have at most {_MOST_PAYLOAD_BYTES} bytes")])
    return request


def _reason(error: QsError) -> str:
    problems = "; ".join(f"{each.pointer} {each.detail}".strip() for each in getattr(error, "problems", ()))
    return f"{error} ({problems})" if problems else str(error)
