"""Sending what is due: claimed with a lease, sent, then recorded."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from qs.application.kernel import crash, tracing
from qs.application.notification.composing import Skip
from qs.application.notification.ports import (
    Channel,
    ChannelFailure,
    DueDeliveries,
    NotificationUnitOfWorkFactory,
)
from qs.application.notification.recording import End, Recording
from qs.application.notification.taking import Parcel, Taking
from qs.domain.notification.delivery import DeliveryStatus, Outcome
from qs.domain.notification.retrying import RetryPolicy

_log = structlog.get_logger()


class Sending:
    """Sends over one channel, so that a slow one keeps no other waiting; any number of processes may.

    1. State, wishes and address are read, the message is composed and the attempt counted with a lease, all in one
       transaction.
    2. The message is sent.
    3. The outcome is recorded if the lease is still ours, in one transaction with those that ended at the same time.
    A crash between 1 and 3 sends again, under the same notification id, when the lease is over.
    """

    def __init__(
        self,
        channel: Channel,
        unit_of_work: NotificationUnitOfWorkFactory,
        due: DueDeliveries,
        taking: Taking,
        policy: RetryPolicy,
        *,
        is_away: Callable[[Exception], bool],
        concurrency: int = 10,
        limit: timedelta = timedelta(seconds=30),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._channel = channel
        self._unit_of_work = unit_of_work
        self._due = due
        self._taking = taking
        self._policy = policy
        self._is_away = is_away
        self._recording = Recording(unit_of_work, is_away)
        self._concurrency = concurrency
        self._limit = limit
        self._jitter = jitter

    async def send_due(self) -> int:
        """Sends a handful of one tenant that has something due, whichever it is; returns how many came to something."""
        tenants = list(await self._due.tenants(self._channel.name))
        random.shuffle(tenants)
        for tenant_id in tenants:
            taken = await self._taking.take(tenant_id, self._channel, self._concurrency, self._lease)
            if taken.count:
                await self._send_all(taken.parcels)
                return taken.count
        return 0

    async def _send_all(self, parcels: Sequence[Parcel]) -> None:
        self._recording.expect(len(parcels))
        outcomes = await asyncio.gather(*(self._send(each) for each in parcels), return_exceptions=True)
        # Only when all have ended: a failure to record one must not tear down the sending of another.
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _send(self, parcel: Parcel) -> None:
        try:
            answer = await self._hand_over(parcel)
        except Skip as skip:
            await self._settle(parcel, DeliveryStatus.SKIPPED, skip.reason)
        except ChannelFailure as failure:
            await self._failed(parcel, failure)
        except TimeoutError:
            await self._failed(parcel, ChannelFailure("no answer in time", permanent=False))
        except Exception as error:  # noqa: BLE001 - one delivery's bug must not end the others' sending
            if self._is_away(error):
                # What we need ourselves is away, so that the receiver was not even asked.
                await self._release(parcel)
                return
            _log.warning(
                "notification_attempt_broke", notification_id=parcel.message.notification_id, exc_info=True
            )
            await self._failed(parcel, ChannelFailure(type(error).__name__, permanent=False))
        else:
            await self._settle(parcel, DeliveryStatus.SENT, None, outcome=Outcome.SENT, answer=answer)

    async def _hand_over(self, parcel: Parcel) -> str:
        first, *others = parcel.traceparents or (None,)
        told: tracing.Attributes = {
            "qs.channel": self._channel.name,
            "qs.notification_id": str(parcel.message.notification_id),
            "qs.event_id": str(parcel.message.event_id),
        }
        with tracing.span(
            "send notification", told, kind="producer", parent=first, links=others, harmless=(Skip,)
        ) as span:
            try:
                async with asyncio.timeout(self._limit.total_seconds()):
                    await crash.hit("notification.before_send")
                    answer = await self._channel.send(parcel.message)
                    await crash.hit("notification.after_send")
                    return answer
            except Skip as skip:
                span.note("qs.skipped", skip.reason)
                raise

    async def _failed(self, parcel: Parcel, failure: ChannelFailure) -> None:
        if failure.permanent:
            outcome, retry_in = Outcome.PERMANENT, None
        else:
            outcome = Outcome.TEMPORARY
            tried = max(each.attempts for each in parcel.deliveries)
            retry_in = self._policy.delay(tried, self._jitter(), failure.retry_after)
        if retry_in is not None:
            status, reason = DeliveryStatus.QUEUED, None
        else:
            status = DeliveryStatus.DEAD
            reason = failure.reason if failure.permanent else "attempts_exhausted"
        await self._settle(parcel, status, reason, outcome=outcome, answer=failure.answer, retry_in=retry_in)

    async def _settle(
        self,
        parcel: Parcel,
        status: DeliveryStatus,
        reason: str | None,
        *,
        outcome: Outcome | None = None,
        answer: str | None = None,
        retry_in: timedelta | None = None,
    ) -> None:
        await self._recording.record(End(parcel, status, reason, outcome, answer, retry_in))

    async def _release(self, parcel: Parcel) -> None:
        async with self._unit_of_work(parcel.deliveries[0].tenant_id) as uow:
            for each in parcel.deliveries:
                await uow.deliveries.release(each, self._policy.first)
            await uow.commit("notification.release")
        _log.info("notification_released", notification_id=parcel.message.notification_id)

    @property
    def _lease(self) -> timedelta:
        # Whoever does not record an outcome for that long has died, or has been frozen and is fenced off.
        return self._limit + timedelta(seconds=5)
