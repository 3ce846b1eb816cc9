"""The doctor's findings about PostgreSQL, Redis, the message broker and the identity provider."""

from collections.abc import Mapping
from typing import Literal

OF_SERVERS: Mapping[str, tuple[Literal["note", "warning", "error"], str, str]] = {
    "database.away": (
        "error",
        "PostgreSQL does not answer, or does not let qs in",
        "start it, or correct database.url",
    ),
    "database.too_old": ("error", "PostgreSQL is older than 15", "use PostgreSQL 15 to 18"),
    "database.untried": (
        "warning",
        "PostgreSQL is newer than any that this release was tried with",
        "use PostgreSQL 15 to 18",
    ),
    "database.clock": (
        "error",
        "PostgreSQL's clock and this machine's differ by more than 2 s",
        "let both machines keep their time by NTP",
    ),
    "database.read_only": (
        "error",
        "PostgreSQL takes no writes here: it is a standby, or transactions are read-only by default",
        "correct database.url to the primary, or set default_transaction_read_only to off",
    ),
    "database.encoding": (
        "error",
        "the database is not in UTF-8, so names in most scripts cannot be stored",
        "make one with ENCODING 'UTF8' TEMPLATE template0, and restore into it",
    ),
    "database.not_durable": (
        "error",
        "PostgreSQL acknowledges what is not on disk yet, so a power failure loses what qs promised",
        "set fsync, full_page_writes and synchronous_commit to on",
    ),
    "database.timeouts": (
        "warning",
        "PostgreSQL ends sessions or statements of this login by a timeout that sweeps, backups and listeners run into",
        "ALTER ROLE … RESET it, or set it to 0 for this login; qs has time limits of its own",
    ),
    "connections.too_few": (
        "warning",
        "the processes may open more connections together than PostgreSQL allows",
        "lower QS_DATABASE__POOL_SIZE, or raise max_connections",
    ),
    "connections.used_up": (
        "error",
        "nine tenths of PostgreSQL's connections are in use",
        "see who holds them (SELECT * FROM pg_stat_activity), lower QS_DATABASE__POOL_SIZE, or raise max_connections",
    ),
    "vacuum.off": (
        "warning",
        "autovacuum is off, for the server or for a table, so that tables grow and queries slow down",
        "set autovacuum to on, or ALTER TABLE … RESET (autovacuum_enabled)",
    ),
    "vacuum.behind": (
        "warning",
        "a table holds more dead rows than live ones",
        "VACUUM (ANALYZE) it, and look for transactions and replication slots that were left open",
    ),
    "slot.left": (
        "warning",
        "a replication slot that nobody reads keeps PostgreSQL's log from being removed, until the disk is full",
        "SELECT pg_drop_replication_slot('…'), unless its reader comes back soon",
    ),
    "schema.older": ("error", "the schema is older than this release", "run `qs db upgrade`"),
    "schema.newer": (
        "error",
        "the schema was made by a later release and does not serve this one any more",
        "install the release that made it, or restore a backup from before it was upgraded",
    ),
    "schema.ahead": (
        "note",
        "the schema was made by a later release, and serves this one still",
        "finish the upgrade: start the new release everywhere",
    ),
    "release.mixed": (
        "warning",
        "processes of another release work on the same database",
        "finish the upgrade: restart every process with the same release",
    ),
    "roles.unusable": (
        "error",
        "the login cannot act as the roles that keep tenants apart",
        "run `qs db upgrade` with a login that may create roles (QS_MIGRATION_DATABASE_URL)",
    ),
    "roles.superuser": (
        "warning",
        "in production the service logs in as a superuser, or as one that bypasses row security",
        "make a login that owns nothing for QS_DATABASE_URL, as docs/operations/security.md has it",
    ),
    "rows.bypassed": (
        "error",
        "the role qs_app bypasses row security, so tenants see each other",
        "ALTER ROLE qs_app NOSUPERUSER NOBYPASSRLS",
    ),
    "rows.not_forced": (
        "error",
        "row security is not forced on a table of tenants",
        "run `qs db upgrade`; if that changes nothing, the schema was altered by hand: ALTER TABLE … FORCE ROW LEVEL SECURITY",
    ),
    "rows.seen": (
        "error",
        "rows are seen without a tenant",
        "run `qs db upgrade`; if that changes nothing, a policy was added by hand: DROP POLICY it",
    ),
    "business_clock.ahead": (
        "note",
        "business time is ahead of real time",
        "it cannot go back; a database for real people needs offset 0",
    ),
    "business_clock.ahead_in_production": (
        "error",
        "business time was moved in a database that now serves production, so everything is opened too early",
        "begin with a new database, or restore one that was never moved",
    ),
    "retention.behind": (
        "warning",
        "what should have been removed days ago is still there: the duty retention does not run",
        "run a cron worker, or have POST /api/v1/retention called each day; `qs retention` does it now",
    ),
    "redis.away": (
        "error",
        "Redis does not answer, or does not let qs in",
        "start it, or correct redis.url",
    ),
    "redis.too_old": ("error", "Redis is older than 6.2", "use Redis 6.2 or later, or Valkey"),
    "redis.clock": (
        "error",
        "the clock of Redis and this machine's differ by more than 2 s",
        "let both machines keep their time by NTP",
    ),
    "redis.evicts": (
        "error",
        "Redis removes keys by itself when its memory is used up, so that figures and events are lost unseen",
        "set maxmemory-policy to noeviction, and give qs a Redis that is no cache of others",
    ),
    "redis.full": (
        "error",
        "nine tenths of Redis's memory are used",
        "raise maxmemory, or lower retention.stream_hours",
    ),
    "redis.replica": (
        "error",
        "this Redis is a replica, which takes no writes",
        "correct redis.url to the primary",
    ),
    "redis.shared": (
        "error",
        "another installation publishes into this Redis, so each acts on the other's events and figures",
        "give each installation a Redis or a database number of its own, and empty this one",
    ),
    "broker.away": (
        "error",
        "the message broker does not take events; they wait in the outbox",
        "start it, let this machine reach it, or correct mq",
    ),
    "broker.given_up": (
        "error",
        "the message broker refused events for good",
        "see `qs events replay --dead broker`",
    ),
    "broker.behind": (
        "warning",
        "many events have not gone out to the message broker",
        "look whether a relay worker runs and the broker answers; nothing is lost meanwhile",
    ),
    "broker.unknown_tenant": (
        "error",
        "mq.tenant is no active tenant, so requests for jobs wait at the broker",
        "correct mq.tenant, or make the tenant active",
    ),
    "broker.accepts_jobs": (
        "note",
        "whoever may write to a queue of the broker runs jobs",
        "let only those write there who may",
    ),
    "provider.away": (
        "error",
        "the identity provider does not answer as it should, so nobody of it can come in",
        "start it, let this machine reach it, or correct the address in auth",
    ),
    "provider.no_keys": (
        "error",
        "the identity provider publishes no key that may be used",
        "let it sign with RS256, PS256, ES256 or EdDSA (RSA of 2048 bits or more) and publish kid; correct auth.jwks_url",
    ),
    "provider.useless": (
        "error",
        "the identity provider does not tell good tokens from bad ones",
        "correct auth.introspection_url",
    ),
    "provider.clock_drift": (
        "warning",
        "the identity provider's clock and this machine's differ by more than 2 s",
        "let both machines keep their time by NTP; from 30 s on tokens are refused",
    ),
    "provider.clock": (
        "error",
        "the identity provider's clock and this machine's differ by so much that tokens are refused",
        "let both machines keep their time by NTP",
    ),
}
