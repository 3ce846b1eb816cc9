"""The builtins that ship, run as any job by the executors of an installation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from qs.application.identity.administering_tenants import TenantChange
from qs.application.scheduler.job_documents import read_job
from qs.container import Container
from qs.domain.identity.tenant import StaffContact
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.job_execution import JobExecution
from tests.integration.jobs.nodes import ACTOR
from tests.support.waiting import eventually


@asynccontextmanager
async def working(container: Container) -> AsyncIterator[None]:
    """What the executions worker does beside claiming."""
    writing = asyncio.create_task(container.run_ends().keep_writing())
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def run(container: Container, name: str, payload: dict[str, Any] | None = None) -> JobExecution:
    """How an execution of the builtin ended."""
    job = await container.job_authoring().create(
        DEFAULT_TENANT,
        read_job(
            {
                "name": f"{name} {len(payload or {})}",
                "type": "cron",
                "schedule": "0 2 * * *",
                "target": {"builtin": name},
                "payload": payload or {},
                "retry": {"max_attempts": 3, "delay": "1h"},
            }
        ),
        actor=ACTOR,
    )
    asked = await container.job_operating().run(DEFAULT_TENANT, job.id, actor=ACTOR)
    async with working(container):
        await container.job_running().take()

        async def ended() -> JobExecution | None:
            async with container.job_uow()(DEFAULT_TENANT) as uow:
                found = await uow.runs.get(asked.id)
            assert found is not None
            return found.execution if found.execution.status.is_terminal else None

        execution = await eventually(ended)
    assert execution is not None
    return execution


async def test_the_daily_report_is_mailed_to_the_staff_or_to_whom_the_payload_names(container, mail):
    change = TenantChange(staff_contacts=(StaffContact("email", "ward@clinic.example.org"),))
    await container.tenant_administration().change("default", change, actor=ACTOR)

    to_staff = await run(container, "task:daily-report")
    to_others = await run(container, "task:daily-report", {"to": "study@clinic.example.org", "lang": "zh"})

    assert (to_staff.status, to_staff.error) == ("succeeded", None)
    assert to_staff.result is not None
    assert to_staff.result["mailed"] == 1
    assert to_others.status == "succeeded"
    assert mail.recipients == ["ward@clinic.example.org", "study@clinic.example.org"]
    assert [message["Subject"].endswith("数据日报") for message in mail.accepted] == [False, True]


async def test_a_report_to_nobody_fails_and_says_what_to_do(container):
    ended = await run(container, "task:daily-report")

    # No further attempt would find anybody.
    assert (ended.status, ended.attempt) == ("failed", 1)
    assert ended.error is not None
    assert "qs tenant set" in ended.error


async def test_the_daily_stats_are_the_result_of_their_execution(container):
    ended = await run(container, "task:daily-stats")

    assert ended.status == "succeeded"
    assert ended.result is not None
    assert ended.result["timezone"] == "Asia/Shanghai"
    assert ended.result["counts"]["completed"] == 0


async def test_the_cleanup_job_tells_what_it_deleted(container):
    ended = await run(container, "cleanup_job")

    assert ended.status == "succeeded"
    assert ended.result is not None
    assert {
        "outbox",
        "job_partitions_made",
        "job_months_dropped",
        "job_slots",
        "job_notices",
    } <= ended.result.keys()
