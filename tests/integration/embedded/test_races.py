"""Whoever comes at the same time gets the same servers."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from qs.infra.embedded import discard, ensure, locks, status, stop
from qs.infra.embedded.errors import NotInTime
from qs.infra.embedded.layout import Control
from qs.infra.embedded.lease import start_keeper
from tests.integration.embedded.machine import (
    DEADLINE_SECONDS,
    Client,
    answer,
    is_gone,
    processes_with,
    wait_until,
)


def test_processes_that_start_at_once_get_the_same_servers(new_home: Path) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(new_home)) for _ in range(4)]
        found = [client.status() for client in clients]

        for name in ("keeper_pid", "postgres_pid", "redis_pid", "database_url", "redis_url"):
            assert len({each[name] for each in found}) == 1
        keepers = [
            each for each in processes_with(str(new_home)) if "qs.infra.embedded.keeper" in each.cmdline()
        ]
        assert [each.pid for each in keepers] == [found[0]["keeper_pid"]]


def test_processes_that_come_as_the_keeper_is_killed_get_the_same_new_servers(home: Path) -> None:
    first = Client(home)
    old = first.status()
    with ExitStack() as stack:
        stack.enter_context(first)
        clients = [stack.enter_context(Client(home)) for _ in range(2)]
        keeper = next(each for each in processes_with(str(home)) if each.pid == old["keeper_pid"])

        keeper.kill()
        wait_until(lambda: is_gone(keeper.pid))
        clients += [stack.enter_context(Client(home)) for _ in range(2)]
        late = [client.status() for client in clients[2:]]

        assert len({each["keeper_pid"] for each in late}) == 1
        assert late[0]["keeper_pid"] != old["keeper_pid"]
        assert len({each["postgres_pid"] for each in late}) == 1


def test_a_client_that_comes_while_a_home_is_discarded_keeps_it_or_gets_a_new_one(home: Path) -> None:
    for _ in range(3):
        with ThreadPoolExecutor() as pool:
            discarding = pool.submit(discard, home, timeout=0.2)
            with ensure(home, ephemeral=True) as lease:
                outcome = discarding.exception()

                assert outcome is None or isinstance(outcome, NotInTime)
                assert answer(lease.database_url, lease.redis_url)
                assert status(home).running


def test_stop_ends_what_ran_when_it_was_called_though_a_client_starts_anew(home: Path) -> None:
    control = Control.of(home)
    with ensure(home, ephemeral=True), ThreadPoolExecutor() as pool:
        asked = status(home).keeper_pid
        stopping = pool.submit(stop, home, timeout=60.0)
        wait_until(control.stop_request.exists)
        with locks.held(control.starting, time.monotonic() + DEADLINE_SECONDS):
            wait_until(lambda: is_gone(asked))
            successor = locks.wait_for(control.keeper, time.monotonic() + DEADLINE_SECONDS)
            start_keeper(control, successor, ephemeral=True)
            os.close(successor)

        assert stopping.result()
        assert status(home).running
