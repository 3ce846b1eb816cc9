"""What an alert is made of: differences and ages of the figures of every tenant that is served."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from qs.application.identity.administering_tenants import TenantChange
from qs.application.statistics.ports import Condition
from qs.container import build_container, close
from qs.domain.identity.tenant import TenantStatus
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.rest.metrics import Statistics
from tests.support.http import app_over, serving


class FakeTenants:
    """Says what the database would, or why it does not."""

    def __init__(self, answer: Condition | Exception) -> None:
        self.answer = answer

    async def condition(self) -> Condition:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def epochs(self) -> Mapping[UUID, UUID | None]:
        return {}


def measured(statistics: Statistics) -> dict[str, Any]:
    return {sample.name: sample.value for family in statistics.collect() for sample in family.samples}


async def test_what_was_never_known_is_not_told_as_no_difference():
    statistics = Statistics()

    await statistics.ask(FakeTenants(ConnectionError("away")))

    assert measured(statistics) == {}


async def test_what_was_known_last_is_told_while_the_database_is_away():
    statistics = Statistics()
    await statistics.ask(FakeTenants(Condition(3, {})))

    await statistics.ask(FakeTenants(ConnectionError("away")))

    assert measured(statistics) == {"qs_statistics_differences": 3}


async def test_a_scrape_is_answered_while_postgresql_is_away(settings):
    away = replace(settings.database, url="postgresql://qs@127.0.0.1:1/nowhere")
    server = replace(settings.server, metrics_public=True)
    container = build_container(replace(settings, database=away, server=server))
    try:
        async with serving(app_over(container)) as client:
            answer = await client.get("/metrics")
    finally:
        await close(container)

    assert answer.status_code == 200
    assert "qs_http_requests_total" in answer.text


async def test_a_tenant_that_is_not_served_any_more_alarms_nobody(ward, container, neighbour):
    administration = container.tenant_administration()
    await ward.sync()
    await ward.truth.execute(
        "INSERT INTO stat_sync (tenant_id, kind, began_at, differences)"
        " SELECT id, kind, '2000-01-01T00:00Z', 5 FROM tenant, unnest(ARRAY['daily', 'validate']) AS k(kind)"
        " WHERE slug = 'neighbour'"
    )
    tenants = container.counted_tenants()
    before = await tenants.condition()

    await administration.change("neighbour", TenantChange(status=TenantStatus.SUSPENDED), actor="test")
    after = await tenants.condition()

    assert (before.differences, before.finished_at["daily"].year) == (10, 2000)
    assert (after.differences, after.finished_at["daily"].year) == (0, after.finished_at["plan"].year)
    kept = "SELECT count(*) FROM stat_sync WHERE tenant_id <> $1"
    assert await ward.truth.fetchval(kept, DEFAULT_TENANT) == 2


@pytest.mark.parametrize("kind", ["daily", "accumulated", "plan", "validate"])
async def test_each_kind_says_when_it_was_last_done(ward, api, kind):
    await ward.sync()
    await ward.validate()

    lines = (await api.get("/metrics")).text.splitlines()

    name = f'qs_statistics_last_finished_timestamp_seconds{{kind="{kind}"}}'
    (line,) = [line for line in lines if line.startswith(name)]
    (system,) = await ward.rows("SELECT extract(epoch FROM clock_timestamp())::float AS now")
    assert 0 <= system.now - float(line.rsplit(" ", 1)[1]) < 60
