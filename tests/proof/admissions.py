"""Plans, testees, and who follows what."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.proof.calls import Intent
from tests.proof.hands import Hands
from tests.proof.journal import Write
from tests.proof.wards import Enrollment, Plan, Testee, today

KINDS_OF_PLAN = ("daily", "soon", "custom")
_ZONES = ("Asia/Shanghai", "Europe/London", "America/Los_Angeles")
_SOON = timedelta(seconds=3)
_TRIES = 20

_SHORT = {"due_days": 1, "entry_ttl_days": 1, "catch_up_days": 2}
"""The shortest terms there are, and a day's delay in which a task may still be opened."""

_SCHEDULES: Mapping[str, Mapping[str, Any]] = {
    "daily": {
        "schedule_type": "by_day",
        "interval": 1,
        "total_times": 5,
        "trigger_time": "00:00:00",
        "catch_up": "all",
        "notify_on_expiry": "testee",
    },
    "soon": {"schedule_type": "by_day", "interval": 1, "total_times": 3},
    "custom": {"schedule_type": "custom", "relative_days": [0, 1, 3], "trigger_time": "00:00:00"},
}


class Admissions(Hands):
    """Creations carry a key that finds them again; steering an enrollment is looked up before it is repeated."""

    async def create_plan(self, kind: str | None = None) -> bool:
        """One whose first occasion is due at once, or in a few seconds."""
        zone = self._rng.choice(_ZONES)
        name = f"{kind or self._rng.choice(KINDS_OF_PLAN)}-{self._new_key()}"
        soon = (self._now() + _SOON).astimezone(ZoneInfo(zone)).strftime("%H:%M:%S")
        schedule = _SCHEDULES[name.partition("-")[0]]
        named = {"name": name, "scale_code": "PHQ-9", "timezone": zone}
        body = {"trigger_time": soon, **schedule, **_SHORT, **named}
        made = await self._make("create_plan", "/plans", body, name, partial(self._plan_named, name))
        if made is not None:
            self._ward.plans.put(Plan(UUID(made["id"]), zone))
        return True

    async def create_testee(self) -> bool:
        external_id = f"P-{self._new_key()}"
        zone = self._rng.choice(_ZONES) if self._rng.random() < 0.3 else None
        contact = {"channel": "email", "address": f"{external_id.lower()}@example.org"}
        body = {"external_id": external_id, "name": "Li Lei", "timezone": zone, "contacts": [contact]}
        find = partial(self._found, "testee", f"/testees/ext:{external_id}")
        detail = {"external_id": external_id}
        made = await self._make(
            "create_testee", "/testees", body, external_id, find, natural=True, detail=detail
        )
        if made is not None:
            self._ward.testees.put(Testee(UUID(made["id"]), zone))
        return True

    async def enroll(self) -> bool:
        """A testee in a plan the load has not enrolled them in."""
        testee, plan = self._somebody_new()
        if testee is None or plan is None:
            return False
        testee.plans.add(plan.id)
        start = today(self._now(), testee.zone or plan.zone)
        body = {"plan_id": str(plan.id), "testee_id": str(testee.id), "start_date": start}
        joined = await self._make(
            "enroll",
            "/plans/enroll",
            body,
            self._new_key(),
            partial(self._enrollment_of, plan.id, str(testee.id)),
            natural=True,
            detail={"plan": str(plan.id), "testee": str(testee.id), "start_date": start},
            told=_told_enrollment,
        )
        if joined is not None:
            self._ward.joined(joined["enrollment"], joined["tasks"])
        return True

    async def enroll_many(self, plan: Plan | None = None, count: int | None = None) -> bool:
        """New testees, by rows that name them by external ids."""
        plan = plan or self._ward.plans.any(self._rng)
        if plan is None:
            return False
        start = today(self._now(), plan.zone)
        rows = [
            {"external_id": f"B-{self._new_key()}", "start_date": start, "name": "Han Meimei"}
            for _ in range(count or self._rng.randint(2, 8))
        ]
        for row in rows:
            row["email"] = f"{row['external_id'].lower()}@example.org"
        key = self._new_key()
        joined = await self._calls.carry_out(
            Intent(
                "enroll",
                self._ward.tenant,
                f"/plans/{plan.id}/enrollments/bulk",
                {"rows": rows},
                key=key,
                idempotency_key=key,
                rows=[
                    {"key": row["external_id"], "plan": str(plan.id), "start_date": start, "bulk": key}
                    for row in rows
                ],
                by_key=True,
                natural=True,
                find=partial(self._rows_found, plan.id, rows),
                told=_told_rows,
            )
        )
        for row in joined["rows"] if joined is not None else ():
            if row["testee_id"] is not None:
                self._ward.testees.put(Testee(UUID(row["testee_id"]), None, {plan.id}))
        return True

    async def pause(self) -> bool:
        enrollment = self._ward.active.take(self._rng)
        if enrollment is None:
            return False
        paused = await self._steer("pause", enrollment, "paused_at", None, {})
        if paused is not None:
            enrollment.paused_at = paused["paused_at"]
            self._ward.paused.put(enrollment)
        return True

    async def resume(self) -> bool:
        enrollment = self._ward.paused.take(self._rng)
        if enrollment is None:
            return False
        policy = {"policy": self._rng.choice(("keep", "skip", "shift"))}
        resumed = await self._steer("resume", enrollment, "resumed_at", policy, policy)
        if resumed is not None:
            enrollment.resumed_at = resumed["resumed_at"]
            self._ward.active.put(enrollment)
        return True

    async def terminate(self) -> bool:
        enrollment = self._ward.active.take(self._rng)
        if enrollment is None:
            return False
        plan_id, testee_id = enrollment.plan_id, enrollment.testee_id
        reason = {"reason": "withdrawn"}
        await self._calls.carry_out(
            Intent(
                "terminate",
                self._ward.tenant,
                f"/plans/{plan_id}/testees/{testee_id}/terminate",
                reason,
                detail={"plan": str(plan_id), "testee": str(testee_id), **reason},
                find=partial(self._terminated, enrollment),
                told=_told_enrollment,
            )
        )
        return True

    async def _make(
        self,
        kind: str,
        path: str,
        body: Any,
        key: str,
        find: Callable[[], Awaitable[Any]],
        *,
        natural: bool = False,
        detail: dict[str, Any] | None = None,
        told: Callable[[Intent, list[Write], Any], None] | None = None,
    ) -> Any:
        return await self._calls.carry_out(
            Intent(
                kind,
                self._ward.tenant,
                path,
                body,
                key=key,
                idempotency_key=key,
                detail=detail or {},
                by_key=True,
                natural=natural,
                find=find,
                told=told or _told_id,
            )
        )

    async def _steer(
        self, kind: str, enrollment: Enrollment, instant: str, body: Any, detail: dict[str, Any]
    ) -> Any:
        path = f"/enrollments/{enrollment.id}"
        before = getattr(enrollment, instant)

        async def find() -> Any:
            seen = await self._found("enrollment", path)
            return seen if seen[instant] != before else None

        return await self._calls.carry_out(
            Intent(
                kind,
                self._ward.tenant,
                f"{path}/{kind}",
                body,
                subject=enrollment.id,
                detail=detail,
                find=find,
            )
        )

    def _somebody_new(self) -> tuple[Testee | None, Plan | None]:
        """A testee and a plan they do not follow, if a few tries find them."""
        for _ in range(_TRIES):
            testee, plan = self._ward.testees.any(self._rng), self._ward.plans.any(self._rng)
            if testee is not None and plan is not None and plan.id not in testee.plans:
                return testee, plan
        return None, None

    async def _plan_named(self, name: str) -> Any:
        plans = await self._found("plans", "/plans", page_size=100)
        return next((plan for plan in plans["items"] if plan["name"] == name), None)

    async def _enrollment_of(self, plan_id: UUID, testee: str) -> Any:
        query = {"plan_id": str(plan_id), "testee_id": testee, "page_size": 1}
        tasks = await self._found("tasks", "/plans/tasks", **query)
        if tasks is None or not tasks["items"]:
            return None
        seen = await self._found("enrollment", f"/enrollments/{tasks['items'][0]['enrollment_id']}")
        return {"enrollment": seen, "tasks": seen["tasks"], "created": True}

    async def _rows_found(self, plan_id: UUID, rows: list[dict[str, str]]) -> Any:
        found = [await self._enrollment_of(plan_id, f"ext:{row['external_id']}") for row in rows]
        if None in found:
            return None
        enrollments = [each["enrollment"] for each in found]
        return {"rows": [{"enrollment_id": each["id"], **each} for each in enrollments]}

    async def _terminated(self, enrollment: Enrollment) -> Any:
        seen = await self._found("enrollment", f"/enrollments/{enrollment.id}")
        return {"enrollment": seen} if seen["status"] == "terminated" else None


def _told_id(intent: Intent, writes: list[Write], data: Any) -> None:
    for write in writes:
        write.subject = UUID(data["id"])


def _told_enrollment(intent: Intent, writes: list[Write], data: Any) -> None:
    enrollment = data["enrollment"]
    for write in writes:
        write.subject = UUID(enrollment["id"]) if enrollment is not None else None
        write.detail = {
            **write.detail,
            **{name: data[name] for name in data.keys() & {"created", "canceled"}},
        }


def _told_rows(intent: Intent, writes: list[Write], data: Any) -> None:
    times = len(writes) // len(data["rows"])
    for write, row in zip(writes, [*data["rows"]] * times, strict=True):
        if row.get("error") is not None:
            # The call succeeded and this row of it was refused.
            write.status, write.error = 422, row["error"]
            continue
        write.subject = UUID(row["enrollment_id"])
        write.detail = {
            **write.detail,
            "testee": row["testee_id"],
            "created": row.get("result") != "existing",
        }
