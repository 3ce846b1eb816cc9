"""What the doctor finds of channels: receivers that are gone, messages that were given up, channels without an address."""

from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.infra.postgres.roles import SWEEPER
from qs.interface.cli.findings import Finding, found

_ENDED = text(
    "SELECT channel,"
    " count(*) FILTER (WHERE status = 'dead' AND reason = 'gone' AND settled_at > qs_now() - interval '1 day') AS gone,"
    " count(*) FILTER (WHERE status = 'dead' AND reason IS DISTINCT FROM 'gone'"
    "                  AND settled_at > qs_now() - interval '1 day') AS dead,"
    " count(*) FILTER (WHERE status = 'skipped' AND reason = 'no_address') AS unaddressed,"
    " count(*) FILTER (WHERE status = 'sent') AS sent"
    " FROM delivery WHERE settled_at > qs_now() - interval '7 days' GROUP BY channel ORDER BY channel"
)


async def channel_findings(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """What became of the messages of a day, and of a week, over each channel."""
    await connection.execute(text(f"SET ROLE {SWEEPER}"))
    rows = (await connection.execute(_ENDED)).all()
    await connection.execute(text("RESET ROLE"))
    for row in rows:
        subject = f"channel {row.channel}"
        if row.gone:
            what = f"its receiver is gone (HTTP 410): {row.gone} messages were given up within a day"
            todo = f"correct or leave out notification.{row.channel}.url, then replay what is dead"
            yield found("channel.gone", subject, what, todo)
        if row.dead:
            yield found(
                "messages.given_up", f"messages {row.channel}", f"{row.dead} were given up within a day"
            )
        if row.unaddressed and not row.sent:
            what = f"{row.unaddressed} messages of a week had no address to go to, and none was sent"
            yield found("channel.no_addresses", subject, what)
