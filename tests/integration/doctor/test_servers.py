"""Mistakes in PostgreSQL and Redis, each planted in a real one, and found by the doctor under its code."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from qs.interface.cli.database_findings import database_findings, version_finding
from qs.interface.cli.examining import Check, examine
from qs.interface.cli.findings import clock_gap
from qs.interface.cli.redis_findings import redis_version_finding
from qs.settings import Settings
from tests.integration.doctor.conftest import Doctor
from tests.support import databases
from tests.support.own_redis import OwnRedis
from tests.support.planting import Planted


def name_of(url: str) -> str:
    return urlsplit(url).path.strip("/")


OF_SERVERS = (
    "database",
    "connections",
    "vacuum",
    "slot",
    "schema",
    "release",
    "roles",
    "rows",
    "business_clock",
    "audit",
    "redis",
)


async def test_a_database_with_none_of_these_mistakes_has_none_of_these_findings(doctor: Doctor) -> None:
    found = await doctor()

    assert {code for code in found if code.split(".")[0] in OF_SERVERS} == set()


@pytest.fixture
async def limit_connections(
    planted: Planted, database_url: str
) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Lets so many connections in; the next test may get the same database, and with it what was set."""
    name = name_of(database_url)

    async def limit(connections: int) -> None:
        await planted.run(f"ALTER DATABASE {name} CONNECTION LIMIT {connections}")

    yield limit
    await limit(-1)


async def test_limits_of_the_database_that_hamper_qs_are_found(
    doctor: Doctor,
    planted: Planted,
    database_url: str,
    limit_connections: Callable[[int], Awaitable[None]],
) -> None:
    name = name_of(database_url)
    await planted.run(
        f"ALTER DATABASE {name} SET statement_timeout = '5s'",
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
    )
    await limit_connections(19)

    found = await doctor()

    assert found["database.timeouts"][0]["what"] == "statement_timeout is 5 s"
    assert found["database.read_only"][0]["what"] == "default_transaction_read_only is on"
    assert "19 are allowed" in found["connections.too_few"][0]["what"]
    assert "QS_DATABASE__POOL_SIZE=19" in found["connections.too_few"][0]["todo"]


async def test_connections_that_are_used_up_are_found(
    doctor: Doctor, limit_connections: Callable[[int], Awaitable[None]]
) -> None:
    await limit_connections(1)

    assert "connections.used_up" in await doctor()


async def test_upkeep_that_does_not_happen_is_found(doctor: Doctor, planted: Planted) -> None:
    await planted.run(
        "CREATE TABLE spare WITH (autovacuum_enabled = false) AS SELECT generate_series(1, 20001) AS n",
        "DELETE FROM spare",
        "SELECT pg_stat_force_next_flush()",
        "SELECT pg_create_physical_replication_slot('left_behind', true)",
    )
    try:
        found = await doctor()
    finally:
        await planted.run("SELECT pg_drop_replication_slot('left_behind')", "DROP TABLE spare")

    assert found["vacuum.off"][0]["what"] == "off for spare"
    assert "spare: 20001 dead, 0 live" in found["vacuum.behind"][0]["what"]
    assert "left_behind keeps" in found["slot.left"][0]["what"]


async def test_a_database_that_is_not_in_utf8_is_found(doctor: Doctor, planted: Planted, servers) -> None:
    await planted.run(
        "CREATE DATABASE western ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        " LOCALE_PROVIDER libc"
    )
    url = databases.address(servers.database_url, "western")
    try:
        found = await doctor(QS_DATABASE_URL=url)
    finally:
        await planted.run("DROP DATABASE western WITH (FORCE)")

    assert found["database.encoding"][0]["what"] == "LATIN1; names want UTF8"


async def test_what_production_must_not_run_on_is_found(doctor: Doctor, planted: Planted) -> None:
    await planted.run("UPDATE business_clock SET clock_offset = '1 day'")

    in_test, in_production = await doctor(), await doctor(QS_ENV="production")

    assert "business_clock.ahead" in in_test
    # The servers of tests keep nothing, and qs is their superuser.
    assert {
        "business_clock.ahead_in_production",
        "database.not_durable",
        "roles.superuser",
    } <= in_production.keys()
    assert not {"database.not_durable", "roles.superuser"} & in_test.keys()


@pytest.mark.parametrize("is_embedded", [False, True])
async def test_nobody_is_told_to_change_the_login_of_an_embedded_server(
    settings: Settings, is_embedded: bool
) -> None:
    production = replace(settings, env="production")

    told = [each.code async for each in database_findings(production, is_embedded=is_embedded)]

    assert ("roles.superuser" in told) is not is_embedded


async def test_a_login_that_owns_nothing_is_enough_for_every_check(
    doctor: Doctor, planted: Planted, database_url: str
) -> None:
    await planted.run(
        "CREATE ROLE serving LOGIN", "GRANT qs_app, qs_sweeper, qs_relay, qs_identity TO serving"
    )
    try:
        found = await doctor(
            QS_ENV="production", QS_DATABASE_URL=database_url.replace("://qs@", "://serving@")
        )
    finally:
        await planted.run("DROP ROLE serving")

    assert not {"roles.superuser", "roles.unusable", "database.away", "check.failed", "keys.unseen"} & set(
        found
    )
    assert "worker.missing" in found


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (["UPDATE alembic_version SET version_num = '0001'"], "schema.older"),
        (["UPDATE alembic_version SET version_num = '9999'"], "schema.ahead"),
        (
            [
                "UPDATE alembic_version SET version_num = '9999'",
                "UPDATE schema_compatibility SET minimum = '9998'",
            ],
            "schema.newer",
        ),
        (["ALTER TABLE task NO FORCE ROW LEVEL SECURITY"], "rows.not_forced"),
        (["CREATE POLICY leak ON tenant TO qs_app USING (true)"], "rows.seen"),
    ],
)
async def test_a_schema_that_is_not_as_it_should_be_is_found(
    doctor: Doctor, planted: Planted, statements: list[str], code: str
) -> None:
    await planted.run(*statements)

    found = await doctor()

    assert {each for each in found if each.split(".")[0] in ("schema", "rows")} == {code}


async def test_an_application_role_that_bypasses_row_security_is_found(
    doctor: Doctor, planted: Planted
) -> None:
    await planted.run("ALTER ROLE qs_app BYPASSRLS")
    try:
        found = await doctor()
    finally:
        await planted.run("ALTER ROLE qs_app NOBYPASSRLS")

    assert "rows.bypassed" in found


async def test_processes_of_another_release_are_found(doctor: Doctor, database_url: str) -> None:
    old = await asyncpg.connect(database_url, server_settings={"application_name": "qs 0001"})
    try:
        found = await doctor()
    finally:
        await old.close()

    assert "0001" in found["release.mixed"][0]["what"]


async def test_a_database_that_is_away_is_found_and_hides_its_password(
    doctor: Doctor, refusing_port: int
) -> None:
    found = await doctor(QS_DATABASE_URL=f"postgresql://u:hunter2-and-more@127.0.0.1:{refusing_port}/d")

    assert {"database.away", "keys.unseen"} <= found.keys()
    assert "hunter2" not in str(found)


async def test_a_check_that_waits_for_a_lock_is_given_up_and_what_it_found_stands(
    settings: Settings, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE business_clock IN ACCESS EXCLUSIVE MODE")
            told = await examine([Check("database", database_findings(settings))], 5.0)
    finally:
        await connection.close()

    assert "row security" in [each.subject for each in told]
    assert (told[-1].code, told[-1].subject) == ("check.unfinished", "database")


def test_versions_that_this_release_was_not_tried_with_are_found() -> None:
    assert version_finding(14, "there").code == "database.too_old"
    assert [version_finding(each, "there").code for each in (15, 18)] == ["ok", "ok"]
    assert version_finding(19, "there").code == "database.untried"
    assert redis_version_finding({"redis_version": "6.0.16"}, "there").code == "redis.too_old"
    assert redis_version_finding({"redis_version": "6.2.0"}, "there").code == "ok"


@pytest.mark.parametrize("code", ["database.clock", "redis.clock"])
def test_another_clock_that_differs_by_more_than_two_seconds_is_found(code: str) -> None:
    for seconds, expected in ((0, "ok"), (5, code), (-5, code)):
        there = datetime.now(UTC) + timedelta(seconds=seconds)

        assert clock_gap(code, "clock", there).code == expected


@pytest.fixture
async def own_redis() -> AsyncIterator[OwnRedis]:
    redis = OwnRedis()
    await redis.start()
    yield redis
    await redis.close()


@pytest.fixture
async def client(own_redis: OwnRedis) -> AsyncIterator[Redis]:
    client = Redis.from_url(own_redis.url)
    yield client
    await client.aclose()


async def test_a_redis_that_removes_keys_by_itself_is_found(
    doctor: Doctor, own_redis: OwnRedis, client: Redis
) -> None:
    await client.config_set("maxmemory-policy", "allkeys-lru")
    harmless = await doctor(QS_REDIS_URL=own_redis.url)
    await client.config_set("maxmemory", "100mb")

    found = await doctor(QS_REDIS_URL=own_redis.url)

    # Without a limit there is nothing to remove.
    assert "redis.evicts" not in harmless
    assert "allkeys-lru" in found["redis.evicts"][0]["what"]


async def test_a_redis_without_memory_is_found(doctor: Doctor, own_redis: OwnRedis, client: Redis) -> None:
    # In pieces: what is read at once counts for a while.
    for number in range(200):
        await client.set(f"ballast:{number}", b"x" * 100_000)
    used = (await client.info("memory"))["used_memory"]
    await client.config_set("maxmemory", int(used * 1.05))

    assert "redis.full" in await doctor(QS_REDIS_URL=own_redis.url)


async def test_a_redis_that_takes_no_writes_is_found(
    doctor: Doctor, own_redis: OwnRedis, client: Redis
) -> None:
    await client.replicaof("127.0.0.1", "1")

    assert "redis.replica" in await doctor(QS_REDIS_URL=own_redis.url)


async def test_a_redis_that_another_installation_publishes_into_is_found(
    doctor: Doctor, own_redis: OwnRedis, client: Redis
) -> None:
    event = f'{{"id": "{uuid4()}", "source": "/tenants/x/plan"}}'
    await client.xadd("qs:events:plan", {"name": "TaskOpened", "event": event})

    found = await doctor(QS_REDIS_URL=own_redis.url)

    assert found["redis.shared"][0]["what"].startswith("1 of its latest events")


async def test_a_redis_that_is_away_is_found(doctor: Doctor, refusing_port: int) -> None:
    found = await doctor(QS_REDIS_URL=f"redis://:hunter2-and-more@127.0.0.1:{refusing_port}/0")

    assert "redis.away" in found
    assert "hunter2" not in str(found)


async def test_servers_that_take_a_call_and_never_answer_do_not_hold_the_doctor_up(doctor: Doctor) -> None:
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent:
        found = await doctor(
            QS_DATABASE_URL=f"postgresql://u@127.0.0.1:{port}/d", QS_REDIS_URL=f"redis://127.0.0.1:{port}"
        )

    for writer in held:
        writer.close()
    told = {each["subject"] for code in ("check.unfinished", "database.away") for each in found.get(code, [])}
    assert "database" in told
    assert "redis.away" in found
