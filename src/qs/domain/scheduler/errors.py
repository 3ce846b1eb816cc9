"""Why the scheduler context says no. One class per cause."""

from qs.domain.kernel.errors import Absent, QsError, Unavailable


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
