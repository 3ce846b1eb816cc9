"""What a job may ask for, and all that it may not."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from qs.infra.scheduler.executors.kubernetes import KubernetesExecutor, KubernetesRules
from tests.integration.executors.kubernetes.clusters import IMAGE

DIGEST = "sha256:" + "a1" * 32
GOOD: dict[str, Any] = {"image": IMAGE}


def _executor(tmp_path: Path | None = None, template: str = "", **rules: Any) -> KubernetesExecutor:
    given: dict[str, Any] = {"namespace": "jobs", "images": ("registry.example.com/team/report:1.*",)} | rules
    if tmp_path is not None:
        path = tmp_path / "template.yaml"
        path.write_text(template)
        given["template_file"] = path
    return KubernetesExecutor(KubernetesRules(**given))


def _pointers(executor: KubernetesExecutor, target: Mapping[str, Any]) -> list[str]:
    return [problem.pointer for problem in executor.check(target)]


@pytest.mark.parametrize(
    "target",
    [
        GOOD,
        GOOD | {"args": []},
        GOOD | {"args": ["", "--day", "$(QS_SCHEDULED_AT)", "日本", "; rm -rf /"]},
        GOOD | {"env": {"REPORT_DAY": "", "region": "$(HOME) `id`"}},
        GOOD | {"resources": {"cpu": "500m"}},
        GOOD | {"resources": {"cpu": "2", "memory": "2Gi"}},
        GOOD | {"deadline": "1h30m"},
        GOOD | {"deadline": 90},
    ],
)
def test_what_is_allowed_has_no_problem(target):
    assert _pointers(_executor(), target) == []


@pytest.mark.parametrize(
    ("target", "pointers"),
    [
        # The image.
        ({}, ["/image"]),
        ({"image": None}, ["/image"]),
        ({"image": ["registry.example.com/team/report:1.4"]}, ["/image"]),
        ({"image": ""}, ["/image"]),
        ({"image": "alpine"}, ["/image"]),
        ({"image": "registry.example.com/team/report"}, ["/image"]),
        ({"image": "registry.example.com/team/report:2.0"}, ["/image"]),
        ({"image": "registry.example.com/team/report-evil:1.4"}, ["/image"]),
        ({"image": "registry.example.com/team/report/evil:1.4"}, ["/image"]),
        ({"image": "registry.example.com.evil.org/team/report:1.4"}, ["/image"]),
        ({"image": "evil.org/registry.example.com/team/report:1.4"}, ["/image"]),
        ({"image": "registry.example.com:443/team/report:1.4"}, ["/image"]),
        ({"image": "REGISTRY.example.com/team/report:1.4"}, ["/image"]),
        ({"image": f"registry.example.com/team/report:1.4@{DIGEST}"}, ["/image"]),
        ({"image": "registry.example.com/team/report:1.4\n"}, ["/image"]),
        ({"image": " registry.example.com/team/report:1.4"}, ["/image"]),
        ({"image": "registry.example.com/team/../team/report:1.4"}, ["/image"]),
        ({"image": "registry.example.com//team/report:1.4"}, ["/image"]),
        ({"image": "https://registry.example.com/team/report:1.4"}, ["/image"]),
        ({"image": "registry.example.com/team/report:1.*"}, ["/image"]),
        ({"image": "registry.example.com/team/report:1.4@sha256:*"}, ["/image"]),
        ({"image": "registry.example.com/team/report:1." + "4" * 200}, ["/image"]),
        # The command, the args.
        (GOOD | {"command": ["/bin/sh", "-c", "id"]}, ["/command"]),
        (GOOD | {"command": []}, ["/command"]),
        (GOOD | {"args": "rm -rf /"}, ["/args"]),
        (GOOD | {"args": {"0": "x"}}, ["/args"]),
        (GOOD | {"args": ["ok", 5, None]}, ["/args/1", "/args/2"]),
        (GOOD | {"args": ["a\0b"]}, ["/args/0"]),
        (GOOD | {"args": ["\ud800"]}, ["/args/0"]),
        (GOOD | {"args": ["x" * 8193]}, ["/args/0"]),
        (GOOD | {"args": ["x"] * 101}, ["/args"]),
        (GOOD | {"args": ["x" * 8000] * 9}, [""]),
        (GOOD | {"args": ["--password=secret://db"]}, ["/args/0"]),
        # The environment.
        (GOOD | {"env": ["A=b"]}, ["/env"]),
        (GOOD | {"env": {"LD_PRELOAD": "/x.so"}}, ["/env/LD_PRELOAD"]),
        (GOOD | {"env": {"ld_preload": "/x.so"}}, ["/env/ld_preload"]),
        (GOOD | {"env": {"PATH": "/tmp"}}, ["/env/PATH"]),
        (GOOD | {"env": {"PYTHONSTARTUP": "/x"}}, ["/env/PYTHONSTARTUP"]),
        (GOOD | {"env": {"BASH_ENV": "/x"}}, ["/env/BASH_ENV"]),
        (GOOD | {"env": {"NODE_OPTIONS": "--require=/x"}}, ["/env/NODE_OPTIONS"]),
        (GOOD | {"env": {"JAVA_TOOL_OPTIONS": "-javaagent:x"}}, ["/env/JAVA_TOOL_OPTIONS"]),
        (GOOD | {"env": {"_JAVA_OPTIONS": "x"}}, ["/env/_JAVA_OPTIONS"]),
        (GOOD | {"env": {"QS_PAYLOAD": "{}"}}, ["/env/QS_PAYLOAD"]),
        (GOOD | {"env": {"TRACEPARENT": "x"}}, ["/env/TRACEPARENT"]),
        (GOOD | {"env": {"KUBERNETES_SERVICE_HOST": "x"}}, ["/env/KUBERNETES_SERVICE_HOST"]),
        (GOOD | {"env": {"A-B": "x"}}, ["/env/A-B"]),
        (GOOD | {"env": {"A/B~": "x"}}, ["/env/A~1B~0"]),
        (GOOD | {"env": {"A\n": "x"}}, ["/env/A\n"]),
        (GOOD | {"env": {"1A": "x"}}, ["/env/1A"]),
        (GOOD | {"env": {"": "x"}}, ["/env/"]),
        (GOOD | {"env": {"A": {"valueFrom": {"secretKeyRef": {"name": "db"}}}}}, ["/env/A"]),
        (GOOD | {"env": {"A": 5}}, ["/env/A"]),
        (GOOD | {"env": {"TOKEN": "secret://token"}}, ["/env/TOKEN"]),
        # The resources.
        (GOOD | {"resources": {"cpu": "2001m"}}, ["/resources/cpu"]),
        (GOOD | {"resources": {"cpu": "0"}}, ["/resources/cpu"]),
        (GOOD | {"resources": {"cpu": "-1"}}, ["/resources/cpu"]),
        (GOOD | {"resources": {"cpu": "1e3"}}, ["/resources/cpu"]),
        (GOOD | {"resources": {"cpu": "٣"}}, ["/resources/cpu"]),
        (GOOD | {"resources": {"cpu": 1}}, ["/resources/cpu"]),
        (GOOD | {"resources": {"memory": "3Gi"}}, ["/resources/memory"]),
        (GOOD | {"resources": {"memory": "400m"}}, ["/resources/memory"]),
        (GOOD | {"resources": {"memory": "1Ei"}}, ["/resources/memory"]),
        (GOOD | {"resources": {"memory": "1Ki"}}, ["/resources/memory"]),
        (GOOD | {"resources": {"nvidia.com/gpu": "8"}}, ["/resources/nvidia.com~1gpu"]),
        (GOOD | {"resources": {"limits": {"cpu": "1"}}}, ["/resources/limits"]),
        (GOOD | {"resources": None}, ["/resources"]),
        # The deadline.
        (GOOD | {"deadline": "0s"}, ["/deadline"]),
        (GOOD | {"deadline": "25h"}, ["/deadline"]),
        (GOOD | {"deadline": -5}, ["/deadline"]),
        (GOOD | {"deadline": True}, ["/deadline"]),
        (GOOD | {"deadline": float("inf")}, ["/deadline"]),
        (GOOD | {"deadline": float("nan")}, ["/deadline"]),
        (GOOD | {"deadline": None}, ["/deadline"]),
        # What only the operator may say.
        (GOOD | {"hostNetwork": True}, ["/hostNetwork"]),
        (GOOD | {"securityContext": {"privileged": True}}, ["/securityContext"]),
        (GOOD | {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, ["/volumes"]),
        (GOOD | {"serviceAccountName": "admin"}, ["/serviceAccountName"]),
        (GOOD | {"namespace": "kube-system"}, ["/namespace"]),
        (GOOD | {"template": {}}, ["/template"]),
        (GOOD | {"ttl": 1}, ["/ttl"]),
    ],
)
def test_what_is_not_allowed_is_refused_where_it_stands(target, pointers):
    assert _pointers(_executor(), target) == pointers


def test_all_that_is_wrong_is_told_at_once():
    target = {
        "image": "evil",
        "command": ["sh"],
        "env": {"PATH": "x"},
        "resources": {"cpu": "99"},
        "deadline": "9d",
    }

    assert _pointers(_executor(), target) == [
        "/image",
        "/command",
        "/env/PATH",
        "/resources/cpu",
        "/deadline",
    ]


def test_a_refused_secret_says_the_way_out():
    (problem,) = _executor().check(GOOD | {"env": {"TOKEN": "Bearer secret://token"}})

    assert "secretKeyRef" in problem.detail


def test_what_the_template_sets_a_job_cannot_set_anew(tmp_path):
    template = """
spec: {template: {spec: {containers: [{env: [{name: DB_HOST, value: db}]}]}}}
"""
    executor = _executor(tmp_path, template)

    assert _pointers(executor, GOOD | {"env": {"DB_HOST": "evil.org"}}) == ["/env/DB_HOST"]


def test_a_command_is_taken_where_the_template_allows_it(tmp_path):
    template = """
metadata: {annotations: {qs.allow-command: "true"}}
spec: {template: {spec: {containers: [{}]}}}
"""
    executor = _executor(tmp_path, template)

    assert _pointers(executor, GOOD | {"command": ["report", "--all"]}) == []
    assert _pointers(executor, GOOD | {"command": []}) == ["/command"]
    assert _pointers(executor, GOOD | {"command": "report"}) == ["/command"]


def test_without_rules_every_target_is_refused():
    (problem,) = KubernetesExecutor(None).check(GOOD)

    assert "are off here" in problem.detail


def test_the_most_that_may_be_asked_for_is_the_operators(tmp_path):
    executor = _executor(max_cpu="250m", max_memory="64Mi", max_deadline=timedelta(minutes=1))
    target = GOOD | {"resources": {"cpu": "251m", "memory": "65Mi"}, "deadline": "61s"}

    assert _pointers(executor, target) == ["/resources/cpu", "/resources/memory", "/deadline"]
