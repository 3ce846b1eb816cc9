"""What becomes of a run of a job that may be active already."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from qs.domain.scheduler.policies import Overlap, OverlapPolicy


class Admission(StrEnum):
    """``wait``: behind what is active, until it has ended."""

    RUN = "run"
    WAIT = "wait"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Admitted:
    """``blocked_by`` is the run in the way; ``replaces`` are the runs that have to stop for this one."""

    admission: Admission
    blocked_by: UUID | None = None
    replaces: Sequence[UUID] = ()


class Occupancy:
    """The active runs of one job, while further runs are admitted one after the other, the oldest first."""

    def __init__(self, working: Sequence[UUID], waiting: Sequence[UUID], overlap: Overlap) -> None:
        self._working = list(working)
        self._waiting = list(waiting)
        self._overlap = overlap

    def admit(self, execution_id: UUID, *, in_turn: bool = False) -> Admitted:
        """What becomes of this run; ``in_turn`` lets it wait whatever the policy says, as what is caught up does."""
        overlap = self._overlap
        if (
            len(self._working) < overlap.side_by_side
            and not (in_turn and self._working)
            and not self._waiting
        ):
            self._working.append(execution_id)
            return Admitted(Admission.RUN)
        blocking = (self._working or self._waiting)[0]
        if in_turn:
            self._waiting.append(execution_id)
            return Admitted(Admission.WAIT, blocking)
        if overlap.policy is OverlapPolicy.REPLACE:
            replaced = [*self._working, *self._waiting]
            self._waiting = [execution_id]
            return Admitted(Admission.WAIT, blocking, replaced)
        if len(self._waiting) < overlap.may_wait:
            self._waiting.append(execution_id)
            return Admitted(Admission.WAIT, blocking)
        return Admitted(Admission.SKIP, blocking)
