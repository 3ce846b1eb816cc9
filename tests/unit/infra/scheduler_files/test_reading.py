"""Jobs are read from a list, from ``jobs:`` and from the settings, and words mean what they look like."""

from pathlib import Path
from typing import Any

import pytest

from qs.domain.kernel.errors import Problem
from qs.domain.scheduler.policies import NoticeOn, Retry
from qs.domain.scheduler.triggers.spec import TriggerKind
from qs.infra.scheduler.files.problems import JobFileInvalid
from qs.infra.scheduler.files.reading import read_declared_jobs, read_job_file
from qs.infra.scheduler.files.strict_yaml import read_yaml

JOB = "- name: a\n  type: cron\n  schedule: 0 2 * * *\n"
DECLARED = """\
server: {addr: "127.0.0.1:8080"}
scheduler:
  enabled: true
  jobs:                                   # declared jobs
    - {name: nightly-report, type: daily, schedule: "02:00", enabled: true, target: {http: {method: POST, url: "https://e.org"}}}
    - {name: hello_job, type: duration, schedule: 30s}
    - {name: tidy, type: cron, schedule: "0 */6 * * *", target: {command: tidy-uploads}, timeout: 10m, retry: {max_attempts: 3}}
"""


def read_one(text: str) -> Any:
    [definition] = read_job_file(text).definitions()
    return definition


def test_a_list_and_a_list_under_jobs_are_the_same() -> None:
    below = "jobs:\n" + "".join(f"  {line}\n" for line in JOB.splitlines())

    assert read_job_file(JOB).definitions() == read_job_file(below).definitions()


def test_json_is_read_as_well() -> None:
    assert read_one('[{"name": "a", "type": "cron", "schedule": "0 2 * * *"}]') == read_one(JOB)


def test_no_jobs_at_all_must_be_said() -> None:
    assert read_job_file("jobs: []\n").jobs == ()


def test_the_declared_jobs_of_the_settings_are_read_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "qs.yaml"
    file.write_text(DECLARED)

    found = read_declared_jobs(file)

    assert [job.line for job in found.jobs] == [5, 6, 7]
    assert [definition.name for definition in found.definitions()] == ["nightly-report", "hello_job", "tidy"]
    assert found == read_job_file(file) == read_declared_jobs(file.read_bytes(), str(file))


def test_settings_without_jobs_declare_none(tmp_path: Path) -> None:
    file = tmp_path / "qs.yaml"

    for text in ("server: {}\n", "scheduler:\n", "scheduler: {enabled: true}\n", "scheduler: {jobs: }\n"):
        file.write_text(text)
        assert read_declared_jobs(file).jobs == ()


def test_settings_that_are_cut_off_are_no_reason_to_drop_every_job(tmp_path: Path) -> None:
    file = tmp_path / "qs.yaml"
    file.write_text("")

    with pytest.raises(JobFileInvalid, match="half written"):
        read_declared_jobs(file)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(JobFileInvalid, match=r"absent\.yaml:1: cannot be read \(No such file or directory\)"):
        read_job_file(tmp_path / "absent.yaml")


def test_a_byte_order_mark_and_line_ends_of_windows_are_passed_over() -> None:
    assert read_job_file(b"\xef\xbb\xbf" + JOB.replace("\n", "\r\n").encode()).definitions() == [
        read_one(JOB)
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("02:00", "02:00"),
        ("1:30:00", "1:30:00"),
        ("2026-03-01", "2026-03-01"),
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("0755", "0755"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("=", "="),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("42", 42),
        ("-7", -7),
        ("0", 0),
        ("1.50", 1.5),
        ("'42'", "42"),
        ('"true"', "true"),
        ("''", ""),
    ],
)
def test_words_mean_what_they_look_like(written: str, meant: Any) -> None:
    found = read_yaml(f"x: {written}\n").value["x"]

    assert found == meant
    assert type(found) is type(meant)


def test_keys_are_words_whatever_yaml_1_1_makes_of_them() -> None:
    assert read_yaml("on: 1\nno: 2\ntrue: 3\n~: 4\n5: 6\n2026-01-01: 7\n").value == {
        "on": 1,
        "no": 2,
        "true": 3,
        "~": 4,
        "5": 6,
        "2026-01-01": 7,
    }


def test_on_in_notify_is_a_key() -> None:
    assert read_one(JOB + "  notify: {on: [failure, success]}\n").policies.notify.on == {
        NoticeOn.FAILURE,
        NoticeOn.SUCCESS,
    }


def test_a_time_of_day_needs_no_quotes() -> None:
    trigger = read_one("- {name: a, type: daily, schedule: 12:30}\n").trigger

    assert (trigger.type, trigger.schedule) == (TriggerKind.DAILY, "12:30")


def test_the_defaults_of_the_settings_hold_where_the_file_says_nothing() -> None:
    [definition] = read_job_file(JOB).definitions(defaults=Retry(max_attempts=9))

    assert definition.policies.retry.max_attempts == 9


def test_what_readers_of_a_target_complain_of_finds_its_line() -> None:
    job = read_job_file(JOB + "  target:\n    http:\n      url: x\n      headers:\n        A/b: c\n").jobs[0]

    problems = list(
        job.locate([Problem("/target/http/headers/A~1b", "no"), Problem("/target/http/method", "missing")])
    )

    assert [(each.line, each.field, each.value) for each in problems] == [
        (8, "target.http.headers.A/b", "'c'"),
        (5, "target.http.method", None),
    ]
