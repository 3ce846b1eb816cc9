"""Whether the database answers, and whether this code can work on its schema."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.readiness import Check, NotReady
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.revisions import read_standing
from qs.infra.postgres.roles import SWEEPER

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
        return Check("database", self.answers), Check("migrations", self.schema_serves), *clocks

    async def answers(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def schema_serves(self) -> None:
        async with self._engine.connect() as connection:
            standing = await read_standing(connection)
        if standing.complaint is not None:
            raise NotReady(standing.complaint)

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
