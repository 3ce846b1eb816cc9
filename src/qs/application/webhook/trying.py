"""Trying an endpoint out: an event that tells of nothing, sent at once, and what the receiver said."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from qs.application.kernel import crash
from qs.application.kernel.cloud_events import CloudEvent
from qs.application.webhook.ports import (
    Due,
    OutcomeCounter,
    Receiver,
    Refusal,
    Settlement,
    WebhookUnitOfWorkFactory,
)
from qs.domain.kernel.ids import IdGenerator
from qs.domain.webhook.delivery import TEST_EVENT, DeliveryStatus, Outcome
from qs.domain.webhook.errors import WebhookAbsent


@dataclass(frozen=True, slots=True)
class Trial:
    """``http_status`` is None where there was no answer; ``answer`` says what there was instead."""

    delivery_id: UUID
    event_id: UUID
    accepted: bool
    http_status: int | None
    answer: str
    duration_ms: int


class WebhookTrying:
    def __init__(
        self,
        unit_of_work: WebhookUnitOfWorkFactory,
        receiver: Receiver,
        counter: OutcomeCounter,
        ids: IdGenerator,
        *,
        limit: timedelta = timedelta(seconds=17),
    ) -> None:
        """``limit`` is the longest that the call may take."""
        self._unit_of_work = unit_of_work
        self._receiver = receiver
        self._counter = counter
        self._ids = ids
        self._limit = limit

    async def send(self, tenant_id: UUID, endpoint_id: UUID, *, actor: str) -> Trial:
        """Sends the test event once, also to a disabled endpoint, whatever its filters and its health.

        Raises:
            WebhookAbsent, WebhookSecretsUnreadable.
        """
        event_id, delivery_id = self._ids(), self._ids()
        async with self._unit_of_work(tenant_id) as uow:
            locked = await uow.endpoints.lock(endpoint_id)
            if locked is None:
                raise WebhookAbsent
            endpoint = locked.endpoint
            secrets = await uow.endpoints.secrets(endpoint_id)
            body = _body(event_id, tenant_id, endpoint_id, uow.now)
            lease = self._limit + timedelta(seconds=10)
            due = await uow.deliveries.add_test(endpoint_id, delivery_id, event_id, body, lease)
            await uow.audit.add("webhook.tested", "webhook", endpoint_id, actor=actor)
            await uow.commit("webhook.test")
        signing = secrets.signing(endpoint.previous_secret_until, locked.now)
        began = time.monotonic()
        status, answer, accepted = await self._post(endpoint.url, signing, due)
        took = round((time.monotonic() - began) * 1000)
        settlement = (
            Settlement(due, DeliveryStatus.SENT, None, None, Outcome.SENT, answer, took)
            if accepted
            else Settlement(due, DeliveryStatus.DEAD, "test_failed", None, Outcome.PERMANENT, answer, took)
        )
        async with self._unit_of_work(tenant_id) as uow:
            await uow.deliveries.settle(endpoint_id, [settlement])
            await uow.commit("webhook.test_settle")
        self._counter.sent("accepted" if accepted else "failed")
        return Trial(delivery_id, event_id, accepted, status, answer, took)

    async def _post(self, url: str, secrets: Sequence[str], due: Due) -> tuple[int | None, str, bool]:
        """The status, what is told of the answer, and whether it was accepted."""
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                await crash.hit("webhook.test.before_send")
                status = await self._receiver.post(url, secrets, due.event_id, due.body)
                await crash.hit("webhook.test.after_send")
        except Refusal as refusal:
            return refusal.status, refusal.answer, False
        except TimeoutError:
            return None, "no answer in time", False
        return status, f"HTTP {status}", True


def _body(event_id: UUID, tenant_id: UUID, endpoint_id: UUID, now: datetime) -> str:
    event = CloudEvent(
        id=str(event_id),
        source=f"/tenants/{tenant_id}/webhook",
        type=TEST_EVENT,
        subject=f"webhooks/{endpoint_id}",
        time=now,
        partitionkey=str(endpoint_id),
        # It has no place in the feed.
        sequence="0" * 20,
        data=msgspec.Raw(msgspec.json.encode({"webhook_id": endpoint_id})),
    )
    return msgspec.json.encode(event).decode()
