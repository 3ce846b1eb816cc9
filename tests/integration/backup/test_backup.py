"""`qs backup` and `qs restore`: read back elsewhere, everything is as it was, or nothing is there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from qs.container import Container, build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.backup.manifest import MANIFEST, digests
from qs.settings import Settings
from qs.settings.sections import DatabaseSettings, RedisSettings
from tests.integration.plan.clinic import ACTOR, Clinic
from tests.support.clock import advance_to
from tests.support.command_line import called
from tests.support.databases import address
from tests.support.settings import SECRET_KEY

Installation = dict[str, str]
# Restoring makes counters begin a new epoch, and processes tell that they live.
MAY_DIFFER = {"stat_epoch", "worker_heartbeat"}


@pytest.fixture
def here(database_url: str, redis_url: str, tmp_path: Path) -> Installation:
    return {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path / "home"),
        "QS_SECRET_KEY": SECRET_KEY,
        "QS_DATABASE_URL": database_url,
        "QS_REDIS_URL": redis_url,
    }


@pytest.fixture
async def elsewhere(here: Installation, redis_url: str) -> AsyncIterator[Installation]:
    """An empty database and an empty Redis of the same servers."""
    name = "restored"
    server = await asyncpg.connect(here["QS_DATABASE_URL"])
    await server.execute(f"CREATE DATABASE {name}")
    yield here | {
        "QS_DATABASE_URL": address(here["QS_DATABASE_URL"], name),
        "QS_REDIS_URL": redis_url.replace("db=0", "db=1"),
    }
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@pytest.fixture
async def lived(container: Container) -> Clinic:
    """Two tenants in the middle of their plans, counted and sealed."""
    clinic = Clinic(container)
    other = await container.tenant_administration().create("north", "North", "Europe/London", actor=ACTOR)
    # Business time is the system's here: the days that figures are counted for begin with the first task.
    start = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    for each in (clinic, Clinic(container, other.id)):
        plan = await each.plan(schedule_type="by_day", interval=1, total_times=20, catch_up="all")
        testee = await each.testee(name="李雷 Li Lei", external_id="MRN-1")
        await each.enroll(plan, start, testee=testee)
        await each.enroll_many(plan, 5, start)
        await each.sweep()
    await container.secret_keeping().put(DEFAULT_TENANT, "gate", "s3cret-of-the-gate", actor=ACTOR)
    await container.audit_sealing().round()
    return clinic


def answer(given: Installation, *arguments: object) -> Any:
    done = called(given, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def contents(dsn: str) -> dict[str, str]:
    """Of each table a hash of all its rows, as nobody's row-level security shows them."""
    connection = await asyncpg.connect(dsn)
    try:
        names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        return {
            name["relname"]: await connection.fetchval(
                f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name['relname']} t"
            )
            for name in names
            if name["relname"] not in MAY_DIFFER
        }
    finally:
        await connection.close()


async def test_what_is_read_back_elsewhere_is_what_was_and_goes_on(
    here: Installation, elsewhere: Installation, lived: Clinic, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "backups" / "monday"
    (task, *_) = await lived.rows(
        "SELECT id FROM task WHERE status = 'opened' AND tenant_id = :tenant LIMIT 1", tenant=DEFAULT_TENANT
    )
    token = await lived.token(task.id)

    made = answer(here, "backup", folder)
    found = answer(elsewhere, "restore", folder)

    assert (made["tenants"], made["keys"]) == (2, ["test"])
    assert made["rows"] == found["rows"] > 200
    assert (found["audit"], found["statistics"]) == ("verified", "consistent")
    assert folder.stat().st_mode & 0o077 == 0
    before, after = await contents(here["QS_DATABASE_URL"]), await contents(elsewhere["QS_DATABASE_URL"])
    # Validating leaves its own rows behind, in both places.
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed <= {name for name in before if name.startswith("stat_")}
    assert before.keys() == after.keys()
    assert answer(elsewhere, "db", "check")["differences"] == []
    there = build_container(
        msgspec.structs.replace(
            settings,
            database=DatabaseSettings(
                url=elsewhere["QS_DATABASE_URL"], migration_url=elsewhere["QS_DATABASE_URL"]
            ),
            redis=RedisSettings(url=elsewhere["QS_REDIS_URL"]),
        )
    )
    try:
        clinic = Clinic(there)
        assert await clinic.token(task.id) == token
        await clinic.submit(task.id)
        await advance_to(there.engine(), datetime.now(UTC) + timedelta(days=1))
        assert (await clinic.sweep()).opened > 0
        async with there.engine().connect() as connection:
            # Row-level security came along: the application sees no row before it says whose.
            assert (await connection.exec_driver_sql("SELECT count(*) FROM task")).scalar() == 0
        await clinic.check()
    finally:
        await close(there)


async def test_what_is_written_meanwhile_is_in_it_whole_or_not_at_all(
    here: Installation, elsewhere: Installation, lived: Clinic, tmp_path: Path
) -> None:
    plan = await lived.plan(total_times=4)
    ended = asyncio.Event()

    async def go_on() -> int:
        enrolled = 0
        while not ended.is_set():
            await lived.enroll(plan)
            enrolled += 1
        return enrolled

    writing = asyncio.create_task(go_on())
    made = await asyncio.to_thread(answer, here, "backup", tmp_path / "b")
    ended.set()
    written = await writing
    found = await asyncio.to_thread(answer, elsewhere, "restore", tmp_path / "b", "--no-verify")

    assert written > 5
    assert found["rows"] == made["rows"]
    connection = await asyncpg.connect(elsewhere["QS_DATABASE_URL"])
    torn = await connection.fetchval(
        "SELECT count(*) FROM enrollment e WHERE plan_id = $1"
        " AND (SELECT count(*) FROM task t WHERE t.tenant_id = e.tenant_id AND t.enrollment_id = e.id) <> 4",
        plan.id,
    )
    await connection.close()
    assert torn == 0


def no_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def a_byte_changed(folder: Path) -> None:
    file = next(iter(sorted((folder / "database").glob("*.dat.gz"))))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")


def a_file_lost(folder: Path) -> None:
    next(iter((folder / "database").glob("*.dat.gz"))).unlink()


def of_a_later_release(folder: Path) -> None:
    rewrite(folder, revision="9999")


def under_another_key(folder: Path) -> None:
    rewrite(folder, keys=["test", "lost"])


def broken_inside(folder: Path) -> None:
    # As if it had been written so: only pg_restore can find it.
    files = sorted((folder / "database").glob("*.dat.gz"), key=lambda file: file.stat().st_size)
    files[-1].write_bytes(files[-1].read_bytes()[: files[-1].stat().st_size // 2])
    rewrite(folder, files=digests(folder))


def rewrite(folder: Path, **values: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | values))


async def test_what_cannot_be_read_back_leaves_the_database_empty_and_says_why(
    here: Installation, elsewhere: Installation, lived: Clinic, tmp_path: Path
) -> None:
    good = tmp_path / "good"
    answer(here, "backup", good)
    cases: list[tuple[Callable[[Path], None], str]] = [
        (no_manifest, "no backup of qs"),
        (a_byte_changed, "not as it was written"),
        (a_file_lost, "not as it was written"),
        (of_a_later_release, "install that release"),
        (under_another_key, "lost"),
        (broken_inside, "pg_restore failed"),
    ]
    for spoil, words in cases:
        folder = tmp_path / spoil.__name__
        copy_tree(good, folder)
        spoil(folder)

        refused = called(elsewhere, "restore", folder)

        assert (refused.returncode, refused.stdout) == (1, "")
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr
        assert await contents(elsewhere["QS_DATABASE_URL"]) == {}
    assert called(here, "restore", good).returncode == 1, "that database is in use"
    assert "is there already" in called(here, "backup", good).stderr
    assert answer(elsewhere, "restore", good, "--no-verify")["rows"] > 200


async def test_a_redis_of_another_time_is_refused_and_emptied_when_told(
    here: Installation, elsewhere: Installation, lived: Clinic, tmp_path: Path
) -> None:
    answer(here, "backup", tmp_path / "b")
    redis = Redis.from_url(elsewhere["QS_REDIS_URL"])
    await redis.set("qs:events:vouched", datetime.now(UTC).isoformat())
    await redis.set("somebody:else", "1")

    refused = called(elsewhere, "restore", tmp_path / "b")
    assert (refused.returncode, await contents(elsewhere["QS_DATABASE_URL"])) == (1, {})
    assert "--empty-redis" in refused.stderr
    answer(elsewhere, "restore", tmp_path / "b", "--empty-redis", "--no-verify")

    assert await redis.get("qs:events:vouched") is None
    assert await redis.get("somebody:else") == b"1"
    await redis.aclose()


def copy_tree(source: Path, target: Path) -> None:
    (target / "database").mkdir(parents=True)
    for file in source.rglob("*"):
        if file.is_file():
            (target / file.relative_to(source)).write_bytes(file.read_bytes())
