"""The rules of plans, enrollments and tasks said a second time: in memory, one thing after the other.

Nothing here knows the product. ``told`` gathers what has to be announced, as (whose, name, facts); ``Refused`` holds
the code of what is not allowed and comes before anything has changed.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo


class Refused(Exception):
    """The command is refused with this code."""


@dataclass(eq=False)
class Plan:
    """Occasions lie ``offsets`` days after the start, or on the ``fixed`` dates; ``catch_up_days`` None is for ever."""

    name: str
    zone: str
    offsets: tuple[int, ...]
    fixed: tuple[date, ...]
    due_days: int
    ttl_days: int
    catch_up_days: int | None
    only_latest: bool
    status: str = "active"
    paused_at: datetime | None = None
    resumed_at: datetime | None = None

    @property
    def over(self) -> bool:
        return self.status in ("finished", "canceled")

    def facts(self) -> dict[str, Any]:
        return {"status": self.status, "revision": 1}


@dataclass(eq=False)
class Task:
    of: "Enrollment"
    seq: int
    planned_at: datetime
    status: str = "pending"
    reason: str | None = None
    opened_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    generation: int = 0
    assessment_id: str | None = None

    @property
    def name(self) -> str:
        return f"{self.of.name}, task {self.seq}"

    @property
    def live(self) -> bool:
        return self.status in ("pending", "opened")

    @property
    def due_at(self) -> datetime:
        return later(self.planned_at, self.of.plan.due_days, self.of.zone)

    @property
    def closes_at(self) -> datetime | None:
        days = self.of.plan.catch_up_days
        return None if days is None else later(self.planned_at, days, self.of.zone)

    def closed(self, now: datetime) -> bool:
        return self.closes_at is not None and now >= self.closes_at

    def overdue(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at

    def facts(self) -> dict[str, Any]:
        names = ("seq", "planned_at", "due_at", "opened_at", "expires_at")
        return {name: getattr(self, name) for name in names} | {"timezone": self.of.zone}


@dataclass(eq=False)
class Enrollment:
    plan: Plan
    testee: str
    zone: str
    round: int
    start: date
    status: str = "active"
    reason: str | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    tasks: list[Task] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.plan.name}, {self.testee}, round {self.round}"

    @property
    def live(self) -> bool:
        return self.status in ("active", "paused")

    @property
    def left(self) -> list[Task]:
        return [task for task in self.tasks if task.live]

    @property
    def pending(self) -> list[Task]:
        return [task for task in self.tasks if task.status == "pending"]

    def outdated(self, now: datetime) -> list[Task]:
        """Pending tasks older than the newest due one, where only the latest is asked for."""
        due = [task for task in self.tasks if task.planned_at <= now and task.status != "canceled"]
        newest = max(due, key=lambda task: (task.planned_at, task.seq), default=None)
        return [task for task in self.pending if self.plan.only_latest and task in due and task is not newest]

    def facts(self) -> dict[str, Any]:
        return {"round": self.round, "start_date": self.start}


def later(instant: datetime, days: int, zone: str) -> datetime:
    """The same wall time that many calendar days later; one that clocks skip is the first instant after the gap."""
    wall = instant.astimezone(ZoneInfo(zone)) + timedelta(days)
    found = wall.astimezone(UTC)
    skipped = found.astimezone(wall.tzinfo).replace(tzinfo=None) != wall.replace(tzinfo=None)
    # The zones that are tried change their clocks by an hour, on the hour.
    return found.replace(minute=0, second=0, microsecond=0) if skipped else found


def require(allowed: bool, code: str) -> None:
    if not allowed:
        raise Refused(code)


class Model:
    """``testees`` have a zone of their own, or None for the plan's."""

    def __init__(self, now: datetime, testees: dict[str, str | None]) -> None:
        self.now = now
        self.testees = testees
        self.plans: list[Plan] = []
        self.enrollments: list[Enrollment] = []
        self.told: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def tasks(self) -> list[Task]:
        return [task for enrollment in self.enrollments for task in enrollment.tasks]

    def tell(self, name: str, about: Plan | Enrollment | Task, **more: Any) -> None:
        whose = about.of if isinstance(about, Task) else about
        self.told.append((whose.name, name, about.facts() | more | {"occurred_at": self.now}))

    # Plans

    def create(self, plan: Plan) -> None:
        self.plans.append(plan)
        self.tell("PlanCreated", plan)

    def pause(self, plan: Plan) -> str:
        require(not plan.over, "plan.invalid_transition")
        if plan.status == "active":
            plan.status, plan.paused_at = "paused", self.now
            self.tell("PlanPaused", plan)
        return plan.status

    def resume(self, plan: Plan, policy: str) -> str:
        require(not plan.over, "plan.invalid_transition")
        require(not (plan.fixed and policy == "shift"), "plan.fixed_dates_cannot_shift")
        if plan.status == "paused":
            plan.status, plan.resumed_at = "active", self.now
            self.tell("PlanResumed", plan, policy=policy)
            for enrollment in self.enrollments:
                if enrollment.plan is plan and enrollment.status == "active":
                    self.catch_up(enrollment, policy, plan.paused_at)
        return plan.status

    def finish(self, plan: Plan) -> str:
        return self.end_plan(plan, "finished", "PlanFinished")

    def cancel_plan(self, plan: Plan) -> str:
        return self.end_plan(plan, "canceled", "PlanCanceled")

    def end_plan(self, plan: Plan, status: str, event: str) -> str:
        require(not plan.over or plan.status == status, "plan.invalid_transition")
        if not plan.over:
            plan.status = status
            self.tell(event, plan)
            for enrollment in self.enrollments:
                if enrollment.plan is plan and enrollment.live and status == "canceled":
                    self.end_enrollment(enrollment, "plan_canceled", "plan_canceled")
                elif enrollment.plan is plan and enrollment.live:
                    self.cancel_all(enrollment.left, "plan_finished")
                    self.settle(enrollment)
        return plan.status

    # Enrollments

    def enroll(self, plan: Plan, testee: str, start: date, new_round: bool) -> bool:
        """Whether this call made an enrollment."""
        rounds = [each for each in self.enrollments if each.plan is plan and each.testee == testee]
        same = [each for each in rounds if plan.fixed or each.start == start]
        if any(each.live for each in rounds):
            require(any(each.live for each in same), "enrollment.start_date_differs")
            return False
        if same and not new_round:
            return False
        require(plan.status == "active", "plan.not_active")
        zone = self.testees[testee] or plan.zone
        enrollment = Enrollment(plan, testee, zone, len(rounds) + 1, start)
        for seq, day in enumerate(plan.fixed or [start + timedelta(days) for days in plan.offsets], start=1):
            evening = datetime.combine(day, time(19), ZoneInfo(zone))
            enrollment.tasks.append(Task(enrollment, seq, evening.astimezone(UTC)))
        for task in [task for task in enrollment.tasks if task.closed(self.now)]:
            self.leave_out(task)
        for task in enrollment.outdated(self.now):
            self.leave_out(task)
        require(bool(enrollment.left), "enrollment.entirely_past")
        self.enrollments.append(enrollment)
        self.tell("EnrollmentJoined", enrollment, occasions=len(enrollment.left))
        return True

    def leave_out(self, task: Task) -> None:
        task.status, task.reason, task.ended_at = "canceled", "late_enrollment", self.now

    def pause_enrollment(self, enrollment: Enrollment) -> str:
        require(enrollment.live, "enrollment.invalid_transition")
        if enrollment.status == "active":
            require(enrollment.plan.status == "active", "plan.not_active")
            enrollment.status, enrollment.paused_at = "paused", self.now
            self.tell("EnrollmentPaused", enrollment)
        return enrollment.status

    def resume_enrollment(self, enrollment: Enrollment, policy: str) -> str:
        require(enrollment.live, "enrollment.invalid_transition")
        require(not (enrollment.plan.fixed and policy == "shift"), "plan.fixed_dates_cannot_shift")
        if enrollment.status == "paused":
            require(enrollment.plan.status == "active", "plan.not_active")
            enrollment.status, enrollment.resumed_at = "active", self.now
            self.tell("EnrollmentResumed", enrollment, policy=policy)
            self.catch_up(enrollment, policy, enrollment.paused_at)
        return enrollment.status

    def catch_up(self, enrollment: Enrollment, policy: str, paused_at: datetime | None) -> None:
        """What resuming does to pending tasks that were planned from the pause on."""
        assert paused_at is not None
        zone = ZoneInfo(enrollment.zone)
        days = (self.now.astimezone(zone).date() - paused_at.astimezone(zone).date()).days
        for task in enrollment.pending:
            before = task.planned_at
            if policy == "skip" and paused_at <= before < self.now:
                self.end(task, "canceled", "paused")
            if policy == "shift" and paused_at <= before and days > 0:
                task.planned_at = later(before, days, enrollment.zone)
                self.tell("TaskRescheduled", task, planned_before=before, pinned=False)
        self.settle(enrollment)

    def terminate(self, plan: Plan, testee: str, reason: str) -> int:
        """How many tasks it canceled."""
        for each in self.enrollments:
            if each.plan is plan and each.testee == testee and each.live:
                return self.end_enrollment(each, reason, "enrollment_terminated")
        return 0

    def end_enrollment(self, enrollment: Enrollment, reason: str, task_reason: str) -> int:
        canceled = self.cancel_all(enrollment.left, task_reason)
        enrollment.status, enrollment.reason = "terminated", reason
        self.tell("EnrollmentTerminated", enrollment, reason=reason)
        return canceled

    def settle(self, enrollment: Enrollment) -> None:
        """The last of its tasks closes an enrollment."""
        if enrollment.live and not enrollment.left:
            enrollment.status = "closed"
            self.tell("EnrollmentClosed", enrollment)

    # Tasks

    def sweep(self, only_expiry: bool) -> Counter[str]:
        """How many were opened, expired and missed."""
        done = Counter(opened=0, expired=0, missed=0)
        for task in self.tasks:
            if task.status == "opened" and task.overdue(self.now):
                self.expire(task)
                done["expired"] += 1
        for enrollment in self.enrollments:
            if only_expiry or enrollment.status != "active" or enrollment.plan.status != "active":
                continue
            outdated = enrollment.outdated(self.now)
            for task in enrollment.pending:
                if task in outdated or task.closed(self.now):
                    self.end(task, "expired", "missed")
                    done["missed"] += 1
                elif task.planned_at <= self.now:
                    self.open(task)
                    done["opened"] += 1
            self.settle(enrollment)
        return done

    def open(self, task: Task) -> str:
        require(task.status == "pending", "task.invalid_transition")
        require(task.of.plan.status == "active", "plan.not_active")
        require(task.of.status == "active", "enrollment.not_active")
        require(task.planned_at <= self.now, "task.not_due")
        require(not task.closed(self.now), "task.window_closed")
        task.status, task.opened_at, task.generation = "opened", self.now, 1
        task.expires_at = later(self.now, task.of.plan.ttl_days, task.of.zone)
        self.tell("TaskOpened", task)
        return task.status

    def submit(self, task: Task, generation: int, assessment_id: str) -> bool:
        """Whether it repeats a submission; ``generation`` says which of the task's links was followed."""
        require(1 <= generation <= task.generation, "entry.absent")
        require(generation == task.generation, "entry.replaced")
        if task.status == "completed":
            require(assessment_id == task.assessment_id, "entry.completed")
            return True
        require(task.status != "canceled", "entry.canceled")
        require(task.status == "opened" and not task.overdue(self.now), "entry.expired")
        task.assessment_id = assessment_id
        self.end(task, "completed", None, assessment_id=assessment_id)
        self.settle(task.of)
        return False

    def expire(self, task: Task) -> str:
        require(task.status in ("opened", "expired"), "task.invalid_transition")
        if task.live:
            self.end(task, "expired", "entry_timeout" if task.overdue(self.now) else "manual")
            self.settle(task.of)
        return task.status

    def cancel(self, task: Task, reason: str) -> str:
        require(task.live or task.status == "canceled", "task.invalid_transition")
        if task.live:
            self.end(task, "canceled", reason)
            self.settle(task.of)
        return task.status

    def cancel_all(self, tasks: list[Task], reason: str) -> int:
        for task in tasks:
            self.end(task, "canceled", reason)
        return len(tasks)

    def reissue(self, task: Task) -> int:
        """The number of the new link; the old one is dead and the expiry stays."""
        require(task.status == "opened" and not task.overdue(self.now), "task.not_open")
        task.generation += 1
        self.tell("EntryReissued", task, generation=task.generation)
        return task.generation

    def end(self, task: Task, status: str, reason: str | None, **more: Any) -> None:
        task.status, task.reason, task.ended_at = status, reason, self.now
        more |= {f"{status}_at": self.now} | ({"reason": reason} if reason else {})
        self.tell(f"Task{status.capitalize()}", task, **more)
