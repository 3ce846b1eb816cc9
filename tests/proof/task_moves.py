"""Moving single tasks: by staff, and by testees through their links."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.proof.calls import Intent
from tests.proof.hands import Hands
from tests.proof.journal import Write
from tests.proof.wards import Pool, Task

_LOOKED_THROUGH = 40


class TaskMoves(Hands):
    """A task is in one client's hands at a time, so that what became of it tells what became of the move."""

    async def open(self) -> bool:
        """A pending task, which is seldom not due, whatever the sweep does meanwhile."""
        with self._holding(self._take_due()) as task:
            if task is None:
                return False
            opened = await self._move("open", task, find=partial(self._task_where, task, _was_opened))
            if opened is not None:
                task.token = opened.get("entry", {}).get("token")
            await self._see_again(task)
        return True

    async def answer(self) -> bool:
        """A testee follows the link of an opened task and submits an answer."""
        with self._holding(self._ward.opened.take(self._rng)) as task:
            if task is None:
                return False
            if task.token is None or self._rng.random() < 0.5:
                await self._read_link(task)
            if task.token is not None:
                await self._submit(task, task.token)
            await self._see_again(task)
        return True

    async def reissue(self) -> bool:
        with self._holding(self._ward.opened.take(self._rng)) as task:
            if task is None:
                return False
            generation = self._ward.issued.get(task.id, 1) + 1
            find = partial(self._reissued, task, generation)
            given = await self._move("reissue", task, find=find, detail={"generation": generation})
            if given is not None:
                self._ward.issued[task.id] = generation
                task.token = given.get("entry", {}).get("token")
            await self._see_again(task)
        return True

    async def cancel(self) -> bool:
        with self._holding(self._some_live().take(self._rng)) as task:
            if task is None:
                return False
            reason = self._rng.choice(("moved_away", "in_hospital", "withdrew"))
            find = partial(self._task_where, task, lambda seen: seen["reason"] == reason)
            await self._move("cancel", task, body={"reason": reason}, find=find, detail={"reason": reason})
            await self._see_again(task)
        return True

    async def _move(
        self,
        kind: str,
        task: Task,
        *,
        find: Callable[[], Awaitable[Any]],
        body: Any = None,
        detail: dict[str, Any] | None = None,
    ) -> Any:
        path = f"/plans/tasks/{task.id}/{kind}"
        return await self._calls.carry_out(
            Intent(kind, self._ward.tenant, path, body, subject=task.id, detail=detail or {}, find=find)
        )

    async def _read_link(self, task: Task) -> None:
        shown = await self._calls.read("read_link", self._ward.tenant, f"/plans/tasks/{task.id}/entry")
        if shown is not None and shown.is_success:
            task.token = shown.data["token"]
            query = {"token": task.token, "task_id": str(task.id)}
            await self._calls.read("read_entry", self._ward.tenant, "/entries", public=True, **query)

    async def _submit(self, task: Task, token: str) -> None:
        assessment_id = f"a-{self._new_key()}"
        body = {"token": token, "task_id": str(task.id), "assessment_id": assessment_id}
        await self._calls.carry_out(
            Intent(
                "submit",
                self._ward.tenant,
                "/entries/submit",
                body,
                key=assessment_id,
                subject=task.id,
                detail={"assessment_id": assessment_id},
                by_key=True,
                public=True,
                told=_told_repeated,
            )
        )

    async def _see_again(self, task: Task) -> None:
        """Where the task may go on to be moved is for a reading to say; without one it is left alone."""
        seen = await self._calls.read("read_task", self._ward.tenant, f"/plans/tasks/{task.id}")
        pools = {"pending": self._ward.pending, "opened": self._ward.opened}
        pool = pools.get(seen.data["status"]) if seen is not None and seen.is_success else None
        if pool is None:
            self._ward.ended.add(task.id)
        else:
            pool.put(task)

    def _some_live(self) -> Pool[Task]:
        """The opened tasks or, as often, the pending ones; those there are, where there are none of the others."""
        opened, pending = self._ward.opened, self._ward.pending
        return opened if not pending or (opened and self._rng.random() < 0.5) else pending

    def _take_due(self) -> Task | None:
        """A pending task that is due and that the sweep may not have reached, or else any pending one."""
        pending, now = self._ward.pending, self._now()
        due = [task for task in pending.newest(_LOOKED_THROUGH) if task.planned_at <= now]
        return pending.pop(self._rng.choice(due).id) if due else pending.take(self._rng)

    @contextmanager
    def _holding(self, task: Task | None) -> Iterator[Task | None]:
        if task is None:
            yield None
            return
        self._ward.in_hand.add(task.id)
        try:
            yield task
        finally:
            self._ward.in_hand.discard(task.id)

    async def _task_where(self, task: Task, is_done: Callable[[Any], bool]) -> Any:
        seen = await self._found("task", f"/plans/tasks/{task.id}")
        return seen if is_done(seen) else None

    async def _reissued(self, task: Task, generation: int) -> Any:
        seen = await self._found("task", f"/plans/tasks/{task.id}/explain")
        times = sum(fact["fact"] == "reissued" for fact in seen["facts"])
        return {} if times + 1 >= generation else None


def _was_opened(task: Any) -> bool:
    return task["opened_at"] is not None


def _told_repeated(intent: Intent, writes: list[Write], data: Any) -> None:
    for write in writes:
        write.detail = {**write.detail, "repeated": data["repeated"]}
