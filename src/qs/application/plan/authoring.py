"""Writing plans: create, preview, edit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from qs.application.kernel.quotas import require_room
from qs.application.plan.finding import found_plan
from qs.application.plan.ports import Lock, PlanUnitOfWork, PlanUnitOfWorkFactory
from qs.application.plan.present import present
from qs.application.plan.saving import save_tasks
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.kernel.ids import IdGenerator
from qs.domain.kernel.quotas import Quota
from qs.domain.kernel.zones import UnknownZone, zone
from qs.domain.plan.editing import Change, revise
from qs.domain.plan.errors import SeveralInvalid, StaleVersion, UnknownScale
from qs.domain.plan.plan import AssessmentPlan
from qs.domain.plan.planning import PlannedOccasion, plan_occasions
from qs.domain.plan.schedule import Schedule, read_start_date
from qs.domain.plan.task import AssessmentTask
from qs.domain.plan.terms import Terms

SCHEDULE_FIELDS = (
    "schedule_type",
    "interval",
    "total_times",
    "relative_weeks",
    "relative_days",
    "relative_months",
    "fixed_dates",
    "trigger_time",
)
TERM_FIELDS = (
    "name",
    "due_days",
    "entry_ttl_days",
    "catch_up_days",
    "catch_up",
    "notify_on_expiry",
    "reminders",
    "alert_after_missed",
)
_EDIT_BATCH = 500


@dataclass(frozen=True, slots=True)
class Preview:
    occasions: tuple[PlannedOccasion, ...]
    skipped: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """The plan after an edit, and what it does to which task."""

    plan: AssessmentPlan
    changes: tuple[Change, ...]
    counts: Mapping[str, int]


class PlanAuthoring:
    """Plans are given as the flat fields of the API; a field left out gets its default or stays."""

    def __init__(
        self,
        uow: PlanUnitOfWorkFactory,
        new_id: IdGenerator,
        *,
        default_timezone: str,
        default_entry_ttl_days: int = 7,
    ) -> None:
        self._uow = uow
        self._new_id = new_id
        self._default_timezone = default_timezone
        self._default_ttl = default_entry_ttl_days

    async def create(self, tenant_id: UUID, fields: Mapping[str, Any], *, actor: str) -> AssessmentPlan:
        """A new active plan.

        Raises:
            Invalid: every problem of every field at once; QuotaReached.
        """
        async with self._uow(tenant_id) as uow:
            given = {"entry_ttl_days": self._default_ttl, **fields}
            is_published = await _is_published(uow, given.get("scale_code"))
            schedule, terms, timezone = _read(
                given, await self._tenant_zone(uow), scale_is_published=is_published
            )
            plan = AssessmentPlan(
                self._new_id(), tenant_id, given["scale_code"], schedule, terms, timezone, uow.now, uow.now
            )
            plan.announce(uow.now)
            await require_room(uow.quotas, Quota.ACTIVE_PLANS, uow.plans.count_active)
            await uow.plans.add(plan)
            await uow.events.add(plan.recorded)
            await uow.audit.add("plan.created", "plan", plan.id, actor=actor)
            await uow.commit("plan.create")
        return plan

    async def preview(self, tenant_id: UUID, fields: Mapping[str, Any]) -> Preview:
        """What a schedule comes to for ``fields['start_date']`` in ``fields['timezone']``; writes nothing."""
        given = {"name": "preview", **fields}
        given.pop("start_date", None)
        async with self._uow(tenant_id) as uow:
            schedule, terms, timezone = _read(given, await self._tenant_zone(uow), scale_is_published=True)
        start = None if schedule.fixed_dates else read_start_date(fields.get("start_date"))
        found = schedule.occasions(start, timezone)
        planned = plan_occasions(schedule, terms, timezone, start) if start or schedule.fixed_dates else ()
        return Preview(tuple(planned), found.skipped)

    async def edit(
        self,
        tenant_id: UUID,
        plan_id: UUID,
        fields: Mapping[str, Any],
        *,
        actor: str,
        dry_run: bool = False,
        version: int | None = None,
    ) -> Edit:
        """Changes the given fields and reschedules the pending tasks of live enrollments as one revision.

        ``version`` is the one the caller read (None: any); a dry run answers the same and writes nothing.

        Raises:
            StaleVersion, PlanTransitionRefused, PlanFieldFixed, Invalid
        """
        async with self._uow(tenant_id) as uow:
            # A rehearsal holds nobody up: what it reads may have changed by the time of the real edit anyway.
            plan = await found_plan(uow, plan_id, Lock.NONE if dry_run else Lock.UPDATE)
            if version is not None and plan.version != version:
                raise StaleVersion
            plan.require_editable()
            merged = _merge(plan, fields)
            keeps_scale = merged["scale_code"] == plan.scale_code
            is_published = keeps_scale or await _is_published(uow, merged["scale_code"])
            schedule, terms, timezone = _read(merged, plan.timezone, scale_is_published=is_published)
            scale_code = merged["scale_code"]
            if (scale_code, schedule, terms, timezone) == _rule_of(plan):
                return Edit(plan, (), {"reschedule": 0, "create": 0, "cancel": 0})
            enrolled = await uow.plans.has_enrollments(plan_id)
            now = present(uow.now, [plan.updated_at])
            follow = plan.edit(scale_code, schedule, terms, timezone, enrolled=enrolled, now=now)
            changes = await self._revise_all(uow, plan, actor, dry_run=dry_run) if follow else []
            counts = {"reschedule": 0, "create": 0, "cancel": 0}
            for change in changes:
                counts[change.action] += 1
            if not dry_run:
                await uow.plans.save(plan)
                await uow.events.add(plan.recorded)
                await uow.audit.add("plan.edited", "plan", plan.id, actor=actor, detail=counts)
                await uow.commit("plan.edit")
        return Edit(plan, tuple(changes), counts)

    async def _revise_all(
        self, uow: PlanUnitOfWork, plan: AssessmentPlan, actor: str, *, dry_run: bool
    ) -> list[Change]:
        """Every live enrollment in batches inside the one transaction; a dry run locks and writes nothing."""
        changes: list[Change] = []
        after: UUID | None = None
        while batch := await uow.enrollments.live_batch(plan.id, after, _EDIT_BATCH):
            after = batch[-1]
            tasks: dict[UUID, list[AssessmentTask]] = {}
            known = await uow.tasks.of_enrollments(batch, Lock.NONE if dry_run else Lock.UPDATE)
            now = present(uow.now, (task.moved_at for task in known))
            for task in known:
                tasks.setdefault(task.enrollment_id, []).append(task)
            # One that was live when the batch was read may have closed before its tasks were ours.
            found = await (uow.enrollments.many(batch) if dry_run else uow.enrollments.lock_many(batch))
            enrollments = [enrollment for enrollment in found.values() if enrollment.is_live]
            zones = await uow.testees.timezones([e.testee_id for e in enrollments])
            changed, created = [], []
            for enrollment in enrollments:
                revision = revise(
                    plan,
                    enrollment,
                    tasks.get(enrollment.id, []),
                    zones.get(enrollment.testee_id) or plan.timezone,
                    now,
                    actor,
                    self._new_id,
                )
                changed += revision.changed
                created += revision.created
                changes += revision.changes
            if not dry_run:
                await save_tasks(uow, changed, enrollments)
                await uow.tasks.add_many(created)
        return changes

    async def _tenant_zone(self, uow: PlanUnitOfWork) -> str:
        return await uow.tenant_timezone() or self._default_timezone


def _rule_of(plan: AssessmentPlan) -> tuple[str, Schedule, Terms, str]:
    return plan.scale_code, plan.schedule, plan.terms, plan.timezone


def _merge(plan: AssessmentPlan, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's fields with the given ones over them; another schedule_type starts its schedule anew."""
    before: dict[str, Any] = {
        "scale_code": plan.scale_code,
        "timezone": plan.timezone,
        **{name: getattr(plan.terms, name) for name in TERM_FIELDS},
    }
    # A null where the plan has nothing says nothing; elsewhere it leaves out what the rules may require.
    fields = {
        name: value
        for name, value in fields.items()
        if value is not None or name not in SCHEDULE_FIELDS or getattr(plan.schedule, name)
    }
    schedule = {name: getattr(plan.schedule, name) or None for name in SCHEDULE_FIELDS}
    schedule["trigger_time"] = plan.schedule.trigger_time
    if fields.get("schedule_type", plan.schedule.schedule_type) != plan.schedule.schedule_type:
        schedule = {"trigger_time": plan.schedule.trigger_time}
    lists = ("relative_weeks", "relative_days", "relative_months", "fixed_dates")
    if plan.schedule.interval is None and any(name in fields for name in lists):
        # A new list replaces the old one and decides how many there are.
        schedule |= dict.fromkeys((*lists, "total_times"))
    return before | schedule | dict(fields)


def _read(
    fields: Mapping[str, Any], default_zone: str, *, scale_is_published: bool
) -> tuple[Schedule, Terms, str]:
    """Reads all fields and raises every problem they have together."""
    problems: list[Problem] = []
    schedule = terms = None
    timezone = default_zone if fields.get("timezone") is None else fields["timezone"]
    try:
        schedule = Schedule.of(**_given(fields, SCHEDULE_FIELDS, always=("schedule_type",)))
    except Invalid as error:
        only = error
        problems += error.problems
    try:
        terms = Terms.of(
            schedule_type=fields.get("schedule_type"), **_given(fields, TERM_FIELDS, always=("name",))
        )
    except Invalid as error:
        only = error
        problems += error.problems
    if not scale_is_published:
        only = UnknownScale()
        problems += only.problems
    try:
        zone(timezone if isinstance(timezone, str) else "")
    except UnknownZone as error:
        only = error
        problems += error.problems
    if schedule is not None and terms is not None and not problems:
        return schedule, terms, timezone
    if len(problems) == len(only.problems):
        raise only
    raise SeveralInvalid(problems)


def _given(fields: Mapping[str, Any], names: tuple[str, ...], always: tuple[str, ...]) -> dict[str, Any]:
    given = {name: fields[name] for name in names if name in fields}
    return dict.fromkeys(always) | given


async def _is_published(uow: PlanUnitOfWork, code: object) -> bool:
    scale = await uow.scales.get(code) if isinstance(code, str) else None
    return scale is not None and scale.published
