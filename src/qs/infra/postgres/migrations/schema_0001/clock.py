"""Business time: the database's time plus an offset that only moves forward."""

TABLES = (
    """
CREATE TABLE business_clock (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    clock_offset interval NOT NULL DEFAULT '0' CHECK (clock_offset >= interval '0')
)""",
    "INSERT INTO business_clock (id) VALUES (1)",
    """
CREATE FUNCTION qs_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT clock_timestamp() + (SELECT clock_offset FROM business_clock)
$$""",
    # Empty and missing settings both mean "no tenant", which sees no row.
    """
CREATE FUNCTION qs_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('qs.tenant_id', true), '')::uuid
$$""",
)
