"""What somebody could have forgotten about the slots, leases and overlaps of jobs."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from qs.domain.scheduler.overlapping import Admission, Admitted, Occupancy
from qs.infra.scheduler import jobs, run_holding
from tests.proof.bugs_of_events import drop_constraint
from tests.proof.patching import reached, replace, rewrite, without


def no_unique_job_slot() -> None:
    """Two clocks may take the same due job, and nothing keeps a slot from being claimed twice."""
    without(jobs, "_DUE", " FOR UPDATE SKIP LOCKED")
    without(jobs, "_CLAIM_SLOTS", "ON CONFLICT DO NOTHING ")


async def without_job_slot_key(connection: asyncpg.Connection) -> None:
    await drop_constraint(connection, "job_slot", "PRIMARY KEY (tenant_id, job_id, scheduled_at)")


def no_run_epoch() -> None:
    """Whoever once held an execution may end it."""
    without(run_holding, "_WRITE", " AND e.epoch = w.epoch")


def claimed_by_all() -> None:
    """Two workers may claim the same execution."""
    rewrite(run_holding, "_CLAIM", (" FOR UPDATE SKIP LOCKED", ""))


def beside_itself() -> None:
    """Nobody asks whether the job is active already."""

    def admit(self: Occupancy, execution_id: UUID, *, in_turn: bool = False) -> Admitted:
        reached()
        return Admitted(Admission.RUN)

    replace(Occupancy, "admit", admit)


Prepare = Callable[[asyncpg.Connection], Awaitable[None]]

BUGS_OF_JOBS: dict[str, tuple[Callable[[], None], Prepare | None]] = {
    "no-unique-job-slot": (no_unique_job_slot, without_job_slot_key),
    "no-run-epoch": (no_run_epoch, None),
    "claimed-by-all": (claimed_by_all, None),
    "beside-itself": (beside_itself, None),
}
