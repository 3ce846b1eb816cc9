"""The chart as helm renders it: valid, restricted, and with settings that production starts with."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from qs.settings import load_settings
from qs.settings.checks import AVAILABLE_ROLES
from tests.architecture.test_deploy import DUTIES
from tests.support.certificates import make_certificate
from tests.system.deployed.programs import DEPLOY, breaches_of_restricted, check_manifest, pod_of, run

pytestmark = pytest.mark.system

LEAST: dict[str, Any] = {
    "settings": {"QS_ENTRY_BASE_URL": "https://qs.example.org/entry"},
    "trustedProxies": ["10.244.0.0/16"],
}
ALL: dict[str, Any] = {
    "image": {
        "repository": "registry.example.org/qs",
        "digest": f"sha256:{'0' * 64}",
        "pullSecrets": ["pull"],
    },
    "settings": {
        "QS_ENTRY_BASE_URL": "https://qs.example.org/entry",
        "QS_LANG": "zh_CN",
        "QS_SMTP__HOST": "mail.example.org",
        "QS_SMTP__PORT": 465,
        "QS_SMTP__FROM": "qs@example.org",
        "QS_SCHEDULER__JOBS_FILE": "/etc/qs-jobs/jobs.yaml",
    },
    "tls": {"secretName": "qs-tls"},
    "api": {
        "settings": {"QS_ADMIN_USERNAME": "admin"},
        "secrets": {"QS_ADMIN_PASSWORD": {"name": "qs", "key": "admin-password"}},
        "autoscaling": {"enabled": True, "min": 3, "max": 9},
    },
    "workers": {"executions": {"autoscaling": {"enabled": True, "min": 2, "max": 4}}},
    "volumes": [{"name": "jobs", "configMap": {"name": "qs-jobs"}}],
    "volumeMounts": [{"name": "jobs", "mountPath": "/etc/qs-jobs", "readOnly": True}],
    "nodeSelector": {"pool": "qs"},
    "tolerations": [{"key": "qs", "operator": "Exists"}],
    "priorityClassName": "important",
    "ingress": {"enabled": True, "className": "nginx", "host": "qs.example.org", "tlsSecretName": "public"},
    "gateway": {
        "enabled": True,
        "parentRefs": [{"name": "public", "namespace": "gateways"}],
        "hostnames": ["qs.example.org"],
    },
    "networkPolicy": {
        "callers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "egress": [{"ports": [{"protocol": "TCP", "port": 6443}]}],
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True, "authorization": {"name": "qs-metrics"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
    },
    "externalClock": {"enabled": True, "apiBaseUrl": "https://qs.example.org"},
    "podJobs": {"namespace": "qs-jobs"},
}
# Kinds that others define; the tests below look at what stands in them.
OF_OTHERS = {"HTTPRoute", "PrometheusRule", "ServiceMonitor"}
SECRETS = {
    "QS_SECRET_KEY": "k1:Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3A",
    "QS_DATABASE_URL": "postgresql://qs_service:Jx81kqPz0vWw@db.example.org/qs",
    "QS_MIGRATION_DATABASE_URL": "postgresql://qs_migration:0vWwJx81kqPz@db.example.org/qs",
    "QS_REDIS_URL": "rediss://:kqPzJx810vWw@redis.example.org/0",
    "QS_ADMIN_PASSWORD": "Jx81kqPz-0vWw-tulip",
}


def render(values: dict[str, Any], scratch: Path) -> tuple[list[dict[str, Any]], str]:
    """What helm makes of the values, and its complaint where it makes nothing."""
    file = scratch / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    done = run("helm", "template", "qs", DEPLOY / "helm", "--namespace", "qs", "-f", file, home=scratch)
    return [document for document in yaml.safe_load_all(done.stdout) if document], done.stderr


@pytest.fixture(scope="module", params=[LEAST, ALL], ids=["least", "all"])
def rendered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    manifests, complaint = render(request.param, tmp_path_factory.mktemp("chart"))
    assert manifests, complaint
    return manifests


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def test_helm_finds_nothing_wrong(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(LEAST))

    linted = run("helm", "lint", "--strict", DEPLOY / "helm", "-f", file, home=tmp_path)

    assert linted.returncode == 0, linted.stdout


def test_every_manifest_is_valid_and_no_pod_is_more_than_restricted(rendered: list[dict[str, Any]]) -> None:
    for manifest in rendered:
        assert manifest["kind"] != "Secret"
        if manifest["kind"] not in OF_OTHERS:
            check_manifest(manifest)
        if (pod := pod_of(manifest)) is not None:
            assert breaches_of_restricted(pod) == []
            assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == {
                v["name"] for v in pod["volumes"]
            }
            # Of the cluster's API only pods that make pods know anything.
            may = manifest["metadata"]["name"] == "qs-executions" and "serviceAccountName" in pod
            assert pod["automountServiceAccountToken"] is may


def test_the_breaches_of_a_pod_that_is_not_restricted_are_seen(rendered: list[dict[str, Any]]) -> None:
    pod = yaml.safe_load(yaml.safe_dump(pod_of(of_kind(rendered, "Deployment")["qs-api"])))
    pod["hostPID"] = True
    pod["securityContext"]["runAsNonRoot"] = False
    pod["containers"][0]["securityContext"] = {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}
    pod["volumes"].append({"name": "all", "hostPath": {"path": "/"}})

    assert len(breaches_of_restricted(pod)) == 6


def test_every_role_is_at_work_and_everything_that_selects_pods_finds_them(
    rendered: list[dict[str, Any]],
) -> None:
    deployments = of_kind(rendered, "Deployment")
    labels = {name: each["spec"]["template"]["metadata"]["labels"] for name, each in deployments.items()}

    def found(selector: dict[str, str]) -> set[str]:
        return {name for name, own in labels.items() if selector.items() <= own.items()}

    assert set(deployments) == {"qs-api", *(f"qs-{role}" for role in AVAILABLE_ROLES)}
    for role in AVAILABLE_ROLES:
        (worker,) = deployments[f"qs-{role}"]["spec"]["template"]["spec"]["containers"]
        assert worker["command"] == ["python", "-P", "-m", "workers", role]
    for name, each in deployments.items():
        assert found(each["spec"]["selector"]["matchLabels"]) == {name}
        spread = each["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [found(one["labelSelector"]["matchLabels"]) for one in spread] == [{name}, {name}]
        # The API is given five seconds before it is told to end, and everything ends within 20.
        assert each["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 5 + 25
        scaled = name in of_kind(rendered, "HorizontalPodAutoscaler")
        assert ("replicas" in each["spec"]) is not scaled
    budgets = of_kind(rendered, "PodDisruptionBudget")
    assert {name: found(each["spec"]["selector"]["matchLabels"]) for name, each in budgets.items()} == {
        name: {name} for name in deployments
    }
    (service,) = of_kind(rendered, "Service").values()
    assert found(service["spec"]["selector"]) == {"qs-api"}
    policies = of_kind(rendered, "NetworkPolicy")
    assert found(policies["qs"]["spec"]["podSelector"]["matchLabels"]) == set(deployments)
    assert found(policies["qs-api"]["spec"]["podSelector"]["matchLabels"]) == {"qs-api"}
    for scaler in of_kind(rendered, "HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] in deployments


def test_production_starts_with_what_every_container_is_told(
    rendered: list[dict[str, Any]], tmp_path: Path
) -> None:
    cert_file, key_file = make_certificate(tmp_path)
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(value)
    jobs = of_kind(rendered, "Job")

    for name, manifest in (of_kind(rendered, "Deployment") | jobs).items():
        pod = pod_of(manifest)
        assert pod is not None
        told = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
        (mounted,) = [volume["projected"] for volume in pod["volumes"] if volume["name"] == "secrets"]
        files = {item["path"] for source in mounted["sources"] for item in source["secret"]["items"]}
        here = {"/run/secrets/qs": tmp_path, "/run/tls/tls.crt": cert_file, "/run/tls/tls.key": key_file}
        for place, path in here.items():
            told = {key: value.replace(place, str(path)) for key, value in told.items()}
        api = {"QS_HOST": "0.0.0.0"} if name == "qs-api" else {}

        settings = load_settings(None, {"QS_ENV": "production", "QS_HOME": "/var/lib/qs", **told, **api})

        assert {key.removesuffix("_FILE") for key in told if key.removesuffix("_FILE") in SECRETS} == files
        # Only what changes the schema has the login that may.
        assert (settings.database.migration_url is not None) is (name in jobs)
        assert (settings.auth.admin_password is not None) <= (name == "qs-api")
        assert not (set(SECRETS) & set(told))
    (job,) = jobs.values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["db", "upgrade", "--phase", "expand"]


def test_contracting_comes_after_an_upgrade_and_only_where_it_was_asked_for(tmp_path: Path) -> None:
    manifests, _ = render({**LEAST, "migration": {"contract": True}}, tmp_path)

    job = of_kind(manifests, "Job")["qs-contraction"]

    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [
        "db", "upgrade", "--phase", "contract", "--wait", "600"
    ]  # fmt: skip


def test_the_api_is_asked_how_it_is_the_way_it_speaks(rendered: list[dict[str, Any]]) -> None:
    (container,) = of_kind(rendered, "Deployment")["qs-api"]["spec"]["template"]["spec"]["containers"]
    is_tls = any(each["name"] == "QS_SERVER__TLS__CERT_FILE" for each in container["env"])

    asked = {word: container[f"{word}Probe"]["httpGet"] for word in ("startup", "liveness", "readiness")}

    assert {each["scheme"] for each in asked.values()} == {"HTTPS" if is_tls else "HTTP"}
    assert [each["path"] for each in asked.values()] == ["/health/alive", "/health/alive", "/health/ready"]


def test_cron_jobs_call_the_duties_instead_of_the_clock(tmp_path: Path) -> None:
    manifests, _ = render({**LEAST, "externalClock": {"enabled": True}}, tmp_path)
    jobs = of_kind(manifests, "CronJob")
    deployed = of_kind(manifests, "Deployment")

    calls = {
        name: (job["spec"]["schedule"], pod["containers"][0])
        for name, job in jobs.items()
        if (pod := pod_of(job))
    }
    assert {(name, when, call["command"][-1]) for name, (when, call) in calls.items()} == {
        (f"qs-{duty.unit}", duty.cron, duty.path) for duty in DUTIES.values()
    }
    assert {call["env"][0]["value"] for _, call in calls.values()} == {"http://qs-api.qs.svc:8080"}
    (script,) = of_kind(manifests, "ConfigMap").values()
    assert script["data"]["call-duty.sh"] == (DEPLOY / "k8s" / "call-duty.sh").read_text()
    for each in deployed.values():
        told = {one["name"]: one["value"] for one in each["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert told["QS_CLOCK__INTERNAL"] == "false"


def test_what_prometheus_and_the_ways_in_are_told(tmp_path: Path) -> None:
    manifests, _ = render(ALL, tmp_path)

    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(of_kind(manifests, "PrometheusRule")["qs"]["spec"]))
    checked = run("promtool", "check", "rules", rules, home=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert 'absent(up{job="qs-api"} == 1)' in rules.read_text()
    (endpoint,) = of_kind(manifests, "ServiceMonitor")["qs"]["spec"]["endpoints"]
    (service,) = of_kind(manifests, "Service").values()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert (endpoint["scheme"], endpoint["authorization"]["credentials"]["name"]) == ("https", "qs-metrics")
    dashboard = of_kind(manifests, "ConfigMap")["qs-dashboard"]
    assert dashboard["data"]["qs.json"].strip() == (DEPLOY / "grafana" / "qs.json").read_text().strip()
    (rule,) = of_kind(manifests, "Ingress")["qs-api"]["spec"]["rules"]
    let_in = [path["path"] for path in rule["http"]["paths"]]
    (route,) = of_kind(manifests, "HTTPRoute")["qs-api"]["spec"]["rules"]
    assert [match["path"]["value"] for match in route["matches"]] == let_in
    assert not {"/", "/metrics", "/health"} & set(let_in)
    # What people open who are outside: the pages, the links of tasks, and the one that stops messages.
    assert {"/dashboard", "/entry", "/unsubscribe"} <= set(let_in)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"settings": LEAST["settings"]}, "set tls.secretName, or trustedProxies"),
        ({"trustedProxies": ["10.0.0.0/8"]}, "set settings.QS_ENTRY_BASE_URL"),
        ({**LEAST, "trustedProxies": ["0.0.0.0/0"]}, "trustedProxies"),
        ({**LEAST, "settings": {**LEAST["settings"], "QS_DATABASE_URL": "x"}}, "QS_DATABASE_URL"),
        (
            {**LEAST, "settings": {**LEAST["settings"], "QS_AUTH__CLIENT_SECRET": "x"}},
            "QS_AUTH__CLIENT_SECRET",
        ),
        ({**LEAST, "secrets": {"QS_SECRET_KEY": "k1:abc"}}, "QS_SECRET_KEY"),
        ({**LEAST, "workers": {"cronn": {}}}, "cronn"),
        ({**LEAST, "terminationGracePeriodSeconds": 10}, "terminationGracePeriodSeconds"),
        ({**LEAST, "ingress": {"enabled": True}}, "ingress"),
        (
            {**LEAST, "monitoring": {"serviceMonitor": {"enabled": True}}},
            "set monitoring.serviceMonitor.authorization.name",
        ),
        (
            {**LEAST, "tls": {"secretName": "x"}, "externalClock": {"enabled": True}},
            "set externalClock.apiBaseUrl",
        ),
    ],
)
def test_what_could_not_work_is_refused_by_name(
    values: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    manifests, said = render(values, tmp_path)

    assert manifests == []
    assert complaint in said
