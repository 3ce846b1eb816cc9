"""The port that derives entry links."""

from datetime import datetime
from typing import Protocol

from qs.domain.plan.entry import Entry
from qs.domain.plan.task import AssessmentTask


class EntryGenerator(Protocol):
    """Derives links by a keyed function from (task, generation)."""

    def generate(self, task: AssessmentTask, now: datetime, ttl_days: int) -> Entry:
        """The first entry of a task that opens at ``now``; it lives ``ttl_days`` calendar days in the task's zone."""
        ...

    def regenerate(self, task: AssessmentTask) -> Entry:
        """The next generation of an opened task's entry; the expiry stays."""
        ...

    def show(self, task: AssessmentTask) -> Entry:
        """The present entry of an opened task, for reminders and those who may read links.

        Raises:
            TaskNotOpen; LinkUnreadable: the key that made it is no longer configured.
        """
        ...

    def generation_of(self, task: AssessmentTask, token: str) -> int | None:
        """Which generation of the task's links the token belongs to, compared in constant time; None if to none.

        A link whose key is no longer configured is never recognised.
        """
        ...
