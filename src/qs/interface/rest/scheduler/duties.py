"""The duties of qs, shown among the jobs: they have ids and executions like these, and nobody writes them."""

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from qs.application.scheduler.reading import DutyReading, DutyState
from qs.domain.kernel.errors import Refused
from qs.domain.scheduler.duty import Duty
from qs.domain.scheduler.triggers import (
    Language,
    Occurrence,
    TriggerKind,
    TriggerSpec,
    preview,
    read_trigger,
    words,
)
from qs.domain.scheduler.triggers.trigger import Trigger

_RUN_BY = {
    "sweep": "POST /api/v1/plans/tasks/schedule",
    "expiry": "POST /api/v1/plans/tasks/expire",
    "sync-daily": "POST /api/v1/statistics/sync/daily",
    "sync-accumulated": "POST /api/v1/statistics/sync/accumulated",
    "sync-plan": "POST /api/v1/statistics/sync/plan",
    "validate": "POST /api/v1/statistics/validate",
    "retention": "POST /api/v1/retention",
}


class DutyReadOnly(Refused):
    """A duty of qs is timed by its settings and run by routes of its own."""

    code = "job.read_only"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is a duty of qs, timed by its settings, so it is not changed or run here; {_RUN_BY[name]} runs it"
        )


def duty_of(reading: DutyReading, job_id: UUID) -> Duty | None:
    """The duty of that id."""
    return next((duty for duty in reading.duties if duty.id == job_id), None)


def refuse_duty(reading: DutyReading, job_id: UUID) -> None:
    """Raises DutyReadOnly where the id is a duty's."""
    if (duty := duty_of(reading, job_id)) is not None:
        raise DutyReadOnly(duty.name)


async def duty_state(reading: DutyReading, tenant_id: UUID, duty: Duty) -> DutyState:
    """The duty with when it runs next and ran last."""
    return next(state for state in await reading.jobs(tenant_id) if state.duty.id == duty.id)


def duty_words(duty: Duty, language: Language) -> str:
    """When the duty is due, in one phrase."""
    return words(_trigger(duty), language)


def duty_slots(duty: Duty, state: DutyState, count: int) -> Sequence[Occurrence]:
    """Its next slots; none while the internal clock is off."""
    if state.next_run is None:
        return []
    return preview(_trigger(duty), state.next_run - state.next_run.resolution, count)


@lru_cache(64)
def _trigger(duty: Duty) -> Trigger:
    timing = duty.timing
    spec = TriggerSpec(type=TriggerKind(timing.kind), schedule=timing.schedule, timezone=timing.timezone)
    return read_trigger(spec, job_id=duty.id, default_timezone="UTC")
