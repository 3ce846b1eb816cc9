"""What whoever waits for an execution is told on stderr: each step once."""

from dataclasses import dataclass, field
from time import monotonic
from zoneinfo import ZoneInfo

from qs.domain.scheduler.job_execution import JobExecution, RunStatus
from qs.interface.cli.job_tables import clock_text, took_text
from qs.interface.cli.job_views import duration_ms
from qs.interface.cli.output import note

_UNTAKEN_FOR_S = 10.0


@dataclass(slots=True)
class Progress:
    """Tells of an execution whenever it stands somewhere else than before."""

    tz: ZoneInfo
    _told: str | None = field(default=None, init=False)
    _since: float = field(default=0.0, init=False)
    _wondered: bool = field(default=False, init=False)

    def __call__(self, execution: JobExecution) -> None:
        now = monotonic()
        told = self._step(execution)
        if told is not None and told != self._told:
            note(told)
            self._told, self._since = told, now
        elif self._untaken(execution) and now - self._since > _UNTAKEN_FOR_S and not self._wondered:
            self._wondered = True
            note("no worker has taken it yet; `qs worker --roles executions` starts one")

    def _step(self, execution: JobExecution) -> str | None:
        """Where it stands; of its end, which is told when all of its output was shown, nothing."""
        if execution.status is RunStatus.QUEUED:
            behind = "" if execution.available_at else f", behind execution {execution.blocked_by}"
            return f"execution {execution.id} of {execution.job_name} is queued{behind}"
        if execution.status is RunStatus.RETRYING:
            again = clock_text(execution.available_at, self.tz)
            return f"attempt {execution.attempt} failed ({execution.error}); the next begins at {again}"
        if execution.status is RunStatus.RUNNING and execution.awaited:
            return "it was handed over, and its outcome is to be reported"
        if execution.status is RunStatus.RUNNING:
            return f"attempt {execution.attempt} runs on {execution.worker}"
        return None

    def _untaken(self, execution: JobExecution) -> bool:
        return execution.status is RunStatus.QUEUED and execution.available_at is not None


def ending(execution: JobExecution) -> str:
    """How it ended, after how long, and why; of one that has not ended, who has it now."""
    if execution.status.is_active:
        whose = "waits for its outcome to be reported" if execution.awaited else "is somebody else's now"
        return f"execution {execution.id} {whose}; `qs job logs {execution.id} -f` follows it"
    took = duration_ms(execution)
    after = "" if took is None else f" after {took_text(took)}"
    why = f": {execution.error}" if execution.error else ""
    return f"execution {execution.id} {execution.status.value.replace('_', ' ')}{after}{why}"
