"""What a sweep answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from qs.domain.plan.task import AssessmentTask

SHOWN_TASKS = 20
SHOWN_ERRORS = 100


class Phase(StrEnum):
    EXPIRE = "expire"
    OPEN = "open"
    MISS = "miss"


ALL_PHASES = (Phase.EXPIRE, Phase.OPEN, Phase.MISS)


@dataclass(slots=True)
class SweepReport:
    """Counts of one sweep; ``remaining`` is what was still due when it stopped early."""

    before: datetime
    status: str = "done"
    opened: int = 0
    expired: int = 0
    missed: int = 0
    failed: int = 0
    remaining: int = 0
    duration_ms: int = 0
    tasks: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)

    @property
    def moved(self) -> int:
        return self.opened + self.expired + self.missed

    def note(self, phase: Phase, tasks: Sequence[AssessmentTask]) -> None:
        """Counts moved tasks and shows the first twenty."""
        if phase is Phase.OPEN:
            self.opened += len(tasks)
        elif phase is Phase.EXPIRE:
            self.expired += len(tasks)
        else:
            self.missed += len(tasks)
        for task in tasks[: max(0, SHOWN_TASKS - len(self.tasks))]:
            self.tasks.append(
                {
                    "id": str(task.id),
                    "plan_id": str(task.plan_id),
                    "seq": task.seq,
                    "status": task.status.value,
                }
            )

    def note_failure(self, task_id: UUID, code: str, detail: str) -> None:
        """Counts a task that could not be moved and shows the first hundred of them."""
        self.failed += 1
        if len(self.errors) < SHOWN_ERRORS:
            self.errors.append({"task_id": str(task_id), "error": code, "detail": detail})

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, in the shape external schedulers read."""
        return {
            "status": self.status,
            "before": self.before.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "opened": self.opened,
            "expired": self.expired,
            "missed": self.missed,
            "failed": self.failed,
            "remaining": self.remaining,
            "duration_ms": self.duration_ms,
            "tasks": self.tasks,
            "total_count": self.moved,
            "page": 1,
            "page_size": SHOWN_TASKS,
            "errors": self.errors,
        }
