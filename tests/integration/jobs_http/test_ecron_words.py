"""What ECron's words mean, without a server."""

import pytest

from qs.application.scheduler.ecron import command_name, in_ecron_words, read_ecron, status_word
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.job_execution import RunStatus

POD = {"image": "registry.example.org/tidy:1", "addr": "10.0.0.1", "port": 8001}


@pytest.mark.parametrize(
    ("context", "target"),
    [
        (
            {"mode": "kubernetes", "exec": "registry.example.org/tidy:1"},
            {"image": "registry.example.org/tidy:1"},
        ),
        (
            {"mode": "exe", "exec": "tidy --all", "info": {"kubernetes": POD, "params": {"days": 7}}},
            {"image": "registry.example.org/tidy:1", "command": ["tidy", "--all", "7"]},
        ),
    ],
)
def test_a_pod_is_an_image_and_what_runs_in_it(context, target):
    document = read_ecron({"job_name": "a", "job_cron_time": "@daily", "job_context": context})

    assert document["target"] == {"kubernetes": target}


@pytest.mark.parametrize(
    ("time", "kind", "trigger"),
    [
        ("0 0 2 * * ?", "scheduled", {"type": "cron", "schedule": "0 0 2 * * ?"}),
        ("@every 10s", "cron", {"type": "cron", "schedule": "@every 10s"}),
        ("0 0 2 * * ?", "timed", {"type": "cron", "schedule": "0 0 2 * * ?", "max_runs": 1}),
        ("2099-01-01T00:00:00Z", "timed", {"type": "once", "schedule": "2099-01-01T00:00:00Z"}),
    ],
)
def test_when_it_runs_is_a_trigger_of_ours(time, kind, trigger):
    document = read_ecron(
        {
            "job_name": "a",
            "job_cron_time": time,
            "job_type": kind,
            "job_context": {"mode": "http", "exec": "http://x"},
        }
    )

    assert {key: document[key] for key in ("type", "schedule", "max_runs") if key in document} == trigger


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("tidy", "tidy"),
        ("/opt/Tidy Uploads.sh --all=7", "opt-tidy-uploads-sh-all-7"),
        ("$$$", ""),
        ("x" * 200, "x" * 64),
    ],
)
def test_a_command_line_names_one_entry_of_the_list(line, name):
    assert command_name(line) == name


def test_problems_point_into_the_body_that_was_sent():
    ours = ("/schedule", "/target/http/url", "/target/http/headers/X", "/target/kubernetes/image", "/queue")

    told = in_ecron_words(Invalid([Problem(each, "") for each in ours])).problems

    assert [each.pointer for each in told] == [
        "/job_cron_time",
        "/job_context/exec",
        "/job_context/info/headers/X",
        "/job_context/info/kubernetes/image",
        "/queue",
    ]


def test_every_status_has_a_word():
    words = {status.value: status_word(status) for status in RunStatus}

    assert {words[each] for each in ("queued", "running", "retrying")} == {"executing"}
    assert words["succeeded"] == "success"
    assert {words[each] for each in ("failed", "timed_out", "expired")} == {"failure"}
    assert {words[each] for each in ("canceled", "replaced")} == {"interrupt"}
    assert {words[each] for each in ("skipped", "missed")} == {"abandon"}


def test_what_is_no_job_at_all_is_refused():
    bodies: tuple[object, ...] = (None, [], "x", 5)
    for body in bodies:
        with pytest.raises(Invalid):
            read_ecron(body)
