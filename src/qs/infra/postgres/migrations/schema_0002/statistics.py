"""Daily, accumulated and plan figures, their history, and who is at work on them."""

_METRICS = (
    "enrolled",
    "opened",
    "completed",
    "on_time",
    "expired",
    "missed",
    "canceled",
    "canceled_open",
    "followup_completed",
    "followup_expired",
)
_COLUMNS = ",\n    ".join(f"{name} integer NOT NULL DEFAULT 0 CHECK ({name} >= 0)" for name in _METRICS)

TABLES = (
    # Since when dates are counted in which zone; a tenant that never moved has no row.
    """
CREATE TABLE tenant_zone (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    since timestamptz NOT NULL,
    timezone text NOT NULL,
    PRIMARY KEY (tenant_id, since)
)""",
    # The counters in Redis are good only under the epoch that stands here.
    """
CREATE TABLE stat_epoch (
    tenant_id uuid PRIMARY KEY REFERENCES tenant (id),
    epoch uuid NOT NULL,
    live_from date NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
)""",
    # term is the fencing term of the lease. began_at and as_of are those of the last pass that was finished,
    # whole is false while one is under way or was cut off; differences are those a validation left.
    """
CREATE TABLE stat_sync (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    kind text NOT NULL CHECK (kind IN ('daily', 'accumulated', 'plan', 'validate', 'rebuild')),
    term bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    execution_id uuid,
    whole boolean NOT NULL DEFAULT true,
    began_at timestamptz,
    as_of timestamptz,
    position bigint NOT NULL DEFAULT 0,
    closed_through date,
    differences integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, kind)
)""",
    f"""
CREATE TABLE stat_daily (
    tenant_id uuid NOT NULL,
    dimension text NOT NULL CHECK (dimension IN ('tenant', 'plan', 'scale', 'testee')),
    key text NOT NULL,
    day date NOT NULL,
    {_COLUMNS},
    reasons jsonb NOT NULL DEFAULT '{{}}',
    generation integer NOT NULL DEFAULT 0,
    reason text,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, dimension, key, day)
) WITH (fillfactor = 70)""",
    """
CREATE TABLE stat_accumulated (
    tenant_id uuid NOT NULL,
    dimension text NOT NULL,
    key text NOT NULL,
    totals jsonb NOT NULL,
    windows jsonb NOT NULL,
    first_on date NOT NULL,
    last_on date NOT NULL,
    through date NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, dimension, key)
)""",
    """
CREATE TABLE stat_plan (
    tenant_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    counts jsonb NOT NULL,
    occasions jsonb NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, plan_id)
)""",
    # What a figure of a closed date was before it changed, and why it did.
    """
CREATE TABLE stat_revision (
    tenant_id uuid NOT NULL,
    dimension text NOT NULL,
    key text NOT NULL,
    day date NOT NULL,
    generation integer NOT NULL,
    reason text NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dimension, key, day, generation)
)""",
    # Dates before those counted live that are to be counted again from the tasks.
    """
CREATE TABLE stat_stale_day (
    tenant_id uuid NOT NULL,
    day date NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, day)
)""",
    # A recount of one date and the tasks behind one figure read these.
    "CREATE INDEX task_by_testee ON task (tenant_id, testee_id, planned_at, id)",
)
