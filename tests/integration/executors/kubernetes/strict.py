"""What an API server and its admission say to a Job: strict decoding, required fields, restricted pods.

Written from the API reference and the Pod Security Standards, apart from the code that is tested. The known fields are
those of the client library's models, which are generated from the cluster's OpenAPI document.
"""

import re
from typing import Any

from kubernetes_asyncio import client

_INSIDE = re.compile(r"(list|dict)[\[(](?:str, )?(.*)[\])]")
_PLAIN: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str}


def decoding_errors(document: Any, model: str, path: str = "") -> list[str]:
    """Unknown fields, wrong types and missing required fields, as strict field validation names them."""
    if found := _INSIDE.fullmatch(model):
        kind, inner = found[1], found[2]
        if kind == "list":
            if not isinstance(document, list):
                return [f'{path}: expected a list, got "{type(document).__name__}"']
            return [
                error
                for index, item in enumerate(document)
                for error in decoding_errors(item, inner, f"{path}[{index}]")
            ]
        if not isinstance(document, dict):
            return [f"{path}: expected a map"]
        return [
            error
            for key, value in document.items()
            for error in decoding_errors(value, inner, f"{path}.{key}")
        ]
    if model == "object":
        return []
    if model in _PLAIN:
        right = isinstance(document, _PLAIN[model]) and not (model == "int" and isinstance(document, bool))
        return [] if right else [f"{path}: cannot unmarshal into {model}"]
    return _model_errors(document, model, path)


def _model_errors(document: Any, model: str, path: str) -> list[str]:
    if not isinstance(document, dict):
        return [f"{path}: cannot unmarshal into {model}"]
    known = getattr(client, model)
    attributes = {key: attribute for attribute, key in known.attribute_map.items()}
    errors = [f'unknown field "{path}.{key}"'.replace('".', '"') for key in document if key not in attributes]
    for key, value in document.items():
        if key in attributes and value is not None:
            errors += decoding_errors(value, known.openapi_types[attributes[key]], f"{path}.{key}")
    try:
        known(**{attributes[key]: value for key, value in document.items() if key in attributes})
    except ValueError as error:
        errors.append(f"{path}: {error}")
    return errors


def invalid_fields(job: dict[str, Any]) -> list[str]:
    """The paths that validation after decoding would name."""
    errors = []
    name = job["metadata"].get("name", "")
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
        errors.append("metadata.name")
    for key, value in (job["metadata"].get("labels") or {}).items():
        if not re.fullmatch(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", value) or len(value) > 63:
            errors.append(f"metadata.labels.{key}")
    pod = job["spec"]["template"]["spec"]
    if pod.get("restartPolicy") not in ("Never", "OnFailure"):
        errors.append("spec.template.spec.restartPolicy")
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        if not container.get("image"):
            errors.append("spec.template.spec.containers[0].image")
        errors += [
            "spec.template.spec.containers[0].env.valueFrom"
            for variable in container.get("env", [])
            if "value" in variable and "valueFrom" in variable
        ]
        errors += [
            "spec.template.spec.containers[0].volumeMounts.name"
            for mount in container.get("volumeMounts", [])
            if mount["name"] not in volumes
        ]
        for amounts in (container.get("resources") or {}).values():
            for resource, amount in amounts.items():
                if not re.fullmatch(r"[0-9.]+(m|k|M|G|T|Ki|Mi|Gi|Ti)?", amount):
                    errors.append(f"spec.template.spec.containers[0].resources.{resource}")
    return errors


def pod_security_violations(pod: dict[str, Any]) -> list[str]:
    """What the restricted Pod Security Standard forbids, and what qs promises beyond it."""
    context = pod.get("securityContext") or {}
    violations = [
        name
        for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
        if pod.get(name)
    ]
    if pod.get("automountServiceAccountToken") is not False:
        violations.append("automountServiceAccountToken")
    violations += [
        f"volume {volume['name']}"
        for volume in pod.get("volumes", [])
        if set(volume) - {"name", "emptyDir", "configMap", "secret"}
    ]
    if context.get("sysctls") or context.get("seLinuxOptions") or context.get("windowsOptions"):
        violations.append("pod securityContext")
    for kind in ("initContainers", "ephemeralContainers"):
        if pod.get(kind):
            violations.append(kind)
    for container in pod["containers"]:
        own = container.get("securityContext") or {}
        seccomp = (own.get("seccompProfile") or context.get("seccompProfile") or {}).get("type")
        violations += [
            name
            for name, right in (
                ("allowPrivilegeEscalation", own.get("allowPrivilegeEscalation") is False),
                ("privileged", not own.get("privileged")),
                ("runAsNonRoot", own.get("runAsNonRoot", context.get("runAsNonRoot")) is True),
                ("runAsUser", own.get("runAsUser", context.get("runAsUser", 1)) != 0),
                ("capabilities", own.get("capabilities") == {"drop": ["ALL"]}),
                ("seccompProfile", seccomp in ("RuntimeDefault", "Localhost")),
                ("procMount", own.get("procMount", "Default") == "Default"),
                ("ports", not container.get("ports")),
                ("volumeDevices", not container.get("volumeDevices")),
                ("lifecycle", not container.get("lifecycle")),
                ("limits", {"cpu", "memory"} <= set(container.get("resources", {}).get("limits", {}))),
            )
            if not right
        ]
    return violations
