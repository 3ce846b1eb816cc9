"""The other files of deploy/ in the eyes of the programs that read them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.architecture.test_containers import SERVICES, compose
from tests.system.deployed.programs import DEPLOY, FOLDER, breaches_of_restricted, check_manifest, pod_of, run

pytestmark = pytest.mark.system


def test_hadolint_finds_nothing_in_the_dockerfile_and_something_in_a_bad_one(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp && sudo pip install qs\n")

    found, expected = (
        run("hadolint", file, home=tmp_path) for file in (DEPLOY / "docker" / "Dockerfile", bad)
    )

    assert (found.returncode, found.stdout) == (0, "")
    assert {"DL3007", "DL3004"} <= set(re.findall(r"DL\d+", expected.stdout))


def test_compose_is_as_its_specification_says() -> None:
    # Merged before, as every reader of a compose file does at first.
    document = compose()

    def read(text: str) -> "subprocess.CompletedProcess[str]":
        script = (
            "import sys; from compose_spec.compose_spec import PyCompose; "
            "it = PyCompose.from_yaml(sys.stdin.read()); it.validate(); print(*it.service_names())"
        )
        environment = {"PYTHONPATH": str(FOLDER / "python"), "PATH": os.defpath}
        return subprocess.run(
            [sys.executable, "-c", script],
            input=text,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    found = read(yaml.safe_dump(document))
    document["services"]["api"]["restrat"] = "always"

    assert found.stdout.split() == sorted(SERVICES), found.stderr
    assert "restrat" in read(yaml.safe_dump(document)).stderr


def test_kubectl_builds_the_kit_of_cron_jobs(tmp_path: Path) -> None:
    built = run("kubectl", "kustomize", DEPLOY / "k8s", home=tmp_path)

    manifests = list(yaml.safe_load_all(built.stdout))
    assert len(manifests) == 10, built.stderr
    for manifest in manifests:
        check_manifest(manifest)
        if (pod := pod_of(manifest)) is not None:
            assert breaches_of_restricted(pod) == []


def test_promtool_finds_the_rules_good_and_they_fire_when_they_should(tmp_path: Path) -> None:
    rules = DEPLOY / "prometheus"

    checked = run("promtool", "check", "rules", rules / "rules.yaml", home=tmp_path)
    tested = run("promtool", "test", "rules", rules / "rules.test.yaml", home=tmp_path)

    assert checked.returncode == 0, checked.stderr
    assert tested.returncode == 0, tested.stdout + tested.stderr
