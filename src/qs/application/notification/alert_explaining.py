"""Where staff find out more about an alert: a command for a terminal and a path of the API."""

from collections.abc import Mapping
from dataclasses import dataclass

from qs.domain.notification.alerts import AlertKind


@dataclass(frozen=True, slots=True)
class Explanation:
    """``path`` is below the server's address; None where the API shows no more than the alert itself."""

    command: str
    path: str | None


ALL_ALERTS = Explanation("qs alerts list", "/api/v1/alerts?status=open")


def explanation(kind: AlertKind, subject: str, facts: Mapping[str, str]) -> Explanation:
    """What shows how it came to that alert, or mends it."""
    match kind:
        case AlertKind.MISSED_IN_A_ROW | AlertKind.MISSED_OPENINGS:
            task_id = facts["task_id"]
            return Explanation(f"qs task explain {task_id}", f"/api/v1/plans/tasks/{task_id}/explain")
        case AlertKind.DUTY_FAILING | AlertKind.DUTY_LATE:
            return Explanation("qs scheduler status", f"/api/v1/scheduler/jobs/{facts['job_id']}")
        case AlertKind.JOB_FAILING:
            return Explanation(f"qs job executions {subject}", f"/api/v1/scheduler/jobs/{facts['job_id']}")
        case AlertKind.NOTIFICATIONS_DEAD:
            return Explanation(
                f"qs notifications list --status dead --channel {subject}",
                f"/api/v1/notifications?status=dead&channel={subject}",
            )
        case AlertKind.EVENTS_DEAD:
            return Explanation(f"qs events replay --dead {subject}", None)
        case AlertKind.WEBHOOK_DISABLED:
            return Explanation(f"qs webhooks show {subject}", f"/api/v1/webhooks/{subject}")
