from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from qs.application.scheduler.duties import retention_work, sweeping_work, syncing_work, validating_work
from qs.application.scheduler.ports import DutyContext
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT


class SomeReport:
    def to_dict(self) -> Mapping[str, Any]:
        return {"opened": 3}


def context(tenant_id: UUID = DEFAULT_TENANT, **parameters: object) -> DutyContext:
    return DutyContext(UUID(int=1), tenant_id, "user:anna", parameters, None, 1)


@pytest.mark.parametrize(
    ("asked", "tenant_id", "options"),
    [
        (
            context(),
            DEFAULT_TENANT,
            {"before": None, "zone_name": "Asia/Shanghai", "limit": None},
        ),
        (
            context(PLATFORM_TENANT),
            None,
            {"before": None, "zone_name": "Asia/Shanghai", "limit": None},
        ),
        (
            context(before="2026-07-01 19:00:00", timezone="Europe/London", limit=5),
            DEFAULT_TENANT,
            {"before": "2026-07-01 19:00:00", "zone_name": "Europe/London", "limit": 5},
        ),
    ],
)
async def test_a_sweep_is_told_whose_tasks_are_meant_and_which_of_them(
    asked: DutyContext, tenant_id: UUID | None, options: dict[str, object]
):
    told: list[tuple[UUID | None, dict[str, object]]] = []

    async def sweep(tenant_id: UUID | None, **given: object) -> SomeReport:
        told.append((tenant_id, given))
        return SomeReport()

    result = await sweeping_work(sweep, "Asia/Shanghai")(asked)

    assert told == [(tenant_id, options | {"actor": asked.actor})]
    assert result == {"opened": 3}


@pytest.mark.parametrize(("tenant", "meant"), [(DEFAULT_TENANT, DEFAULT_TENANT), (PLATFORM_TENANT, None)])
async def test_statistics_are_told_whose_are_meant_and_in_which_execution(tenant: UUID, meant: UUID | None):
    told: list[object] = []

    async def sync(tenant_id: UUID | None, execution_id: UUID) -> Mapping[str, object]:
        told.append((tenant_id, execution_id))
        return {}

    async def validate(tenant_id: UUID | None, *, repair: bool, execution_id: UUID) -> Mapping[str, object]:
        told.append((tenant_id, repair, execution_id))
        return {}

    asked = context(tenant, repair=True)
    await syncing_work(sync)(asked)
    await validating_work(validate)(asked)
    await validating_work(validate)(context(tenant))

    assert told[:2] == [(meant, asked.execution_id), (meant, True, asked.execution_id)]
    assert told[2][1] is False  # type: ignore[index]


async def test_retention_answers_what_was_deleted():
    class Deleting:
        async def run(self) -> Mapping[str, int]:
            return {"outbox": 7}

    assert await retention_work(Deleting())(context(PLATFORM_TENANT)) == {"outbox": 7}
