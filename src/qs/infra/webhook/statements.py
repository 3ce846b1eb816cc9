"""The SQL of the ledger of webhook deliveries."""

from sqlalchemy import text

from qs.domain.webhook.delivery import TEST_EVENT

# An event that was recorded before its endpoint is none of its.
ADD = text(
    """
WITH message AS (
    INSERT INTO webhook_message (tenant_id, event_id, body)
    SELECT :tenant, m.id, m.body FROM unnest(CAST(:body_ids AS uuid[]), CAST(:bodies AS text[])) AS m(id, body)
    ORDER BY m.id ON CONFLICT DO NOTHING
)
INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_name, status, reason, settled_at)
SELECT :tenant, d.id, d.endpoint, d.event, d.name, CASE WHEN d.skipped THEN 'skipped' ELSE 'queued' END,
       CASE WHEN d.skipped THEN 'endpoint_disabled' END, CASE WHEN d.skipped THEN clock_timestamp() END
FROM unnest(CAST(:ids AS uuid[]), CAST(:endpoints AS uuid[]), CAST(:events AS uuid[]), CAST(:names AS text[]),
            CAST(:skipped AS boolean[])) AS d(id, endpoint, event, name, skipped)
JOIN webhook_endpoint e ON e.tenant_id = :tenant AND e.id = d.endpoint
JOIN outbox o ON o.tenant_id = :tenant AND o.id = d.event
WHERE o.recorded_at >= e.created_at
ORDER BY d.event, d.endpoint
ON CONFLICT (tenant_id, event_id, endpoint_id) DO NOTHING"""
)
ADD_TEST = text(
    """
WITH message AS (
    INSERT INTO webhook_message (tenant_id, event_id, body) VALUES (:tenant, :event, :body)
)
INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_name, status, attempts, epoch,
                              lease_until, next_attempt_at)
VALUES (:tenant, :id, :endpoint, :event, :name, 'sending', 1, 1, clock_timestamp() + CAST(:lease AS interval),
        clock_timestamp() + CAST(:lease AS interval))"""
)
# Whoever claims of the same endpoint at this moment is left to it.
LOCK_TO_CLAIM = text(
    """
SELECT *, clock_timestamp() AS now FROM webhook_endpoint
WHERE tenant_id = :tenant AND id = :endpoint AND enabled
  AND (paused_until IS NULL OR paused_until <= statement_timestamp())
FOR NO KEY UPDATE SKIP LOCKED"""
)
IS_BEING_SENT = text(
    "SELECT EXISTS (SELECT FROM webhook_delivery WHERE tenant_id = :tenant AND endpoint_id = :endpoint"
    " AND status = 'sending' AND next_attempt_at > statement_timestamp())"
)
# A delivery that is being sent is due when its lease is over: its next attempt is then. Materialised, since a join might
# run a locking subquery more than once and so claim more than was asked for.
CLAIM = text(
    """
WITH due AS MATERIALIZED (
    SELECT id, event_id, status AS was FROM webhook_delivery
    WHERE tenant_id = :tenant AND endpoint_id = :endpoint AND status IN ('queued', 'sending')
      AND next_attempt_at <= statement_timestamp()
    ORDER BY next_attempt_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
), unknown AS (
    INSERT INTO webhook_attempt (tenant_id, delivery_id, number, at, outcome)
    SELECT d.tenant_id, d.id, d.epoch, d.lease_until, 'unknown'
    FROM webhook_delivery d JOIN due ON due.id = d.id WHERE d.tenant_id = :tenant AND due.was = 'sending'
    ON CONFLICT DO NOTHING
)
UPDATE webhook_delivery d
SET status = 'sending', attempts = attempts + 1, epoch = epoch + 1,
    lease_until = clock_timestamp() + CAST(:lease AS interval),
    next_attempt_at = clock_timestamp() + CAST(:lease AS interval)
FROM due JOIN webhook_message m ON m.tenant_id = :tenant AND m.event_id = due.event_id
WHERE d.tenant_id = :tenant AND d.id = due.id
RETURNING d.id, d.event_id, d.attempts, d.epoch, clock_timestamp() - d.queued_at AS waited, m.body"""
)
# Whoever lost the lease may still know better than the one who found the attempt unfinished. What was given back untried
# is as it was before the claim, also in its number: nobody else has used it since.
SETTLE = text(
    """
WITH told AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[]), CAST(:statuses AS text[]),
                         CAST(:reasons AS text[]), CAST(:waits AS interval[]), CAST(:outcomes AS text[]),
                         CAST(:answers AS text[]), CAST(:durations AS integer[]))
        AS t(id, epoch, status, reason, wait, outcome, answer, duration)
), recorded AS (
    INSERT INTO webhook_attempt (tenant_id, delivery_id, number, outcome, answer, duration_ms)
    SELECT :tenant, t.id, t.epoch, t.outcome, t.answer, t.duration
    FROM told t JOIN webhook_delivery d ON d.tenant_id = :tenant AND d.id = t.id WHERE t.outcome IS NOT NULL
    ON CONFLICT (tenant_id, delivery_id, number) DO UPDATE
    SET at = excluded.at, outcome = excluded.outcome, answer = excluded.answer, duration_ms = excluded.duration_ms
    WHERE webhook_attempt.outcome = 'unknown'
)
UPDATE webhook_delivery d
SET status = t.status, reason = t.reason, lease_until = NULL,
    settled_at = CASE WHEN t.status <> 'queued' THEN clock_timestamp() END,
    next_attempt_at = clock_timestamp() + t.wait,
    attempts = d.attempts - CASE WHEN t.outcome IS NULL THEN 1 ELSE 0 END,
    epoch = d.epoch - CASE WHEN t.outcome IS NULL THEN 1 ELSE 0 END
FROM told t
WHERE d.tenant_id = :tenant AND d.endpoint_id = :endpoint AND d.id = t.id AND d.status = 'sending' AND d.epoch = t.epoch"""
)
HASTEN = text(
    "UPDATE webhook_delivery SET next_attempt_at = clock_timestamp()"
    " WHERE tenant_id = :tenant AND endpoint_id = :endpoint AND status = 'queued'"
    " AND next_attempt_at > clock_timestamp()"
)
SKIP_WAITING = text(
    "UPDATE webhook_delivery SET status = 'skipped', reason = 'endpoint_disabled', settled_at = clock_timestamp()"
    " WHERE tenant_id = :tenant AND endpoint_id = :endpoint AND status = 'queued'"
)
# The ids say nothing more than the instants, but an index finds them.
_WITHIN = """
  AND created_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
  AND created_at < coalesce(CAST(:until AS timestamptz), 'infinity') AND id >= :first AND id < :last"""
LIST = text(
    f"""
SELECT * FROM webhook_delivery
WHERE tenant_id = :tenant AND endpoint_id = :endpoint
  AND (CAST(:status AS text) IS NULL OR status = :status) {_WITHIN}
ORDER BY id DESC LIMIT :limit"""  # noqa: S608 - constants
)
ATTEMPTS = text(
    "SELECT delivery_id, number, at, outcome, answer, duration_ms FROM webhook_attempt"
    " WHERE tenant_id = :tenant AND delivery_id = ANY(:ids) ORDER BY delivery_id, number"
)
# What tries an endpoint out is sent again only by its id.
REVIVE = text(
    f"""
UPDATE webhook_delivery
SET status = 'queued', reason = NULL, attempts = 0, settled_at = NULL, queued_at = clock_timestamp(),
    next_attempt_at = clock_timestamp()
WHERE tenant_id = :tenant AND id IN (
    SELECT id FROM webhook_delivery
    WHERE tenant_id = :tenant AND endpoint_id = :endpoint AND status = ANY(CAST(:statuses AS text[]))
      AND CASE WHEN CAST(:ids AS uuid[]) IS NULL THEN event_name <> '{TEST_EVENT}' ELSE id = ANY(:ids) END {_WITHIN}
    ORDER BY id LIMIT :limit FOR UPDATE)"""  # noqa: S608 - constants
)
