"""Making due deliveries ours: one transaction looks at wishes and state, composes, and marks what goes out."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from qs.application.kernel import tracing
from qs.application.notification.composing import ONE_LINK
from qs.application.notification.judging import Broken, Closed, End, Held, Judging, Ready
from qs.application.notification.pacing import Pacing
from qs.application.notification.ports import (
    Channel,
    Message,
    SendingUnitOfWork,
    SendingUnitOfWorkFactory,
    Settlement,
)
from qs.domain.notification.delivery import Delivery, DeliveryStatus, Outcome
from qs.domain.notification.retrying import RetryPolicy

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message that is ours to send, and the deliveries that it is, as they are once they have been made ours.

    ``traceparents`` are those of their events, as far as traces are kept.
    """

    deliveries: Sequence[Delivery]
    message: Message
    traceparents: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What is to be sent, and how many deliveries came to something, sent or not."""

    parcels: Sequence[Parcel]
    count: int


class Taking:
    """A wish or a state that was committed before this transaction made a delivery ours is honoured, and none after.

    ``is_away`` tells an outage, after which nothing was taken and nothing is counted, from what a delivery itself did.
    """

    def __init__(
        self,
        unit_of_work: SendingUnitOfWorkFactory,
        judging: Judging,
        pacing: Pacing,
        policy: RetryPolicy,
        *,
        is_away: Callable[[Exception], bool],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._judging = judging
        self._pacing = pacing
        self._policy = policy
        self._is_away = is_away
        self._jitter = jitter

    async def take(self, tenant_id: UUID, channel: Channel, limit: int, lease: timedelta) -> Taken:
        """At most ``limit`` messages of what is due."""
        async with self._unit_of_work(tenant_id) as uow:
            digest = self._judging.digest and channel.name not in ONE_LINK
            groups = await uow.deliveries.due(channel.name, limit, digest=digest)
            if not groups:
                return Taken((), 0)
            ends = await self._judge(uow, channel, groups)
            ready = [end for end in ends if isinstance(end, Ready)]
            # What the rate leaves no room for stays as it is, and is found again.
            ready = ready[: await self._pacing.permits(channel.name, len(ready))]
            others = [end for end in ends if not isinstance(end, Ready)]
            if not ready and not others:
                return Taken((), 0)
            for end in others:
                await self._put_away(uow, end, lease)
            parcels = await self._begin(uow, ready, lease)
            await uow.commit("notification.claim")
        return Taken(parcels, sum(len(each.deliveries) for each in parcels) + len(others))

    async def _judge(
        self, uow: SendingUnitOfWork, channel: Channel, groups: Sequence[Sequence[Delivery]]
    ) -> list[End]:
        try:
            async with uow.savepoint():
                return await self._judging.judge(uow, channel, groups)
        except Exception as error:
            if self._is_away(error):
                raise
        ends: list[End] = []
        for group in groups:
            ends += await self._judge_alone(uow, channel, group)
        return ends

    async def _judge_alone(
        self, uow: SendingUnitOfWork, channel: Channel, group: Sequence[Delivery]
    ) -> list[End]:
        try:
            async with uow.savepoint():
                return await self._judging.judge(uow, channel, [group])
        except Exception as error:
            if self._is_away(error):
                raise
            _log.warning("notification_attempt_broke", notification_id=group[0].id, exc_info=True)
            return [Broken(group, type(error).__name__)]

    async def _put_away(self, uow: SendingUnitOfWork, end: End, lease: timedelta) -> None:
        match end:
            case Held(delivery, until):
                await uow.deliveries.hold(delivery, until)
            case Closed(delivery, status, reason, instead):
                await uow.deliveries.add(instead)
                await uow.deliveries.close(delivery, status, reason)
            case Broken(group, answer):
                begun = await uow.deliveries.begin({each.id: each.digest_id for each in group}, lease)
                await uow.deliveries.settle([self._failed(each, answer) for each in begun.values()])
        _log_end(end)

    def _failed(self, delivery: Delivery, answer: str) -> Settlement:
        delay = self._policy.delay(delivery.attempts, self._jitter())
        status, reason = (
            (DeliveryStatus.DEAD, "attempts_exhausted") if delay is None else (DeliveryStatus.QUEUED, None)
        )
        return Settlement(delivery, status, reason, delay, Outcome.TEMPORARY, answer)

    async def _begin(self, uow: SendingUnitOfWork, ready: Sequence[Ready], lease: timedelta) -> list[Parcel]:
        if not ready:
            return []
        digests = {delivery.id: self._digest_id(each, delivery) for each in ready for delivery in each.group}
        begun = await uow.deliveries.begin(digests, lease)
        traces = await self._traces(uow, begun.values())
        return [
            Parcel(
                [begun[delivery.id] for delivery in each.group],
                each.message,
                [traces[delivery.event_id] for delivery in each.group if delivery.event_id in traces],
            )
            for each in ready
        ]

    async def _traces(self, uow: SendingUnitOfWork, deliveries: Iterable[Delivery]) -> Mapping[UUID, str]:
        if not tracing.is_on():
            return {}
        return await uow.deliveries.traceparents({each.event_id for each in deliveries})

    def _digest_id(self, ready: Ready, delivery: Delivery) -> UUID | None:
        # An opening that was tried under an id keeps to it: nothing joins it later, and it joins nothing.
        together = len(ready.group) > 1 or delivery.digest_id is not None
        alone = self._judging.digest and delivery.is_opening
        return ready.message.notification_id if together or alone else None


def _log_end(end: End) -> None:
    if isinstance(end, Closed):
        _log.info(
            "notification_settled",
            notification_id=end.delivery.id,
            event_id=end.delivery.event_id,
            channel=end.delivery.channel,
            status=end.status,
            reason=end.reason,
            attempt=end.delivery.attempts,
        )
    elif isinstance(end, Held):
        _log.info("notification_held", notification_id=end.delivery.id, channel=end.delivery.channel)
