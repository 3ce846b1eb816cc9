"""What people and schedulers do all day: each move is one card of the load's deck."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.proof.admissions import Admissions
from tests.proof.calls import Intent
from tests.proof.journal import Write
from tests.proof.task_moves import TaskMoves

CARDS: Mapping[str, int] = {
    "create_testee": 8,
    "create_plan": 1,
    "enroll": 12,
    "enroll_many": 1,
    "open": 14,
    "answer": 18,
    "reissue": 5,
    "cancel": 4,
    "pause": 4,
    "resume": 3,
    "terminate": 2,
    "sweep": 3,
    "sync": 1,
    "list_opened": 6,
    "read_task": 5,
    "read_plan": 3,
    "read_feed": 4,
}
"""How many of each are in the deck."""


class Moves(Admissions, TaskMoves):
    """All that one client can do in one tenant: the writes, the duties that a scheduler calls for, and readings."""

    async def play(self, card: str) -> bool:
        done: bool = await getattr(self, card)()
        return done

    async def sweep(self) -> bool:
        return await self._duty("sweep", "/plans/tasks/schedule")

    async def sync(self) -> bool:
        kind = self._rng.choice(("daily", "accumulated", "plan"))
        return await self._duty("sync", f"/statistics/sync/{kind}")

    async def list_opened(self) -> bool:
        """Reads which tasks the sweep has opened."""
        plan = self._ward.plans.any(self._rng)
        if plan is None:
            return False
        query: dict[str, Any] = {"plan_id": str(plan.id), "status": "opened", "page_size": 50}
        if self._rng.random() < 0.5:
            query["planned_from"] = (self._now() - timedelta(days=1)).isoformat(timespec="seconds")
        answer = await self._calls.read("list_tasks", self._ward.tenant, "/plans/tasks", **query)
        for task in answer.data["items"] if answer is not None and answer.is_success else ():
            self._ward.saw(task)
        return True

    async def read_task(self) -> bool:
        task = self._some_live().any(self._rng)
        if task is None:
            return False
        answer = await self._calls.read("read_task", self._ward.tenant, f"/plans/tasks/{task.id}")
        if answer is not None and answer.is_success:
            self._ward.saw(answer.data)
        return True

    async def read_plan(self) -> bool:
        plan = self._ward.plans.any(self._rng)
        if plan is None:
            return False
        await self._calls.read("read_plan", self._ward.tenant, f"/plans/{plan.id}")
        return True

    async def read_feed(self) -> bool:
        """The next events of the tenant; a reader that keeps its position sees each of them once."""
        ward = self._ward
        if ward.reads_feed:
            return False
        ward.reads_feed = True
        try:
            answer = await self._calls.read(
                "read_feed", ward.tenant, "/events", after=ward.fed_through, page_size=100
            )
            if answer is not None and answer.is_success:
                ward.feed += answer.data["items"]
                ward.fed_through = answer.data["next_after"]
        finally:
            ward.reads_feed = False
        return True

    async def _duty(self, kind: str, path: str) -> bool:
        await self._calls.carry_out(Intent(kind, self._ward.tenant, path, duty=True, told=_told_execution))
        return True


def _told_execution(intent: Intent, writes: list[Write], data: Any) -> None:
    for write in writes:
        write.subject = UUID(data["execution_id"])
        write.detail = {**data}
