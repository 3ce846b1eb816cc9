"""A tenant whose testees are notified, by the real services of the other contexts."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from qs.application.plan.keeping import Profile
from qs.container import Container
from qs.domain.identity.tenant import StaffContact
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.testee import Contact, Guardian, OptOut
from qs.infra.identity.staff_contacts import seal

ACTOR = "user:test"


def mailbox(address: str) -> Contact:
    return Contact("email", address)


class Clinic:
    """Opens tasks, lets the workers' steps run until nothing is left to do, and reads the ledger."""

    tenant_id = DEFAULT_TENANT

    def __init__(self, container: Container, truth: asyncpg.Connection) -> None:
        self.container = container
        self.truth = truth

    async def plan(self, **fields: Any) -> UUID:
        default = {"name": "Follow-up", "scale_code": "PHQ-9", "schedule_type": "by_day", "interval": 1}
        made = await self.container.plan_authoring().create(
            self.tenant_id, {**default, "total_times": 1, "trigger_time": "00:00:00", **fields}, actor=ACTOR
        )
        return made.id

    async def testee(
        self,
        contacts: Sequence[Contact] = (),
        guardians: Sequence[Guardian] = (),
        opt_outs: Sequence[OptOut] = (),
        **fields: Any,
    ) -> UUID:
        profile = Profile(
            contacts=tuple(contacts), guardians=tuple(guardians), opt_outs=tuple(opt_outs), **fields
        )
        return (await self.container.testee_keeping().create(self.tenant_id, profile, actor=ACTOR)).id

    async def task(self, testee_id: UUID, plan_id: UUID | None = None) -> UUID:
        """A task that is due and not opened yet."""
        start = date.today() - timedelta(days=1)  # noqa: DTZ011 - any recent day will do
        joined = await self.container.enrolling().enroll(
            self.tenant_id, plan_id or await self.plan(), testee_id, start, actor=ACTOR
        )
        return joined.tasks[0].id

    async def opened(self, testee_id: UUID, plan_id: UUID | None = None) -> UUID:
        task_id = await self.task(testee_id, plan_id)
        await self.container.task_operating().open(self.tenant_id, task_id, actor=ACTOR)
        return task_id

    async def staff(self, *addresses: str) -> None:
        contacts = [StaffContact("email", address) for address in addresses]
        sealed = seal(self.container.personal_cipher(), self.tenant_id, contacts)
        await self.truth.execute(
            "UPDATE tenant SET staff_contacts = $1 WHERE id = $2", sealed, self.tenant_id
        )

    async def link(self, task_id: UUID) -> str:
        link = await self.container.entry_links().show(self.tenant_id, task_id)
        assert link is not None
        return link.url

    async def announce(self) -> None:
        """Everything recorded so far becomes deliveries."""
        announcing = self.container.announcing()
        await announcing.follow(timedelta(milliseconds=1))
        while await self.container.publishing().round():
            pass
        while await announcing.follow(timedelta(milliseconds=1)):
            pass
        await announcing.retry()

    async def send(self) -> None:
        """Every delivery that is due is tried, until none is."""
        while await self.send_once():
            pass

    async def send_once(self) -> int:
        """Every delivery that is due is tried; how many that were."""
        return sum([await sending.send_due() for sending in self.container.sending().values()])

    async def deliveries(self, channel: str | None = None) -> list[asyncpg.Record]:
        rows = await self.truth.fetch("SELECT * FROM delivery ORDER BY id")
        return [row for row in rows if channel in (None, row["channel"])]

    async def attempts(self, delivery_id: UUID) -> list[str]:
        query = "SELECT outcome FROM delivery_attempt WHERE delivery_id = $1 ORDER BY number"
        return [row["outcome"] for row in await self.truth.fetch(query, delivery_id)]
