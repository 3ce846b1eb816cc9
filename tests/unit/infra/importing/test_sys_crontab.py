"""Rows of sys_crontab from dumps of MySQL and PostgreSQL, from CSV and from JSON."""

import json

import pytest

from qs.infra.scheduler.importing.imported import Imported
from qs.infra.scheduler.importing.sys_crontab import import_sys_crontab
from tests.unit.infra.importing.samples import MYSQL_DUMP, PG_DUMP, told

COLUMNS = "(name, type, spec, payload, status)"


def of(values: str, columns: str = COLUMNS) -> Imported:
    return import_sys_crontab(f"INSERT INTO sys_crontab {columns} VALUES {values};".encode())


def test_a_dump_of_mysql_is_read_with_its_escapes() -> None:
    imported = import_sys_crontab(MYSQL_DUMP)

    assert imported.jobs == (
        {
            "name": "Daily 'figures'",
            "type": "cron",
            "schedule": "0 1 * * *",
            "enabled": True,
            "target": {"builtin": "task:daily-stats"},
            "payload": {"to": "it's\n"},
        },
        {
            "name": "Report",
            "type": "cron",
            "schedule": "0 2 * * *",
            "timezone": "Asia/Tokyo",
            "enabled": False,
            "target": {"builtin": "task:daily-report"},
        },
    )
    assert imported.complete


def test_a_dump_of_postgresql_is_read_and_other_tables_passed_over() -> None:
    imported = import_sys_crontab(PG_DUMP)

    assert [(job["name"], job["type"], job["schedule"], job["enabled"]) for job in imported.jobs] == [
        ("Figures", "duration", "1m30s", True),
        ("Report", "cron", "0 2 * * *", False),
    ]
    assert imported.jobs[0]["payload"] == {"path": "C:\\temp"}
    assert "users were passed over" in told(imported)
    assert imported.complete


def test_backslashes_are_no_escapes_in_texts_of_postgresql() -> None:
    imported = of(r"""('a','task:daily-stats','0 1 * * *','{"x": "\"q\""}'::jsonb,1)""")

    assert imported.jobs[0]["payload"] == {"x": '"q"'}


def test_csv_and_json_are_read_as_well() -> None:
    row = {
        "id": 1,
        "name": "a",
        "type": "task:daily-stats",
        "spec": "0 1 * * *",
        "payload": {"x": 1},
        "status": 1,
    }
    quoted = 'id,name,type,spec,payload,status\n1,a,task:daily-stats,0 1 * * *,"{""x"": 1}",1\n'

    from_json = import_sys_crontab(json.dumps([row]).encode())
    from_rows = import_sys_crontab(json.dumps({"total": 1, "rows": [row]}).encode())
    from_csv = import_sys_crontab(quoted.encode())
    from_tabs = import_sys_crontab(
        b"name\ttype\tspec\tpayload\tstatus\na\ttask:daily-stats\t0 1 * * *\t{'x': 1}\t1\n".replace(
            b"'", b'""'
        )
    )

    assert from_json.jobs == from_rows.jobs == from_csv.jobs
    assert from_csv.jobs[0]["payload"] == {"x": 1}
    assert len(from_tabs.jobs) == 1


def test_the_table_of_bingo_is_known_by_its_names() -> None:
    imported = import_sys_crontab(
        b"INSERT INTO `sys_schedule` (name, job, spec, status, description) VALUES "
        b"('Daily Statistics Report', 'task:daily-stats', '0 1 * * *', 1, 'Generate daily data');"
    )

    assert imported.jobs[0]["target"] == {"builtin": "task:daily-stats"}
    assert imported.jobs[0]["remarks"] == "Generate daily data"


def test_two_rows_of_one_type_are_two_jobs() -> None:
    imported = of("('a','task:x','0 1 * * *',NULL,1), ('a','task:x','0 2 * * *',NULL,1)")

    assert [job["name"] for job in imported.jobs] == ["a", "a-2"]
    assert "type 'task:x' of 2 rows: it runs the builtin 'task:x', which qs does not ship" in told(imported)


@pytest.mark.parametrize(
    ("status", "enabled"),
    [
        ("1", True),
        ("2", False),
        ("0", False),
        ("TRUE", True),
        ("'enabled'", True),
        ("b'1'", True),
        ("b'0'", False),
    ],
)
def test_a_status_says_whether_it_runs(status: str, enabled: bool) -> None:
    imported = of(f"('a','task:daily-stats','0 1 * * *',NULL,{status})")

    assert imported.jobs[0]["enabled"] is enabled
    assert imported.complete


def test_a_status_that_is_not_known_is_no_reason_to_run() -> None:
    imported = of("('a','task:daily-stats','0 1 * * *',NULL,7)")

    assert imported.jobs[0]["enabled"] is False
    assert "status '7' is neither 1 nor 0 nor 2" in told(imported)


@pytest.mark.parametrize(
    ("payload", "expected", "complete"),
    [
        ("NULL", None, True),
        ("''", None, True),
        ("'null'", None, True),
        ("'{\"a\": [1]}'", {"a": [1]}, True),
        ("'[1, 2]'", {"value": [1, 2]}, False),
        ("'plain words'", {"text": "plain words"}, False),
        ("'" + "[" * 5000 + "'", {"text": "[" * 5000}, False),
    ],
)
def test_a_payload_reaches_the_builtin_as_an_object(payload: str, expected: object, complete: bool) -> None:
    imported = of(f"('a','task:daily-stats','0 1 * * *',{payload},1)")

    assert imported.jobs[0].get("payload") == expected
    assert imported.complete is complete


def test_options_of_asynq_become_fields() -> None:
    imported = of(
        "('a','task:daily-stats','0 1 * * *','critical',5,'300',3,'Europe/Berlin')",
        "(name, type, spec, queue, max_retry, timeout, priority, timezone)",
    )

    [job] = imported.jobs
    assert (job["queue"], job["retry"], job["timeout"], job["priority"]) == (
        "critical",
        {"max_attempts": 6},
        "300",
        3,
    )
    assert job["timezone"] == "Europe/Berlin"


def test_rows_that_are_deleted_and_columns_that_are_strange_are_told_of() -> None:
    imported = import_sys_crontab(
        b"INSERT INTO sys_crontab (name,type,spec,deleted_at,owner) VALUES"
        b"('a','task:daily-stats','0 1 * * *','2026-01-01','x'),('b','task:daily-stats','0 1 * * *',NULL,'bob');"
    )

    assert [job["name"] for job in imported.jobs] == ["b"]
    assert "job 'a': it is marked deleted" in told(imported)
    assert "column owner ('bob') has no counterpart here" in told(imported)
