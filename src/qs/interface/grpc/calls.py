"""What every call goes through: its id, who calls and whether they may, how it fails, one metric and one log line."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import structlog
from google.protobuf.message import DecodeError
from grpc import StatusCode
from structlog.contextvars import bind_contextvars, unbind_contextvars

from qs.application.kernel import tracing
from qs.application.kernel.limiting import RateExceeded, RateLimits
from qs.application.kernel.request import request_id
from qs.domain.identity.errors import TokenInvalid, TokenMissing
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import QsError
from qs.domain.scheduler.errors import ShuttingDown
from qs.interface.grpc import metrics
from qs.interface.grpc.metadata import REQUEST_ID, Metadata, address_of
from qs.interface.grpc.statuses import Failure, failure_of
from qs.interface.rest.guards import BadToken, admit
from qs.interface.rest.languages import Language
from qs.interface.rest.limits import subject_of
from qs.interface.rest.parsing import Malformed
from qs.interface.rest.proxies import TrustedProxies
from qs.logs.crashes import describe_crash

log = structlog.get_logger()
access_log = structlog.get_logger("qs.access")


# As OpenTelemetry's conventions for gRPC have it, of the server's side.
_OUR_FAILURES = frozenset(
    {
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    }
)


class InternalFailure(QsError):
    """A bug, of which callers are told nothing more."""

    code = "internal"
    sentence = "something went wrong here, not in your request; report it with its request id"


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a service: ``carry_out`` is given the container, the caller and the request, and returns the reply.

    Any one of ``scopes`` lets a caller in; ``platform`` lets platform accounts in as well. ``limit`` is what calls count
    under, as those of its route do.
    """

    name: str
    request: Any
    carry_out: Callable[[Any, Principal, Any], Awaitable[Any]]
    scopes: tuple[str, ...]
    limit: str
    platform: bool = False


@dataclass(slots=True)
class _Call:
    """One call while it lasts, and what the log says of it."""

    path: str
    client: str
    started: float
    caller: Principal | None = None
    code: StatusCode = StatusCode.OK


class Calls:
    """The calls of one server; none begins once ``draining`` is set, and the end can wait for those under way."""

    def __init__(self, container: Any, draining: asyncio.Event) -> None:
        self._container = container
        self._draining = draining
        self._proxies = TrustedProxies(container.settings().server.trusted_proxies)
        self._language: Language = "zh" if container.settings().lang == "zh_CN" else "en"
        self._under_way = 0
        self._none_left = asyncio.Event()
        self._none_left.set()

    async def none_left(self) -> None:
        """Returns when no call is under way."""
        await self._none_left.wait()

    def handler(self, service: str, method: Method) -> Callable[[bytes, Any], Awaitable[Any]]:
        """What the server calls with a message, as it came, and its context."""
        path = f"/{service}/{method.name}"

        async def handle(request: bytes, context: Any) -> Any:
            metadata = Metadata(context.invocation_metadata())
            client = self._proxies.client(address_of(context.peer()), metadata.headers())
            with (
                self._noted(_Call(path, client, perf_counter()), context, metadata) as call,
                _traced(call, method, service, metadata),
            ):
                try:
                    if self._draining.is_set():
                        raise ShuttingDown  # noqa: TRY301 - one place tells of every failure
                    await self._recognise(call, metadata, method)
                    assert call.caller is not None
                    admit(call.caller, method.scopes, platform=method.platform)
                    return await method.carry_out(self._container, call.caller, _read(request, method))
                except asyncio.CancelledError:
                    # Nobody waits any more: the deadline has passed, or the caller is gone.
                    left = context.time_remaining()
                    is_late = left is not None and left <= 0
                    call.code = StatusCode.DEADLINE_EXCEEDED if is_late else StatusCode.CANCELLED
                    raise
                except Exception as error:  # noqa: BLE001 - a bug ends the call it is met in and no other
                    failure = self._failure(error, metadata.language(self._language))
                call.code = failure.code
                behind = (*failure.metadata, (REQUEST_ID, request_id.get()))
                return await context.abort(failure.code, failure.sentence, behind)

        return handle

    async def _recognise(self, call: _Call, metadata: Metadata, method: Method) -> None:
        """Knows the caller from here on, and has counted the call, whether or not they were known."""
        try:
            call.caller = await self._container.authentication().authenticate(metadata.bearer_token())
        except TokenInvalid as error:
            await self._hold_to_limit(call, method)
            raise BadToken from error
        except TokenMissing:
            await self._hold_to_limit(call, method)
            raise
        await self._hold_to_limit(call, method)

    async def _hold_to_limit(self, call: _Call, method: Method) -> None:
        limits: RateLimits = self._container.rate_limits()
        limit = limits.limit(method.limit)
        if limit is None:
            return
        verdict = await limits.spend(subject_of({"user": call.caller, "client": (call.client, 0)}), limit)
        if not verdict.allowed:
            raise RateExceeded(verdict.wait_s)

    def _failure(self, error: Exception, language: Language) -> Failure:
        if isinstance(error, QsError):
            return failure_of(error, language)
        own = self._container.translate_failure()(error)
        if own is not None:
            log.warning("dependency_failed", code=own.code, **describe_crash(error))
            return failure_of(own, language)
        log.error("request_failed", **describe_crash(error))
        return failure_of(InternalFailure(), language)

    @contextmanager
    def _noted(self, call: _Call, context: Any, metadata: Metadata) -> Iterator[_Call]:
        call_id = metadata.request_id()
        context.set_trailing_metadata(((REQUEST_ID, call_id),))
        token = request_id.set(call_id)
        bind_contextvars(request_id=call_id)
        self._under_way += 1
        self._none_left.clear()
        try:
            yield call
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._none_left.set()
            _record(call)
            unbind_contextvars("request_id")
            request_id.reset(token)


@contextmanager
def _traced(call: _Call, method: Method, service: str, metadata: Metadata) -> Iterator[None]:
    name = f"{service}/{method.name}"
    told: tracing.Attributes = {"rpc.system.name": "grpc", "rpc.method": name}
    # The status tells which failures are ours; what ends a call early is an exception, whoever is to blame.
    with tracing.span(
        name, told, kind="server", parent=metadata.traceparent(), harmless=(Exception,)
    ) as span:
        try:
            yield
        finally:
            span.note("qs.request_id", request_id.get() or "")
            span.note("rpc.response.status_code", call.code.name)
            if call.code in _OUR_FAILURES:
                span.fail(call.code.name)


def _read(message: bytes, method: Method) -> Any:
    try:
        return method.request.FromString(message)
    except DecodeError:
        raise Malformed("the message is none of this method, so it was not read; send one") from None


def _record(call: _Call) -> None:
    duration = perf_counter() - call.started
    metrics.observe(call.path, call.code.name, duration)
    access_log.info(
        "call_served",
        method=call.path,
        code=call.code.name,
        duration_ms=round(duration * 1000, 1),
        client=call.client,
        principal=f"{call.caller.kind}:{call.caller.id}" if call.caller is not None else None,
    )
