"""One call: what it sends, how it ends, what it says about it."""

import threading

import pytest

from tests.integration.crontab.kit import LINE, SWEEP, Kit, StubServer, a_token
from tests.support.processes import wait_until

SWEPT = {
    "code": 200,
    "message": "success",
    "data": {
        "execution_id": "0198c0de-0000-7000-8000-000000000001",
        "status": "partial",
        "opened": 12,
        "expired": 3,
        "failed": 1,
        "tasks": [{"id": "x", "opened": 99, "url": "https://answer.example.org/e?token=8f14e45f-ceea"}],
        "errors": [{"error": "entry.failed", "detail": 'the "opened": 77 of https://secret.example.org/x'}],
    },
}


@pytest.fixture
def kit(kit: Kit, stub: StubServer) -> Kit:
    """With a good token and the stub for an API."""
    kit.put_token(a_token() + "\n")
    kit.settings["API_BASE_URL"] = stub.url
    return kit


def test_the_body_is_empty_and_the_token_in_the_header(kit: Kit, stub: StubServer) -> None:
    token = kit.token_file.read_text().strip()

    assert kit.call().code == 0

    [seen] = stub.seen
    assert (seen.method, seen.path, seen.body) == ("POST", SWEEP, b"")
    assert seen.headers["Authorization"] == f"Bearer {token}"
    assert "Content-Type" not in seen.headers


def test_the_log_holds_counts_and_neither_links_nor_bodies(either_kit: Kit, stub: StubServer) -> None:
    stub.answer = lambda *_: (200, SWEPT)
    either_kit.put_token(a_token())

    assert either_kit.call(API_BASE_URL=stub.url).code == 0

    assert all(LINE.fullmatch(line) for line in either_kit.log.splitlines())
    assert "status=partial" in either_kit.log
    assert "opened=12 expired=3 failed=1" in either_kit.log
    assert "example.org" not in either_kit.log
    assert "opened=99" not in either_kit.log
    assert "77" not in either_kit.log


@pytest.mark.parametrize(
    ("endpoint", "sent"),
    [
        ("/plans/tasks/schedule", SWEEP),
        ("plans/tasks/schedule", SWEEP),
        ("/api/v1/plan/tasks/schedule", "/api/v1/plan/tasks/schedule"),
        (f"{SWEEP}?before=2026-07-01T19:00:00+08:00", f"{SWEEP}?before=2026-07-01T19:00:00%2B08:00"),
        (f"{SWEEP}?before=2026-07-01 19:00:00&limit=5", f"{SWEEP}?before=2026-07-01%2019:00:00&limit=5"),
        (f"{SWEEP}?before=2026-07-01%2019:00:00", f"{SWEEP}?before=2026-07-01%2019:00:00"),
    ],
)
def test_the_endpoint_may_be_written_as_people_write_it(
    kit: Kit, stub: StubServer, endpoint: str, sent: str
) -> None:
    assert kit.call(endpoint).code == 0
    assert stub.paths() == [sent]


def test_before_is_added_and_encoded(kit: Kit, stub: StubServer) -> None:
    kit.shim("date", 'case "$*" in *T*) echo 2026-07-01T11:00:00Z ;; *) exec /bin/date "$@" ;; esac')

    assert kit.start("--before", "now", f"{SWEEP}?limit=5").wait().code == 0
    assert kit.start("--before", "2026-07-01 19:00:00", SWEEP).wait().code == 0

    assert stub.paths() == [
        f"{SWEEP}?limit=5&before=2026-07-01T11:00:00Z",
        f"{SWEEP}?before=2026-07-01%2019:00:00",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("",),
        ("https://elsewhere.example.org/plans",),
        ("/plans/../admin",),
        ("/plans tasks",),
        (f"{SWEEP}?before=\n",),
        ("@elsewhere.example.org",),
        (SWEEP, "log", "more"),
        ("--nonsense", SWEEP),
        ("--before",),
        ("--before", "", SWEEP),
    ],
)
def test_misuse_sends_nothing_and_exits_with_2(
    kit: Kit, stub: StubServer, arguments: tuple[str, ...]
) -> None:
    call = kit.start(*arguments).wait()

    assert (call.code, stub.seen) == (2, [])
    assert "usage" in call.err


@pytest.mark.parametrize(
    ("status", "code"), [(302, 13), (403, 12), (404, 13), (409, 13), (422, 13), (429, 13)]
)
def test_a_refusal_is_tried_once_and_has_an_exit_code(
    kit: Kit, stub: StubServer, status: int, code: int
) -> None:
    stub.answer = lambda *_: (status, {"error": "task.not_due", "detail": "Bearer abc"})

    assert kit.call(RETRIES="3").code == code

    assert len(stub.seen) == 1
    assert f"FAILED ({code}): status {status} error=task.not_due" in kit.log
    assert "abc" not in kit.log


def test_500_then_200_is_a_success(kit: Kit, stub: StubServer) -> None:
    stub.answer = lambda path, number: (500, b"oops") if number == 1 else (200, SWEPT)

    assert kit.call(RETRIES="3").code == 0

    assert len(stub.seen) == 2
    assert "status 500; retry 1 of 3 in 0 s" in kit.log
    assert "ok, status 200" in kit.log


def test_retries_are_bounded_and_wait_longer_each_time(kit: Kit, stub: StubServer) -> None:
    stub.answer = lambda *_: (503, b"")
    kit.shim("sleep", f"echo $1 >> {kit.directory}/slept")

    assert kit.call(RETRIES="3", BACKOFF="2").code == 14

    assert len(stub.seen) == 4
    assert (kit.directory / "slept").read_text().split() == ["2", "4", "8"]


def test_no_answer_in_time_has_an_exit_code(kit: Kit, stub: StubServer) -> None:
    release = threading.Event()
    stub.answer = lambda *_: (200 if release.wait(60) else 504, {})

    assert kit.call(TIMEOUT="1", RETRIES="1").code == 15

    # What a caller gave up may reach a busy server only afterwards.
    wait_until(lambda: len(stub.seen) >= 2, "both calls are seen")
    release.set()
    assert len(stub.seen) == 2
    assert "no answer in time" in kit.log


def test_nobody_there_has_an_exit_code(kit: Kit) -> None:
    assert kit.call(API_BASE_URL="http://127.0.0.1:1", RETRIES="1").code == 16
    assert "cannot be reached (curl 7)" in kit.log


def test_of_two_calls_at_once_the_second_leaves_it_to_the_first(kit: Kit, stub: StubServer) -> None:
    release = threading.Event()
    stub.answer = lambda path, _: (
        (200 if release.wait(60) else 504, {}) if path.startswith(SWEEP) else (200, {})
    )
    first = kit.start(SWEEP)
    wait_until(lambda: stub.seen, "the first call is under way")

    second = kit.call(f"{SWEEP}?limit=5")
    other = kit.call("/statistics/validate")
    release.set()

    assert (second.code, other.code, first.wait().code) == (17, 0, 0)
    assert "already running" in kit.log
    assert kit.call().code == 0


def test_a_log_that_cannot_be_written_stops_no_duty(kit: Kit, stub: StubServer) -> None:
    # Not even root writes there, as it would into a directory that is only marked read-only.
    call = kit.start(SWEEP, "/proc/qs-scheduler/duty.log").wait()

    assert (call.code, len(stub.seen)) == (0, 1)
    assert "/proc/qs-scheduler/duty.log cannot be written" in call.err
    assert "ok, status 200" in call.err


def test_locks_that_cannot_be_made_stop_no_duty(kit: Kit, stub: StubServer) -> None:
    assert kit.call(LOCK_DIR="/proc/qs-scheduler").code == 0
    assert "cannot be kept apart" in kit.log


def test_whoever_is_to_be_alerted_is_told_what_failed_and_no_secret(kit: Kit, stub: StubServer) -> None:
    stub.answer = lambda *_: (403, {})
    told = kit.directory / "told"
    command = f"{{ cat; env; }} > {told}; exit 3"

    assert kit.call(ALERT_COMMAND=command, IAM_USERNAME="robot", IAM_PASSWORD="hunter2-hunter2").code == 12

    text = told.read_text()
    assert f"{SWEEP} failed (12): status 403" in text
    assert {f"QS_ALERT_ENDPOINT={SWEEP}", "QS_ALERT_CODE=12"} <= set(text.splitlines())
    assert "hunter2" not in text
    assert kit.token_file.read_text().strip() not in text
    assert "ALERT_COMMAND ended with 3" in kit.log


def test_nobody_is_alerted_of_a_success(kit: Kit, stub: StubServer) -> None:
    told = kit.directory / "told"

    assert kit.call(ALERT_COMMAND=f"touch {told}").code == 0
    assert not told.exists()


def test_the_curl_settings_of_a_user_play_no_part(kit: Kit, stub: StubServer) -> None:
    (kit.directory / ".curlrc").write_text('proxy = "http://127.0.0.1:1"\n')

    assert kit.call(HOME=str(kit.directory)).code == 0
