"""Whether the database answers, and whether its schema is the one this code was written for."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.readiness import Check, NotReady
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.roles import SWEEPER

_UNDEFINED_TABLE = "42P01"
_CRON_WAS_SEEN = text(
    "SELECT EXISTS (SELECT FROM worker_heartbeat"
    " WHERE role = 'cron' AND seen_at > clock_timestamp() - interval '30 seconds')"
)

_IS_STOPPED = text("SELECT EXISTS (SELECT FROM job_switch WHERE tenant_id = :platform AND NOT firing)")


class PostgresReadiness:
    """The checks of one engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def checks(self, *, internal_clock: bool) -> tuple[Check, ...]:
        """The database and its schema; with ``internal_clock`` also whether anybody fires the duties by time."""
        clocks = [Check("clocks", self.clocks_run, essential=False)] if internal_clock else []
        return Check("database", self.answers), Check("migrations", self.is_at_head), *clocks

    async def answers(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def is_at_head(self) -> None:
        # The library that migrates is loaded where a schema is looked at, not by every process that starts.
        from qs.infra.postgres.migrate import known_revisions

        head, *older = known_revisions()
        revision = await self._revision()
        if revision == head:
            return
        if revision is not None and revision not in older:
            raise NotReady("the schema is newer than this process; start the new release")
        raise NotReady(
            f"the schema is at {revision or 'nothing'}, this version needs {head}; run `qs db upgrade`"
        )

    async def clocks_run(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            if await connection.scalar(_IS_STOPPED, {"platform": PLATFORM_TENANT}):
                raise NotReady(
                    "timed firing was stopped for everybody, so nothing is opened, expired or run by itself; start it "
                    "by POST /api/v1/scheduler/start as a platform account, or `qs scheduler start`"
                )
            if not await connection.scalar(_CRON_WAS_SEEN):
                raise NotReady(
                    "no cron worker was seen for 30 s, so nothing is opened or expired by itself; start one, "
                    "or set clock.internal: false where something else calls the duties"
                )

    async def _revision(self) -> str | None:
        try:
            async with self._engine.connect() as connection:
                revision: str | None = await connection.scalar(
                    text("SELECT version_num FROM alembic_version")
                )
                return revision
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE:
                return None
            raise
