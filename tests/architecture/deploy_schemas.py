"""What a CronJob and a workflow of ours may hold: narrower than the published schemas, which they satisfy as well."""

from typing import Any


def fixed(**properties: Any) -> dict[str, Any]:
    """An object with these properties, all of them and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1}
NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$"}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
MOUNT = {"type": "object", "required": ["name", "mountPath"]}
AMOUNTS = fixed(
    cpu={"type": "string", "pattern": r"^\d+m$"}, memory={"type": "string", "pattern": r"^\d+Mi$"}
)
CONTAINER = fixed(
    name=NAME,
    # Of a public registry, named as it is there and of one version.
    image={"type": "string", "pattern": r"^curlimages/curl:\d+\.\d+\.\d+$"},
    imagePullPolicy={"const": "IfNotPresent"},
    command={"type": "array", "items": TEXT, "minItems": 3, "maxItems": 3},
    envFrom={"type": "array", "items": fixed(configMapRef=fixed(name=NAME))},
    securityContext=fixed(
        allowPrivilegeEscalation={"const": False},
        readOnlyRootFilesystem={"const": True},
        capabilities={"const": {"drop": ["ALL"]}},
    ),
    resources=fixed(requests=AMOUNTS, limits=AMOUNTS),
    volumeMounts={"type": "array", "items": MOUNT},
)
POD = fixed(
    restartPolicy={"const": "OnFailure"},
    automountServiceAccountToken={"const": False},
    enableServiceLinks={"const": False},
    securityContext=fixed(
        runAsNonRoot={"const": True},
        runAsUser={"type": "integer", "minimum": 1},
        runAsGroup={"type": "integer", "minimum": 1},
        fsGroup={"type": "integer", "minimum": 1},
        seccompProfile={"const": {"type": "RuntimeDefault"}},
    ),
    containers={"type": "array", "items": CONTAINER, "minItems": 1, "maxItems": 1},
    volumes={"type": "array", "items": {"type": "object", "required": ["name"], "maxProperties": 2}},
)
CRON_JOB = fixed(
    apiVersion={"const": "batch/v1"},
    kind={"const": "CronJob"},
    metadata=fixed(name=NAME, namespace={"const": "qs"}, labels=LABELS),
    spec=fixed(
        schedule={"type": "string", "pattern": r"^\d{1,2} (\*|\d{1,2}) \* \* \*$"},
        timeZone=TEXT,
        concurrencyPolicy={"const": "Forbid"},
        # Under ten seconds the controller may never see it in time.
        startingDeadlineSeconds={"type": "integer", "minimum": 10},
        successfulJobsHistoryLimit={"type": "integer", "minimum": 1},
        failedJobsHistoryLimit={"type": "integer", "minimum": 1},
        jobTemplate=fixed(
            spec=fixed(
                backoffLimit={"type": "integer"},
                activeDeadlineSeconds={"type": "integer", "minimum": 600},
                ttlSecondsAfterFinished={"type": "integer"},
                template=fixed(metadata=fixed(labels=LABELS), spec=POD),
            )
        ),
    ),
)
STEP = {
    "type": "object",
    "properties": {
        "name": TEXT,
        # Every action by the commit that was looked at.
        "uses": {"type": "string", "pattern": r"^[\w-]+/[\w-]+@[0-9a-f]{40}$"},
        # An expression in a script would be replaced before the shell reads it, whatever it holds.
        "run": {"type": "string", "not": {"pattern": r"\$\{\{"}},
        "if": TEXT,
        "with": {"type": "object"},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "oneOf": [{"required": ["uses"]}, {"required": ["name", "run"]}],
    "additionalProperties": False,
}
JOB = {
    "type": "object",
    "properties": {
        "runs-on": {"type": "string", "pattern": r"^ubuntu-\d\d\.\d\d$"},
        "timeout-minutes": {"type": "integer", "maximum": 360},
        "environment": TEXT,
        "container": fixed(image={"type": "string", "pattern": r"^python:3\.\d+-bookworm$"}, options=TEXT),
        "defaults": {"const": {"run": {"shell": "bash"}}},
        "steps": {"type": "array", "items": STEP, "minItems": 1},
    },
    "required": ["runs-on", "timeout-minutes", "defaults", "steps"],
    "additionalProperties": False,
}
WORKFLOW = fixed(
    name=TEXT,
    on={"type": "object"},
    permissions={"const": {"contents": "read"}},
    concurrency={"type": "object", "required": ["group", "cancel-in-progress"]},
    jobs={"type": "object", "minProperties": 1, "additionalProperties": JOB},
)
