"""What deploys qs is well formed, and cron file, timers, CronJobs and the program agree on the duties."""

import re
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from qs.domain.scheduler.duty import HourlyAt, standing_duties
from qs.interface.rest.app import documented_handlers
from qs.interface.rest.document import build_document
from qs.interface.rest.scheduler.duties import _RUN_BY
from tests.architecture.deploy_schemas import CRON_JOB, WORKFLOW

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CRON = DEPLOY / "crontab" / "qs-scheduler.cron"
MANIFESTS = sorted((DEPLOY / "k8s").glob("*.yaml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted(DEPLOY.rglob("*.sh"))
DOCUMENTS = sorted(DEPLOY.rglob("*.md"))


@dataclass(frozen=True)
class Duty:
    """A duty as the outside knows it: the name of its units and jobs, its time in cron's words, its route and its log."""

    unit: str
    cron: str
    path: str
    log: str


DUTIES = {
    "sync-daily": Duty(
        "statistics-sync-daily", "0 * * * *", "/api/v1/statistics/sync/daily", "sync-daily.log"
    ),
    "sync-accumulated": Duty(
        "statistics-sync-accumulated",
        "5 * * * *",
        "/api/v1/statistics/sync/accumulated",
        "sync-accumulated.log",
    ),
    "sync-plan": Duty("statistics-sync-plan", "10 * * * *", "/api/v1/statistics/sync/plan", "sync-plan.log"),
    "validate": Duty("statistics-validate", "15 * * * *", "/api/v1/statistics/validate", "validate.log"),
    "sweep": Duty("plan-task-scheduler", "20 * * * *", "/api/v1/plans/tasks/schedule", "schedule-tasks.log"),
    "expiry": Duty("plan-task-expiry", "30 3 * * *", "/api/v1/plans/tasks/expire", "expire-tasks.log"),
    "retention": Duty("retention", "40 3 * * *", "/api/v1/retention", "retention.log"),
}


def read(path: Path) -> dict[str, Any]:
    """The one document of a YAML file; ``on`` is YAML 1.1's word for true."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in document.items()}


def cron_jobs() -> dict[str, dict[str, Any]]:
    return {path.stem: job for path in MANIFESTS if (job := read(path)).get("kind") == "CronJob"}


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return pod


def cron_lines() -> list[tuple[str, str, str]]:
    """Time, path and log of every line that calls something."""
    line = re.compile(
        r"^((?:\S+ ){4}\S+) root /usr/local/bin/qs-api-call\.sh (\S+) /var/log/qs-scheduler/(\S+)$", re.M
    )
    return [(match[1], match[2], match[3]) for match in line.finditer(CRON.read_text(encoding="utf-8"))]


@cache
def routes() -> dict[str, Any]:
    paths: dict[str, Any] = build_document(documented_handlers())["paths"]
    return paths


def test_the_crontab_has_the_duties_at_their_times_with_logs_of_their_own() -> None:
    assert sorted(cron_lines()) == sorted((duty.cron, duty.path, duty.log) for duty in DUTIES.values())


@pytest.mark.parametrize("duty", DUTIES.values(), ids=DUTIES)
def test_a_duty_called_from_outside_has_a_route_that_takes_an_empty_post(duty: Duty) -> None:
    operation = routes()[duty.path]["post"]

    assert not operation.get("requestBody", {}).get("required", False)
    assert not any(parameter.get("required") for parameter in operation.get("parameters", ()))


def test_the_duties_are_the_standing_ones_at_the_same_minutes() -> None:
    standing = {duty.name: duty for duty in standing_duties(timedelta(minutes=1), "Asia/Shanghai")}

    assert set(DUTIES) == set(standing)
    assert {name: f"POST {duty.path}" for name, duty in DUTIES.items()} == _RUN_BY
    for name, duty in DUTIES.items():
        timing = standing[name].timing
        assert not isinstance(timing, HourlyAt) or timing.schedule == duty.cron


@pytest.mark.parametrize("duty", DUTIES.values(), ids=DUTIES)
def test_a_timer_and_its_service_call_the_same_at_the_same_time(duty: Duty) -> None:
    timer = (DEPLOY / "systemd" / f"{duty.unit}.timer").read_text(encoding="utf-8")
    service = (DEPLOY / "systemd" / f"{duty.unit}.service").read_text(encoding="utf-8")
    minute, hour = duty.cron.split()[:2]

    when = re.findall(r"(?m)^OnCalendar=(.+)$", timer)
    called = re.findall(r"(?m)^ExecStart=/usr/local/bin/qs-api-call\.sh (?:--before now )?(\S+)$", service)

    on_the_minute = f"*-*-* {'*' if hour == '*' else hour.zfill(2)}:{minute.zfill(2)}:00"
    # The sweep's timer is known by this word.
    assert when == (["hourly"] if duty.unit == "plan-task-scheduler" else [on_the_minute])
    assert called == [duty.path]


@pytest.mark.parametrize("duty", DUTIES.values(), ids=DUTIES)
def test_a_cron_job_calls_the_same_at_the_same_time(duty: Duty) -> None:
    job = cron_jobs()[duty.unit]

    assert job["metadata"]["name"] == duty.unit
    assert job["spec"]["schedule"] == duty.cron
    assert pod_of(job)["containers"][0]["command"] == ["sh", "/opt/qs/call-duty.sh", duty.path]


@pytest.mark.parametrize("name", cron_jobs())
def test_a_cron_job_is_valid_and_as_restricted_as_its_namespace_wants(name: str) -> None:
    job = cron_jobs()[name]
    pod = pod_of(job)

    jsonschema.validate(job, CRON_JOB)

    mounted = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounted) == set(volumes)
    assert volumes["credentials"]["secret"] == {"secretName": "qs-scheduler", "defaultMode": 0o440}
    assert mounted["credentials"]["readOnly"] is True
    assert (
        read(DEPLOY / "k8s" / "namespace.yaml")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )


def test_cron_jobs_differ_in_nothing_but_name_time_and_path() -> None:
    alike = set()
    for duty in DUTIES.values():
        text = (DEPLOY / "k8s" / f"{duty.unit}.yaml").read_text(encoding="utf-8").partition("\n")[2]
        for own in (duty.path, duty.unit, f'"{duty.cron}"'):
            text = text.replace(own, "…")
        alike.add(re.sub(r"startingDeadlineSeconds: \d+", "", text))

    assert len(alike) == 1


def test_the_kustomization_names_every_manifest_but_the_sample_and_the_maps_that_jobs_read() -> None:
    kustomization = read(DEPLOY / "k8s" / "kustomization.yaml")
    pod = pod_of(cron_jobs()["plan-task-scheduler"])

    others = {"kustomization.yaml", "secret.example.yaml"}
    assert set(kustomization["resources"]) == {path.name for path in MANIFESTS} - others
    made = {generated["name"]: generated for generated in kustomization["configMapGenerator"]}
    assert set(made) == {"qs-call-duty", "qs-scheduler"}
    assert made["qs-call-duty"]["files"] == ["call-duty.sh"]
    assert pod["volumes"][0]["configMap"]["name"] == "qs-call-duty"
    assert pod["containers"][0]["envFrom"][0]["configMapRef"]["name"] == "qs-scheduler"


def test_the_sample_of_a_secret_holds_none() -> None:
    sample = read(DEPLOY / "k8s" / "secret.example.yaml")

    assert sample["stringData"] == {"client-id": "", "client-secret": ""}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_valid_and_lets_nothing_into_a_script_unread(path: Path) -> None:
    jsonschema.validate(read(path), WORKFLOW)


def test_the_deployment_starts_by_a_push_that_touches_the_kit_or_by_hand() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "deploy-crontab.yml")

    assert workflow["name"] == "Deploy Crontab Configuration"
    assert workflow["on"]["push"] == {"branches": ["main"], "paths": ["deploy/crontab/**"]}
    assert workflow["on"]["workflow_dispatch"]["inputs"]["dry_run"]["type"] == "boolean"


def test_each_step_of_the_deployment_gets_the_secrets_it_needs_and_no_others() -> None:
    to_get_there = {"SVRA_HOST", "SVRA_USERNAME", "SVRA_SSH_KEY", "SVRA_PORT", "SVRA_HOST_KEY"}
    account = {"IAM_USERNAME", "IAM_PASSWORD", "IAM_LOGIN_URL", "CLIENT_ID", "CLIENT_SECRET", "TOKEN_URL"}
    steps = read(ROOT / ".github" / "workflows" / "deploy-crontab.yml")["jobs"]["deploy"]["steps"]

    given = {
        step["name"]: {name for name, value in step.get("env", {}).items() if "secrets." in value}
        for step in steps
        if "run" in step
    }

    assert given == {
        "Validate": set(),
        "Package": set(),
        "Deploy": to_get_there | account | {"API_BASE_URL"},
        "Verify": to_get_there,
    }
    for step in steps:
        for name, value in step.get("env", {}).items():
            assert value in (f"${{{{ secrets.{name} }}}}", f"${{{{ inputs.{name.lower()} }}}}")


def test_ci_runs_what_contributors_run() -> None:
    steps = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["ci"]["steps"]

    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_a_script_is_one_in_the_eyes_of_its_shell_and_can_be_run(script: Path) -> None:
    first = script.read_text(encoding="utf-8").partition("\n")[0]
    shell = "sh" if first == "#!/bin/sh" else "bash"

    checked = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert first in ("#!/bin/sh", "#!/usr/bin/env bash", "# shellcheck shell=bash")
    # What is read by others has no shell of its own, and is not to be run.
    assert bool(script.stat().st_mode & 0o100) == first.startswith("#!")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_link_of_a_readme_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_document_about_the_kit_exists_in_both_languages() -> None:
    documents = [*DOCUMENTS, *sorted((ROOT / "docs" / "crontab").glob("*.md"))]
    english = {path for path in documents if not path.name.endswith(".zh-CN.md")}
    chinese = {path for path in documents if path.name.endswith(".zh-CN.md")}

    assert {path.with_suffix(".zh-CN.md") for path in english} == chinese
    assert (ROOT / "docs" / "crontab" / "README.md") in english


@pytest.mark.parametrize("language", ["", ".zh-CN"])
def test_the_guides_show_the_lines_that_are_installed_and_name_every_secret_and_exit_code(
    language: str,
) -> None:
    guide, tokens, actions, trouble = (
        (ROOT / "docs" / "crontab" / f"{name}{language}.md").read_text(encoding="utf-8")
        for name in ("crontab", "tokens", "actions", "troubleshooting")
    )
    workflow = (ROOT / ".github" / "workflows" / "deploy-crontab.yml").read_text(encoding="utf-8")
    library = (DEPLOY / "crontab" / "qs-scheduler-lib.sh").read_text(encoding="utf-8")
    settings = re.search(r"readonly SETTINGS=\((.*?)\)", library, re.DOTALL)
    codes = (DEPLOY / "crontab" / "qs-api-call.sh").read_text(encoding="utf-8").partition("# Exit codes:")[2]

    for time, path, log in cron_lines():
        assert f"{time} root /usr/local/bin/qs-api-call.sh {path} /var/log/qs-scheduler/{log}\n" in guide
    for name in set(re.findall(r"secrets\.(\w+)", workflow)):
        assert f"`{name}`" in actions
    assert settings is not None
    for name in settings[1].split():
        assert f"`{name}`" in guide + tokens
    for code in re.findall(r"\b(\d+) ", codes.partition("\nset -")[0]):
        assert f"| {code} |" in trouble
