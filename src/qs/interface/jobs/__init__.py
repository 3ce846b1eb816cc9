"""The builtins of this installation, registered in one place; docs/howto/write-a-builtin-job.md says how to add one."""

from qs.application.scheduler.builtins import Registration
from qs.interface.jobs.cleanup import CleanupJob
from qs.interface.jobs.daily_report import DailyReport
from qs.interface.jobs.daily_stats import daily_stats
from qs.interface.jobs.hello import HelloJob

REGISTRATIONS: tuple[Registration, ...] = (
    Registration(HelloJob),
    Registration(CleanupJob, needs={"retention": "retention"}),
    daily_stats,
    Registration.of(DailyReport),
)
