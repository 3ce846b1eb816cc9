"""Executions, their attempts and output: partitioned by month, so that old months are dropped as a whole.

Ids are UUIDv7 (RFC 9562), whose first 48 bits are the millisecond they were made in: ranges of ids are ranges of time,
and the primary key needs nothing beside the id.
"""

PARTITIONED = ("job_execution", "job_attempt", "job_output")

_ACTIVE = "status IN ('queued', 'running', 'retrying')"

TABLES = (
    """
CREATE TABLE job_execution (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    job_id uuid NOT NULL,
    job_name text NOT NULL,
    kind text NOT NULL,
    fired_by text NOT NULL CHECK (fired_by IN ('clock', 'manual', 'retry', 'backfill', 'chain', 'message')),
    actor text NOT NULL,
    status text NOT NULL CHECK (status IN ('queued', 'running', 'retrying', 'succeeded', 'failed', 'timed_out',
        'canceled', 'replaced', 'skipped', 'missed', 'expired')),
    queue text NOT NULL,
    priority smallint NOT NULL,
    definition jsonb NOT NULL,
    payload jsonb NOT NULL,
    scheduled_at timestamptz,
    attempt integer NOT NULL DEFAULT 0,
    lost_attempts integer NOT NULL DEFAULT 0,
    epoch integer NOT NULL DEFAULT 0,
    worker text,
    lease_until timestamptz,
    available_at timestamptz,
    start_before timestamptz,
    end_before timestamptz,
    cancel_requested text CHECK (cancel_requested IN ('canceled', 'replaced', 'timed_out')),
    awaited boolean NOT NULL DEFAULT false,
    stands_for integer NOT NULL DEFAULT 1,
    blocked_by uuid,
    parent_id uuid,
    idempotency_key text,
    request_id text,
    result jsonb,
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id)""",
    "CREATE INDEX job_execution_by_job ON job_execution (tenant_id, job_id, id)",
    f"CREATE INDEX job_execution_active ON job_execution (tenant_id, job_id) WHERE {_ACTIVE}",
    "CREATE INDEX job_execution_waiting ON job_execution (tenant_id, priority DESC, available_at, id)"
    " WHERE status IN ('queued', 'retrying') AND available_at IS NOT NULL",
    "CREATE INDEX job_execution_available ON job_execution (available_at)"
    " WHERE status IN ('queued', 'retrying') AND available_at IS NOT NULL",
    "CREATE INDEX job_execution_behind ON job_execution (tenant_id, job_id)"
    " WHERE status = 'queued' AND available_at IS NULL",
    "CREATE INDEX job_execution_to_start ON job_execution (start_before)"
    " WHERE status = 'queued' AND start_before IS NOT NULL",
    "CREATE INDEX job_execution_to_end ON job_execution (end_before)"
    " WHERE status IN ('queued', 'retrying') AND end_before IS NOT NULL",
    "CREATE INDEX job_execution_by_key ON job_execution (tenant_id, job_id, idempotency_key)"
    " WHERE idempotency_key IS NOT NULL",
    "CREATE INDEX job_execution_held ON job_execution (lease_until) WHERE status = 'running'",
    """
CREATE TABLE job_attempt (
    tenant_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    number integer NOT NULL,
    epoch integer NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    outcome text CHECK (outcome IN ('succeeded', 'failed', 'timed_out', 'canceled', 'lost')),
    code text,
    error text,
    PRIMARY KEY (tenant_id, execution_id, number)
) PARTITION BY RANGE (execution_id)""",
    # ``position`` is the offset of the first byte of the piece in the whole output of the execution.
    """
CREATE TABLE job_output (
    tenant_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    position bigint NOT NULL,
    attempt integer NOT NULL,
    stream text NOT NULL CHECK (stream IN ('stdout', 'stderr', 'log')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    data bytea NOT NULL,
    PRIMARY KEY (tenant_id, execution_id, position)
) PARTITION BY RANGE (execution_id)""",
)

# A month for which no partition was made in time lies in the one that takes the rest; it is moved out as a whole.
_MAKE = """
CREATE FUNCTION qs_make_partition(parent text, id_column text, month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    part text := parent || to_char(month, '_YYYY_MM');
    low uuid := qs_first_id(month);
    high uuid := qs_first_id((month + interval '1 month')::date);
BEGIN
    IF parent NOT IN ('job_execution', 'job_attempt', 'job_output') OR id_column NOT IN ('id', 'execution_id') THEN
        RAISE EXCEPTION 'not a partitioned table of qs';
    END IF;
    IF to_regclass(part) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('qs partitions'));
    IF to_regclass(part) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
    EXECUTE format('ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %1$I FORCE ROW LEVEL SECURITY', part);
    EXECUTE format('CREATE POLICY owner_all ON %1$I TO qs_owner USING (true) WITH CHECK (true)', part);
    EXECUTE format('WITH late AS (DELETE FROM %1$I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *)'
                   ' INSERT INTO %5$I SELECT * FROM late', parent || '_rest', id_column, low, high, part);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, low, high);
    RETURN true;
END $$"""

_FIRST_ID = """
CREATE FUNCTION qs_first_id(month date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM month::timestamp AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$"""

# Beside the coming months those that went by without a partition: what lies in the rest is never dropped.
_MAINTAIN = """
CREATE FUNCTION qs_make_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    made integer := 0;
    each date;
    first date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')::date;
BEGIN
    FOR each IN
        SELECT (first + make_interval(months => n))::date FROM generate_series(0, least(greatest(ahead, 0), 24)) n
        UNION
        SELECT date_trunc('month', to_timestamp(ms / 1000.0) AT TIME ZONE 'UTC')::date FROM (
            SELECT ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint AS ms FROM (
                SELECT id FROM job_execution_rest
                UNION SELECT execution_id FROM job_attempt_rest
                UNION SELECT execution_id FROM job_output_rest) AS rest) AS made_at
        WHERE to_timestamp(ms / 1000.0) BETWEEN '2000-01-01Z' AND clock_timestamp() + interval '25 months'
        ORDER BY 1
    LOOP
        made := made + qs_make_partition('job_execution', 'id', each)::int
            + qs_make_partition('job_attempt', 'execution_id', each)::int
            + qs_make_partition('job_output', 'execution_id', each)::int;
    END LOOP;
    RETURN made;
END $$"""

# A month is dropped when all of it is older, and nothing in it is still to be done.
_DROP = """
CREATE FUNCTION qs_drop_partitions(older_than interval) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    month date;
    suffix text;
    active boolean;
    dropped integer := 0;
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    FOR suffix IN
        SELECT right(c.relname, 7) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'job_execution'::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
        ORDER BY c.relname
    LOOP
        month := to_date(suffix, 'YYYY_MM');
        CONTINUE WHEN (month + interval '1 month') AT TIME ZONE 'UTC'
            > clock_timestamp() - greatest(older_than, interval '1 day');
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE status IN (''queued'', ''running'', ''retrying''))',
                       'job_execution_' || suffix) INTO active;
        CONTINUE WHEN active;
        EXECUTE format('DROP TABLE IF EXISTS %I, %I, %I', 'job_output_' || suffix, 'job_attempt_' || suffix,
                       'job_execution_' || suffix);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$"""

FUNCTIONS = (
    _FIRST_ID,
    *(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT" for table in PARTITIONED),
    *(f"ALTER TABLE {table}_rest ENABLE ROW LEVEL SECURITY" for table in PARTITIONED),
    *(f"ALTER TABLE {table}_rest FORCE ROW LEVEL SECURITY" for table in PARTITIONED),
    *(
        f"CREATE POLICY owner_all ON {table}_rest TO qs_owner USING (true) WITH CHECK (true)"
        for table in PARTITIONED
    ),
    _MAKE,
    _MAINTAIN,
    _DROP,
    "REVOKE EXECUTE ON FUNCTION qs_make_partition(text, text, date), qs_make_partitions(integer),"
    " qs_drop_partitions(interval) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION qs_make_partitions(integer), qs_drop_partitions(interval) TO qs_relay",
)

FIRST_PARTITIONS = "SELECT qs_make_partitions(3)"

UNDONE = (
    "DROP FUNCTION qs_drop_partitions(interval)",
    "DROP FUNCTION qs_make_partitions(integer)",
    "DROP FUNCTION qs_make_partition(text, text, date)",
    *(f"DROP TABLE {table}" for table in reversed(PARTITIONED)),
    "DROP FUNCTION qs_first_id(date)",
)
