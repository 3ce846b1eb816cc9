from datetime import UTC, datetime
from uuid import UUID

import pytest

from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.execution import Execution, ExecutionStatus, FiredBy


def execution(**fields: object) -> Execution:
    given = {
        "id": UUID(int=1),
        "tenant_id": DEFAULT_TENANT,
        "name": "sweep",
        "fired_by": FiredBy.HTTP,
        "actor": "user:anna",
        "status": ExecutionStatus.LOST,
        "detached": True,
    }
    return Execution(**(given | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fired_by", "detached", "attempt", "again"),
    [
        (FiredBy.CLOCK, True, 1, True),
        (FiredBy.CLOCK, True, 4, True),
        (FiredBy.CLOCK, True, 5, False),
        (FiredBy.HTTP, True, 1, True),
        (FiredBy.HTTP, True, 2, False),
        (FiredBy.HTTP, False, 1, False),
        (FiredBy.CLI, False, 1, False),
    ],
)
def test_a_loss_is_answered_by_another_try_where_nobody_waited_and_few_were_made(
    fired_by: FiredBy, detached: bool, attempt: int, again: bool
):
    lost = execution(fired_by=fired_by, detached=detached, attempt=attempt)

    assert lost.deserves_another_try is again


def test_a_successor_is_the_same_firing_held_by_somebody_else():
    slot = datetime(2026, 7, 1, 11, tzinfo=UTC)
    lost = execution(
        parameters={"limit": 5}, scheduled_at=slot, attempt=2, epoch=3, worker="a", result={"opened": 1}
    )

    successor = lost.successor(UUID(int=2), "b")

    assert successor == execution(
        id=UUID(int=2),
        status=ExecutionStatus.RUNNING,
        parameters={"limit": 5},
        scheduled_at=slot,
        attempt=3,
        worker="b",
    )
