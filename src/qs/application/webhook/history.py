"""What an endpoint was sent, and sending it again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.webhook.ports import DeliveryFilter, WebhookUnitOfWorkFactory
from qs.domain.webhook.delivery import SETTLED, Attempt, Delivery, DeliveryStatus
from qs.domain.webhook.errors import ReplayRangeUnclear, WebhookAbsent, WebhookDisabled

MOST_PER_REPLAY = 10_000
NOT_RECEIVED = frozenset({DeliveryStatus.DEAD, DeliveryStatus.SKIPPED})


@dataclass(frozen=True, slots=True)
class DeliveryHistory:
    """A delivery with all its attempts, the oldest first."""

    delivery: Delivery
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """``before`` is where the next page begins; None at the end."""

    deliveries: Sequence[DeliveryHistory]
    before: UUID | None


@dataclass(frozen=True, slots=True)
class Replay:
    """Which deliveries: of these ids; or those made from ``since`` until before ``until``; of a status.

    Of ids all that are settled are meant, else those that did not arrive, unless ``status`` says which.
    """

    delivery_ids: Collection[UUID] | None = None
    since: datetime | None = None
    until: datetime | None = None
    status: DeliveryStatus | None = None

    @property
    def statuses(self) -> Collection[DeliveryStatus]:
        if self.status is not None:
            return (self.status,)
        return SETTLED if self.delivery_ids is not None else NOT_RECEIVED

    def check(self) -> None:
        """Raises ReplayRangeUnclear unless it says which deliveries are meant."""
        ranged = self.since is not None or self.until is not None
        if self.status is not None and self.status not in SETTLED:
            raise ReplayRangeUnclear("/status", "must be sent, dead or skipped")
        if self.delivery_ids is not None and ranged:
            pointer = "/since" if self.since is not None else "/until"
            raise ReplayRangeUnclear(pointer, "does not go with delivery_ids")
        if self.delivery_ids is None and not ranged and self.status is None:
            raise ReplayRangeUnclear("/delivery_ids", "is required, or since, until or status instead")


@dataclass(frozen=True, slots=True)
class Replayed:
    """``more`` says that there are more than one replay takes; the same call goes on."""

    replayed: int
    more: bool


class WebhookHistory:
    def __init__(self, unit_of_work: WebhookUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def list(
        self,
        tenant_id: UUID,
        endpoint_id: UUID,
        which: DeliveryFilter,
        *,
        before: UUID | None = None,
        limit: int = 20,
    ) -> HistoryPage:
        """The newest first, going on from ``before``. Raises WebhookAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            if await uow.endpoints.get(endpoint_id) is None:
                raise WebhookAbsent
            found = await uow.deliveries.list(endpoint_id, which, before, limit + 1)
            page = found[:limit]
            attempts = await uow.deliveries.attempts_of([each.id for each in page])
        items = [DeliveryHistory(each, attempts.get(each.id, ())) for each in page]
        return HistoryPage(items, page[-1].id if len(found) > limit else None)

    async def replay(self, tenant_id: UUID, endpoint_id: UUID, which: Replay, *, actor: str) -> Replayed:
        """Queues them anew under their ids, at most 10,000, the oldest first.

        Raises:
            ReplayRangeUnclear: it is not said which.
            WebhookAbsent: there is no such endpoint.
            WebhookDisabled: it would wait there for ever.
        """
        which.check()
        async with self._unit_of_work(tenant_id) as uow:
            endpoint = await uow.endpoints.get(endpoint_id)
            if endpoint is None:
                raise WebhookAbsent
            if not endpoint.enabled:
                raise WebhookDisabled
            count = await uow.deliveries.revive(
                endpoint_id,
                delivery_ids=which.delivery_ids,
                statuses=which.statuses,
                since=which.since,
                until=which.until,
                limit=MOST_PER_REPLAY,
            )
            detail = {"replayed": count}
            await uow.audit.add("webhook.replayed", "webhook", endpoint_id, actor=actor, detail=detail)
            await uow.commit("webhook.replay")
        return Replayed(count, more=count == MOST_PER_REPLAY)
