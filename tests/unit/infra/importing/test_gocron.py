"""The jobs of a gocron service, its types and Go's durations."""

import pytest

from qs.infra.scheduler.importing.gocron import import_gocron
from qs.infra.scheduler.importing.imported import Imported
from tests.unit.infra.importing.samples import GOCRON, needed, told


def of(job: str) -> Imported:
    return import_gocron(f"scheduler:\n  jobs:\n    - {{name: hello_job, enabled: true, {job}}}\n".encode())


def test_jobs_are_taken_over_and_run_the_builtin_of_their_name() -> None:
    imported = import_gocron(GOCRON)

    assert imported.jobs == (
        {"name": "hello_job", "type": "duration", "schedule": "30s", "enabled": True},
        {"name": "cleanup_job", "type": "daily", "schedule": "02:00", "enabled": False},
    )
    assert imported.complete


@pytest.mark.parametrize(
    ("kind", "schedule", "expected"),
    [
        ("duration", "1.5h", "1h30m"),
        ("duration", "'@every 90s'", "1m30s"),
        ("cron", '"*/5 * * * *"', "*/5 * * * *"),
        ("cron", '"0 30 2 * * *"', "0 30 2 * * *"),
        ("daily", "2:00", "02:00"),
        ("daily", '"2:00, 14:30:05"', "02:00, 14:30:05"),
        ("weekly", "MON 09:00", "MON 09:00"),
        ("weekly", '"Monday,Friday at 9:30"', "MON,FRI 09:30"),
        ("weekly", '"1 09:00"', "MON 09:00"),
        ("weekly", '"mon, wed 9:00, 18:00"', "MON,WED 09:00,18:00"),
        ("monthly", '"1,15 3:00"', "1,15 03:00"),
        ("monthly", '"last at 3:00"', "L 03:00"),
        ("once", "2026-07-01T09:00:00+08:00", "2026-07-01T09:00:00+08:00"),
        ("once", "2026-07-01 09:00:00", "2026-07-01 09:00:00"),
    ],
)
def test_every_type_of_schedule_is_known(kind: str, schedule: str, expected: str) -> None:
    imported = of(f"type: {kind}, schedule: {schedule}")

    assert [(job["type"], job["schedule"]) for job in imported.jobs] == [(kind, expected)]
    assert imported.complete


@pytest.mark.parametrize(
    ("job", "why"),
    [
        ("type: hourly, schedule: 1", "type 'hourly' is not one of duration, cron,"),
        ("schedule: 30s", "type '' is not one of"),
        ("type: duration, schedule: 30", "schedule '30' is no duration of Go"),
        ("type: duration, schedule: 10ms", "is under one second"),
        ("type: duration, schedule: -1s", "duration"),
        ("type: daily, schedule: noon", "time 'noon' is not understood"),
        ("type: weekly, schedule: 09:00", "day of week"),
        ("type: monthly, schedule: 40 03:00", "day of month '40' is not in 1 to 31"),
        ("type: once, schedule: tomorrow", "instant 'tomorrow' is not understood"),
        ("type: cron, schedule: '* *'", "has 2 fields"),
        ("type: cron", "has 0 fields"),
    ],
)
def test_a_schedule_that_is_none_leaves_the_job_out_and_says_why(job: str, why: str) -> None:
    imported = of(job)

    assert imported.jobs == ()
    assert why in told(imported)
    assert {note.line for note in needed(imported)} == {3}


def test_a_job_that_says_nothing_of_enabled_did_not_run_there() -> None:
    imported = import_gocron(b"scheduler:\n  jobs:\n  - {name: hello_job, type: duration, schedule: 30s}\n")

    assert imported.jobs[0]["enabled"] is False
    assert "says nothing of enabled, which Go takes for false" in told(imported)


def test_a_service_that_was_off_is_something_to_think_of() -> None:
    imported = import_gocron(GOCRON.replace(b"enabled: true\n  jobs", b"enabled: false\n  jobs"))

    assert "line 2: scheduler.enabled: false: nothing ran there" in told(imported)


def test_unknown_builtins_and_unknown_keys_are_told_of() -> None:
    imported = import_gocron(
        b"scheduler:\n  workers: 5\n  jobs:\n  - {name: rep, type: daily, schedule: '02:00', enabled: on, cmd: x}\n"
    )

    assert "it runs the builtin 'rep', which qs does not ship" in told(imported)
    assert "line 2: scheduler.workers: has no counterpart here" in told(imported)
    assert "cmd: 'x' of job 'rep': has no counterpart here" in told(imported)
    assert imported.jobs[0]["enabled"] is True
