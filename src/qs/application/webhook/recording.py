"""How calls of an endpoint ended, written down together: what it means for the deliveries, and for the endpoint."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from qs.application.webhook.ports import (
    Claim,
    Due,
    Locked,
    OutcomeCounter,
    Refusal,
    Settlement,
    WebhookUnitOfWork,
    WebhookUnitOfWorkFactory,
)
from qs.domain.kernel.event import Event
from qs.domain.webhook.delivery import DeliveryStatus, Outcome
from qs.domain.webhook.endpoint import DisabledReason
from qs.domain.webhook.events import WebhookEndpointDisabled
from qs.domain.webhook.retrying import Result, RetryPolicy

# What ends meanwhile goes into the same transaction. What a crash leaves unwritten is sent again, so it is little.
_GATHER_S = 0.02
_FULL = 50

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _End:
    """A settlement with what it says of the endpoint, which is nothing where nobody called it."""

    settlement: Settlement
    result: Result | None = None
    gone: bool = False


class Recorder:
    """Takes the ends of one claim's deliveries in the order in which they come, and writes them in batches."""

    def __init__(
        self,
        claim: Claim,
        unit_of_work: WebhookUnitOfWorkFactory,
        policy: RetryPolicy,
        counter: OutcomeCounter,
        jitter: Callable[[], float],
        writers: asyncio.Semaphore,
    ) -> None:
        """``writers`` bounds how many transactions of the process are open for this at a time."""
        self._claim = claim
        self._unit_of_work = unit_of_work
        self._policy = policy
        self._counter = counter
        self._jitter = jitter
        self._writers = writers
        self._is_well = claim.health.failures == 0
        self._waiting: list[_End] = []
        self._hurry = asyncio.Event()
        self._closing = False
        self._failure: Exception | None = None
        self._writing: asyncio.Task[None] | None = None

    def accepted(self, due: Due, status: int, took: timedelta) -> None:
        answer = f"HTTP {status}"
        sent = Settlement(due, DeliveryStatus.SENT, None, None, Outcome.SENT, answer, _milliseconds(took))
        self._counter.sent("accepted")
        self._add(_End(sent, Result(accepted=True)))

    def refused(self, due: Due, refusal: Refusal, took: timedelta) -> None:
        """Queued again, or dead: the receiver wants nothing any more, or the delivery was tried for long enough."""
        told, took_ms = refusal.answer, _milliseconds(took)
        retry_in = self._policy.delay(due.attempts, due.waited, self._jitter(), refusal.retry_after)
        status = DeliveryStatus.DEAD if refusal.is_gone or retry_in is None else DeliveryStatus.QUEUED
        if refusal.is_gone:
            settlement = Settlement(due, status, "gone", None, Outcome.PERMANENT, told, took_ms)
        else:
            reason = "attempts_exhausted" if status is DeliveryStatus.DEAD else None
            settlement = Settlement(due, status, reason, retry_in, Outcome.TEMPORARY, told, took_ms)
        self._counter.sent("failed" if status is DeliveryStatus.QUEUED else "dead")
        self._add(_End(settlement, Result(False, refusal.retry_after), refusal.is_gone))
        _log.info(
            "webhook_refused",
            tenant_id=str(self._claim.tenant_id),
            webhook_id=str(self._claim.endpoint_id),
            delivery_id=str(due.id),
            event_id=str(due.event_id),
            answer=told,
            status=status.value,
            attempt=due.attempts,
        )

    def untried(self, due: Due) -> None:
        """Given back as it was."""
        self._add(_End(Settlement(due, DeliveryStatus.QUEUED, None, timedelta(0), None)))

    @property
    def has_failed(self) -> bool:
        """Whether ends are lost already, so that nothing more should be sent that would be sent again."""
        return self._failure is not None

    async def close(self) -> None:
        """Returns when everything is written; raises what kept it from that. The rest is sent again after its lease."""
        self._closing = True
        self._hurry.set()
        while self._writing is not None:
            await self._writing
        if self._failure is not None:
            raise self._failure

    def _add(self, end: _End) -> None:
        self._waiting.append(end)
        if len(self._waiting) >= _FULL:
            self._hurry.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="webhook-outcomes")

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GATHER_S):
                        await self._hurry.wait()
                if not self._closing:
                    self._hurry.clear()
                ends, self._waiting = self._waiting, []
                await self._write(ends)
        except Exception as error:  # noqa: BLE001 - told by close, which whoever sends waits for
            self._failure = error
        finally:
            self._writing = None

    async def _write(self, ends: list[_End]) -> None:
        results = [end.result for end in ends if end.result is not None]
        well = self._is_well and all(result.accepted for result in results)
        endpoint_id = self._claim.endpoint_id
        async with self._writers, self._unit_of_work(self._claim.tenant_id) as uow:
            # The endpoint before its deliveries, as whoever claims or disables does.
            locked = None if well else await uow.endpoints.lock(endpoint_id)
            ours = await uow.deliveries.settle(endpoint_id, [end.settlement for end in ends])
            if locked is not None:
                await self._fare(uow, locked, results, gone=any(end.gone for end in ends))
            await uow.commit("webhook.settle")
        if ours < len(ends):
            _log.info("webhook_leases_lost", webhook_id=str(endpoint_id), deliveries=len(ends) - ours)

    async def _fare(
        self, uow: WebhookUnitOfWork, locked: Locked, results: list[Result], *, gone: bool
    ) -> None:
        endpoint, before = locked.endpoint, locked.endpoint.health
        probing = self._claim.health.is_broken
        health = before.after(results, locked.now, self._policy, self._jitter(), probing=probing)
        self._is_well = health.failures == 0
        reason = None
        if gone:
            reason = DisabledReason.GONE
        elif health.is_hopeless(locked.now, self._policy):
            reason = DisabledReason.FAILING
        if reason is None or not endpoint.enabled:
            await uow.endpoints.fared(endpoint.id, health)
            if before.is_broken and not health.is_broken:
                await uow.deliveries.hasten(endpoint.id)
            return
        await uow.endpoints.change(
            endpoint.id,
            name=endpoint.name,
            url=endpoint.url,
            events=list(endpoint.events),
            disabled=reason,
            health=health,
        )
        skipped = await uow.deliveries.skip_waiting(endpoint.id)
        told = WebhookEndpointDisabled(endpoint.id, reason.value, health.first_failure_at)
        await uow.events.add([Event(uow.tenant_id, endpoint.id, endpoint.id, uow.now, told)])
        _log.warning(
            "webhook_disabled",
            tenant_id=str(uow.tenant_id),
            webhook_id=str(endpoint.id),
            reason=reason.value,
            skipped=skipped,
        )


def _milliseconds(took: timedelta) -> int:
    return round(took / timedelta(milliseconds=1))
