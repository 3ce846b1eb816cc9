#!/bin/sh
# Run once by the image of PostgreSQL, when the data directory is made: the roles of qs and its two logins.
#
# qs_migration changes the schema, qs_service serves. Neither is a superuser nor may make roles. qs_service owns nothing:
# by itself it is as qs_app and sees no tenant's row, and the roles that look across tenants it must take on.
# Their passwords stand in the addresses that the containers of qs are given.
#
# PostgreSQL 16 or later; before, a login inherits all of its roles or none.
set -eu
secrets=${SECRETS:-/run/secrets}

# password NAME: what stands between the last colon before the host and the host.
password() {
    sed -n 's|^postgresql://[^:]*:\([A-Za-z0-9_-]*\)@.*|\1|p' "$secrets/$1"
}

service=$(password database_url)
migration=$(password migration_database_url)
if [ -z "$service" ] || [ -z "$migration" ]; then
    echo "database_url and migration_database_url in $secrets hold no password, so the logins cannot be made" >&2
    exit 1
fi

# The passwords go in by standard input; arguments could be seen by others.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-qs}" <<SQL
CREATE ROLE qs_owner NOLOGIN NOBYPASSRLS;
CREATE ROLE qs_app NOLOGIN NOBYPASSRLS;
CREATE ROLE qs_sweeper NOLOGIN NOBYPASSRLS;
CREATE ROLE qs_relay NOLOGIN NOBYPASSRLS;
CREATE ROLE qs_identity NOLOGIN NOBYPASSRLS;
CREATE ROLE qs_migration LOGIN PASSWORD '$migration';
CREATE ROLE qs_service LOGIN PASSWORD '$service';
GRANT qs_owner, qs_app, qs_sweeper, qs_relay, qs_identity TO qs_migration;
GRANT qs_app TO qs_service;
GRANT qs_sweeper, qs_relay, qs_identity TO qs_service WITH INHERIT FALSE;
GRANT CREATE, USAGE ON SCHEMA public TO qs_owner;
SQL
