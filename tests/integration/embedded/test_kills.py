"""However a process is killed, nothing is left over and nobody else is hurt."""

import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from qs.infra.embedded import ensure, status, stop
from qs.infra.embedded.state import State, write_state
from tests.integration.embedded.machine import (
    Client,
    answer,
    is_gone,
    processes_with,
    redis_answers,
    redis_command,
    sql,
    wait_until,
)
from tests.support.processes import ending


def test_the_servers_end_after_their_only_client_was_killed(home: Path) -> None:
    client = Client(home)
    found = client.status()

    client.kill()

    wait_until(lambda: is_gone(found["keeper_pid"]))
    assert is_gone(found["postgres_pid"])
    assert is_gone(found["redis_pid"])
    client.process.communicate()


def test_the_servers_stay_for_the_others_when_one_client_is_killed(home: Path) -> None:
    client = Client(home)
    keeper = client.status()["keeper_pid"]

    with ensure(home, ephemeral=True) as lease:
        client.kill()
        client.process.communicate()
        wait_until(lambda: not psutil.pid_exists(client.process.pid))

        assert answer(lease.database_url, lease.redis_url)
        assert status(home).keeper_pid == keeper


def test_a_client_killed_while_the_servers_start_leaves_nothing(new_home: Path) -> None:
    client = Client(new_home)
    wait_until(lambda: status(new_home).keeper_pid is not None)
    keeper = status(new_home).keeper_pid

    client.kill()
    client.process.communicate()

    wait_until(lambda: is_gone(keeper))
    assert not status(new_home).running


def test_the_servers_die_with_their_keeper_and_the_next_start_is_clean(home: Path) -> None:
    with ensure(home) as lease:
        sql(lease.database_url, "CREATE TABLE kept AS SELECT 42 AS value")
        before = status(home)
        assert before.keeper_pid is not None

        os.kill(before.keeper_pid, signal.SIGKILL)

        wait_until(lambda: is_gone(before.postgres_pid) and is_gone(before.redis_pid))
        assert status(home).phase == "stopped"
        with ensure(home) as again:
            assert again.database_url == lease.database_url
            assert sql(again.database_url, "SELECT value FROM kept") == 42


def test_a_start_right_after_the_keeper_was_killed_waits_for_the_old_servers(home: Path) -> None:
    with ensure(home, ephemeral=True) as lease:
        before = status(home)
        assert before.keeper_pid is not None
        assert before.postgres_pid is not None
        old = psutil.Process(before.postgres_pid)
        old.suspend()

        os.kill(before.keeper_pid, signal.SIGKILL)
        wait_until(lambda: is_gone(before.redis_pid))
        client = Client(home)
        wait_until(lambda: redis_answers(lease.redis_url))
        postgres = processes_with(str(home / "embedded" / "postgres"))
        assert [each for each in postgres if each.ppid() != old.pid] == [old]
        old.resume()

        with client:
            assert sql(client.status()["database_url"], "SELECT true")
            assert is_gone(before.postgres_pid)


@pytest.mark.parametrize("killed", ["postgres_pid", "redis_pid"])
def test_a_killed_server_is_started_again_at_the_same_address(home: Path, killed: str) -> None:
    with ensure(home) as lease:
        sql(lease.database_url, "CREATE TABLE kept AS SELECT 42 AS value")
        redis_command(lease.redis_url, "SET", "kept", "42")
        before = status(home)

        os.kill(getattr(before, killed), signal.SIGKILL)

        wait_until(lambda: getattr(status(home), killed) not in (None, getattr(before, killed)))
        wait_until(lambda: answer(lease.database_url, lease.redis_url))
        assert sql(lease.database_url, "SELECT value FROM kept") == 42
        assert redis_command(lease.redis_url, "GET", "kept") == "42"
        assert status(home).keeper_pid == before.keeper_pid


def test_sigterm_to_the_keeper_stops_everything(home: Path) -> None:
    with ensure(home, ephemeral=True):
        before = status(home)
        assert before.keeper_pid is not None

        os.kill(before.keeper_pid, signal.SIGTERM)

        wait_until(lambda: is_gone(before.keeper_pid))
        assert is_gone(before.postgres_pid)
        assert is_gone(before.redis_pid)


def test_an_innocent_process_with_the_number_in_a_stale_file_is_left_alone(
    home: Path, innocent: subprocess.Popen[bytes]
) -> None:
    ensure(home, ephemeral=True).close()
    stop(home)
    found = status(home)
    assert found.directory is not None
    data = Path(found.directory, "postgres")
    lines = [innocent.pid, data, 1, 5432, "", "", "1 1", "ready"]
    (data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
    lock = Path(found.directory, "run", ".s.PGSQL.5432.lock")
    lock.write_text("\n".join(map(str, lines)) + "\n")
    servers: dict[str, int | None] = {"postgres": innocent.pid, "redis": innocent.pid}
    write_state(home / "embedded/state.json", State("ready", innocent.pid, servers))

    assert not status(home).running
    assert not stop(home)
    with ensure(home, ephemeral=True) as lease:
        assert answer(lease.database_url, lease.redis_url)
        assert status(home).postgres_pid != innocent.pid
    stop(home)

    assert innocent.poll() is None


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the servers' own user, which PostgreSQL would take for its predecessor by its number alone."""
    user = _server_user() if os.geteuid() == 0 else None
    with ending(subprocess.Popen(["sleep", "600"], cwd="/", user=user)) as process:
        yield process


def _server_user() -> str:
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
