"""The operator's Job template: what it may say, what is refused at start and where, and that nothing slips through."""

import copy
import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qs.infra.scheduler.executors.kubernetes_manifest import JobRules, job_document
from qs.infra.scheduler.executors.kubernetes_quantities import ResourceLimits
from qs.infra.scheduler.executors.kubernetes_targets import PodTarget
from qs.infra.scheduler.executors.kubernetes_template import JobTemplate, TemplateRefused
from tests.integration.executors.kubernetes.clusters import IMAGE, an_attempt
from tests.integration.executors.kubernetes.hostile_templates import BOX, HOSTILE, RICH
from tests.integration.executors.kubernetes.strict import (
    decoding_errors,
    invalid_fields,
    pod_security_violations,
)

LIMITS = ResourceLimits("2", "2Gi")
PARSED = yaml.safe_load(RICH)


def _with(path: str, value: object) -> Any:
    """The rich template with one thing changed; ``path`` as in spec/template/spec/containers/0/…"""
    document = copy.deepcopy(PARSED)
    steps: list[Any] = [int(step) if step.isdigit() else step for step in path.split("/")]
    *parents, last = steps
    place: Any = document
    for step in parents:
        place = place[step] if isinstance(place, list) else place.setdefault(step, {})
    place[last] = value
    return document


def _made(template: JobTemplate, **target: Any) -> dict[str, Any]:
    rules = JobRules(
        template=template,
        limits=LIMITS,
        ttl=datetime.timedelta(hours=1),
        grace=datetime.timedelta(seconds=30),
        max_deadline=datetime.timedelta(hours=24),
    )
    document = job_document(an_attempt(), PodTarget(image=IMAGE, **target), rules, 1)
    # As it goes over the wire, where there are no tuples.
    made: dict[str, Any] = json.loads(json.dumps(document))
    return made


def test_a_rich_template_is_taken_and_kept():
    job = _made(JobTemplate.of(yaml.safe_load(RICH), LIMITS), args=("--all",))

    pod = job["spec"]["template"]["spec"]
    given = yaml.safe_load(RICH)["spec"]["template"]["spec"]
    assert decoding_errors(job, "V1Job") == []
    assert invalid_fields(job) == []
    assert pod_security_violations(pod) == []
    for key in (
        "tolerations",
        "affinity",
        "volumes",
        "nodeSelector",
        "imagePullSecrets",
        "serviceAccountName",
    ):
        assert pod[key] == given[key]
    container = pod["containers"][0]
    assert container["command"] == ["/app/report"]
    assert container["args"] == ["--all"]
    assert container["volumeMounts"] == given["containers"][0]["volumeMounts"]
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "1Gi"}
    assert [
        variable for variable in container["env"] if not variable["name"].startswith(("QS_", "TRACE"))
    ] == given["containers"][0]["env"]
    assert pod["terminationGracePeriodSeconds"] == 5
    assert job["spec"]["ttlSecondsAfterFinished"] == 600
    assert job["metadata"]["labels"]["team"] == "reports"
    assert "qs.allow-command" not in job["metadata"]["annotations"]


def test_what_a_bare_template_leaves_out_is_confined():
    job = _made(JobTemplate.load(None, LIMITS))

    pod = job["spec"]["template"]["spec"]
    assert decoding_errors(job, "V1Job") == []
    assert pod_security_violations(pod) == []
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_a_template_may_let_the_container_write_to_its_own_files():
    document = _with(f"{BOX}/securityContext/readOnlyRootFilesystem", False)

    job = _made(JobTemplate.of(document, LIMITS))

    context = job["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    assert context["readOnlyRootFilesystem"] is False


@pytest.mark.parametrize(("path", "value"), HOSTILE, ids=lambda part: str(part)[:60])
def test_a_template_that_loosens_something_is_refused_where_it_does(path, value):
    with pytest.raises(TemplateRefused) as refused:
        JobTemplate.of(_with(path, value), LIMITS)

    pointers = [problem.pointer for problem in refused.value.problems]
    assert any(
        f"/{path}".startswith(pointer.replace("*", "")) or pointer.startswith(f"/{path}")
        for pointer in pointers
    )
    assert pointers != [""]


loose: st.SearchStrategy[Any] = st.sampled_from(
    [
        True,
        False,
        None,
        0,
        1,
        -1,
        65534,
        "",
        "ALL",
        "Unconfined",
        "RuntimeDefault",
        "/",
        "/proc",
        [],
        ["ALL"],
        {},
    ]
)


def _places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inner:
        yield from _places(part, (*path, step))


EXTRA = [
    *(
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "hostUsers",
        "shareProcessNamespace",
        "automountServiceAccountToken",
    ),
    *(
        "privileged",
        "allowPrivilegeEscalation",
        "runAsNonRoot",
        "runAsUser",
        "procMount",
        "capabilities",
        "add",
    ),
    *(
        "drop",
        "seccompProfile",
        "type",
        "securityContext",
        "sysctls",
        "hostPath",
        "projected",
        "volumeDevices",
    ),
    *("serviceAccountToken", "ports", "hostPort", "initContainers", "lifecycle"),
]


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_a_template_says_its_pod_is_confined_or_it_is_refused(data):
    document = copy.deepcopy(PARSED)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in _places(document) if path]))
        place = document
        for step in path[:-1]:
            place = place[step]
        value = copy.deepcopy(data.draw(loose))
        if isinstance(place[path[-1]], dict) and data.draw(st.booleans()):
            place[path[-1]][data.draw(st.sampled_from(EXTRA))] = value
        else:
            place[path[-1]] = value

    try:
        template = JobTemplate.of(document, LIMITS)
    except TemplateRefused:
        return

    assert pod_security_violations(_made(template)["spec"]["template"]["spec"]) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: &x [1]\nb: *x\n", "line 1"),
        ("a: !!python/object/apply:os.system [id]\n", "line 1"),
        ("spec: 1\nspec: 2\n", "twice"),
        ("spec: {a: 1, a: 2}\n", "twice"),
        ("a: 1\n---\nb: 2\n", "document"),
        ("[" * 1000, "too deep"),
        ("a: [", "line"),
        ("\x00", "plain YAML"),
        ("", "Expected `object`"),
        ("- a\n", "Expected `object`"),
        ("x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_a_file_that_is_no_plain_template_is_refused(tmp_path, content, told):
    path = tmp_path / "job.yaml"
    path.write_text(content)

    with pytest.raises(TemplateRefused, match="Kubernetes Job template") as refused:
        JobTemplate.load(path, LIMITS)

    assert told in refused.value.sentence
    assert str(path) in refused.value.sentence


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TemplateRefused, match="No such file"):
        JobTemplate.load(tmp_path / "job.yaml", LIMITS)
