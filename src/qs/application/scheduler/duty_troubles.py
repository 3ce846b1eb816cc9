"""Which duties staff should hear of: those that fail, and those whose clock is late."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from qs.application.scheduler.ports import SchedulerUnitOfWorkFactory
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.duty import Duty
from qs.domain.scheduler.duty_trouble import DutyTrouble, lateness

_LOOKS_WITHIN = timedelta(minutes=2)


class DutyTroubles:
    """Only what the clock fires is looked at: whoever runs a duty over HTTP or in a terminal gets the answer himself."""

    def __init__(
        self, duties: Sequence[Duty], unit_of_work: SchedulerUnitOfWorkFactory, *, internal_clock: bool
    ) -> None:
        """Without ``internal_clock`` there is nothing to look at."""
        self._duties = tuple(duties)
        self._unit_of_work = unit_of_work
        self._internal_clock = internal_clock
        self._looked_at: datetime | None = None
        self._watching_since: datetime | None = None

    async def look(self) -> list[DutyTrouble]:
        """What is wrong at this moment.

        While timed firing is stopped for everybody no duty is late, nor for what passed while this process did not look:
        after an outage it may look before the clock has had a chance.
        """
        if not self._internal_clock:
            return []
        names = [duty.name for duty in self._duties]
        async with self._unit_of_work(PLATFORM_TENANT) as uow:
            firing, since = await uow.switch.firing()
            newest = await uow.slots.newest(names) if firing else {}
            now = await uow.system_now()
            failing = await uow.executions.failing(names)
        owed_since = max(filter(None, (since, self._watched_since(now))))
        late = [lateness(duty, newest.get(duty.name), owed_since, now) for duty in self._duties]
        failed = [
            DutyTrouble(duty.name, duty.id, str(run.last_id), run.length, error=run.error)
            for duty in self._duties
            if (run := failing.get(duty.name)) is not None
        ]
        return [*failed, *(each for each in late if each is not None)]

    def _watched_since(self, now: datetime) -> datetime:
        if self._looked_at is None or now - self._looked_at > _LOOKS_WITHIN:
            self._watching_since = now
        self._looked_at = now
        return self._watching_since or now
