"""What the doctor finds of channels whose receiver has said that it is gone."""

from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.infra.postgres.roles import SWEEPER
from qs.interface.cli.findings import Finding

_GONE = text(
    "SELECT channel, count(*) AS messages FROM delivery"
    " WHERE status = 'dead' AND reason = 'gone' AND settled_at > qs_now() - interval '1 day'"
    " GROUP BY channel ORDER BY channel"
)


async def channel_findings(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """One for each channel that messages were given up on within a day, since nobody is there any more (HTTP 410)."""
    await connection.execute(text(f"SET ROLE {SWEEPER}"))
    rows = (await connection.execute(_GONE)).all()
    await connection.execute(text("RESET ROLE"))
    for row in rows:
        what = f"its receiver is gone (HTTP 410): {row.messages} messages were given up within a day"
        todo = f"correct or leave out notification.{row.channel}.url, then replay what is dead"
        yield Finding(f"channel {row.channel}", "wrong", what, todo)
