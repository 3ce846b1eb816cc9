"""What tasks, enrollments, plans and testees must say of themselves, and the outbox of them, as one query.

The events of a subject, one letter each in the order in which they were recorded, spell its life.
"""

from tests.support.laws import Law, query

LETTERS = {
    "TaskOpened": "O",
    "TaskCompleted": "C",
    "TaskExpired": "X",
    "TaskCanceled": "K",
    "TaskRescheduled": "S",
    "EntryReissued": "R",
    "EnrollmentJoined": "B",
    "EnrollmentPaused": "P",
    "EnrollmentResumed": "U",
    "EnrollmentTerminated": "T",
    "EnrollmentClosed": "C",
    "PlanCreated": "B",
    "PlanEdited": "E",
    "PlanPaused": "P",
    "PlanResumed": "U",
    "PlanFinished": "F",
    "PlanCanceled": "K",
    "TesteeErased": "Z",
    "WebhookEndpointDisabled": "D",
}
"""The letter of each event there is. A task that was missed has an M in place of its X."""

_LETTER = " ".join(f"WHEN '{name}' THEN '{letter}'" for name, letter in LETTERS.items())
# An occasion that could never be opened is canceled as it is made; no event tells of it.
_BORN_CANCELED = (
    "(t.canceled_at IS NOT DISTINCT FROM t.created_at AND t.reason IN ('late_enrollment', 'late_edit'))"
)

_PRELUDE = f"""
WITH told AS MATERIALIZED (
    SELECT id AS event_id, name, split_part(subject, '/', 1) AS kind, split_part(subject, '/', 2)::uuid AS id, ordinal,
        occurred_at,
        CASE WHEN name = 'TaskExpired' AND data ->> 'reason' = 'missed' THEN 'M' ELSE CASE name {_LETTER} END END AS letter,
        CASE WHEN name IN ('TaskExpired', 'TaskCanceled', 'EnrollmentTerminated') THEN data ->> 'reason' END AS reason,
        CASE WHEN name = 'TaskCompleted' THEN data ->> 'assessment_id' END AS answer,
        CASE WHEN name = 'EntryReissued' THEN (data ->> 'generation')::integer END AS generation,
        CASE WHEN name = 'TaskRescheduled' THEN (data ->> 'planned_before')::timestamptz END AS planned_before,
        CASE WHEN name = 'EnrollmentJoined' THEN (data ->> 'occasions')::integer END AS occasions
    FROM outbox
), life AS MATERIALIZED (
    SELECT min(kind) AS kind, id, string_agg(letter, '' ORDER BY ordinal) AS life,
        max(occurred_at) FILTER (WHERE letter = 'B') AS began_at,
        max(occurred_at) FILTER (WHERE letter = 'O') AS opened_at,
        max(occurred_at) FILTER (WHERE letter = 'P') AS paused_at,
        max(occurred_at) FILTER (WHERE letter = 'U') AS resumed_at,
        max(occurred_at) FILTER (WHERE letter IN ('C', 'X', 'M', 'K', 'T', 'F', 'Z')) AS ended_at,
        max(ordinal) FILTER (WHERE letter IN ('C', 'X', 'M', 'K', 'T', 'F', 'Z')) AS end_told,
        max(reason) AS reason, max(answer) AS answer, max(generation) AS generation,
        min(planned_before) AS planned_before, max(occasions) AS occasions
    FROM told GROUP BY id
), lived AS MATERIALIZED (
    SELECT t.id, t.enrollment_id, t.plan_id, t.seq, t.status, t.reason, t.planned_at, t.closes_at, t.opened_at,
        t.expires_at, t.completed_at, t.expired_at, t.canceled_at, t.assessment_id, t.version,
        cardinality(t.entry_keys) AS links,
        num_nonnulls(t.completed_at, t.expired_at, t.canceled_at) AS ends,
        coalesce(t.completed_at, t.expired_at, t.canceled_at) AS ended_at,
        CASE WHEN t.history = '[]' THEN 0
            ELSE jsonb_array_length(jsonb_path_query_array(t.history, '$[*] ? (@.fact == "rescheduled")')) END AS moves,
        t.history @> '[{{"fact": "expired", "reason": "manual"}}]' AS by_hand,
        (CASE WHEN t.opened_at IS NULL THEN '' ELSE 'O' END) || CASE
            WHEN t.status = 'completed' THEN 'C'
            WHEN t.status = 'expired' THEN CASE WHEN t.reason = 'missed' THEN 'M' ELSE 'X' END
            WHEN t.status = 'canceled' AND NOT {_BORN_CANCELED} THEN 'K'
            ELSE '' END AS meant,
        coalesce(l.life, '') AS life,
        translate(coalesce(l.life, ''), 'RS', '') AS core,
        l.opened_at AS told_opened_at, l.ended_at AS told_ended_at, l.reason AS told_reason, l.answer, l.generation,
        l.planned_before, l.end_told
    FROM task t LEFT JOIN life l ON l.kind = 'tasks' AND l.id = t.id
), tasks_of AS MATERIALIZED (
    SELECT t.enrollment_id, count(*) FILTER (WHERE t.status IN ('pending', 'opened')) AS live,
        count(*) FILTER (WHERE t.created_at = e.created_at
            AND NOT (t.reason IS NOT DISTINCT FROM 'late_enrollment' AND t.canceled_at = t.created_at)) AS first
    FROM task t JOIN enrollment e ON e.id = t.enrollment_id GROUP BY t.enrollment_id
), enrolled AS MATERIALIZED (
    SELECT e.id, e.status, e.tasks_left, e.created_at, e.paused_at, e.resumed_at, e.ended_at, e.reason, e.version,
        coalesce(l.life, '') AS life, l.began_at, l.paused_at AS told_paused_at, l.resumed_at AS told_resumed_at,
        l.ended_at AS told_ended_at, l.reason AS told_reason, l.occasions,
        coalesce(t.live, 0) AS live, coalesce(t.first, 0) AS first
    FROM enrollment e LEFT JOIN life l ON l.kind = 'enrollments' AND l.id = e.id
        LEFT JOIN tasks_of t ON t.enrollment_id = e.id
), planned AS MATERIALIZED (
    SELECT p.id, p.status, p.revision, p.created_at, p.paused_at, p.resumed_at, p.version, p.catch_up,
        coalesce(l.life, '') AS life, translate(coalesce(l.life, ''), 'E', '') AS core, l.began_at,
        l.paused_at AS told_paused_at, l.resumed_at AS told_resumed_at
    FROM plan p LEFT JOIN life l ON l.kind = 'plans' AND l.id = p.id
)
"""


def _count(letter: str, life: str = "life") -> str:
    return f"(length({life}) - length(translate({life}, '{letter}', '')))"


def _of_task(what: str) -> str:
    return f"format('task %s (%s) {what}', id, status)"


_LIVES_OF_TASKS = (
    Law("I1", "format('task %s (%s) left pending or ended more than once: %s', id, status, life)",
        "lived", "life !~ '^S*(M|K|OR*[CXK]?)?$'"),
    Law("I1", _of_task("has the instants of another state"), "lived", """
        (CASE status
            WHEN 'pending' THEN num_nonnulls(opened_at, expires_at) = 0 AND ends = 0 AND links = 0
            WHEN 'opened' THEN num_nonnulls(opened_at, expires_at) = 2 AND ends = 0 AND links > 0
            WHEN 'completed' THEN num_nonnulls(opened_at, completed_at, assessment_id) = 3 AND ends = 1
            WHEN 'expired' THEN num_nonnulls(expired_at, reason) = 2 AND ends = 1
                AND (reason = 'missed') = (opened_at IS NULL)
            ELSE num_nonnulls(canceled_at, reason) = 2 AND ends = 1 END) IS NOT TRUE"""),
    Law("I1", _of_task("ended before it was opened"), "lived", "opened_at > ended_at"),
    Law("I1", "format('task %s (%s) made the moves %s in %s versions', id, status, life, version)",
        "lived", "version - 1 < length(life)"),
    Law("I2", "format('task %s (%s) tells %s in its row and %s in its events', id, status, meant, core)",
        "lived", "core <> meant"),
    Law("I2", _of_task("moved at another instant, for another reason or with another answer than its events say"),
        "lived", """core = meant AND (told_opened_at IS DISTINCT FROM opened_at
            OR told_ended_at IS DISTINCT FROM CASE WHEN meant NOT IN ('', 'O') THEN ended_at END
            OR told_reason IS DISTINCT FROM CASE WHEN right(meant, 1) IN ('X', 'M', 'K') THEN reason END
            OR answer IS DISTINCT FROM CASE WHEN status = 'completed' THEN assessment_id END)"""),
    Law("I2", f"format('task %s (%s) has %s links and %s EntryReissued', id, status, links, {_count('R')})",
        "lived", f"greatest(links - 1, 0) <> {_count('R')} OR generation <> links"),
    Law("I2", f"format('task %s (%s) was moved %s times and has %s TaskRescheduled', id, status, moves, {_count('S')})",
        "lived", f"moves <> {_count('S')}"),
    Law("I6", _of_task("was opened outside its window"), "lived", "opened_at < planned_at OR opened_at >= closes_at"),
    Law("I6", _of_task("was opened for no time at all"), "lived", "expires_at <= opened_at"),
    Law("I6", _of_task("was completed after its entry ran out"), "lived", "completed_at >= expires_at"),
    Law("I6", _of_task("was completed and expired as well"), "lived", "life ~ 'C' AND life ~ '[XM]'"),
    Law("I6", _of_task("expired before its entry ran out"), "lived",
        "status = 'expired' AND reason = 'entry_timeout' AND expired_at < expires_at"),
    Law("I6", _of_task("was expired early by nobody"), "lived",
        "status = 'expired' AND reason NOT IN ('entry_timeout', 'missed') AND NOT (reason = 'manual' AND by_hand)"),
    # Where the plan asks for the latest occasion only, a newer one that is due closes an older one's window, also if it
    # was canceled afterwards. Where business time was set back, only the order of the events tells what came after.
    Law("I6", "format('task %s (%s) was missed before its window closed', t.id, t.status)", "lived t", """
        t.status = 'expired' AND t.reason = 'missed' AND (t.expired_at < t.closes_at OR t.closes_at IS NULL)
        AND NOT EXISTS (
            SELECT FROM lived n JOIN planned p ON p.id = n.plan_id
            WHERE n.enrollment_id = t.enrollment_id AND n.id <> t.id AND (p.catch_up = 'latest' OR p.revision > 1)
            AND least(n.planned_at, n.planned_before) <= t.expired_at
            AND (n.planned_at, n.seq) > (t.planned_at, t.seq)
            AND (n.canceled_at IS NULL OR n.canceled_at >= t.expired_at OR n.end_told > t.end_told))"""),
)  # fmt: skip
_LIVES_OF_OTHERS = (
    Law("I2", "format('%s has no place among the events the checker knows: %s', event_id, name)",
        "told", "letter IS NULL"),
    Law("I2", "format('%s/%s does not exist and has the events %s', l.kind, l.id, l.life)", "life l", """
        CASE l.kind WHEN 'tasks' THEN NOT EXISTS (SELECT FROM task t WHERE t.id = l.id)
            WHEN 'enrollments' THEN NOT EXISTS (SELECT FROM enrollment e WHERE e.id = l.id)
            WHEN 'plans' THEN NOT EXISTS (SELECT FROM plan p WHERE p.id = l.id)
            WHEN 'testees' THEN NOT EXISTS (SELECT FROM testee s WHERE s.id = l.id)
            -- An endpoint that was deleted takes nothing back.
            WHEN 'webhooks' THEN false
            ELSE true END"""),
    Law("I2", "format('webhook %s is disabled (%s) and no event says so', e.id, e.disabled_reason)", "webhook_endpoint e",
        """e.disabled_reason IN ('gone', 'failing') AND NOT EXISTS (SELECT FROM outbox o
            WHERE o.tenant_id = e.tenant_id AND o.name = 'WebhookEndpointDisabled' AND o.subject = 'webhooks/' || e.id)"""),
    Law("I2", "format('%s is told %s times to have been disabled', subject, times)",
        "(SELECT subject, count(*) AS times FROM outbox WHERE name = 'WebhookEndpointDisabled'"
        " GROUP BY subject, data::text) d", "times > 1"),
    # One whose tasks all fell into its pause is resumed and closed in one move.
    Law("I2", "format('enrollment %s (%s) has the events %s', id, status, life)", "enrolled", """
        life !~ '^B(PU)*P?[CT]?$' OR version < length(replace(life, 'UC', 'U')) OR right(life, 1) <> ALL (CASE status
            WHEN 'active' THEN ARRAY['B', 'U'] WHEN 'paused' THEN ARRAY['P'] WHEN 'closed' THEN ARRAY['C']
            ELSE ARRAY['T'] END)"""),
    Law("I2", "format('enrollment %s (%s) moved at another instant or for another reason than its events say', id, status)",
        "enrolled", """life <> '' AND (began_at IS DISTINCT FROM created_at OR told_paused_at IS DISTINCT FROM paused_at
            OR told_resumed_at IS DISTINCT FROM resumed_at OR told_ended_at IS DISTINCT FROM ended_at
            OR told_reason IS DISTINCT FROM reason)"""),
    Law("I2", "format('enrollment %s (%s) began with %s occasions and has %s', id, status, occasions, first)",
        "enrolled", "occasions <> first"),
    Law("I2", "format('enrollment %s (%s) counts %s tasks left and has %s', id, status, tasks_left, live)",
        "enrolled", "tasks_left <> live"),
    Law("I2", "format('enrollment %s (%s) lives on with nothing left, or ended with something left', id, status)",
        "enrolled", "(status IN ('active', 'paused')) <> (tasks_left > 0)"),
    Law("I2", "format('plan %s (%s) has the events %s', id, status, life)", "planned", """
        core !~ '^B(PU)*P?[FK]?$' OR version - 1 < length(life) - 1 OR right(core, 1) <> ALL (CASE status
            WHEN 'active' THEN ARRAY['B', 'U'] WHEN 'paused' THEN ARRAY['P'] WHEN 'finished' THEN ARRAY['F']
            ELSE ARRAY['K'] END)"""),
    Law("I2", f"format('plan %s (%s) is revision %s and has %s PlanEdited', id, status, revision, {_count('E')})",
        "planned", f"revision - 1 <> {_count('E')}"),
    Law("I2", "format('plan %s (%s) moved at another instant than its events say', id, status)", "planned",
        """life <> '' AND (began_at IS DISTINCT FROM created_at OR told_paused_at IS DISTINCT FROM paused_at
            OR told_resumed_at IS DISTINCT FROM resumed_at)"""),
    Law("I2", "format('testee %s is erased since %s and has the events %s', s.id, s.erased_at, l.life)",
        "testee s LEFT JOIN life l ON l.kind = 'testees' AND l.id = s.id",
        "coalesce(l.life, '') <> CASE WHEN s.erased_at IS NULL THEN '' ELSE 'Z' END OR l.ended_at <> s.erased_at"),
)  # fmt: skip

BROKEN = query((*_LIVES_OF_TASKS, *_LIVES_OF_OTHERS), _PRELUDE)
"""Answers ``(invariant, what)`` of I1, I2 and I6, of as many tenants as whoever asks may see."""
