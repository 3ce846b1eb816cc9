"""I7 for jobs: each slot fires once, only who holds an execution ends it, and nothing runs beside itself that must not."""

from tests.support.laws import Law, query

_ACTIVE = "('queued', 'running', 'retrying')"
_NEVER_BEGAN = "('skipped', 'missed', 'expired')"
_ALWAYS = (
    Law("I7", "format('job %s has %s executions of its slot at %s', job_id, n, scheduled_at)",
        "(SELECT job_id, scheduled_at, count(*) AS n FROM job_execution WHERE fired_by = 'clock'"
        " GROUP BY tenant_id, job_id, scheduled_at) e", "n > 1"),
    Law("I7", "format('the slot of job %s at %s has no execution of its own: %s', s.job_id, s.scheduled_at, s.execution_id)",
        "job_slot s LEFT JOIN job_execution e ON e.tenant_id = s.tenant_id AND e.id = s.execution_id",
        "(e.job_id, e.scheduled_at, e.fired_by) IS DISTINCT FROM (s.job_id, s.scheduled_at, 'clock')"),
    Law("I7", "format('execution %s of job %s was fired by the clock at %s without its slot', e.id, e.job_id, e.scheduled_at)",
        "job_execution e LEFT JOIN job_slot s ON s.tenant_id = e.tenant_id AND s.execution_id = e.id",
        "e.fired_by = 'clock' AND s.execution_id IS NULL"),
    Law("I7", "format('execution %s says %s attempts, and %s were begun', e.id, e.attempt, coalesce(a.n, 0))",
        "job_execution e LEFT JOIN (SELECT tenant_id, execution_id, count(*) AS n, max(number) AS top FROM job_attempt"
        " GROUP BY tenant_id, execution_id) a ON a.tenant_id = e.tenant_id AND a.execution_id = e.id",
        "e.attempt <> coalesce(a.n, 0) OR e.attempt <> coalesce(a.top, 0)"),
    # Every taking away begins an epoch of its own; who ends an execution does so in the last one.
    Law("I7", "format('execution %s is in epoch %s after %s attempts, %s of them lost', id, epoch, attempt, lost_attempts)",
        "job_execution", "status IN ('succeeded', 'failed') AND epoch <> attempt + lost_attempts"),
    Law("I7", "format('execution %s is %s, and its attempts ended as %s', e.id, e.status, a.ends)",
        "job_execution e JOIN (SELECT tenant_id, execution_id, count(*) FILTER (WHERE outcome = 'succeeded') AS won,"
        " string_agg(coalesce(outcome, 'open'), ', ' ORDER BY number) AS ends FROM job_attempt"
        " GROUP BY tenant_id, execution_id) a ON a.tenant_id = e.tenant_id AND a.execution_id = e.id",
        "a.won <> (e.status = 'succeeded')::int"),
    Law("I7", "format('execution %s is %s and has the instants of another state', id, status)", "job_execution",
        f"(status IN {_ACTIVE}) <> (finished_at IS NULL) OR started_at > finished_at"
        f" OR status IN {_NEVER_BEGAN} AND started_at IS NOT NULL"),
    Law("I7", "format('attempt %s of execution %s began before the one before it had ended', a.number, a.execution_id)",
        "job_attempt a JOIN job_attempt b ON b.tenant_id = a.tenant_id AND b.execution_id = a.execution_id"
        " AND b.number = a.number - 1", "b.finished_at IS NULL OR b.finished_at > a.started_at"),
    # What was lost may still be at work somewhere; everything else that must not run beside itself did not.
    Law("I7", "format('executions %s and %s of job %s were active at once', a.id, b.id, a.job_id)",
        "job_execution a JOIN job_execution b ON b.tenant_id = a.tenant_id AND b.job_id = a.job_id AND b.id > a.id"
        " JOIN job j ON j.tenant_id = a.tenant_id AND j.id = a.job_id",
        "j.definition #>> '{policies,overlap,policy}' <> 'allow' AND a.started_at IS NOT NULL AND b.started_at IS NOT NULL"
        " AND b.started_at < coalesce(a.finished_at, 'infinity') AND a.started_at < coalesce(b.finished_at, 'infinity')"),
    Law("I7", "format('job %s fired at %s although its clock stands at %s', e.job_id, e.scheduled_at, j.next_slot)",
        "job_execution e JOIN job j ON j.tenant_id = e.tenant_id AND j.id = e.job_id",
        "e.fired_by = 'clock' AND e.scheduled_at >= j.next_slot"),
    Law("I7", "format('job %s counts %s runs, and %s slots were fired', j.id, j.runs, coalesce(e.n, 0))",
        "job j LEFT JOIN (SELECT tenant_id, job_id, count(*) AS n FROM job_execution WHERE fired_by = 'clock'"
        " AND status <> 'missed' GROUP BY tenant_id, job_id) e ON e.tenant_id = j.tenant_id AND e.job_id = j.id",
        "j.runs <> coalesce(e.n, 0)"),
)  # fmt: skip
_QUIET = (
    Law("I7", "format('execution %s of job %s is left %s', id, job_id, status)", "job_execution",
        f"status IN {_ACTIVE}"),
)  # fmt: skip


def statement(*, quiet: bool) -> str:
    """The query that finds what breaks I7 about jobs; once it is quiet and no job fires, nothing is left open."""
    return query((*_ALWAYS, *(_QUIET if quiet else ())))
