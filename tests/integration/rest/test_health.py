"""Health says what an operator or an orchestrator has to know, and says it in time."""

import asyncio
import os
import signal
import time

from httpx import AsyncClient
from litestar import Litestar
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.readiness import Check, NotReady
from qs.container import Container, build_container, close
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.heartbeats import Heartbeat
from qs.interface.rest.app import create_app
from qs.interface.rest.health import PROBE_SECONDS, find_faults
from qs.settings import Settings
from tests.support.http import serving


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
        await connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))

    behind = (await stranger.get("/health/ready")).json()
    async with owner.begin() as connection:
        await connection.execute(text("DROP TABLE alembic_version"))
    missing = (await stranger.get("/health/ready")).json()

    assert behind["errors"][0]["pointer"] == missing["errors"][0]["pointer"] == "/migrations"
    assert "at 0000" in behind["errors"][0]["detail"]
    assert "qs db upgrade" in missing["errors"][0]["detail"]


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


async def test_a_probe_that_hangs_is_given_up_and_all_are_asked_at_once() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async def explode() -> None:
        raise RuntimeError("password=hunter2")

    started = time.monotonic()
    faults = await find_faults([Check("a", hang), Check("b", hang), Check("c", explode)])

    assert faults == {
        "a": "did not answer within 1 s",
        "b": "did not answer within 1 s",
        "c": "does not answer",
    }
    assert time.monotonic() - started < 2 * PROBE_SECONDS


async def test_sigterm_takes_the_process_out_before_the_server_ends_it(app: Litestar) -> None:
    ended: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    try:
        async with serving(app) as client:
            assert (await client.get("/health/ready")).status_code == 200

            os.kill(os.getpid(), signal.SIGTERM)
            response = await client.get("/health/ready")

            assert ended == [signal.SIGTERM]
            assert (response.status_code, response.json()["errors"][0]["pointer"]) == (503, "/process")
            assert (await client.get("/health/alive")).status_code == 200
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_every_route_without_a_database_asks_to_come_back(settings: Settings) -> None:
    container = build_container(_without_database(settings))
    async with serving(create_app(container)) as client:
        response = await client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    await close(container)

    assert (response.status_code, response.json()["error"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "2"


def _without_database(settings: Settings) -> Settings:
    return replace(settings, database=replace(settings.database, url="postgresql://qs@/qs?host=/nowhere"))
