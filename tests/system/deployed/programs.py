"""The programs that judge deploy/, as .ci/deploy_programs.py got them, and what Kubernetes says of a manifest."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
FOLDER = ROOT / "build" / "deploy-programs"


def run(program: str, *arguments: object, home: Path) -> "subprocess.CompletedProcess[str]":
    """What one of the programs does, which finds nothing of its own in its home."""
    path = FOLDER / "bin" / program
    assert path.is_file(), f"{path} is missing; get it by: .venv/bin/python .ci/deploy_programs.py {FOLDER}"
    environment = {"PATH": os.defpath, "HOME": str(home)}
    words = [str(path), *map(str, arguments)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=100, check=False)


def check_manifest(manifest: dict[str, Any]) -> None:
    """Raises ValidationError for what Kubernetes 1.37 does not know; its own kinds only."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    words = [manifest["kind"].lower(), group.partition(".")[0], version]
    schema = FOLDER / "schemas" / ("-".join(word for word in words if word) + ".json")
    checker = jsonschema.Draft7Validator(json.loads(schema.read_text()), registry=_definitions())
    checker.validate(manifest)


@cache
def _definitions() -> "Registry[Any]":
    content = json.loads((FOLDER / "schemas" / "_definitions.json").read_text())
    resource = Resource.from_contents(content, default_specification=DRAFT7)
    registry: Registry[Any] = Registry().with_resource("_definitions.json", resource)
    return registry


def pod_of(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The pod that a manifest makes, if it makes one."""
    spec = manifest.get("spec", {})
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return template["spec"] if template else None


def breaches_of_restricted(pod: dict[str, Any]) -> list[str]:
    """What the Pod Security Standard `restricted` (Kubernetes documentation, v1.30) would refuse, and a root that is writable."""
    own = pod.get("securityContext", {})
    found = [word for word in ("hostNetwork", "hostPID", "hostIPC") if pod.get(word)]
    if own.get("runAsNonRoot") is not True or own.get("runAsUser", 1) == 0:
        found.append("may run as root")
    if own.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        found.append("no seccomp profile")
    allowed = {
        "configMap",
        "emptyDir",
        "projected",
        "secret",
        "persistentVolumeClaim",
        "csi",
        "ephemeral",
        "downwardAPI",
    }
    found += [
        f"volume {volume['name']}"
        for volume in pod.get("volumes", ())
        if not set(volume) - {"name"} <= allowed
    ]
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        security = container.get("securityContext", {})
        if security.get("allowPrivilegeEscalation") is not False:
            found.append(f"{container['name']} may gain rights")
        if security.get("capabilities", {}).get("drop") != ["ALL"] or security["capabilities"].get("add"):
            found.append(f"{container['name']} has capabilities")
        if security.get("readOnlyRootFilesystem") is not True:
            found.append(f"{container['name']} may write to its root")
        found += [
            f"{container['name']} has a host port"
            for port in container.get("ports", ())
            if "hostPort" in port
        ]
    return found
