"""Sending what is due: claimed with a lease, composed and sent, then recorded."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from qs.application.kernel import crash
from qs.application.notification.composing import Composing, Skip
from qs.application.notification.ports import (
    Channel,
    ChannelFailure,
    Claim,
    DueDeliveries,
    NotificationUnitOfWorkFactory,
)
from qs.domain.notification.delivery import Delivery, DeliveryStatus, Outcome
from qs.domain.notification.retrying import RetryPolicy

_log = structlog.get_logger()


class Sending:
    """Sends over one channel, so that a slow one keeps no other waiting; any number of processes may.

    1. Claiming counts the attempt and commits it with a lease.
    2. State, wishes and address are checked and the link is composed right before sending.
    3. The outcome is recorded if the lease is still ours.
    A crash between 2 and 3 sends again, under the same notification id, when the lease is over.
    """

    def __init__(
        self,
        channel: Channel,
        unit_of_work: NotificationUnitOfWorkFactory,
        due: DueDeliveries,
        composing: Composing,
        policy: RetryPolicy,
        *,
        concurrency: int = 10,
        limit: timedelta = timedelta(seconds=30),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._channel = channel
        self._unit_of_work = unit_of_work
        self._due = due
        self._composing = composing
        self._policy = policy
        self._concurrency = concurrency
        self._limit = limit
        self._jitter = jitter

    async def send_due(self) -> int:
        """Sends a handful of one tenant that has something due, whichever it is; returns how many."""
        tenants = list(await self._due.tenants(self._channel.name))
        random.shuffle(tenants)
        for tenant_id in tenants:
            async with self._unit_of_work(tenant_id) as uow:
                claims = await uow.deliveries.claim(self._channel.name, self._concurrency, self._lease)
                await uow.commit("notification.claim")
            if claims:
                await self._send_all(claims)
                return len(claims)
        return 0

    async def _send_all(self, claims: Sequence[Claim]) -> None:
        outcomes = await asyncio.gather(*(self._send(claim) for claim in claims), return_exceptions=True)
        # Only when all have ended: a failure to record one must not tear down the sending of another.
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _send(self, claim: Claim) -> None:
        delivery = claim.delivery
        if delivery.attempts > self._policy.max_attempts:
            await self._settle(delivery, DeliveryStatus.DEAD, "attempts_exhausted")
            return
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                message = await self._composing.message(delivery, needs_address=self._channel.needs_address)
                await crash.hit("notification.before_send")
                answer = await self._channel.send(message)
                await crash.hit("notification.after_send")
        except Skip as skip:
            await self._settle(delivery, DeliveryStatus.SKIPPED, skip.reason)
        except ChannelFailure as failure:
            await self._failed(delivery, failure)
        except TimeoutError:
            await self._failed(delivery, ChannelFailure("no answer in time", permanent=False))
        except Exception as error:  # noqa: BLE001 - one delivery's bug must not end the others' sending
            _log.warning("notification_attempt_broke", notification_id=delivery.id, exc_info=True)
            await self._failed(delivery, ChannelFailure(type(error).__name__, permanent=False))
        else:
            await self._settle(delivery, DeliveryStatus.SENT, None, outcome=Outcome.SENT, answer=answer)

    async def _failed(self, delivery: Delivery, failure: ChannelFailure) -> None:
        if failure.permanent:
            outcome, retry_in = Outcome.PERMANENT, None
        else:
            outcome = Outcome.TEMPORARY
            retry_in = self._policy.delay(delivery.attempts, self._jitter(), failure.retry_after)
        if retry_in is not None:
            status, reason = DeliveryStatus.QUEUED, None
        else:
            status = DeliveryStatus.DEAD
            reason = "permanent_failure" if failure.permanent else "attempts_exhausted"
        await self._settle(
            delivery, status, reason, outcome=outcome, answer=failure.answer, retry_in=retry_in
        )

    async def _settle(
        self,
        delivery: Delivery,
        status: DeliveryStatus,
        reason: str | None,
        *,
        outcome: Outcome | None = None,
        answer: str | None = None,
        retry_in: timedelta | None = None,
    ) -> None:
        async with self._unit_of_work(delivery.tenant_id) as uow:
            ours = await uow.deliveries.settle(delivery, status, reason, retry_in)
            if outcome is not None:
                await uow.deliveries.record_attempt(delivery, outcome, answer)
            await uow.commit("notification.settle")
        _log.info(
            "notification_settled" if ours else "notification_lease_lost",
            notification_id=delivery.id,
            event_id=delivery.event_id,
            channel=delivery.channel,
            status=status,
            reason=reason,
            attempt=delivery.attempts,
        )

    @property
    def _lease(self) -> timedelta:
        # Whoever does not record an outcome for that long has died, or has been frozen and is fenced off.
        return self._limit + timedelta(seconds=5)
