"""`qs job run --local`: one execution in the process of whoever asks, with a worker that would take it beside."""

import json
import signal
from datetime import timedelta
from typing import Any

import pytest

from qs import making
from qs.application.scheduler.builtins import Registration
from tests.support.processes import wait_until

from .conftest import Answer, Process, Qs, Rows
from .obeying import Obeying
from .working import WorkerThread

LEASE = timedelta(seconds=4)
# `qs` with a builtin that does what its payload says, and leases that a test can wait for.
DEBUGGED = """
import qs.making
from qs.application.scheduler.builtins import Registration
from tests.integration.jobs_cli.obeying import Obeying

qs.making.REGISTRATIONS = (Registration(Obeying),)

from datetime import timedelta
from qs.domain.scheduler.execution import Lease
from qs.interface.cli import job_local
from qs.interface.cli.main import run

job_local.LEASE = Lease(length=timedelta(seconds=4), heartbeat=timedelta(seconds=0.3))
run()
"""


@pytest.fixture
def obeying(monkeypatch: pytest.MonkeyPatch) -> None:
    """The builtins of this process are the one that does what its payload says."""
    monkeypatch.setattr(making, "REGISTRATIONS", (Registration(Obeying),))


def newest(rows: Rows) -> Any:
    return rows("SELECT * FROM job_execution ORDER BY id DESC LIMIT 1")[0]


def test_a_job_runs_here_and_no_worker_sees_it(qs: Qs, answer: Answer, job, rows: Rows, worker: WorkerThread):
    job()

    found = [answer("job", "run", "tidy", "--local", "--payload", '{"name": "you"}') for _ in range(5)]
    told = qs("job", "run", "tidy", "--local")

    worker.looks_again()
    assert {(each["status"], each["attempt"]) for each in found} == {("succeeded", 1)}
    assert found[0]["result"] == {"greeting": "hello, you"}
    assert (told.exit_code, told.stdout) == (0, "")
    assert "of tidy runs in this process" in told.stderr
    assert "greeting='hello, world'" in told.stderr
    assert worker.executor.attempts == []
    executions = rows("SELECT worker, fired_by, epoch, lost_attempts FROM job_execution")
    assert {each["worker"].partition(":")[0] for each in executions} == {"local"}
    assert {(each["fired_by"], each["epoch"], each["lost_attempts"]) for each in executions} == {
        ("manual", 1, 0)
    }
    assert rows("SELECT count(*) AS n FROM job_attempt WHERE outcome = 'succeeded'")[0]["n"] == 6
    assert [row["action"] for row in rows("SELECT action FROM audit WHERE action = 'job.run'")] == [
        "job.run"
    ] * 6
    assert "hello" in qs("job", "logs", found[0]["id"]).stdout


def test_a_breakpoint_stands_for_longer_than_the_lease_and_no_worker_takes_the_execution(
    answer: Answer, job, rows: Rows, process: Process, worker: WorkerThread
):
    job()

    with process("-c", DEBUGGED, "job", "run", "tidy", "--local", "--payload", '{"break": 1}') as debugged:
        assert debugged.stdin is not None
        assert debugged.stdout is not None
        wait_until(lambda: rows("SELECT FROM job_execution WHERE status = 'running'"), "the execution begins")
        assert debugged.stdout.readline() == b"printed\n"
        until = newest(rows)["lease_until"]
        # The process stands at the breakpoint, and its lease goes on.
        wait_until(lambda: newest(rows)["lease_until"] > until + LEASE * 2, "the lease is extended")
        worker.looks_again()
        out, err = debugged.communicate(b"p payload['break'] + 41\nc\n", timeout=60)

    assert debugged.returncode == 0, err
    assert b"(Pdb) 42" in out
    assert b"told" in err
    assert worker.executor.attempts == []
    ended = newest(rows)
    assert (ended["status"], ended["epoch"], ended["lost_attempts"]) == ("succeeded", 1, 0)


def test_what_a_builtin_prints_is_data_only_where_the_execution_is_not(qs: Qs, job, obeying):
    job()

    plain, as_json = (qs("job", "run", "tidy", "--local", *mode) for mode in ((), ("--json",)))

    assert plain.stdout == "printed\n"
    assert json.loads(as_json.stdout)["result"] == {"given": {}}
    assert "printed" in as_json.stderr


def test_an_execution_whose_process_died_is_found_and_done_by_a_worker(
    answer: Answer, job, rows: Rows, process: Process, worker: WorkerThread
):
    job()

    with process("-c", DEBUGGED, "job", "run", "tidy", "--local", "--payload", '{"hang": 1}') as debugged:
        assert debugged.stdout is not None
        assert debugged.stdout.readline() == b"printed\n"
        debugged.kill()
        debugged.communicate(timeout=60)
    wait_until(lambda: newest(rows)["status"] == "succeeded", "the worker does it again")

    attempts = rows("SELECT number, outcome FROM job_attempt ORDER BY number")
    assert [(each["number"], each["outcome"]) for each in attempts] == [(1, "lost"), (2, "succeeded")]
    assert len(worker.executor.attempts) == 1


def test_ctrl_c_cancels_what_runs_here(
    answer: Answer, job, rows: Rows, process: Process, worker: WorkerThread
):
    job()

    with process("-c", DEBUGGED, "job", "run", "tidy", "--local", "--payload", '{"hang": 1}') as debugged:
        assert debugged.stdout is not None
        assert debugged.stdout.readline() == b"printed\n"
        debugged.send_signal(signal.SIGINT)
        out, err = debugged.communicate(timeout=60)

    assert (debugged.returncode, out) == (1, b"")
    assert b"canceled after" in err
    assert b"Traceback" not in err
    assert newest(rows)["status"] == "canceled"
    assert worker.executor.attempts == []


def test_an_execution_that_fails_here_is_not_tried_again_elsewhere(
    qs: Qs, answer: Answer, job, rows: Rows, obeying, worker: WorkerThread
):
    job("tidy", "--payload", '{"raise": 1}')

    failed = qs("job", "run", "tidy", "--local")

    worker.looks_again()
    assert failed.exit_code == 1
    assert "failed after" in failed.stderr
    assert "RuntimeError" in failed.stderr
    assert newest(rows)["status"] == "failed"
    assert answer("job", "show", "tidy")["document"]["retry"]["max_attempts"] == 3
    assert worker.executor.attempts == []
