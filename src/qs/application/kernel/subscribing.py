"""Acting on events: in batches where all is well, counted and one by one where it is not."""

import asyncio
import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

import structlog

from qs.application.kernel import crash, tracing
from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.subscriptions import (
    Attempt,
    DueAttempts,
    StreamEntry,
    StreamReader,
    Subscriber,
    SubscribingUnitOfWork,
)
from qs.domain.kernel.errors import QsError, Unavailable

U = TypeVar("U", bound=SubscribingUnitOfWork)

_log = structlog.get_logger()


class Subscribing(Generic[U]):
    """Feeds one subscriber; any number of processes may do so at once.

    1. New stream entries are handled in one transaction per tenant: inbox rows, effects, commit; then XACK.
    2. Whatever is not plainly new is set aside in PostgreSQL and acknowledged in the stream: published again, handed
       out before, or part of a batch that failed.
    3. Events set aside are counted in a transaction of their own before the handler runs, the first time together,
       then alone. So a handler that fails, hangs or kills its process spends its attempts, ends in a dead letter,
       and holds nobody else up.
    4. An attempt that found something away (``is_away``) says nothing about its events and is not counted.
    If PostgreSQL or Redis go away the methods raise, and nothing is lost by calling them again.
    """

    def __init__(
        self,
        subscriber: Subscriber[U],
        unit_of_work: Callable[[UUID], U],
        reader: StreamReader,
        due: DueAttempts,
        *,
        max_attempts: int = 5,
        batch: int = 500,
        first_delay: timedelta = timedelta(seconds=1),
        longest_delay: timedelta = timedelta(minutes=5),
        handling_limit: timedelta = timedelta(seconds=10),
        is_away: Callable[[Exception], bool] = lambda error: isinstance(error, Unavailable),
    ) -> None:
        """``is_away`` tells failures that say nothing about the events: the database was cut off, say."""
        self._subscriber = subscriber
        self._name = subscriber.subscription.subscriber
        self._unit_of_work = unit_of_work
        self._reader = reader
        self._due = due
        self._max_attempts = max_attempts
        self._batch = batch
        self._first_delay = first_delay
        self._longest_delay = longest_delay
        self._handling_limit = handling_limit
        self._is_away = is_away

    async def follow(self, wait: timedelta) -> int:
        """Handles the next batch of new entries, waiting for one at most that long; returns its size."""
        entries = await self._reader.read(self._batch, wait)
        for tenant_id, own in _by_tenant(entries).items():
            await self._handle_new(tenant_id, list({entry.event_id for entry in own}))
            await self._acknowledge(own)
        return len(entries)

    async def adopt(self, idle: timedelta) -> int:
        """Sets aside what consumers that are gone left unacknowledged for that long; returns how many."""
        entries = await self._reader.reclaim(self._batch, idle)
        for tenant_id, own in _by_tenant(entries).items():
            await self._set_aside(tenant_id, [entry.event_id for entry in own])
            await self._acknowledge(own)
        return len(entries)

    async def retry(self) -> int:
        """Handles what is set aside and due, a batch of first and one of further attempts per tenant."""
        count = 0
        for tenant_id in await self._due.tenants(self._name):
            count += await self._retry_together(tenant_id)
            count += await self._retry_alone(tenant_id)
        return count

    async def _acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        await crash.hit("subscriber.before_acknowledge")
        await self._reader.acknowledge(entries)
        await crash.hit("subscriber.after_acknowledge")

    async def _handle_new(self, tenant_id: UUID, event_ids: list[UUID]) -> None:
        try:
            async with self._unit_of_work(tenant_id) as uow:
                events = await uow.inbox.take(self._name, event_ids)
                if len(events) < len(event_ids):
                    taken = {event.id for event in events}
                    await uow.inbox.set_aside(self._name, [id_ for id_ in event_ids if id_ not in taken])
                await self._handle(uow, events)
                await uow.commit("subscriber.batch")
        except Exception as error:  # noqa: BLE001 - whatever it was, each event gets its own chance
            stack = not self._is_away(error)
            _log.warning("event_batch_failed", subscriber=self._name, events=len(event_ids), exc_info=stack)
            await self._set_aside(tenant_id, event_ids)

    async def _retry_together(self, tenant_id: UUID) -> int:
        async with self._unit_of_work(tenant_id) as uow:
            attempts = await uow.inbox.claim_untried(self._name, self._batch, self._lease)
            await uow.commit("subscriber.claim_untried")
        if attempts:
            event_ids = [attempt.event_id for attempt in attempts]
            error = await self._try(tenant_id, event_ids)
            if error is not None and self._is_away(error):
                await self._excuse(tenant_id, event_ids)
                return 0
            if error is not None:
                await self._postpone(tenant_id, event_ids, error, timedelta(0))
        return len(attempts)

    async def _retry_alone(self, tenant_id: UUID) -> int:
        for done in range(self._batch):
            async with self._unit_of_work(tenant_id) as uow:
                attempt = await uow.inbox.claim_tried(self._name, self._lease)
                await uow.commit("subscriber.claim_tried")
            if attempt is None or not await self._try_alone(tenant_id, attempt):
                return done
        return self._batch

    async def _try_alone(self, tenant_id: UUID, attempt: Attempt) -> bool:
        """Whether there is a point in trying the next."""
        if attempt.number > self._max_attempts:
            await self._bury(tenant_id, attempt.event_id, None)
            return True
        error = await self._try(tenant_id, [attempt.event_id])
        if error is None:
            return True
        if self._is_away(error):
            await self._excuse(tenant_id, [attempt.event_id])
            return False
        if attempt.number == self._max_attempts:
            await self._bury(tenant_id, attempt.event_id, error)
        else:
            await self._postpone(tenant_id, [attempt.event_id], error, self._delay(attempt.number))
        return True

    async def _try(self, tenant_id: UUID, event_ids: Collection[UUID]) -> Exception | None:
        """Handles events set aside; returns what went wrong, if anything."""
        try:
            async with self._unit_of_work(tenant_id) as uow:
                await self._handle(uow, await uow.inbox.take_again(self._name, event_ids))
                await uow.commit("subscriber.attempt")
        except Exception as error:  # noqa: BLE001 - whatever it was, it is recorded and counts as an attempt
            if self._is_away(error):
                what = error.code if isinstance(error, QsError) else type(error).__name__
                _log.info("events_wait", subscriber=self._name, events=len(event_ids), error=what)
            else:
                _log.warning(
                    "event_attempt_failed", subscriber=self._name, event_ids=event_ids, exc_info=True
                )
            return error
        return None

    async def _handle(self, uow: U, events: Sequence[PublishedEvent]) -> None:
        if events:
            limit = asyncio.timeout(self._handling_limit.total_seconds())
            try:
                async with limit:
                    with self._traced(events):
                        await self._subscriber.handle(uow, events)
                    await crash.hit("subscriber.after_effect")
            except TimeoutError:
                if not limit.expired():
                    raise
                # An error of its own, not caused by whatever it hung in: it may hang there each time.
                raise TimeoutError("the handler took too long")  # noqa: B904

    def _traced(self, events: Sequence[PublishedEvent]) -> AbstractContextManager[None]:
        return tracing.spans(
            f"process {self._name}",
            {"messaging.operation.type": "process", "qs.subscriber": self._name},
            kind="consumer",
            parents=(event.traceparent for event in events),
        )

    async def _set_aside(self, tenant_id: UUID, event_ids: Collection[UUID]) -> None:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.inbox.set_aside(self._name, event_ids)
            await uow.commit("subscriber.set_aside")

    async def _postpone(
        self, tenant_id: UUID, event_ids: Collection[UUID], error: Exception, delay: timedelta
    ) -> None:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.inbox.postpone(self._name, event_ids, _describe(error), delay)
            await uow.commit("subscriber.postpone")

    async def _excuse(self, tenant_id: UUID, event_ids: Collection[UUID]) -> None:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.inbox.excuse(self._name, event_ids, self._first_delay)
            await uow.commit("subscriber.excuse")

    async def _bury(self, tenant_id: UUID, event_id: UUID, error: Exception | None) -> None:
        told = None if error is None else _describe(error)
        async with self._unit_of_work(tenant_id) as uow:
            await uow.inbox.bury(self._name, event_id, told)
            await uow.commit("subscriber.bury")
        _log.error("event_dead", subscriber=self._name, event_id=event_id, error=told)

    def _delay(self, attempt: int) -> timedelta:
        doubled: timedelta = self._first_delay * (1 << min(attempt - 1, 20))
        return min(doubled, self._longest_delay)

    @property
    def _lease(self) -> timedelta:
        # Longer than any handling may take, so that an attempt is given up for dead only when it is.
        return self._handling_limit + timedelta(seconds=2)


def _by_tenant(entries: Sequence[StreamEntry]) -> dict[UUID, list[StreamEntry]]:
    own: dict[UUID, list[StreamEntry]] = defaultdict(list)
    for entry in entries:
        own[entry.tenant_id].append(entry)
    return own


def _describe(error: Exception) -> str:
    """What failed and where. Only errors raised on purpose are quoted: others may repeat the data they met."""
    if isinstance(error, QsError):
        return f"{error.code}: {error}"[:500]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
