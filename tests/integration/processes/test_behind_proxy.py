"""Two API processes behind a proxy and two workers of each role are one service, whichever of them does what."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.settings.sections import WorkerSettings
from tests.proof.invariants import violations
from tests.proof.laws import runs
from tests.proof.world import SUBSCRIPTIONS
from tests.support.processes import clean_environment, running
from tests.support.proxy import RoundRobinProxy
from tests.support.settings import SECRET_KEY
from tests.support.waiting import eventually

SIDE_BY_SIDE = 2
READS = 60
DAILY = {
    "name": "Daily",
    "scale_code": "PHQ-9",
    "schedule_type": "by_day",
    "interval": 1,
    "total_times": 4,
    "trigger_time": "00:00:00",
    "catch_up": "all",
    "due_days": 3,
}
EACH_SECOND = {
    "name": "each second",
    "type": "duration",
    "schedule": "1s",
    "target": {"builtin": "hello_job"},
    "misfire": {"policy": "skip"},
}
PEOPLE = 40
ALL_ALIVE = """
SELECT bool_and(n = $1) AND count(*) = cardinality($2::text[])
FROM (SELECT role, count(*) AS n FROM worker_heartbeat WHERE role = ANY ($2) GROUP BY role) each"""
UNACKNOWLEDGED = " OR ".join(
    f"(context = ANY(ARRAY{list(each.contexts)}) AND name = ANY(ARRAY{list(each.names)})"
    f" AND NOT EXISTS (SELECT FROM inbox i WHERE i.subscriber = '{each.subscriber}' AND i.event_id = o.id))"
    for each in SUBSCRIPTIONS
)
NOTHING_LEFT = f"""
SELECT NOT EXISTS (SELECT FROM outbox o, relay_cursor r WHERE position IS NULL OR position > r.published_through)
   AND NOT EXISTS (SELECT FROM outbox o WHERE {UNACKNOWLEDGED})
   AND NOT EXISTS (SELECT FROM delivery WHERE status IN ('queued', 'sending'))"""
TOLD = """
SELECT o.id, count(d.id) AS deliveries FROM outbox o LEFT JOIN delivery d ON d.event_id = o.id
WHERE o.name = 'TaskOpened' GROUP BY o.id"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def environment(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return dict(
        clean_environment(
            QS_ENV="test",
            QS_HOME=str(tmp_path),
            QS_SECRET_KEY=SECRET_KEY,
            QS_DATABASE_URL=database_url,
            QS_REDIS_URL=redis_url,
            QS_LOG_LEVEL="warning",
            QS_NOTIFICATION__CHANNELS="log",
            QS_CLOCK__SWEEP_EVERY="1s",
            QS_LIMITS__READING=f"{READS}/1h",
            # A machine that is busy with other things is no Redis that is away.
            QS_LIMITS__PATIENCE_S="10",
        )
    )


@pytest.fixture
async def proxy(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[RoundRobinProxy]:
    """Gives each connection to the next of two API processes."""
    files = [tmp_path / f"port{number}" for number in range(SIDE_BY_SIDE)]
    async with AsyncExitStack() as stack:
        for file in files:
            arguments = ("-P", "-m", "qs", "api", "--port", "0", "--port-file", file)
            await stack.enter_async_context(running(sys.executable, *arguments, env=environment))
        ports = [int(await eventually(partial(port_in, file))) for file in files]
        yield await stack.enter_async_context(RoundRobinProxy(*ports))


async def port_in(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""  # noqa: ASYNC240 - a number on the local disk


@pytest.fixture
async def workers(environment: dict[str, str], database_url: str) -> AsyncIterator[list[Process]]:
    """Two processes in each role, all of them at work."""
    roles = WorkerSettings().roles
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(
                running(sys.executable, "-P", "-m", "workers", role, env=environment)
            )
            for role in roles * SIDE_BY_SIDE
        ]
        await eventually(partial(ask, database_url, ALL_ALIVE, SIDE_BY_SIDE, list(roles)), within=120)
        yield started


@pytest.fixture
async def api(proxy: RoundRobinProxy, container: Container) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who may do everything and makes a new connection for each call."""
    issued = await container.token_issuing().issue(
        DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test"
    )
    async with httpx.AsyncClient(
        base_url=f"{proxy.url}/api/v1",
        headers={"Authorization": f"Bearer {issued.token}"},
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=0),
        timeout=60,
        trust_env=False,
    ) as client:
        yield client


async def ask(database_url: str, query: str, *arguments: Any) -> Any:
    """The one value that the query finds as the superuser."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


async def wanted(api: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
    """The data of a call that must succeed."""
    answer = await api.request(method, path, **more)
    assert answer.is_success, answer.text
    return answer.json()["data"]


async def test_a_creation_repeated_at_another_process_is_answered_as_it_was_and_happens_once(
    api: httpx.AsyncClient, proxy: RoundRobinProxy, database_url: str
) -> None:
    key = {"Idempotency-Key": "one-plan"}

    first = await api.post("/plans", json=DAILY, headers=key)
    again = await api.post("/plans", json=DAILY, headers=key)

    assert proxy.given[0] != proxy.given[1]
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert await ask(database_url, "SELECT count(*) FROM plan") == 1


async def test_a_creation_sent_to_both_processes_at_once_happens_once(
    api: httpx.AsyncClient, proxy: RoundRobinProxy, database_url: str
) -> None:
    answers = await asyncio.gather(
        *(api.post("/plans", json=DAILY, headers={"Idempotency-Key": "at-once"}) for _ in range(10))
    )

    assert len(set(proxy.given)) == SIDE_BY_SIDE
    assert 201 in {answer.status_code for answer in answers} <= {201, 409}
    assert await ask(database_url, "SELECT count(*) FROM plan") == 1


async def test_a_version_read_from_one_process_decides_at_the_other(
    api: httpx.AsyncClient, proxy: RoundRobinProxy
) -> None:
    plan = (await wanted(api, "POST", "/plans", json=DAILY))["id"]
    read = await api.get(f"/plans/{plan}")
    seen = {"If-Match": read.headers["ETag"]}

    mine = await api.patch(f"/plans/{plan}", json={"name": "Mine"}, headers=seen)
    yours = await api.patch(f"/plans/{plan}", json={"name": "Yours"}, headers=seen)

    assert proxy.given[1] != proxy.given[2] != proxy.given[3]
    assert (mine.status_code, yours.status_code) == (200, 412)
    assert (await wanted(api, "GET", f"/plans/{plan}"))["name"] == "Mine"


async def test_a_limit_holds_to_the_call_over_both_processes(
    api: httpx.AsyncClient, proxy: RoundRobinProxy
) -> None:
    answers = await asyncio.gather(*(api.get("/plans") for _ in range(2 * READS)))

    assert Counter(answer.status_code for answer in answers) == {200: READS, 429: READS}
    counts = Counter(proxy.given)
    assert len(counts) == SIDE_BY_SIDE
    assert max(counts.values()) - min(counts.values()) <= 1


async def test_two_of_everything_open_each_task_and_act_on_each_event_once(
    api: httpx.AsyncClient,
    proxy: RoundRobinProxy,
    workers: list[Process],
    database_url: str,
    redis_url: str,
) -> None:
    job = await wanted(api, "POST", "/scheduler/jobs", json=EACH_SECOND)
    plan = (await wanted(api, "POST", "/plans", json=DAILY))["id"]
    today = date.today().isoformat()  # noqa: DTZ011 - any recent day will do

    async def take_part(number: int) -> None:
        """Enrolls, and sweeps beside whoever else does; then every second person answers."""
        testee = (await wanted(api, "POST", "/testees", json={"external_id": f"P-{number}"}))["id"]
        body = {"plan_id": plan, "testee_id": testee, "start_date": today}
        joined = await wanted(api, "POST", "/plans/enroll", json=body)
        first = joined["tasks"][0]["id"]
        await wanted(api, "POST", "/plans/tasks/schedule")
        if number % 2:
            await eventually(partial(ask, database_url, "SELECT opened_at FROM task WHERE id = $1", first))
            entry = await wanted(api, "POST", f"/plans/tasks/{first}/reissue")
            answer = {"token": entry["entry"]["token"], "task_id": first, "assessment_id": f"a-{number}"}
            await wanted(api, "POST", "/entries/submit", json=answer)

    await asyncio.gather(*map(take_part, range(PEOPLE)))
    await eventually(partial(ask, database_url, "SELECT count(*) > 2 FROM job_execution"))
    await wanted(api, "PUT", f"/scheduler/jobs/{job['id']}/enable", json={"enabled": False})
    await eventually(partial(ask, database_url, NOTHING_LEFT))
    for each in workers:
        each.terminate()
    ends = await asyncio.gather(*(each.wait() for each in workers))
    opened = await ask(database_url, "SELECT count(*) FROM task WHERE opened_at IS NOT NULL")
    for kind in ("daily", "accumulated", "plan"):
        await wanted(api, "POST", f"/statistics/sync/{kind}")
    figures = [(await wanted(api, "GET", f"/statistics/plans/{plan}"))["totals"] for _ in range(SIDE_BY_SIDE)]
    connection = await asyncpg.connect(database_url)
    try:
        told = await connection.fetch(TOLD)
        untrue = await connection.fetch(runs.statement(quiet=False))
    finally:
        await connection.close()

    assert set(ends) == {0}
    assert min(Counter(proxy.given).values()) > PEOPLE
    assert proxy.given[-1] != proxy.given[-2]
    assert len(told) == opened >= PEOPLE
    assert {row["deliveries"] for row in told} == {1}
    assert figures[0] == figures[1]
    assert (figures[0]["opened"], figures[0]["completed"]) == (opened, PEOPLE // 2)
    assert [f"{row['invariant']}: {row['what']}" for row in untrue] == []
    assert await violations(database_url, synced=True, redis_url=redis_url) == []
