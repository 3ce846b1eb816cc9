"""A tenant whose events are counted: its plans at work, the relay, the statistics worker and the syncs, step by step."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from qs.application.statistics.ports import Counters, Kind
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.statistics.metrics import METRICS, Counts, Place
from qs.infra.statistics.rows import counts_of
from tests.integration.plan.clinic import Clinic

_SOON = timedelta(milliseconds=20)
TENANT_KEY = str(DEFAULT_TENANT)


async def in_portions(*figures: Mapping[Place, Counts]) -> AsyncIterator[Mapping[Place, Counts]]:
    """The figures as counters are made of them."""
    for portion in figures:
        yield portion


async def installed(counters: Counters, epoch: UUID, figures: AsyncIterable[Mapping[Place, Counts]]) -> None:
    """The figures are the default tenant's counters."""
    made = await counters.make(DEFAULT_TENANT, epoch, figures)
    await counters.install(DEFAULT_TENANT, epoch, made, ())


class Ward(Clinic):
    """The plan context's clinic with the statistics beside it."""

    def __init__(
        self, container: Container, truth: asyncpg.Connection, tenant_id: UUID = DEFAULT_TENANT
    ) -> None:
        super().__init__(container, tenant_id)
        self.container = container
        self.truth = truth
        self.counting = container.counting()
        self.mending = container.counter_mending()
        self.counters = container.counters()
        self.statistics = container.statistics_uow()

    async def count(self) -> None:
        """Publishes what was recorded and counts it."""
        publishing = self.container.publishing()
        await self.mending.mend_lost()
        while await publishing.round():
            pass
        await self.counting.follow(_SOON)
        while await self.counting.follow(_SOON) or await self.counting.retry():
            pass

    async def sync(self, *kinds: Kind) -> list[Any]:
        """The given syncs, else all three in their order."""
        syncing = self.container.statistics_syncing()
        wanted = kinds or (Kind.DAILY, Kind.ACCUMULATED, Kind.PLAN)
        return [await syncing.sync(kind, self.tenant_id) for kind in wanted]

    async def validate(self, *, repair: bool = False) -> Any:
        return await self.container.validation().validate(self.tenant_id, repair=repair)

    async def live(self) -> dict[Place, dict[str, int]]:
        """The live counters."""
        epoch = await self.mending.good(self.tenant_id)
        assert epoch is not None, "the counters are lost"
        found: dict[Place, dict[str, int]] = {}
        async for figures in self.counters.figures(self.tenant_id, epoch.id, 500):
            found.update({place: dict(counts) for place, counts in figures.items()})
        return found

    async def stored(self) -> dict[Place, dict[str, int]]:
        """The daily figures."""
        rows = await self.truth.fetch("SELECT * FROM stat_daily WHERE tenant_id = $1", self.tenant_id)
        return {
            Place(row["dimension"], row["key"], row["day"]): counts_of(
                [row[name] for name in METRICS], row["reasons"]
            )
            for row in rows
        }

    async def agrees(self) -> bool:
        """Whether the live counters are what the tasks say of the dates they hold."""
        epoch = await self.mending.good(self.tenant_id)
        assert epoch is not None, "the counters are lost"
        right = {
            place: counts
            for place, counts in (await self.recounted()).items()
            if place.day >= epoch.live_from
        }
        live = await self.live()
        assert live == right
        return True

    async def recounted(self) -> Mapping[Place, Counts]:
        """What the tasks themselves say."""
        found: dict[Place, Counts] = {}
        calendar = await self.container._calendars().of(self.tenant_id)
        async with self.container._truths()(self.tenant_id) as truth:
            began = await truth.first_instant()
            stretches = calendar.stretches(began, truth.now) if began else []
            async for portion in truth.figures(stretches):
                found |= portion
        return found
