"""Why the scheduler context says no. One class per cause."""

from collections.abc import Sequence
from uuid import UUID

from qs.domain.kernel.errors import Absent, Invalid, Problem, QsError, Refused, Unavailable


class ExecutionAbsent(Absent):
    code = "execution.absent"
    sentence = "there is no such execution; check the id"


class DutyUnbound(QsError):
    """A duty has a name and a timing, and nobody said what it does."""

    code = "duty.unbound"

    def __init__(self, name: str) -> None:
        super().__init__(f"duty {name} is not bound to any work, so it cannot run; bind it in the container")


class TooManyWaiting(Unavailable):
    """This process holds as many background executions as it may."""

    code = "execution.too_many_waiting"
    sentence = (
        "too many executions wait in this process already, so no more are taken; ask again in a moment, "
        "or without async"
    )


class ShuttingDown(Unavailable):
    code = "execution.shutting_down"
    sentence = "this process is stopping and takes no new executions; ask again in a moment"


class JobAbsent(Absent):
    code = "job.absent"
    sentence = "there is no such job; check the id or the name"


class JobNameTaken(Refused):
    code = "job.name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a job named {name!r} already; change that one, or choose another name")


class JobReadOnly(Refused):
    """A job is written down elsewhere, and would be put back from there."""

    code = "job.read_only"

    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"the job {name!r} is {where}, so it cannot be changed here; change it there")


class ChainCycle(Invalid):
    code = "job.chain_cycle"

    def __init__(self, way: Sequence[str]) -> None:
        self.way = tuple(way)
        told = " → ".join(way)
        super().__init__(
            [Problem("/chain", f"must not lead back to the job it began at ({told})")],
            f"these jobs would start one another for ever: {told}; leave one link out",
        )


class JobBusy(Refused):
    """A job that must not run beside itself is active."""

    code = "job.busy"

    def __init__(self, name: str, execution_id: UUID) -> None:
        self.execution_id = execution_id
        super().__init__(
            f"the job {name!r} is running already (execution {execution_id}); wait for its end, cancel it, or run "
            "with force=true"
        )


class JobDisabled(Refused):
    code = "job.disabled"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the job {name!r} is disabled, so messages do not run it; enable it, or run it by hand"
        )


class RequestKeyTaken(Refused):
    code = "job_request.key_taken"
    sentence = (
        "the idempotency_key belongs to a request with other content, so nothing was run; use a new key"
    )


class RequestInHand(Unavailable):
    """Two messages with one key were handled at once, and this one lost."""

    code = "job_request.in_hand"
    sentence = "a request with this idempotency_key is being carried out; it is looked at again in a moment"


class ExecutionOver(Refused):
    code = "execution.over"

    def __init__(self, execution_id: UUID, status: str) -> None:
        super().__init__(
            f"the execution {execution_id} is {status} already, so this cannot change it any more"
        )


class ExecutionNotOver(Refused):
    code = "execution.not_over"

    def __init__(self, execution_id: UUID, status: str) -> None:
        super().__init__(f"the execution {execution_id} is {status}; cancel it or wait for its end first")


class ExecutionNotAwaited(Refused):
    code = "execution.not_awaited"

    def __init__(self, execution_id: UUID) -> None:
        super().__init__(
            f"the execution {execution_id} does not wait for a report: it has not begun, or its worker tells by itself "
            "how it ended; only jobs with async: true are reported on"
        )


class JobBroken(Refused):
    code = "job.config_error"

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(
            f"the job {name!r} cannot be carried out as it is written ({detail}); correct it first"
        )


class CalendarAbsent(Absent):
    code = "calendar.absent"
    sentence = "there is no calendar of that name; check the name"


class CalendarNameTaken(Refused):
    code = "calendar.name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is a calendar named {name!r} already; change that one, or choose another name"
        )


class NodeAbsent(Absent):
    code = "node.absent"
    sentence = "there is no such node; it may have ended, so list the nodes again"


class CalendarInUse(Refused):
    code = "calendar.in_use"

    def __init__(self, name: str, jobs: Sequence[str]) -> None:
        shown = ", ".join(repr(job) for job in jobs[:5]) + (" and others" if len(jobs) > 5 else "")
        super().__init__(f"the calendar {name!r} is followed by {shown}; change these jobs first")
