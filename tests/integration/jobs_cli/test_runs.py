"""`qs job run`, `executions`, `logs`, `cancel` and `retry`, with a worker and without."""

import asyncio
import json
import signal
from dataclasses import replace
from datetime import UTC, datetime
from threading import Timer
from typing import Any
from uuid import UUID

import pytest

from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from qs.application.scheduler.job_reading import OutputPiece
from qs.domain.kernel.zones import zone
from qs.domain.scheduler.job_execution import JobExecution, RunFiredBy, RunStatus
from qs.infra.postgres.failures import DatabaseAway
from qs.interface.cli import job_following, job_progress
from qs.interface.cli.job_following import Following, Lines
from qs.interface.cli.job_progress import Progress
from tests.support.processes import wait_until

from .conftest import Answer, Process, Qs, Rows
from .working import WorkerThread

FAILED = AttemptOutcome(status=AttemptStatus.FAILED, code="error", error="it did not work", permanent=True)


QUEUED = JobExecution(
    id=UUID(int=1),
    tenant_id=UUID(int=1),
    job_id=UUID(int=1),
    job_name="tidy",
    fired_by=RunFiredBy.MANUAL,
    actor="cli:me",
    status=RunStatus.QUEUED,
    available_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def newest(answer: Answer) -> Any:
    return answer("job", "executions", "-n", "1")["items"][0]


def test_a_run_waits_for_a_worker_and_is_listed(qs: Qs, answer: Answer, job, rows: Rows):
    made = job("tidy", "--payload", '{"days": 7}')
    job("other")

    began = answer("job", "run", "tidy", "--payload", '{"days": 1}')
    told = qs("job", "run", "other").stdout

    assert (began["job_id"], began["name"], began["status"]) == (made["id"], "tidy", "queued")
    assert (began["fired_by"], began["actor"].partition(":")[0]) == ("manual", "cli")
    assert told.split() == ["execution", newest(answer)["id"], "job", "other", "status", "queued"]
    listed = [answer("job", "executions", *of)["items"] for of in ((), ("tidy",), ("--status", "failed"))]
    assert [[each["name"] for each in items] for items in listed] == [["other", "tidy"], ["tidy"], []]
    assert answer("job", "executions", "--before", listed[0][0]["id"])["items"] == listed[1]
    (row,) = rows("SELECT payload FROM job_execution WHERE job_name = 'tidy'")
    assert json.loads(row["payload"]) == {"days": 1}


def test_a_job_that_is_active_is_run_beside_itself_only_by_force(qs: Qs, answer: Answer, job):
    job()
    first = answer("job", "run", "tidy")

    for options in ((), ("--wait",), ("--local",)):
        busy = qs("job", "run", "tidy", *options)

        assert (busy.exit_code, busy.stdout) == (1, "")
        assert f"is running already (execution {first['id']})" in busy.stderr
        assert "run with --force" in busy.stderr
    assert answer("job", "run", "tidy", "--force")["status"] == "queued"


def test_a_run_that_is_waited_for_shows_its_output_and_its_end(
    qs: Qs, answer: Answer, job, worker: WorkerThread
):
    job()
    worker.executor.wrote = "über\n".encode()

    done = qs("job", "run", "tidy", "--wait")

    ended = newest(answer)
    assert (done.exit_code, done.stdout) == (0, "über\n")
    assert f"execution {ended['id']} succeeded after" in done.stderr
    assert ended["status"] == "succeeded"


def test_a_run_that_is_followed_to_its_failure_ends_with_1(qs: Qs, answer: Answer, job, worker: WorkerThread):
    job()
    worker.executor.outcomes = [FAILED]
    worker.executor.wrote = b"before the end\n"

    done = qs("job", "run", "tidy", "--follow", "--json")

    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (found["status"], found["error"], found["attempt"]) == ("failed", "it did not work", 1)
    assert found["id"] == newest(answer)["id"]
    assert "before the end\n" in done.stderr
    assert "failed after" in done.stderr


def test_who_waits_is_told_of_each_attempt_and_sees_the_output_of_all(
    qs: Qs, answer: Answer, write, worker: WorkerThread
):
    file = write(
        "- {name: tidy, type: cron, schedule: '@yearly', target: {builtin: hello_job}, retry: {delay: 3s, jitter: 0}}"
    )
    answer("job", "apply", "-f", file)
    worker.executor.outcomes = [
        AttemptOutcome(status=AttemptStatus.FAILED, code="error", error="not at the first try")
    ]
    worker.executor.wrote = b"trying\n"

    done = qs("job", "run", "tidy", "--wait")

    assert (done.exit_code, done.stdout) == (0, "trying\ntrying\n")
    assert "attempt 1 failed (not at the first try); the next begins at " in done.stderr
    assert "-- attempt 2" in done.stderr


def test_the_result_of_a_run_is_part_of_what_json_says(answer: Answer, job, worker: WorkerThread):
    job("tidy", "--payload", '{"days": 7}')

    found = answer("job", "run", "tidy", "--wait")

    assert (found["result"], found["parameters"], found["awaited"]) == ({"did": "it"}, {"days": 7}, False)


def test_ctrl_c_leaves_the_execution_running_and_says_its_id(
    answer: Answer, job, process: Process, worker: WorkerThread
):
    job()
    worker.executor.hold()

    with process("job", "run", "tidy", "--wait") as waiting:
        wait_until(lambda: worker.executor.attempts, "the attempt begins")
        assert waiting.stderr is not None
        told = [waiting.stderr.readline().decode()]
        while " runs on " not in told[-1]:
            told.append(waiting.stderr.readline().decode())
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=60)

    running = newest(answer)
    assert (waiting.returncode, out) == (1, b"")
    assert f"execution {running['id']} goes on; `qs job logs {running['id']} -f` follows it" in err.decode()
    assert running["status"] == "running"
    worker.release()
    wait_until(lambda: newest(answer)["status"] == "succeeded", "the execution ends")


def test_who_waits_is_told_each_step_once_and_how_to_start_a_worker_where_none_comes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    moments = [0.0]
    monkeypatch.setattr(job_progress, "monotonic", lambda: moments[-1])
    tell, queued = Progress(zone("Asia/Shanghai")), QUEUED

    tell(replace(queued, available_at=None, blocked_by=UUID(int=2)))
    for moment in (1.0, 12.0, 24.0):
        moments.append(moment)
        tell(queued)
    for _ in range(2):
        tell(replace(queued, status=RunStatus.RUNNING, attempt=1, worker="h:1"))
    tell(replace(queued, status=RunStatus.RETRYING, attempt=1, error="no"))
    tell(replace(queued, status=RunStatus.RUNNING, attempt=2, awaited=True))
    tell(replace(queued, status=RunStatus.SUCCEEDED))

    assert capsys.readouterr().err.splitlines() == [
        f"execution {QUEUED.id} of tidy is queued, behind execution {UUID(int=2)}",
        f"execution {QUEUED.id} of tidy is queued",
        "no worker has taken it yet; `qs worker --roles executions` starts one",
        "attempt 1 runs on h:1",
        "attempt 1 failed (no); the next begins at 2026-01-01 08:00 +08:00",
        "it was handed over, and its outcome is to be reported",
    ]


async def test_a_database_that_comes_back_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    answers: list[Any] = [
        DatabaseAway(),
        DatabaseAway(),
        RunStatus.RUNNING,
        DatabaseAway(),
        RunStatus.SUCCEEDED,
    ]

    class Reading:
        async def execution(self, *of: object) -> tuple[JobExecution, list[Any]]:
            found = answers.pop(0)
            if isinstance(found, Exception):
                raise found
            return replace(QUEUED, status=found), []

        async def output(self, *of: object, **options: object) -> tuple[list[OutputPiece], bool]:
            return [], False

    monkeypatch.setattr(job_following, "POLL_S", 0.0)
    reading: Any = Reading()
    following = Following(reading, QUEUED.id, QUEUED.id, lambda piece: None)

    ended = await following.to_the_end(asyncio.Event())

    assert ended is not None
    assert ended.status is RunStatus.SUCCEEDED
    assert capsys.readouterr().err == "the database is away; waiting for it\n" * 2


def test_what_was_written_is_shown_from_an_offset_on(qs: Qs, answer: Answer, job, worker: WorkerThread):
    job()
    worker.executor.wrote = "eins zwei drei ü\n".encode()
    ended = answer("job", "run", "tidy", "--wait")

    for options in ((), ("-f",)):
        whole = qs("job", "logs", ended["id"], *options)
        rest = qs("job", "logs", ended["id"], "--offset", "10", *options)
        beyond = qs("job", "logs", ended["id"], "--offset", "1000", *options)

        assert [whole.exit_code, rest.exit_code, beyond.exit_code] == [0, 0, 0]
        assert [whole.stdout, rest.stdout, beyond.stdout] == ["eins zwei drei ü\n", "drei ü\n", ""]
    lines = qs("job", "logs", ended["id"], "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"offset": 0, "next_offset": 18, "attempt": 1, "stream": "log", "text": "eins zwei drei ü\n"}
    ]


def test_following_output_is_broken_off_and_taken_up_where_it_was(
    qs: Qs, answer: Answer, job, process: Process, worker: WorkerThread
):
    job()
    worker.executor.hold()
    worker.executor.wrote = b"first\nsecond\n"
    began = answer("job", "run", "tidy")

    with process("job", "logs", began["id"], "-f") as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        following.send_signal(signal.SIGINT)
        rest, err = following.communicate(timeout=60)
    Timer(0.5, worker.release).start()
    again = qs("job", "logs", began["id"], "-f", "--offset", "6")

    assert (first + rest, following.returncode) == (b"first\nsecond\n", 0)
    assert err == b"go on with --offset 13\n"
    assert (again.exit_code, again.stdout) == (0, "second\n")
    assert f"execution {began['id']} succeeded" in again.stderr


def test_what_waits_is_canceled_at_once_and_what_runs_by_its_worker(
    qs: Qs, answer: Answer, job, database_url: str
):
    job()
    waiting = answer("job", "run", "tidy")

    canceled, again = answer("job", "cancel", waiting["id"]), qs("job", "cancel", waiting["id"])

    assert canceled["status"] == "canceled"
    assert again.exit_code == 1
    assert "is canceled already" in again.stderr
    with WorkerThread(database_url) as worker:
        worker.executor.hold()
        running = answer("job", "run", "tidy")
        wait_until(lambda: worker.executor.attempts, "the attempt begins")
        asked = qs("job", "cancel", running["id"])

        assert "its worker was asked to stop it" in asked.stderr
        wait_until(lambda: newest(answer)["status"] == "canceled", "the execution stops")


def test_an_execution_that_is_over_is_tried_again_with_its_payload(
    qs: Qs, answer: Answer, job, worker: WorkerThread
):
    job()
    worker.executor.outcomes = [FAILED]
    failed = answer("job", "run", "tidy", "--payload", '{"days": 3}', "--wait", code=1)

    again = answer("job", "retry", failed["id"])

    assert (again["fired_by"], again["parent_id"]) == ("retry", failed["id"])
    wait_until(lambda: newest(answer)["status"] == "succeeded", "the retry ends")
    assert [attempt.payload for attempt in worker.executor.attempts] == [{"days": 3}] * 2


def test_no_character_is_torn_where_output_is_cut(capsys: pytest.CaptureFixture[str]):
    lines, text = Lines(), "aü€😀".encode()

    for at, byte in enumerate(text):
        lines(OutputPiece(at, 1, "log", bytes([byte])))
    lines(OutputPiece(len(text), 1, "log", "ü".encode()[:1]))
    lines(OutputPiece(len(text) + 1, 2, "log", b"b"))
    lines.close()

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "".join(each["text"] for each in found) == "aü€😀\ufffdb"
    assert [each["offset"] for each in found] == [0, 1, 3, 6, 10, 11]
    assert [each["next_offset"] for each in found] == [1, 3, 6, 10, 11, 12]
