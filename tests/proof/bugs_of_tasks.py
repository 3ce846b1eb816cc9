"""What somebody could have forgotten where tasks move and resources are created."""

from datetime import datetime
from typing import Any

import asyncpg

from qs.application.plan.authoring import PlanAuthoring
from qs.application.plan.keeping import TesteeKeeping
from qs.application.plan.ports import Lock
from qs.domain.kernel.errors import QsError
from qs.domain.plan import errors
from qs.domain.plan.task import AssessmentTask, TaskStatus
from qs.infra.plan import due, tasks
from qs.infra.plan.tasks import SqlTaskRepository
from qs.infra.postgres.committing import commit
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from tests.proof.patching import reached, replace, replace_call, rewrite, without

_SKIP_LOCKED = " FOR UPDATE OF t SKIP LOCKED"


def no_skip_locked() -> None:
    """The sweep claims without a lock, and trusts its claim when it writes.

    The write's own look at version and status would stop the second sweep, so it goes as well.
    """
    for claim in ("_first", "_next"):
        without(due._CLAIM_OPENABLE, claim, _SKIP_LOCKED)
    without(due, "_SAVE_OPENED", " AND t.version = u.version AND t.status = 'pending'")


def no_version() -> None:
    """A task is written without looking at its version or raising it.

    The row lock of every move would make the second mover wait and look again, so it goes as well.
    """
    without(tasks, "_SAVE", " AND t.version = u.version", ", version = t.version + 1")

    async def get(self: SqlTaskRepository, task_id: Any, lock: Lock = Lock.NONE) -> Any:
        return await look(self, task_id)

    look = replace_call(SqlTaskRepository, "get", get)


def unscoped() -> None:
    """The sweep's statements do not ask for the tenant.

    Row-level security would hide the others' tasks, so its policies let everything pass as well.
    """
    for claim in ("_first", "_next"):
        without(due._CLAIM_OPENABLE, claim, "t.tenant_id = :tenant AND ")
    without(due, "_ACTIVE_PLANS", "tenant_id = :tenant AND ")
    without(due, "_SAVE_OPENED", "t.tenant_id = :tenant AND ")


async def without_row_level_security(connection: asyncpg.Connection) -> None:
    for table in ("task", "plan", "enrollment", "outbox"):
        await connection.execute(
            f"CREATE POLICY all_of_them ON {table} TO qs_app USING (true) WITH CHECK (true)"
        )


def expires_when_due() -> None:
    """An entry ends when its task was due, which for a task that opened late is before its time.

    The task itself would refuse, so it no longer asks whether its entry ran out.
    """
    for claim in ("_first", "_next"):
        rewrite(due._CLAIM_EXPIRABLE, claim, ("t.expires_at <= :until", "t.due_at <= :until"))

    def expire(self: AssessmentTask, now: datetime, by: str | None = None) -> bool:
        reached()
        if self.status is not TaskStatus.OPENED:
            raise errors.TaskTransitionRefused(self.id, self.status, "expire")
        self._expire("manual" if by else "entry_timeout", now, by)
        return True

    replace(AssessmentTask, "expire", expire)


def blind_retry() -> None:
    """What failed at its commit is done once more, without looking whether it was done."""

    def twice(once: Any) -> Any:
        async def create(*arguments: Any, **named: Any) -> Any:
            try:
                return await once(*arguments, **named)
            except QsError:
                raise
            except Exception:  # noqa: BLE001 - this is the mistake
                reached()
                return await once(*arguments, **named)

        return create

    replace(TesteeKeeping, "create", twice(TesteeKeeping.create))
    replace(PlanAuthoring, "create", twice(PlanAuthoring.create))


def key_apart() -> None:
    """The transaction of the work does not mark its idempotency key, which only the answer does."""

    async def commit_alone(self: SqlUnitOfWork, at: str) -> None:
        await commit(self.connection, at)

    replace_call(SqlUnitOfWork, "commit", commit_alone)
