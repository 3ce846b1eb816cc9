"""What a failure of PostgreSQL means to a caller: try again later, the input cannot be stored, or our own mistake."""

import re
from collections.abc import Iterator

from asyncpg import InterfaceError, InternalClientError, PostgresError
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from qs.domain.kernel.errors import Invalid, QsError, Unavailable

# Connection, insufficient resources, operator intervention, transaction rollback (serialization, deadlock), lock not
# available, idle in transaction; and at connection time: login refused, no such database, role not granted.
_AWAY = ("08", "53", "57", "40", "55P03", "25P03", "28", "3D")
_DISK_FULL = "53100"
# Text that is no UTF-8 or holds NUL, numbers and instants out of range, text too long or not of the type; 22000 is
# asyncpg's own for a value it cannot encode.
_DATA = frozenset({"22000", "22001", "22003", "22007", "22008", "22021", "22P02", "22P03", "22P05"})
# Connection, operator intervention short of a canceled query, insufficient resources.
_CUT_OFF = ("08", "57P", "53")
# What SQLAlchemy makes of it where a connection is asked for raw.
_DriverError = AsyncAdapt_asyncpg_dbapi.Error
_WRONG_TYPE = re.compile(r"\(expected \S+, got ")


class DatabaseAway(Unavailable):
    """PostgreSQL did not answer, was too busy, or gave the work up; cut off at its COMMIT it may be done all the same."""

    code = "unavailable"
    sentence = (
        "the database is away or gave this up, so that it may or may not be done; "
        "try again in a moment, with the same Idempotency-Key if you sent one"
    )


class DatabaseFull(Unavailable):
    """PostgreSQL has no room left; what was begun is undone, and all goes on by itself once there is some."""

    code = "database.full"
    sentence = (
        "the disk of the database is full, so nothing was written; nothing that was acknowledged is lost. "
        "Whoever runs the database must make room; then try again"
    )


class InputNotStorable(Invalid):
    """A value passed every check of ours and PostgreSQL still cannot hold it."""

    sentence = (
        "the input holds a value that cannot be stored; leave out control characters and extreme numbers"
    )

    def __init__(self) -> None:
        super().__init__(())


def translate(error: BaseException) -> QsError | None:
    """Our error for a failure of the database, None for any other and for mistakes in our SQL."""
    if isinstance(error, OSError):
        # Connecting fails with plain OSErrors; the same classes from elsewhere are no matter of the database.
        return DatabaseAway() if "asyncpg" in _packages(error) else None
    if isinstance(error, PoolTimeout) or _is_cut_off(error):
        return DatabaseAway()
    sqlstate = _sqlstate(error) if isinstance(error, DBAPIError | PostgresError | _DriverError) else ""
    if sqlstate == _DISK_FULL:
        return DatabaseFull()
    if sqlstate.startswith(_AWAY):
        return DatabaseAway()
    if sqlstate in _DATA and not _WRONG_TYPE.search(str(error)):
        return InputNotStorable()
    return None


def is_away(error: BaseException) -> bool:
    """Whether something was away, so that the failure says nothing about what was being worked on.

    Unlike for a caller, a statement that took too long or met a deadlock is not: it may do so each time.
    """
    if isinstance(error, QsError):
        return isinstance(error, Unavailable)
    return translate(error) is not None and (
        isinstance(error, OSError) or _is_cut_off(error) or _sqlstate(error).startswith(_CUT_OFF)
    )


def _is_cut_off(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    # Raw connections: asyncpg says so when it knows, and otherwise that it does not understand what it was sent last.
    return isinstance(error, InternalClientError) or (
        isinstance(error, InterfaceError) and not isinstance(error, ValueError)
    )


def _sqlstate(error: BaseException) -> str:
    states = (getattr(each, "sqlstate", None) for each in (error, getattr(error, "orig", None)))
    return next((state for state in states if state), "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _packages(error: BaseException) -> set[str]:
    """The packages whose code the error came through."""
    packages = set()
    for each in _causes(error):
        trace = each.__traceback__
        while trace is not None:
            packages.add(trace.tb_frame.f_globals.get("__name__", "").partition(".")[0])
            trace = trace.tb_next
    return packages
