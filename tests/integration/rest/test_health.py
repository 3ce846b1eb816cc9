"""Health says what an operator or an orchestrator has to know, and says it in time."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
from httpx import AsyncClient
from litestar import Litestar
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.readiness import Check, NotReady
from qs.container import Container, build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.errors import ShuttingDown
from qs.domain.scheduler.execution import FiredBy
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.heartbeats import Heartbeat
from qs.infra.postgres.revisions import head_revision
from qs.interface.rest import health
from qs.interface.rest.app import create_app
from qs.interface.rest.health import PROBE_SECONDS, find_faults
from qs.settings import Settings
from tests.support.http import app_over, serving


async def test_a_running_process_is_alive_without_asking_anybody(settings: Settings) -> None:
    container = build_container(_without_database(settings))
    async with serving(create_app(container, controllers=[])) as client:
        response = await client.get("/health/alive")
    await close(container)

    assert (response.status_code, response.json()) == (
        200,
        {"code": 200, "message": "success", "data": {"status": "ok"}},
    )


async def test_a_process_is_ready_when_its_database_answers_at_the_right_schema(
    stranger: AsyncClient,
) -> None:
    response = await stranger.get("/health/ready")

    data = response.json()["data"]
    assert (response.status_code, data["status"]) == (200, "degraded")
    assert data["checks"].pop("clocks").startswith("no cron worker was seen")
    assert data["checks"] == {"database": "ok", "migrations": "ok", "redis": "ok"}


async def test_a_cron_worker_makes_it_whole(stranger: AsyncClient, engine: AsyncEngine) -> None:
    await Heartbeat(engine, "cron").beat()

    data = (await stranger.get("/health/ready")).json()["data"]

    assert data["status"] == "ok"
    assert set(data["checks"].values()) == {"ok"}


async def test_who_drives_the_duties_from_outside_needs_no_cron_worker(settings: Settings) -> None:
    container = build_container(replace(settings, clock=replace(settings.clock, internal=False)))
    async with serving(create_app(container, controllers=[])) as client:
        data = (await client.get("/health/ready")).json()["data"]
    await close(container)

    assert (data["status"], set(data["checks"])) == ("ok", {"database", "migrations", "redis"})


async def test_without_redis_it_is_ready_and_says_what_waits(settings: Settings) -> None:
    container = build_container(
        replace(settings, redis=replace(settings.redis, url="unix:///nowhere/redis.sock"))
    )
    async with serving(create_app(container, controllers=[])) as client:
        response = await client.get("/health/ready")
    await close(container)

    assert (response.status_code, response.json()["data"]["status"]) == (200, "degraded")
    assert response.json()["data"]["checks"]["redis"] == "does not answer"


async def test_a_process_without_its_database_is_not_ready_and_names_it(settings: Settings) -> None:
    container = build_container(_without_database(settings))
    async with serving(create_app(container, controllers=[])) as client:
        response = await client.get("/health/ready")
    await close(container)

    assert (response.status_code, response.json()["error"]) == (503, "not_ready")
    assert response.headers["retry-after"]
    faults = {each["pointer"]: each["detail"] for each in response.json()["errors"]}
    assert faults["/database"] == faults["/migrations"] == "does not answer"
    assert "/nowhere" not in response.text


async def test_a_schema_that_is_behind_is_named_with_what_to_do(
    stranger: AsyncClient, database_url: str
) -> None:
    owner = create_engine(database_url, role=None, pooled=False)
    async with owner.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    behind = (await stranger.get("/health/ready")).json()
    async with owner.begin() as connection:
        await connection.execute(text("DROP TABLE alembic_version"))
    missing = (await stranger.get("/health/ready")).json()

    assert behind["errors"][0]["pointer"] == missing["errors"][0]["pointer"] == "/migrations"
    assert "at 0001, this version needs" in behind["errors"][0]["detail"]
    assert "qs db upgrade" in missing["errors"][0]["detail"]


async def test_a_schema_that_is_ahead_and_serves_this_release_is_as_good_as_its_own(
    stranger: AsyncClient, database_url: str
) -> None:
    owner = create_engine(database_url, role=None, pooled=False)
    async with owner.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    ahead = await stranger.get("/health/ready")

    assert (ahead.status_code, ahead.json()["data"]["checks"]["migrations"]) == (200, "ok")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE schema_compatibility SET minimum = '9998'", "serves releases from 9998 on"),
        ("DROP TABLE schema_compatibility", "does not say which releases it serves"),
    ],
)
async def test_a_schema_that_is_ahead_and_does_not_serve_this_release_asks_for_the_new_one(
    stranger: AsyncClient, database_url: str, statement: str, told: str
) -> None:
    owner = create_engine(database_url, role=None, pooled=False)
    async with owner.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.execute(text(statement))

    ahead = await stranger.get("/health/ready")

    assert ahead.status_code == 503
    assert {each["pointer"]: each["detail"] for each in ahead.json()["errors"]} == {
        "/migrations": f"the schema is newer than this process: it is at 9999 and {told}, this one is of "
        f"{head_revision()}; start the new release"
    }


async def test_what_is_not_essential_only_degrades(container: Container) -> None:
    async def away() -> None:
        raise NotReady("the clocks are stopped; start them with `qs scheduler start`")

    with container.readiness_checks.override((Check("clocks", away, essential=False),)):
        async with serving(create_app(container, controllers=[])) as client:
            response = await client.get("/health/ready")

    assert response.status_code == 200
    assert response.json()["data"] == {
        "status": "degraded",
        "checks": {"clocks": "the clocks are stopped; start them with `qs scheduler start`"},
    }


async def test_a_probe_that_hangs_is_given_up_and_all_are_asked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", PROBE_SECONDS)

    async def hang() -> None:
        await asyncio.Event().wait()

    async def explode() -> None:
        raise RuntimeError("password=hunter2")

    # One after the other all of them would need half as much again.
    many = {f"hanging-{number}": hang for number in range(30)}
    async with asyncio.timeout(20 * PROBE_SECONDS):
        faults = await find_faults([Check(name, probe) for name, probe in {**many, "c": explode}.items()])

    assert faults == {**dict.fromkeys(many, "did not answer within 1 s"), "c": "does not answer"}


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """The requests to end that reached the server, which goes on all the same."""
    ended: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    yield ended
    signal.signal(signal.SIGTERM, before)


async def test_sigterm_takes_the_process_out_before_the_server_ends_it(
    app: Litestar, ended: list[int]
) -> None:
    async with serving(app) as client:
        assert (await client.get("/health/ready")).status_code == 200

        os.kill(os.getpid(), signal.SIGTERM)
        response = await client.get("/health/ready")

        assert ended == [signal.SIGTERM]
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (503, "/process")
        assert (await client.get("/health/alive")).status_code == 200


async def test_no_background_work_begins_after_sigterm_while_what_was_begun_goes_on(
    app: Litestar, container: Container, ended: list[int]
) -> None:
    may_end = asyncio.Event()

    async def work() -> None:
        await may_end.wait()

    async with serving(app):
        container.background().spawn(work(), "begun before")

        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(ShuttingDown):
            await container.duty_executions().start_in_background(
                "sweep", fired_by=FiredBy.HTTP, actor="user:anna", tenant_id=DEFAULT_TENANT
            )

        assert len(container.background()) == 1
        may_end.set()


async def test_every_route_without_a_database_asks_to_come_back(settings: Settings) -> None:
    container = build_container(_without_database(settings))
    async with serving(app_over(container)) as client:
        response = await client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    await close(container)

    assert (response.status_code, response.json()["error"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "2"


def _without_database(settings: Settings) -> Settings:
    return replace(settings, database=replace(settings.database, url="postgresql://qs@/qs?host=/nowhere"))
