"""Writes jobs: one at a time for people and clients, or as the whole set of a file, a table or the code."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from qs.application.kernel.preconditions import PreconditionFailed
from qs.application.kernel.quotas import require_room
from qs.application.scheduler.chains import Start, starts_of_chains
from qs.application.scheduler.compiling import Calendars, CompiledJob, JobCompiling
from qs.application.scheduler.job_documents import write_job
from qs.application.scheduler.job_firing import broken, calendars_of
from qs.application.scheduler.job_ports import JobUnitOfWork, JobUnitOfWorkFactory, Wake
from qs.application.scheduler.job_sets import all_jobs, beyond_quota, jobs_counted
from qs.domain.kernel.errors import Invalid, Problem, QsError
from qs.domain.kernel.ids import IdGenerator
from qs.domain.kernel.quotas import Quota
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.errors import CalendarAbsent, CalendarInUse, JobAbsent, JobNameTaken, JobReadOnly
from qs.domain.scheduler.job import Job, JobDefinition, JobSource, JobStatus, refuse_cycles

_WHERE = {
    JobSource.DECLARED: "declared in a file",
    JobSource.CODE: "declared in the code",
    JobSource.SYS_CRONTAB: "a row of the table sys_crontab",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What an application of a set does to one job; ``fields`` are the changed ones, from and to."""

    name: str
    action: str
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    problem: str | None = None


class JobAuthoring:
    """The one place that writes definitions. An edit never fires a job: its next slot is one that is still to come."""

    def __init__(self, unit_of_work: JobUnitOfWorkFactory, compiling: JobCompiling, ids: IdGenerator) -> None:
        self._unit_of_work = unit_of_work
        self._compiling = compiling
        self._ids = ids

    def scope_needed(self, definition: JobDefinition) -> str | None:
        """What somebody must hold beside ``scheduler:write`` to write this job."""
        return self._compiling.scopes_of(definition)

    async def starts_of(self, tenant_id: UUID, definitions: Collection[JobDefinition]) -> Sequence[Start]:
        """The jobs that the chains of these come to start, once they are written."""
        if not any(definition.policies.chain for definition in definitions):
            return ()
        async with self._unit_of_work(tenant_id) as uow:
            return await starts_of_chains(uow, self._compiling, definitions)

    async def create(
        self, tenant_id: UUID, definition: JobDefinition, *, actor: str, owner: str | None = None
    ) -> Job:
        """The stored job. Raises Invalid, JobNameTaken, ChainCycle, QuotaReached."""
        async with self._unit_of_work(tenant_id) as uow:
            job = await self._new(uow, definition, JobSource.STORED, owner)
            await require_room(uow.quotas, Quota.JOBS, jobs_counted(uow))
            if not await uow.jobs.add(job):
                raise JobNameTaken(definition.name)
            await self._finish(uow, "job.create", job, actor)
            await uow.commit("job.create")
        return job

    async def change(
        self, tenant_id: UUID, job_id: UUID, definition: JobDefinition, *, version: int | None, actor: str
    ) -> Job:
        """The job as it is now. ``version`` is the one that was read; None overwrites whatever is there.

        Raises:
            JobAbsent, JobReadOnly, JobNameTaken, Invalid, ChainCycle
            PreconditionFailed: it is no longer at that version.
        """
        async with self._unit_of_work(tenant_id) as uow:
            job = await self._writable(uow, job_id, version)
            changed = self._redefined(job, definition, await calendars_of(uow), await uow.system_now())
            if not await uow.jobs.save(changed):
                raise PreconditionFailed
            await self._finish(uow, "job.change", changed, actor)
            await uow.commit("job.change")
        return replace(changed, version=changed.version + 1)

    async def enable(
        self, tenant_id: UUID, job_id: UUID, enabled: bool, *, version: int | None, actor: str
    ) -> Job:
        """The job, fired by time or not. Raises as ``change`` does; a declared job may be switched as well."""
        async with self._unit_of_work(tenant_id) as uow:
            job = await self._writable(uow, job_id, version, also_declared=True)
            changed = self._redefined(
                job, replace(job.definition, enabled=enabled), await calendars_of(uow), await uow.system_now()
            )
            if not await uow.jobs.save(changed):
                raise PreconditionFailed
            await self._finish(uow, "job.enable" if enabled else "job.disable", changed, actor)
            await uow.commit("job.enable")
        return replace(changed, version=changed.version + 1)

    async def remove(self, tenant_id: UUID, job_id: UUID, *, version: int | None, actor: str) -> None:
        """Its executions stay in the history; what runs goes on. Raises JobAbsent, JobReadOnly, PreconditionFailed."""
        async with self._unit_of_work(tenant_id) as uow:
            job = await self._writable(uow, job_id, version)
            await uow.jobs.remove(job.id)
            await uow.audit.add("job.remove", "job", job.id, actor=actor, detail={"name": job.name})
            await uow.wake(Wake.JOBS)
            await uow.commit("job.remove")

    async def apply(
        self,
        tenant_id: UUID,
        definitions: Sequence[JobDefinition],
        *,
        source: JobSource,
        owner: str | None,
        actor: str,
        prune: bool = False,
        tolerant: bool = False,
        dry_run: bool = False,
        problems: Mapping[str, Invalid] | None = None,
    ) -> list[Change]:
        """Brings the jobs of one source and owner to this set, all or nothing; what each job undergoes, by name.

        ``prune`` removes the owner's jobs that are not in the set; nobody else's is ever touched. ``tolerant`` keeps
        a job that cannot be carried out as one with a config error, and leaves out one whose name another owner
        has, and those the tenant's quota has no room for; without it the whole set is refused. ``problems`` are
        those of jobs that could not be read as a whole.

        Raises:
            Invalid: with the name of each wrong job in its problems' pointers.
            QuotaReached: the tenant would have more jobs than it may.
        """
        unreadable = problems or {}
        async with self._unit_of_work(tenant_id) as uow:
            await uow.jobs.serialize_sets()
            calendars, now = await calendars_of(uow), await uow.system_now()
            known = {job.name: job for job in await all_jobs(uow)}
            wanted = {definition.name: definition for definition in definitions}
            pruned = [
                job
                for job in known.values()
                if prune and job.source is source and job.owner == owner and job.name not in wanted
            ]
            if not dry_run:
                # One after the other they would be locked in the order of the set.
                changed = [
                    job for job in known.values() if wanted.get(job.name, job.definition) != job.definition
                ]
                await uow.jobs.lock(job.id for job in (*changed, *pruned))
            changes: list[Change] = []
            found: list[Problem] = []
            new = [name for name in wanted if name not in known]
            excess = await beyond_quota(uow, new, len(pruned), tolerant=tolerant)
            for definition in definitions:
                if definition.name in excess:
                    changes.append(Change(definition.name, "refused", problem=excess[definition.name]))
                    continue
                try:
                    changes.append(
                        await self._apply_one(
                            uow,
                            known,
                            definition,
                            source,
                            owner,
                            calendars,
                            now,
                            tolerant,
                            dry_run,
                            unreadable.get(definition.name),
                        )
                    )
                except Invalid as error:
                    found += [Problem(f"/{definition.name}{p.pointer}", p.detail) for p in error.problems]
                except QsError as error:
                    if not tolerant:
                        found.append(Problem(f"/{definition.name}", str(error)))
                    changes.append(Change(definition.name, "refused", problem=str(error)))
            if found:
                raise Invalid(found)
            for job in pruned:
                changes.append(Change(job.name, "removed"))
                if not dry_run:
                    await uow.jobs.remove(job.id)
            if dry_run:
                return changes
            refuse_cycles(await uow.jobs.links())
            done = [change for change in changes if change.action in ("created", "changed", "removed")]
            if done:
                await uow.audit.add(
                    "job.apply",
                    "job",
                    None,
                    actor=actor,
                    detail={"source": source, "owner": owner, **_counts(done)},
                )
                await uow.wake(Wake.JOBS)
                await uow.commit("job.apply")
        return changes

    async def save_calendar(
        self, tenant_id: UUID, calendar: Calendar, *, version: int | None, create: bool, actor: str
    ) -> int:
        """The calendar's new version; the next slots of the jobs that follow it are computed anew.

        Raises:
            CalendarAbsent: there is none to change.
            PreconditionFailed: it is no longer at that version, or is there already and was to be created.
        """
        async with self._unit_of_work(tenant_id) as uow:
            current = await uow.calendars.get(calendar.name)
            if not create and current is None:
                raise CalendarAbsent
            if create and current is not None:
                raise PreconditionFailed
            at = None if current is None else (version if version is not None else current[1])
            saved = await uow.calendars.save(calendar, at)
            if saved is None:
                raise PreconditionFailed
            calendars, now = await calendars_of(uow), await uow.system_now()
            users = [
                job.id for job in await all_jobs(uow) if job.definition.trigger.calendar == calendar.name
            ]
            await uow.jobs.lock(users)
            for job_id in users:
                job = await uow.jobs.get(job_id)
                if job is not None:
                    await uow.jobs.save(self._clocked(job, calendars, now, tolerant=True))
            await uow.audit.add(
                "calendar.save", "calendar", None, actor=actor, detail={"name": calendar.name}
            )
            await uow.wake(Wake.JOBS)
            await uow.commit("calendar.save")
        return saved

    async def remove_calendar(
        self, tenant_id: UUID, name: str, *, actor: str, version: int | None = None
    ) -> None:
        """Raises CalendarAbsent, PreconditionFailed when it is at another version, CalendarInUse while a job follows it."""
        async with self._unit_of_work(tenant_id) as uow:
            current = await uow.calendars.get(name)
            if current is not None and version not in (None, current[1]):
                raise PreconditionFailed
            users = [job.name for job in await all_jobs(uow) if job.definition.trigger.calendar == name]
            if users:
                raise CalendarInUse(name, users)
            if not await uow.calendars.remove(name):
                raise CalendarAbsent
            await uow.audit.add("calendar.remove", "calendar", None, actor=actor, detail={"name": name})
            await uow.commit("calendar.remove")

    async def _apply_one(
        self,
        uow: JobUnitOfWork,
        known: Mapping[str, Job],
        definition: JobDefinition,
        source: JobSource,
        owner: str | None,
        calendars: Calendars,
        now: datetime,
        tolerant: bool,
        dry_run: bool,
        problem: Invalid | None,
    ) -> Change:
        current = known.get(definition.name)
        if current is None:
            job = self._job(uow.tenant_id, definition, source, owner, now)
            job = broken(job, problem) if problem else self._clocked(job, calendars, now, tolerant=tolerant)
            if not dry_run and not await uow.jobs.add(job):
                raise JobNameTaken(definition.name)
            return Change(definition.name, "created", problem=_problem(job))
        if current.source is not source or current.owner != owner:
            raise JobNameTaken(definition.name)
        fields = changed_fields(current.definition, definition)
        if not fields and current.status is not JobStatus.CONFIG_ERROR and problem is None:
            return Change(definition.name, "unchanged")
        # A clock may have moved it since it was read.
        current = await uow.jobs.get(current.id, lock=True) or current
        if problem is not None:
            changed = broken(replace(current, definition=definition), problem)
        else:
            changed = self._redefined(current, definition, calendars, now, tolerant=tolerant)
        if not fields and changed.status is current.status and changed.error == current.error:
            return Change(definition.name, "unchanged", problem=_problem(current))
        if not dry_run and not await uow.jobs.save(changed):
            raise PreconditionFailed
        return Change(definition.name, "changed", fields, _problem(changed))

    async def _new(
        self, uow: JobUnitOfWork, definition: JobDefinition, source: JobSource, owner: str | None
    ) -> Job:
        now = await uow.system_now()
        return self._clocked(
            self._job(uow.tenant_id, definition, source, owner, now), await calendars_of(uow), now
        )

    def _job(
        self, tenant_id: UUID, definition: JobDefinition, source: JobSource, owner: str | None, now: datetime
    ) -> Job:
        return Job(
            id=self._ids(),
            tenant_id=tenant_id,
            source=source,
            owner=owner,
            definition=definition,
            status=JobStatus.ACTIVE,
            anchor=definition.trigger.start_at or now,
        )

    async def _writable(
        self, uow: JobUnitOfWork, job_id: UUID, version: int | None, *, also_declared: bool = False
    ) -> Job:
        job = await uow.jobs.get(job_id, lock=True)
        if job is None:
            raise JobAbsent
        if job.source is not JobSource.STORED and not also_declared:
            raise JobReadOnly(job.name, _WHERE[job.source])
        if version is not None and job.version != version:
            raise PreconditionFailed
        return job

    def _redefined(
        self,
        job: Job,
        definition: JobDefinition,
        calendars: Calendars,
        now: datetime,
        *,
        tolerant: bool = False,
    ) -> Job:
        """The job with another definition. While its trigger stays as it was, its clock does too."""
        same_clock = (
            definition.trigger == job.definition.trigger
            and definition.enabled == job.definition.enabled
            and job.status is not JobStatus.CONFIG_ERROR
        )
        same_grid = definition.trigger == job.definition.trigger
        changed = replace(
            job,
            definition=definition,
            anchor=job.anchor if same_grid else (definition.trigger.start_at or now),
            runs=job.runs if same_grid else 0,
        )
        if same_clock:
            self._compile(changed, calendars)
            return changed
        return self._clocked(changed, calendars, now, tolerant=tolerant)

    def _clocked(self, job: Job, calendars: Calendars, now: datetime, *, tolerant: bool = False) -> Job:
        """The job with the first slot that is still to come."""
        try:
            compiled = self._compile(job, calendars)
        except Invalid as error:
            if not tolerant:
                raise
            return broken(job, error)
        job = replace(job, error=None, next_slot=None, next_fire_at=None)
        if not job.definition.enabled:
            return replace(job, status=JobStatus.ACTIVE)
        slot = compiled.trigger.next_after(now)
        if slot is None:
            return replace(job, status=JobStatus.FINISHED)
        return replace(job, status=JobStatus.ACTIVE, next_slot=slot, next_fire_at=compiled.fire_at(slot))

    def _compile(self, job: Job, calendars: Calendars) -> CompiledJob:
        calendar, _ = calendars.of(job.definition.trigger.calendar)
        return self._compiling.check(job.id, job.definition, calendar, job.anchor)

    async def _finish(self, uow: JobUnitOfWork, action: str, job: Job, actor: str) -> None:
        if job.definition.policies.chain:
            refuse_cycles(await uow.jobs.links())
        await uow.audit.add(action, "job", job.id, actor=actor, detail={"name": job.name})
        await uow.wake(Wake.JOBS)


def changed_fields(before: JobDefinition, after: JobDefinition) -> dict[str, tuple[Any, Any]]:
    """The fields of the document that differ, from and to."""
    old, new = write_job(before), write_job(after)
    # Written out, since 1, 1.0 and true are equal in Python and no target takes one for the other.
    return {key: (old[key], new[key]) for key in new if _written(old[key]) != _written(new[key])}


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _problem(job: Job) -> str | None:
    return None if job.error is None else f"{job.error.field}: {job.error.detail}"


def _counts(changes: Sequence[Change]) -> dict[str, int]:
    return {
        action: sum(change.action == action for change in changes)
        for action in ("created", "changed", "removed")
    }
