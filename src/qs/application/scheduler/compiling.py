"""Turns a job as it is written into what can be fired, and says what is wrong where that cannot be."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from qs.application.scheduler.executors import Executor
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.job import ConfigError, Job, JobDefinition
from qs.domain.scheduler.policies import Misfire, MisfirePolicy
from qs.domain.scheduler.triggers import Calendar, Trigger, TriggerKind, TriggerSpec, jittered, read_trigger

_KEPT = 20_000
# `@every` under cron is a duration, whose grid has an anchor of its own.
_OF_THE_WALL = frozenset({TriggerKind.CRON, TriggerKind.DAILY, TriggerKind.WEEKLY, TriggerKind.MONTHLY})


@dataclass(frozen=True, slots=True)
class CompiledJob:
    """A job whose trigger can be asked for slots."""

    job_id: UUID
    definition: JobDefinition
    trigger: Trigger
    misfire: Misfire

    def fire_at(self, slot: datetime) -> datetime:
        """When the slot is fired: itself, or later by the job's jitter, the same on every node."""
        jitter = self.definition.trigger.jitter
        return jittered(self.job_id, slot, jitter) if jitter else slot


class Calendars:
    """The calendars of a tenant as one transaction saw them, by name, each with its version."""

    def __init__(self, found: Mapping[str, tuple[Calendar, int]] | None = None) -> None:
        self._found = found or {}

    def of(self, name: str | None) -> tuple[Calendar | None, int]:
        """Raises Invalid where there is no calendar of that name."""
        if name is None:
            return None, 0
        if name not in self._found:
            raise Invalid(
                [Problem("/calendar", f"must be the name of a calendar; there is none named {name!r}")]
            )
        return self._found[name]


class JobCompiling:
    """Compiles jobs; what was compiled before is kept, since most jobs fire far more often than they change."""

    def __init__(self, executors: Mapping[str, Executor], default_timezone: str) -> None:
        self._executors = executors
        self._default_timezone = default_timezone
        self._kept: OrderedDict[tuple[UUID, int, int], CompiledJob] = OrderedDict()
        self._triggers: OrderedDict[TriggerSpec, Trigger] = OrderedDict()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of target that this process can run."""
        return tuple(self._executors)

    def scopes_of(self, definition: JobDefinition) -> str | None:
        """What somebody must hold beside ``scheduler:write`` to write this job; None when that is enough."""
        executor = self._executors.get(definition.target.kind)
        return None if executor is None else executor.scope

    def compile(self, job: Job, calendars: Calendars) -> CompiledJob:
        """Raises Invalid with all that is wrong with the job."""
        calendar, version = calendars.of(job.definition.trigger.calendar)
        key = (job.id, job.version, version)
        compiled = self._kept.get(key)
        if compiled is None:
            compiled = self.check(job.id, job.definition, calendar, job.anchor)
            self._kept[key] = compiled
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return compiled

    def check(
        self, job_id: UUID, definition: JobDefinition, calendar: Calendar | None, anchor: datetime
    ) -> CompiledJob:
        """The definition compiled. Raises Invalid with all that is wrong with its trigger and its target."""
        problems: list[Problem] = []
        trigger: Trigger | None = None
        try:
            trigger = self._trigger(job_id, definition.trigger, calendar, anchor)
        except Invalid as error:
            problems += error.problems
        problems += self._target_problems(definition)
        if problems or trigger is None:
            raise Invalid(problems)
        return CompiledJob(job_id, definition, trigger, _misfire(definition))

    def _trigger(
        self, job_id: UUID, spec: TriggerSpec, calendar: Calendar | None, anchor: datetime
    ) -> Trigger:
        """Raises TriggerInvalid. What depends on nothing but its text is the same for all jobs that are written so."""
        shared = calendar is None and spec.type in _OF_THE_WALL and "H" not in spec.schedule.upper()
        if shared and (known := self._triggers.get(spec)) is not None:
            return known
        trigger = read_trigger(
            spec, job_id=job_id, default_timezone=self._default_timezone, calendar=calendar, anchor=anchor
        )
        if shared and trigger.kind in _OF_THE_WALL:
            self._triggers[spec] = trigger
            if len(self._triggers) > _KEPT:
                self._triggers.popitem(last=False)
        return trigger

    def _target_problems(self, definition: JobDefinition) -> list[Problem]:
        kind = definition.target.kind
        executor = self._executors.get(kind)
        if executor is None:
            able = ", ".join(self._executors) or "none"
            return [
                Problem(
                    "/target", f"{kind} jobs are not switched on here, so it cannot run; use one of: {able}"
                )
            ]
        return [
            Problem(f"/target/{kind}{problem.pointer}", problem.detail)
            for problem in executor.check(definition.target.spec)
        ]


def config_error(error: Invalid, definition: JobDefinition) -> ConfigError:
    """The first problem as it is kept with a job: the field, the value that stands there, and what must be true."""
    problem = error.problems[0] if error.problems else Problem("", str(error))
    name = problem.pointer.strip("/")
    value = {"schedule": definition.trigger.schedule, "timezone": definition.trigger.timezone}.get(name, "")
    return ConfigError(field=name, value=str(value or "")[:200], detail=problem.detail)


def _misfire(definition: JobDefinition) -> Misfire:
    trigger = definition.trigger
    if trigger.type is TriggerKind.ONCE and trigger.grace is not None:
        return Misfire(policy=MisfirePolicy.SKIP, grace=trigger.grace)
    misfire = definition.policies.misfire
    if trigger.jitter:
        # A slot is not late while its own jitter holds it back.
        misfire = replace(misfire, grace=misfire.grace + trigger.jitter)
    return misfire
