"""What a job may say about its pod: read, bounded, and refused point by point."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from msgspec import UNSET

from qs.domain.kernel.durations import duration_text, parse_duration
from qs.domain.kernel.errors import Problem
from qs.infra.scheduler.executors.kubernetes_images import AllowedImages, ImageReference
from qs.infra.scheduler.executors.kubernetes_quantities import ResourceLimits
from qs.infra.scheduler.executors.kubernetes_template import JobTemplate
from qs.infra.scheduler.executors.targets import Findings, is_number

_KEYS = ("image", "command", "args", "env", "resources", "deadline")
_MOST_ITEMS = 100
_LONGEST_ITEM = 8192
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SECRET = "secret://"  # noqa: S105 - the scheme, not a secret
# They make a program run other code than its own, or are what Kubernetes and qs tell it.
_STEERING = re.compile(
    r"(?:QS_|TRACEPARENT|KUBERNETES_|LD_|DYLD_|PYTHON|PERL5|RUBY|NODE_|GIT_|BASH_|GCONV_|GLIBC_|MALLOC_|OPENSSL_|SSL_|_?JAVA_|JDK_).*"
    r"|(?:PATH|ENV|IFS|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|CLASSPATH|HOSTALIASES|LOCALDOMAIN|RES_OPTIONS)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTarget:
    """A target that may be run. ``command`` None leaves it to the template or the image."""

    image: str
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    deadline: timedelta | None = None


class TargetRules:
    """What the operator allows, applied to what a job asks for."""

    def __init__(
        self, images: AllowedImages, template: JobTemplate, limits: ResourceLimits, max_deadline: timedelta
    ) -> None:
        self._images = images
        self._allows_command = template.allows_command
        container = template.job.spec.template.spec.containers[0]
        self._taken = {variable.name for variable in container.env}
        self._has_command = container.command is not UNSET
        self._limits = limits
        self._max_deadline = max_deadline

    def check(self, target: Mapping[str, Any]) -> list[Problem]:
        """All that is wrong with the target."""
        findings = Findings()
        findings.unknown(target, _KEYS)
        self._image(target.get("image"), findings)
        if "command" in target:
            self._command(target["command"], findings)
        if "args" in target:
            _texts(target["args"], findings, "args")
        self._env(target.get("env", {}), findings)
        self._resources(target.get("resources", {}), findings)
        if "deadline" in target:
            self._deadline(target["deadline"], findings)
        if not findings.problems:
            # Of what is wrong in itself the size does not matter.
            findings.json(target)
        return findings.problems

    def read(self, target: Mapping[str, Any]) -> PodTarget:
        """The target, in which ``check`` found nothing wrong."""
        deadline = target.get("deadline")
        return PodTarget(
            image=target["image"],
            command=tuple(target["command"]) if "command" in target else None,
            args=tuple(target["args"]) if "args" in target else None,
            env=dict(target.get("env", {})),
            resources=dict(target.get("resources", {})),
            deadline=None if deadline is None else parse_duration(str(deadline)),
        )

    def _image(self, value: object, findings: Findings) -> None:
        if not isinstance(value, str):
            findings.add(
                "is required: the image to run, such as registry.example.com/team/report:1.4", "image"
            )
            return
        try:
            image = ImageReference.parse(value)
        except ValueError as error:
            findings.add(str(error), "image")
            return
        if not self._images.allows(image):
            findings.add(
                "is not allowed here; the operator allows images under scheduler.kubernetes.images", "image"
            )

    def _command(self, value: object, findings: Findings) -> None:
        if not self._allows_command:
            findings.add(
                "may not be chosen by a job, which passes args only; the operator allows it with the annotation "
                'qs.allow-command: "true" in the Job template',
                "command",
            )
        elif not value:
            findings.add("must hold the program at least; leave it out for the image's own", "command")
        else:
            _texts(value, findings, "command")

    def _env(self, value: object, findings: Findings) -> None:
        for name, text in findings.mapping(value, _MOST_ITEMS, "env").items():
            if not _ENV_NAME.fullmatch(name):
                findings.add("is no name of a variable: letters, digits and _, no digit first", "env", name)
            elif _STEERING.fullmatch(name.upper()):
                findings.add(
                    "may not be set by a job, since it can change what the image runs; set it in the Job template",
                    *("env", name),
                )
            elif name in self._taken:
                findings.add("is set by the Job template and may not be set anew", "env", name)
            _text(text, findings, "env", name)

    def _resources(self, value: object, findings: Findings) -> None:
        given = findings.mapping(value, _MOST_ITEMS, "resources")
        findings.unknown(given, ("cpu", "memory"), "resources")
        for resource in sorted({"cpu", "memory"} & given.keys()):
            if not isinstance(given[resource], str):
                findings.add("must be a text such as 500m or 256Mi", "resources", resource)
            elif wrong := self._limits.problem(resource, given[resource]):
                findings.add(wrong, "resources", resource)

    def _deadline(self, value: object, findings: Findings) -> None:
        written = str(value) if isinstance(value, str) or is_number(value) else ""
        try:
            length = parse_duration(written)
        except ValueError:
            findings.add("expected a duration such as 90s, 10m or 1h30m", "deadline")
            return
        if not timedelta(seconds=1) <= length <= self._max_deadline:
            most = duration_text(self._max_deadline)
            findings.add(f"must be from 1s to the {most} of scheduler.kubernetes.max_deadline_s", "deadline")


def whole_seconds(length: timedelta) -> int:
    """Never less than what was given, and at least one: Kubernetes counts in whole seconds."""
    return max(1, math.ceil(length.total_seconds()))


def _texts(value: object, findings: Findings, *path: str) -> None:
    if not isinstance(value, list | tuple) or len(value) > _MOST_ITEMS:
        findings.add(f"must be a list of at most {_MOST_ITEMS} texts", *path)
        return
    for index, item in enumerate(value):
        _text(item, findings, *path, index)


def _text(value: object, findings: Findings, *path: str | int) -> None:
    if value == "":
        return
    text = findings.text(value, _LONGEST_ITEM, *path)
    if text is not None and _SECRET in text:
        findings.add(
            "names a secret of qs, which would stand in the Job for everybody to read; name a Kubernetes Secret in "
            "the Job template (env[].valueFrom.secretKeyRef or a secret volume) instead",
            *path,
        )
