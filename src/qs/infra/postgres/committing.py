"""The one way to commit."""

from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.kernel import crash


async def commit(connection: AsyncConnection, at: str) -> None:
    """Commits what the connection did; ``at`` names the boundary, with a crash point on either side."""
    await crash.hit(f"{at}.before_commit")
    await connection.commit()
    await crash.hit(f"{at}.after_commit")
