"""A tenant whose events go to webhooks, by the real services."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from standardwebhooks import Webhook

from qs.application.webhook.keeping import NewSecret
from qs.application.webhook.sending import WebhookSending
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.webhook.unit_of_work import SqlDueEndpoints
from qs.making_webhooks import make_sending
from tests.support.receivers import Received

ACTOR = "user:test"


class Desk:
    """Makes endpoints and events, lets the workers' steps run, and reads the ledger."""

    tenant_id = DEFAULT_TENANT

    def __init__(self, container: Container, truth: asyncpg.Connection) -> None:
        self.container = container
        self.truth = truth

    async def endpoint(self, url: str, events: Sequence[str] = ("*",), name: str = "system") -> NewSecret:
        return await self.container.webhook_keeping().create(
            self.tenant_id, name, url, list(events), actor=ACTOR
        )

    async def plan(self, **fields: Any) -> UUID:
        """A plan, whose creation is an event."""
        default = {"name": "Follow-up", "scale_code": "PHQ-9", "schedule_type": "by_day", "interval": 1}
        made = await self.container.plan_authoring().create(
            self.tenant_id, {**default, "total_times": 1, "trigger_time": "00:00:00", **fields}, actor=ACTOR
        )
        return made.id

    async def plans(self, count: int) -> None:
        for _ in range(count):
            await self.plan()

    async def fan_out(self) -> None:
        """Everything recorded so far becomes deliveries."""
        fanning_out = self.container.webhook_fanning_out()
        await fanning_out.follow(timedelta(milliseconds=1))
        while await self.container.publishing().round():
            pass
        while await fanning_out.follow(timedelta(milliseconds=1)):
            pass
        await fanning_out.retry()

    async def send(self) -> None:
        """What is due is tried once."""
        sending = self.container.webhook_sending()
        await sending.send_due()
        await sending.idle()

    def another_sending(self) -> WebhookSending:
        """The sender of another process."""
        container = self.container
        due, receiver = SqlDueEndpoints(container.engine()), container.webhook_sending()._receiver
        return make_sending(
            container.settings(), container.webhook_uow(), due, receiver, container.webhook_counts()
        )

    async def deliveries(self, status: str | None = None) -> list[asyncpg.Record]:
        rows = await self.truth.fetch("SELECT * FROM webhook_delivery ORDER BY id")
        return [row for row in rows if status in (None, row["status"])]

    async def attempts(self, delivery_id: UUID) -> list[tuple[int, str, str | None]]:
        query = "SELECT number, outcome, answer FROM webhook_attempt WHERE delivery_id = $1 ORDER BY number"
        return [tuple(row) for row in await self.truth.fetch(query, delivery_id)]

    async def due_now(self) -> None:
        """Whatever waits for a retry, a probe or the end of a lease is due."""
        await self.truth.execute(
            "UPDATE webhook_delivery SET next_attempt_at = now() WHERE status IN ('queued', 'sending')"
        )
        await self.truth.execute("UPDATE webhook_endpoint SET paused_until = NULL")


def verified(received: Received, secret: str) -> Any:
    """The body, verified by the official library; it raises where the signature does not fit."""
    return Webhook(secret).verify(received.body, dict(received.headers))
