"""Tenants, users, service accounts, refresh tokens, idempotency keys, audit."""

TABLES = (
    """
CREATE TABLE tenant (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL,
    timezone text NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    staff_contacts bytea,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
)""",
    """
CREATE TABLE app_user (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    username text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    roles text[] NOT NULL DEFAULT '{}',
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id)
)""",
    # A platform account belongs to the reserved tenant, so that the same policy keeps it apart.
    """
CREATE TABLE service_account (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    name text NOT NULL,
    client_id text NOT NULL UNIQUE,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
)""",
    """
CREATE TABLE refresh_token (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    family uuid NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app_user (tenant_id, id) ON DELETE CASCADE
)""",
    "CREATE INDEX refresh_token_by_user ON refresh_token (tenant_id, user_id)",
    "CREATE INDEX refresh_token_family ON refresh_token (family)",
    """
CREATE TABLE idempotency_key (
    tenant_id uuid NOT NULL,
    principal text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('in_flight', 'carried_out', 'done', 'secret')),
    claim uuid NOT NULL,
    lease_until timestamptz NOT NULL,
    status integer,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, principal, key)
)""",
    "CREATE INDEX idempotency_key_expiry ON idempotency_key (expires_at)",
    """
CREATE TABLE audit (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    business_at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object_kind text NOT NULL,
    object_id uuid,
    request_id text,
    detail jsonb NOT NULL DEFAULT '{}'
)""",
    "CREATE INDEX audit_by_object ON audit (tenant_id, object_id, id)",
    "CREATE INDEX audit_by_tenant ON audit (tenant_id, id)",
)

ROWS = (
    """
INSERT INTO tenant (id, slug, name, timezone) VALUES
    ('00000000-0000-7000-8000-000000000000', 'platform', 'Platform', 'UTC'),
    ('00000000-0000-7000-8000-000000000001', 'default', 'Default', 'Asia/Shanghai')
""",
    """
INSERT INTO scale (tenant_id, code, title, version, published) VALUES
    ('00000000-0000-7000-8000-000000000001', 'PHQ-9',
     '{"zh": "患者健康问卷（PHQ-9）", "en": "Patient Health Questionnaire (PHQ-9)"}', '1', true),
    ('00000000-0000-7000-8000-000000000001', 'GAD-7',
     '{"zh": "广泛性焦虑量表（GAD-7）", "en": "Generalized Anxiety Disorder scale (GAD-7)"}', '1', true)
""",
)
