"""Which errors a person is told of in one sentence; every other one is a bug and keeps its traceback."""

import sys

from qs.domain.kernel.errors import Invalid, QsError

_UNDEFINED_TABLE = "42P01"


def sentence_of(error: BaseException) -> str | None:
    """What to tell the person about the error, or None for a bug."""
    if isinstance(error, Invalid):
        told = (
            f"\n  {each.pointer}: {each.detail}"
            for each in error.problems
            if each.detail not in error.sentence
        )
        return error.sentence + "".join(told)
    if isinstance(error, QsError):
        return error.sentence
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used ({error.strerror}); check the path and who may read and write it"
    # A driver that was never imported has raised nothing, and importing it would take longer than most verbs.
    if "sqlalchemy" in sys.modules and (sentence := _of_database(error)):
        return sentence
    if "redis" in sys.modules and (sentence := _of_redis(error)):
        return sentence
    return None


def _of_database(error: BaseException) -> str | None:
    from qs.infra.postgres.failures import DatabaseAway, translate
    from qs.infra.postgres.migrate import SchemaNewer
    from qs.infra.postgres.migrations.running import MigrationBlocked
    from qs.infra.postgres.roles import RolesUnavailable
    from qs.infra.postgres.upgrading import OldProcessesAtWork

    if isinstance(error, RolesUnavailable | SchemaNewer | MigrationBlocked | OldProcessesAtWork):
        return str(error)
    cause = getattr(error, "orig", None) or error
    if getattr(cause, "sqlstate", None) == _UNDEFINED_TABLE:
        return "the database has not the tables of qs, so there is nothing to work on; run `qs db upgrade`"
    known = translate(error)
    if isinstance(known, DatabaseAway):
        # The driver's words name the server's complaint; SQLAlchemy's would add the statement and its values.
        reason = (str(cause) or type(cause).__name__).splitlines()[0][:300]
        return f"the database does not answer as it should ({reason}); start it, or correct database.url (QS_DATABASE_URL)"
    return None if known is None else known.sentence


def _of_redis(error: BaseException) -> str | None:
    from redis import exceptions

    if isinstance(error, (exceptions.ConnectionError, exceptions.TimeoutError)):
        return "Redis does not answer, so nothing can be sent; start it, or correct redis.url (QS_REDIS_URL)"
    return None
