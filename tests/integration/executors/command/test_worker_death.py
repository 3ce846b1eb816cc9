"""A worker that dies takes its commands along, at whatever moment and however they resist."""

import os
import signal
import time

import pytest

from tests.integration.executors.command.stage import USERS, Stage, Worker, until

WITHIN_S = 20.0


@pytest.fixture(params=USERS)
def doomed(request):
    stage = Stage()
    worker = Worker(stage, request.param)
    yield worker
    worker.close()
    stage.close()


def all_is_gone(worker: Worker, mark: str) -> bool:
    return not (worker.stage.survivors(mark) or worker.supervisors() or worker.stage.left_behind())


@pytest.mark.parametrize("name", ["stubborn", "ignore_all", "closed_output", "stopped", "endless"])
def test_a_killed_worker_takes_its_command_along(doomed, name):
    mark = doomed.send(name, timeout=600)
    until(lambda: len(doomed.stage.begun(mark)) >= (2 if name in ("stubborn", "ignore_all") else 1))
    assert doomed.stage.survivors(mark)
    assert len(doomed.supervisors()) == 1

    doomed.process.kill()

    until(lambda: all_is_gone(doomed, mark), WITHIN_S)


def test_a_worker_killed_at_any_moment_of_a_start_leaves_nothing(stage):
    for delay in (0.0, 0.01, 0.03, 0.05, 0.08, 0.12):
        worker = Worker(stage, USERS[0])
        worker.run("signals")
        mark = worker.send("stubborn", timeout=600)
        time.sleep(delay)

        worker.process.kill()

        until(lambda worker=worker, mark=mark: all_is_gone(worker, mark), WITHIN_S)
        worker.close()


def test_a_frozen_worker_does_not_keep_its_command_alive(doomed):
    mark = doomed.send("stubborn", timeout=5)
    until(lambda: len(doomed.stage.begun(mark)) >= 2)

    os.kill(doomed.process.pid, signal.SIGSTOP)

    until(lambda: not doomed.stage.survivors(mark), WITHIN_S)
    os.kill(doomed.process.pid, signal.SIGCONT)
    assert doomed.read()["code"] == "timeout"


def test_a_supervisor_told_to_end_ends_its_command(doomed):
    mark = doomed.send("stubborn", timeout=600)
    until(lambda: len(doomed.stage.begun(mark)) >= 2)

    [supervisor] = doomed.supervisors()
    os.kill(supervisor, signal.SIGTERM)

    assert doomed.read()["code"] == "error"
    assert all_is_gone(doomed, mark)


def test_a_supervisor_that_is_killed_takes_its_command_along(doomed):
    mark = doomed.send("stubborn", timeout=600)
    until(lambda: len(doomed.stage.begun(mark)) >= 2)

    [supervisor] = doomed.supervisors()
    os.kill(supervisor, signal.SIGKILL)

    assert doomed.read()["code"] == "error"
    assert all_is_gone(doomed, mark)
