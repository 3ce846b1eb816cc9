"""The operator's Job template: read once, and refused where it would weaken what every pod of qs must keep to."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import UNSET, Meta, UnsetType

from qs.domain.kernel.errors import Invalid, Problem
from qs.infra.scheduler.executors.kubernetes_pods import Part, PodSpec, demand
from qs.infra.scheduler.executors.kubernetes_quantities import ResourceLimits

_LARGEST_BYTES = 64 * 1024
_DEEPEST = 30
_OWN = "qs."
_ALLOW_COMMAND = "qs.allow-command"
_KEY = re.compile(r"(?:[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_PATH = re.compile(r"(.*?) - at (?:`key` in )?`\$([^`]*)`", re.DOTALL)


class Metadata(Part, frozen=True):
    name: str | UnsetType = UNSET
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in (*self.labels, *self.annotations):
            demand(bool(_KEY.fullmatch(key)), f"{key[:100]!r} is no key of a label or an annotation")
        for value in self.labels.values():
            demand(bool(_LABEL.fullmatch(value)), f"{value[:100]!r} is no value of a label")


class PodTemplate(Part, frozen=True):
    spec: PodSpec
    metadata: Metadata = msgspec.field(default_factory=Metadata)


class JobSpec(Part, frozen=True):
    template: PodTemplate
    backoff_limit: Annotated[int, Meta(ge=0, le=0)] = 0
    parallelism: Annotated[int, Meta(ge=1, le=1)] | UnsetType = UNSET
    completions: Annotated[int, Meta(ge=1, le=1)] | UnsetType = UNSET
    # Else a pod that is being evicted would get a successor beside it, and the work be done twice.
    pod_replacement_policy: Literal["Failed"] = "Failed"
    ttl_seconds_after_finished: Annotated[int, Meta(ge=60)] | UnsetType = UNSET
    active_deadline_seconds: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class Job(Part, frozen=True):
    """A batch/v1 Job as qs submits it: one pod, tried once, confined."""

    spec: JobSpec
    api_version: Literal["batch/v1"] = "batch/v1"
    kind: Literal["Job"] = "Job"
    metadata: Metadata = msgspec.field(default_factory=Metadata)

    def as_document(self) -> dict[str, Any]:
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


class TemplateRefused(Invalid):
    """The Job template cannot be used; ``problems`` point into it."""

    code = "settings.kubernetes_template"

    def __init__(self, name: str, *problems: Problem) -> None:
        told = "; ".join(f"{problem.pointer or '/'} {problem.detail}" for problem in problems)
        super().__init__(
            problems, f"the Kubernetes Job template {name} cannot be used: {told}; correct it and start again"
        )


class JobTemplate:
    """What every Job begins with. ``allows_command`` says whether a job may bring its own command."""

    def __init__(self, job: Job, *, allows_command: bool = False) -> None:
        self.job = job
        self.allows_command = allows_command

    @classmethod
    def load(cls, path: Path | None, limits: ResourceLimits) -> "JobTemplate":
        """Reads the file; without one, a bare container that is confined like all.

        Raises:
            TemplateRefused: it cannot be read, is no Job, or says what no job of qs may.
        """
        if path is None:
            return cls.of({"spec": {"template": {"spec": {"containers": [{}]}}}}, limits)
        return cls.of(_read(path), limits, name=str(path))

    @classmethod
    def of(cls, document: Any, limits: ResourceLimits, *, name: str = "given") -> "JobTemplate":
        """The template that the document holds. Raises TemplateRefused."""
        annotations = _allowances(document)
        try:
            job = msgspec.convert(annotations.rest, Job)
        except msgspec.ValidationError as error:
            raise TemplateRefused(name, _problem(error)) from error
        problems = [*_own_names(job), *_container_problems(job, limits)]
        if annotations.command not in (None, "true", "false"):
            problems.append(Problem(f"/metadata/annotations/{_ALLOW_COMMAND}", 'must be "true" or "false"'))
        if problems:
            raise TemplateRefused(name, *problems)
        return cls(job, allows_command=annotations.command == "true")


class _Allowances(msgspec.Struct):
    rest: Any
    command: str | None


def _allowances(document: Any) -> _Allowances:
    """The document without the annotations that are meant for qs alone, and those."""
    match document:
        case {"metadata": {"annotations": {"qs.allow-command": command, **others}, **metadata}, **rest}:
            return _Allowances(rest | {"metadata": metadata | {"annotations": others}}, str(command))
    return _Allowances(document, None)


def _own_names(job: Job) -> list[Problem]:
    pod = job.spec.template
    return [
        Problem(f"{where}/{kind}/{key}", "is set by qs itself; leave the keys that begin with qs. to it")
        for where, metadata in (("/metadata", job.metadata), ("/spec/template/metadata", pod.metadata))
        for kind, keys in (("labels", metadata.labels), ("annotations", metadata.annotations))
        for key in keys
        if key.startswith(_OWN)
    ]


def _container_problems(job: Job, limits: ResourceLimits) -> list[Problem]:
    at = "/spec/template/spec/containers/0"
    container = job.spec.template.spec.containers[0]
    problems = [
        Problem(f"{at}/env/{index}/name", "is told every run by qs itself; choose another name")
        for index, variable in enumerate(container.env)
        if variable.name.startswith("QS_") or variable.name == "TRACEPARENT"
    ]
    if container.image is not UNSET:
        problems.append(Problem(f"{at}/image", "is what each job names; leave it out"))
    asked = {"requests": container.resources.requests, "limits": container.resources.limits}
    problems += [
        Problem(f"{at}/resources/{kind}/{resource}", wrong)
        for kind, amounts in asked.items()
        for resource in ("cpu", "memory")
        if resource in amounts and (wrong := limits.problem(resource, amounts[resource]))
    ]
    volumes = job.spec.template.spec.volumes
    known = set() if volumes is UNSET else {volume.name for volume in volumes}
    mounts = () if container.volume_mounts is UNSET else container.volume_mounts
    problems += [
        Problem(f"{at}/volumeMounts/{index}/name", "names no volume of the template")
        for index, mount in enumerate(mounts)
        if mount.name not in known
    ]
    return problems


def _problem(error: msgspec.ValidationError) -> Problem:
    found = _PATH.fullmatch(str(error))
    said, path = (found[1], found[2]) if found else (str(error), "")
    pointer = path.replace("[...]", "[*]").replace(".", "/").replace("[", "/").replace("]", "")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", said):
        said = "is not among what a template of qs may hold; take it out"
        pointer = f"{pointer}/{unknown[1]}"
    return Problem(pointer, said)


class _PlainLoader(yaml.SafeLoader):
    """Of two equal keys one would go unread."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if (name := repr(key.value)) in seen:
                raise yaml.MarkedYAMLError(problem=f"{name} stands here twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise TemplateRefused(str(path), Problem("", "is larger than 64 KiB"))
        _refuse_tricks(content)
        return _PlainLoader(content).get_single_data()
    except OSError as error:
        raise TemplateRefused(str(path), Problem("", f"cannot be read ({error.strerror})")) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise TemplateRefused(
            str(path), Problem("", f"is not plain YAML in line {line}: {error.problem}")
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        why = str(error) if type(error) is ValueError else type(error).__name__
        raise TemplateRefused(str(path), Problem("", f"is not plain YAML: {why}")) from error


def _refuse_tricks(content: bytes) -> None:
    """Aliases make a small file large, tags make other things of it, and depth exhausts whoever reads it."""
    depth = 0
    for event in yaml.parse(content, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        marked = getattr(event, "anchor", None) or getattr(event, "tag", None)
        if depth > _DEEPEST or marked or isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ValueError(f"line {line} is too deep, or holds an anchor, an alias or a tag")
