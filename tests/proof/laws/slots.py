"""I7: each slot of a duty fires once, and only who holds an execution ends it."""

from tests.support.laws import Law, query

_FINAL = "('succeeded', 'failed', 'lost')"
_ALWAYS = (
    Law("I7", "format('%s has %s slots at %s', name, n, scheduled_at)",
        "(SELECT tenant_id, name, scheduled_at, count(*) AS n FROM slot GROUP BY tenant_id, name, scheduled_at) s", "n > 1"),
    Law("I7", "format('the slot of %s at %s fired no execution of its own: %s', s.name, s.scheduled_at, s.execution_id)",
        "slot s LEFT JOIN execution e ON e.tenant_id = s.tenant_id AND e.id = s.execution_id",
        "s.outcome = 'fired' AND (e.name, e.scheduled_at, e.fired_by, e.attempt)"
        " IS DISTINCT FROM (s.name, s.scheduled_at, 'clock', 1)"),
    Law("I7", "format('execution %s of %s was fired by the clock at %s without its slot', e.id, e.name, e.scheduled_at)",
        "execution e LEFT JOIN slot s ON s.execution_id = e.id AND s.outcome = 'fired'",
        "e.fired_by = 'clock' AND e.attempt = 1 AND s.execution_id IS NULL"),
    Law("I7", "format('%s at %s was tried %s times as attempts %s, %s of which succeeded', name, scheduled_at, n, attempts, won)",
        "(SELECT name, scheduled_at, count(*) AS n, max(attempt) AS top, count(DISTINCT attempt) AS different,"
        " string_agg(attempt::text, ', ' ORDER BY attempt) AS attempts, count(*) FILTER (WHERE status = 'succeeded') AS won"
        " FROM execution WHERE fired_by = 'clock' GROUP BY tenant_id, name, scheduled_at) c",
        "won > 1 OR n <> different OR top <> n"),
    Law("I7", "format('execution %s of %s is retried as %s, which is not its next attempt', e.id, e.name, e.retried_as)",
        "execution e LEFT JOIN execution n ON n.tenant_id = e.tenant_id AND n.id = e.retried_as",
        "e.retried_as IS NOT NULL AND (e.status <> 'lost' OR (n.name, n.attempt, n.scheduled_at)"
        " IS DISTINCT FROM (e.name, e.attempt + 1, e.scheduled_at))"),
    Law("I7", "format('executions are retried as %s %s times', retried_as, n)",
        "(SELECT retried_as, count(*) AS n FROM execution WHERE retried_as IS NOT NULL GROUP BY retried_as) r", "n > 1"),
    # An epoch ends when an execution is taken from its holder, and nobody holds it after that.
    Law("I7", "format('execution %s of %s is %s in epoch %s: whoever ended it did not hold it', id, name, status, epoch)",
        "execution", "(status = 'lost') <> (epoch > 1)"),
    Law("I7", "format('execution %s of %s is %s and has the instants of another state', id, name, status)",
        "execution", f"(status IN {_FINAL}) <> (finished_at IS NOT NULL)"
        " OR status IN ('running', 'succeeded') AND started_at IS NULL OR started_at > finished_at"),
)  # fmt: skip
# By the instant of the snapshot: what is renewed while the other laws are looked at is not seen, however long that takes.
_QUIET = (
    Law("I7", "format('execution %s of %s is left %s', id, name, status)", "execution",
        f"status NOT IN {_FINAL} AND lease_until < transaction_timestamp()"),
)  # fmt: skip


def statement(*, quiet: bool) -> str:
    """The query that finds what breaks I7.

    Once it is quiet nothing is left open by somebody who died; what the clock fired just now is held and may run.
    """
    return query((*_ALWAYS, *(_QUIET if quiet else ())))
