"""The database roles and how a login becomes one of them."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

OWNER = "qs_owner"
APP = "qs_app"
SWEEPER = "qs_sweeper"
RELAY = "qs_relay"
IDENTITY = "qs_identity"
ALL_ROLES = (OWNER, APP, SWEEPER, RELAY, IDENTITY)

UNUSABLE = text(
    # Since PostgreSQL 16 a login that made a role administers it and still may not act as it.
    "SELECT role FROM unnest(CAST(:roles AS text[])) AS role WHERE NOT pg_has_role(session_user, role::name,"
    " CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)"
)
"""Those of the existing ``roles`` that this login may not act as."""

_INSUFFICIENT_PRIVILEGE = "42501"


class RolesUnavailable(Exception):
    """The login can neither create the qs roles nor act as them."""

    def __init__(self, login: str, missing: Iterable[str]) -> None:
        names = ", ".join(missing)
        super().__init__(
            f"database login {login} cannot act as {names}, so rows could not be kept apart by tenant; "
            f"run `qs db upgrade` once with a login that may create roles (QS_MIGRATION_DATABASE_URL), "
            f"or have its administrator run: GRANT {names} TO {login}"
        )


def prepare_roles(connection: Connection) -> None:
    """Creates the roles where they are missing and lets this login act as them.

    Several migrations may start at once on one server, so creation is serialised by an advisory lock.

    Raises:
        RolesUnavailable: this login may neither create what is missing nor take what it may not act as.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('qs.roles', 0))"))
    login, may_create = connection.execute(
        text(
            "SELECT session_user::text, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = session_user"
        )
    ).one()
    existing = set(
        connection.scalars(
            text("SELECT rolname::text FROM pg_roles WHERE rolname = ANY(:names)"), {"names": list(ALL_ROLES)}
        )
    )
    missing = [role for role in ALL_ROLES if role not in existing]
    if missing and not may_create:
        raise RolesUnavailable(login, missing)
    for role in missing:
        connection.execute(text(f"CREATE ROLE {role} NOLOGIN NOBYPASSRLS"))
    _take_roles(connection, login)
    schema_is_ours = connection.scalar(
        text("SELECT has_schema_privilege(:role, 'public', 'CREATE')"), {"role": OWNER}
    )
    if not schema_is_ours:
        connection.execute(text(f"GRANT CREATE, USAGE ON SCHEMA public TO {OWNER}"))


def _take_roles(connection: Connection, login: str) -> None:
    unusable = list(connection.scalars(UNUSABLE, {"roles": list(ALL_ROLES)}))
    if not unusable:
        return
    quoted = connection.dialect.identifier_preparer.quote(login)
    try:
        with connection.begin_nested():
            connection.execute(text(f"GRANT {', '.join(unusable)} TO {quoted}"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise RolesUnavailable(login, unusable) from error
