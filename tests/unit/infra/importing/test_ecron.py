"""Jobs of ECron: calls, commands and pods, without the secrets that stood in them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qs.application.scheduler.ecron import command_name, read_ecron
from qs.application.scheduler.job_documents import read_job
from qs.infra.scheduler.executors import http_target
from qs.infra.scheduler.executors.command_file import read_command_list
from qs.infra.scheduler.files.yaml_text import yaml_text
from qs.infra.scheduler.importing.ecron import import_ecron
from qs.infra.scheduler.importing.imported import Imported
from tests.unit.infra.importing.samples import ECRON, needed, told


def of(context: dict[str, Any] | None = None, **job: Any) -> Imported:
    whole = {"mode": "https", "exec": "https://e.org/x", **(context or {})}
    body = {
        "job_name": "a",
        "job_cron_time": "0 0 2 * * *",
        "job_type": "scheduled",
        "enabled": True,
        "job_context": whole,
    }
    return import_ecron(json.dumps([body | job]).encode())


def target(imported: Imported) -> Any:
    [job] = imported.jobs
    return job["target"]


def test_a_call_is_carried_over_and_its_secrets_are_not() -> None:
    imported = import_ecron(ECRON)

    [job] = imported.jobs
    assert job == {
        "name": "My Scheduled Task",
        "type": "cron",
        "schedule": "0 0 0 * * ?",
        "enabled": True,
        "target": {
            "http": {
                "method": "POST",
                "url": "https://api.example.com/endpoint?token=secret://my-scheduled-task-token&day=1",
                "headers": {
                    "Content-Type": "application/json",
                    "Authorization": "Bearer secret://my-scheduled-task-authorization",
                },
                "body": {"key": "value", "password": "secret://my-scheduled-task-password"},
            }
        },
        "remarks": "Task description\nECron job_id 4c5f",
        "notify": {
            "webhook": "https://callback.example.com/webhook",
            "on": ["success", "failure", "timeout", "missed"],
        },
    }
    assert http_target.check(job["target"]["http"]).problems == []


def test_every_secret_is_listed_with_where_to_set_it_and_none_is_shown() -> None:
    imported = import_ecron(ECRON)

    assert [note.what for note in needed(imported)] == [
        "the secret in Authorization",
        "the secret in token",
        "the secret in password",
    ]
    assert "QS_SECRET_MY_SCHEDULED_TASK_AUTHORIZATION" in told(imported)
    assert not any(
        secret in told(imported) + str(imported.jobs)
        for secret in ("headersecret", "querysecret", "bodysecret")
    )


def test_one_value_has_one_name_however_often_it_stands_there() -> None:
    headers = {"X-Api-Key": "same-secret"}
    body = {
        "job_cron_time": "@daily",
        "enabled": True,
        "job_context": {"mode": "https", "exec": "https://e.org", "info": {"headers": headers}},
    }

    imported = import_ecron(json.dumps([body | {"job_name": name} for name in "ab"]).encode())

    assert {job["target"]["http"]["headers"]["X-Api-Key"] for job in imported.jobs} == {
        "secret://a-x-api-key"
    }


def test_a_command_is_split_at_blanks_and_drafted_under_the_name_that_ecrons_routes_give_it() -> None:
    imported = of({"mode": "exe", "exec": "/opt/x -a 'b", "info": {"params": {"day": "1 2"}}})

    name = command_name("/opt/x -a 'b")
    assert target(imported) == {"command": {"name": name, "params": {"day": "1 2"}}}
    assert imported.commands[name]["argv"] == ["/opt/x", "-a", "'b", "{day}"]
    assert imported.commands[name]["params"] == {"day": {"type": "string", "required": True}}
    assert imported.complete


@pytest.mark.parametrize(
    ("program", "params"),
    [
        ("/opt/x", {"Day": "1"}),
        ("/opt/x", {"day": "--all"}),
        ("/opt/x", {"day": "a\nb"}),
        ("/bin/sh -c", {"day": "1"}),
    ],
)
def test_values_that_no_parameter_may_have_are_written_into_the_entry(
    program: str, params: dict[str, str]
) -> None:
    imported = of({"mode": "exe", "exec": program, "info": {"params": params}})

    [(name, entry)] = imported.commands.items()
    assert target(imported) == {"command": name}
    assert entry["argv"] == [*program.split(), *params.values()]


def test_drafts_with_parameters_are_what_the_allow_list_takes(tmp_path: Path) -> None:
    imported = of({"mode": "exe", "exec": "/usr/bin/env true", "info": {"params": {"day": "x"}}})
    commands = tmp_path / "commands.yaml"
    commands.write_text(yaml_text(dict(imported.commands)))
    commands.chmod(0o600)

    [(name, entry)] = imported.commands.items()
    command = read_command_list(commands).find(name)

    assert command is not None
    assert command.arguments(target(imported)["command"]["params"]) == [*entry["argv"][:2], "x"]


def test_arguments_whose_order_was_left_to_chance_are_a_persons_affair() -> None:
    imported = of({"mode": "exe", "exec": "/opt/x", "info": {"params": {"p": 1, "q": 2}}})

    assert "in an order left to chance" in told(imported)


def test_an_outcome_that_is_reported_later_is_marked_as_ecrons_routes_mark_it() -> None:
    later = of({"info": {"async": True}})
    now = of()

    assert target(later)["http"]["async"] is True
    assert "async" not in target(now)["http"]
    assert "ECron waited until their outcome was reported; here an answer of 2xx is a success" in told(now)


@pytest.mark.parametrize("at", ["2026-07-01T09:00:00+08:00", "2026-07-01T01:00:00Z"])
def test_a_timed_job_with_an_instant_runs_once(at: str) -> None:
    [job] = of(job_type="timed", job_cron_time=at).jobs

    assert (job["type"], job["schedule"]) == ("once", at)


def test_what_is_imported_and_what_is_posted_to_ecrons_routes_are_the_same_job() -> None:
    [body] = json.loads(ECRON)
    for secret in ("headers", "body"):
        body["job_context"]["info"][secret] = {}
    body["job_context"]["exec"] = "https://api.example.com/endpoint"

    [imported] = import_ecron(json.dumps([body]).encode()).jobs

    posted = read_job(read_ecron(body))
    assert replace(read_job(imported), remarks="") == replace(posted, remarks="")


def test_pods_keep_image_and_command() -> None:
    by_info = of(
        {
            "mode": "exe",
            "exec": "perl -e 1",
            "info": {"kubernetes": {"image": "perl:5", "addr": "10.0.0.1", "port": 80}},
        }
    )
    whole = {"spec": {"template": {"spec": {"containers": [{"image": "perl:6"}]}}}}
    by_body = of({"mode": "kubernetes", "exec": "", "info": {"body": whole}})

    assert target(by_info) == {"kubernetes": {"image": "perl:5", "command": ["perl", "-e", "1"]}}
    assert target(by_body) == {"kubernetes": {"image": "perl:6"}}
    assert "put the rest into the Job template" in told(by_body)


def test_times_are_kept_with_their_ends() -> None:
    imported = of(
        {"begin_at": "2026-01-01T00:00:00+08:00", "end_at": "2027-01-01T00:00:00+08:00"}, job_type="timed"
    )

    [job] = imported.jobs
    assert (job["start_at"], job["end_at"], job["max_runs"]) == (
        "2025-12-31T16:00:00Z",
        "2026-12-31T16:00:01Z",
        1,
    )


def test_what_was_run_on_demand_stays_for_that() -> None:
    imported = of(job_type="real-time", job_cron_time="")

    assert imported.jobs[0]["enabled"] is False
    assert "it has no schedule of its own and was run on demand" in told(imported)


@pytest.mark.parametrize(
    ("context", "why"),
    [
        ({"exec": "http://e.org"}, "allow the network under outbound.allow_networks"),
        ({"exec": "https://bob:pw1234@e.org/x"}, "the address held a name and a password"),
        (
            {"info": {"headers": {"Connection": "close"}}},
            "the header 'Connection' is set by qs or not at all",
        ),
        ({"info": {"method": "PATCH"}}, "method 'PATCH' is none that ECron sends; it sent POST"),
        ({"info": {"method": "GET", "body": {"a": 1}}}, "its body was never sent"),
        ({"notify": {"webhook": "/relative"}}, "notify.webhook '/relative' is no address that can be called"),
        ({"begin_at": "2026-01-01"}, "begin_at '2026-01-01' is no instant with a zone"),
        ({"info": {"proxy": 1}}, "job_context.info.proxy (1) has no counterpart here"),
        ({"retries": 3}, "job_context.retries (3) has no counterpart here"),
    ],
)
def test_what_is_not_the_same_any_more_is_told(context: dict[str, Any], why: str) -> None:
    imported = of(context)

    assert len(imported.jobs) == 1
    assert why in told(imported)
    assert "pw1234" not in told(imported) + str(imported.jobs)


@pytest.mark.parametrize(
    ("context", "job", "why"),
    [
        ({"mode": "ftp"}, {}, "mode 'ftp' is none of http, https, exe and kubernetes"),
        ({"mode": "exe", "exec": ""}, {}, "exec is empty"),
        ({"mode": "kubernetes", "exec": ""}, {}, "nothing names the image of its pod"),
        ({"exec": ""}, {}, "job 'a' was left out: target.http.url: is refused"),
        ({"exec": "https://e.org/\\x"}, {}, "must not hold a backslash"),
        ({}, {"job_cron_time": "61 * * * * *"}, "second 61 is not in 0-59"),
        ({}, {"job_cron_time": "TZ=Nowhere 0 0 0 * * *"}, "'Nowhere' is no IANA time zone"),
        ({}, {"job_context": None}, "is no job of ECron, since it has no job_context"),
    ],
)
def test_what_cannot_be_a_job_is_left_out_and_listed(
    context: dict[str, Any], job: dict[str, Any], why: str
) -> None:
    imported = of(context, **job)

    assert imported.jobs == ()
    assert why in told(imported)
    assert not imported.complete


def test_jobs_of_several_tenants_are_a_persons_affair() -> None:
    jobs = [json.loads(ECRON)[0] | {"tenant_id": tenant, "job_name": tenant} for tenant in ("t1", "t2")]

    imported = import_ecron(json.dumps(jobs).encode())

    assert "the jobs belong to several tenants ('t1', 't2')" in told(imported)


def test_one_job_and_an_object_around_the_list_are_read() -> None:
    [job] = json.loads(ECRON)

    assert import_ecron(json.dumps(job).encode()).jobs == import_ecron(ECRON).jobs
    assert (
        import_ecron(json.dumps({"total": 1, "jobs": [job], "page": 1}).encode()).jobs
        == import_ecron(ECRON).jobs
    )
