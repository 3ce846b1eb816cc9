"""How long those with little to do wait behind one with much."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from bench import seeding
from qs.application.plan.scheduling import TaskScheduling
from qs.application.plan.sweep_report import SweepReport

# What a batch opened is in the audit record of its transaction, and records are in the order of their writing.
_BATCHES = """
SELECT tenant_id, (detail->>'count')::int AS opened FROM audit WHERE action = 'tasks.open' ORDER BY at, id
"""


@dataclass(frozen=True, slots=True)
class Fairness:
    """What a sweep over everybody came to; ``ahead`` is how many tasks of the large tenant it opened before the last
    one of the small tenants, and ``waited_s`` when that was, of the ``took_s`` that it took in all."""

    report: SweepReport
    ahead: int
    waited_s: float
    took_s: float


async def one_large_among_small(
    admin: asyncpg.Connection, *, large: int, small: int, each: int
) -> tuple[UUID, Sequence[UUID]]:
    """A tenant with ``large`` due tasks and ``small`` tenants with ``each``, whose tasks are the youngest."""
    first = await seeding.tenant(admin, "large")
    await seeding.tasks(admin, first, large, 0)
    others = [await seeding.tenant(admin, f"small-{number}") for number in range(small)]
    for tenant_id in others:
        await seeding.tasks(admin, tenant_id, each, 0)
    return first, others


async def swept(
    admin: asyncpg.Connection, scheduling: TaskScheduling, large: UUID, small: int, **options: Any
) -> Fairness:
    """Sweeps every tenant, and finds out when the last of ``small`` tasks of others was opened."""
    began = time.monotonic()
    moments: list[tuple[int, float]] = []
    report = await scheduling.sweep(
        None,
        on_progress=lambda so_far: moments.append((so_far.opened, time.monotonic() - began)),
        **options,
    )
    took = time.monotonic() - began
    ahead, opened, left = 0, 0, small
    for tenant_id, count in await admin.fetch(_BATCHES):
        opened += count
        if tenant_id == large:
            ahead += count
        else:
            left -= count
        if left <= 0:
            break
    assert left == 0, f"{left} tasks of small tenants were not opened"
    waited = next(at for so_far, at in moments if so_far >= opened)
    return Fairness(report, ahead, waited, took)
