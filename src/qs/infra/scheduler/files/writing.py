"""Definitions as a job file, for `qs job export`: in the order of their names, and without what holds anyway."""

from collections.abc import Iterable
from typing import Any

from qs.application.scheduler.job_documents import write_job
from qs.domain.scheduler.job import JobDefinition, Target
from qs.domain.scheduler.policies import Policies, Retry
from qs.domain.scheduler.triggers.spec import TriggerSpec
from qs.infra.scheduler.files.yaml_text import yaml_text

_ALWAYS = ("name", "type", "schedule")


def write_job_file(definitions: Iterable[JobDefinition], defaults: Retry | None = None) -> str:
    """A job file that, read with the same ``defaults``, gives equal definitions."""
    ordered = sorted(definitions, key=lambda definition: definition.name)
    return yaml_text({"jobs": [short_document(definition, defaults) for definition in ordered]})


def short_document(definition: JobDefinition, defaults: Retry | None = None) -> dict[str, Any]:
    """The document of a definition without the fields that have their default."""
    document = write_job(definition)
    usual = write_job(
        JobDefinition(
            name=definition.name,
            trigger=TriggerSpec(type=definition.trigger.type, schedule=definition.trigger.schedule),
            target=Target(kind="builtin", spec={"name": definition.name}),
            policies=Policies(retry=defaults or Retry()),
        )
    )
    short: dict[str, Any] = {}
    for key, value in document.items():
        if key in _ALWAYS:
            short[key] = value
        elif value != usual[key]:
            short[key] = _short_member(key, value, usual[key])
    return short


def _short_member(key: str, value: Any, usual: Any) -> Any:
    if key == "target":
        return _short_target(value)
    if key in ("misfire", "overlap", "retry", "notify"):
        rest = {name: each for name, each in value.items() if each != usual[name]}
        # The policy alone may be written as its name.
        return rest["policy"] if rest.keys() == {"policy"} else rest
    return value


def _short_target(target: dict[str, Any]) -> dict[str, Any]:
    [(kind, spec)] = target.items()
    if kind in ("builtin", "command") and spec.keys() == {"name"} and isinstance(spec["name"], str):
        return {kind: spec["name"]}
    return {kind: dict(spec)}
