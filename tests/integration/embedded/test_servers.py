"""The servers start, are shared, stop, and keep their data."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from qs import provisioning
from qs.infra.embedded import discard, ensure, locks, status, stop
from qs.infra.embedded.binaries import find_psql
from qs.infra.embedded.layout import Control
from qs.infra.embedded.logs import open_log
from qs.provisioning import stop_unused_servers
from qs.settings import Settings
from tests.integration.embedded.machine import Client, answer, is_gone, redis_command, sql, wait_until


def test_both_servers_answer_every_kind_of_client(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")

    with ensure(new_home, ephemeral=True) as lease:
        assert sql(lease.database_url, "SELECT current_user || current_database()") == "qsqs"
        redis_command(lease.redis_url, "SET", "key", "value")
        assert redis_command(lease.redis_url, "GET", "key") == "value"
        assert asyncio.run(_one_by_sqlalchemy(lease.database_url)) == 1
        psql = [str(find_psql()), "-XAtc", "SELECT 1", lease.database_url]
        assert subprocess.run(psql, capture_output=True, text=True, check=True).stdout == "1\n"


async def _one_by_sqlalchemy(url: str) -> object:
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.connect() as connection:
        one = (await connection.execute(text("SELECT 1"))).scalar()
    await engine.dispose()
    return one


def test_postgres_is_set_up_for_qs(home: Path) -> None:
    with ensure(home) as lease:
        assert sql(lease.database_url, "SELECT lower('ÄÖ') = 'äö' AND 'B' < 'a'")
        assert sql(lease.database_url, "SHOW timezone") == "UTC"
        assert sql(lease.database_url, "SHOW max_connections") == "200"
        assert sql(lease.database_url, "SHOW fsync") == "on"


def test_ephemeral_servers_do_not_wait_for_the_disk(home: Path) -> None:
    with ensure(home, ephemeral=True) as lease:
        assert lease.ephemeral
        assert sql(lease.database_url, "SHOW fsync") == "off"


def test_nothing_listens_on_the_network_and_the_sockets_are_private(home: Path) -> None:
    with ensure(home) as lease:
        found = status(home)
        assert found.postgres_pid is not None
        assert found.redis_pid is not None
        sockets = Path(lease.redis_url.removeprefix("unix://").removesuffix("/redis.sock?db=0"))

        for pid in (found.postgres_pid, found.redis_pid):
            assert psutil.Process(pid).net_connections("inet") == []
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert {each.name for each in sockets.iterdir()} == {
            ".s.PGSQL.5432",
            ".s.PGSQL.5432.lock",
            "redis.sock",
        }


def test_a_second_client_gets_the_same_servers(home: Path) -> None:
    with ensure(home, ephemeral=True) as lease, Client(home) as other:
        theirs = other.status()

        assert theirs["database_url"] == lease.database_url
        assert theirs["redis_url"] == lease.redis_url
        assert theirs["keeper_pid"] == status(home).keeper_pid


def test_the_servers_stop_after_the_last_lease_and_their_data_stay(home: Path) -> None:
    lease = ensure(home)
    sql(lease.database_url, "CREATE TABLE kept AS SELECT 42 AS value")
    redis_command(lease.redis_url, "SET", "kept", "42")
    before = status(home)

    lease.close()
    lease.close()
    wait_until(lambda: not status(home).running)

    wait_until(lambda: is_gone(before.keeper_pid))
    wait_until(lambda: is_gone(before.postgres_pid))
    wait_until(lambda: is_gone(before.redis_pid))
    with ensure(home) as again:
        assert again.database_url == lease.database_url
        assert sql(again.database_url, "SELECT value FROM kept") == 42
        assert redis_command(again.redis_url, "GET", "kept") == "42"


def test_a_client_that_comes_while_the_servers_stop_gets_new_ones(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QS_EMBEDDED_LINGER", "0")

    for _ in range(5):
        lease = ensure(home, ephemeral=True)
        keeper = status(home).keeper_pid
        lease.close()
        _wait_until_stopping(home, keeper)
        with ensure(home, ephemeral=True) as lease:
            assert answer(lease.database_url, lease.redis_url)
            assert status(home).keeper_pid != keeper


def _wait_until_stopping(home: Path, keeper: int | None) -> None:
    wait_until(lambda: status(home).phase == "stopping" or is_gone(keeper))


def test_stop_ends_the_servers_though_a_lease_is_held(home: Path) -> None:
    with ensure(home, ephemeral=True) as lease:
        before = status(home)

        assert stop(home)

        wait_until(lambda: is_gone(before.keeper_pid))
        wait_until(lambda: is_gone(before.postgres_pid))
        wait_until(lambda: is_gone(before.redis_pid))
        assert status(home).phase == "stopped"
        assert not stop(home)
        with ensure(home, ephemeral=True) as again:
            assert answer(again.database_url, again.redis_url)
            assert again.database_url == lease.database_url


def test_unused_servers_are_stopped_although_somebody_has_the_lease_for_a_moment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QS_EMBEDDED_LINGER", "600")
    monkeypatch.setattr(provisioning, "_LETTING_GO_S", 60.0)
    ensure(home, ephemeral=True).close()
    descriptor = locks.open_lock(Control(home).lease)
    wait_until(lambda: locks.take(descriptor))
    letting_go = Timer(0.2, os.close, [descriptor])
    letting_go.start()

    stop_unused_servers(Settings(home=home))

    letting_go.join()
    assert not status(home).running


def test_servers_that_are_in_use_are_not_stopped(home: Path) -> None:
    with ensure(home, ephemeral=True):
        stop_unused_servers(Settings(home=home))

        assert status(home).running


def test_looking_at_a_home_without_servers_makes_nothing(new_home: Path) -> None:
    assert status(new_home).phase == "stopped"
    assert not stop(new_home)
    discard(new_home)

    assert not new_home.exists()


def test_discard_deletes_all_data_and_the_next_start_is_empty(new_home: Path, ground: Path) -> None:
    with ensure(new_home, ephemeral=True) as lease:
        sql(lease.database_url, "CREATE TABLE old AS SELECT 1")

    discard(new_home)

    assert list(new_home.iterdir()) == []
    assert list(ground.glob("base/*-*")) == []
    with ensure(new_home, ephemeral=True) as lease:
        assert sql(lease.database_url, "SELECT to_regclass('old') IS NULL")


def test_servers_whose_home_was_removed_end(home: Path) -> None:
    with ensure(home, ephemeral=True):
        before = status(home)

        home.rename(home.with_name("removed"))

        wait_until(lambda: is_gone(before.keeper_pid))
        wait_until(lambda: is_gone(before.postgres_pid))
        wait_until(lambda: is_gone(before.redis_pid))


def test_the_logs_hold_no_statement_and_no_value_of_a_row(home: Path) -> None:
    with ensure(home, ephemeral=True) as lease:
        made = ["-c", "CREATE TABLE person (name text CHECK (name <> 'Jane Doe'))"]
        failing = ["-c", "INSERT INTO person VALUES ('Jane Doe')"]
        psql = [str(find_psql()), "-X", *made, *failing, lease.database_url]
        assert subprocess.run(psql, capture_output=True, check=False).returncode != 0
        log = Path(status(home).logs["postgres"]).read_text()

    assert "violates check constraint" in log
    assert "Jane" not in log


def test_a_large_log_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "keeper.log"
    path.write_bytes(b"x" * (8 * 1024 * 1024 + 1))

    with open_log(path) as log:
        log.write(b"new")

    assert path.read_bytes() == b"new"
    assert (tmp_path / "keeper.old.log").stat().st_size == 8 * 1024 * 1024 + 1


def test_the_keeper_needs_nothing_but_the_standard_library() -> None:
    source = Path(__file__).parents[3] / "src"
    program = "import qs.infra.embedded.keeper, sys; print(*{n.partition('.')[0] for n in sys.modules})"

    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(done.stdout.split()) - set(sys.stdlib_module_names) - {"__main__"} == {"qs"}
