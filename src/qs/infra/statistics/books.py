"""Which epoch the counters have, who is at work on the figures, and what was finished, of one tenant."""

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.statistics.ports import Beginning, Epoch, Hold, Kind, Pass
from qs.domain.statistics.errors import SyncTakenOver

_OWN = "tenant_id = :tenant AND kind = :kind"
_HELD = f"{_OWN} AND term = :term"

_EPOCH = text("SELECT epoch, live_from FROM stat_epoch WHERE tenant_id = :tenant")
_IS_STILL = text(
    "SELECT 1 FROM stat_epoch WHERE tenant_id = :tenant AND epoch = :epoch AND live_from = :live_from FOR SHARE"
)
_PUT = text(
    """
INSERT INTO stat_epoch (tenant_id, epoch, live_from) VALUES (:tenant, :epoch, :live_from)
ON CONFLICT (tenant_id) DO UPDATE
SET epoch = excluded.epoch, live_from = excluded.live_from, made_at = clock_timestamp()
RETURNING xmax = 0
"""
)
_TAKE = text(
    """
INSERT INTO stat_sync (tenant_id, kind, term, lease_until, execution_id)
VALUES (:tenant, :kind, 1, clock_timestamp() + CAST(:lease AS interval), :execution)
ON CONFLICT (tenant_id, kind) DO UPDATE
SET term = stat_sync.term + 1, lease_until = excluded.lease_until, execution_id = excluded.execution_id
WHERE stat_sync.lease_until IS NULL OR stat_sync.lease_until < clock_timestamp()
RETURNING term
"""
)
_HOLDER = text(
    f"SELECT execution_id FROM stat_sync WHERE {_OWN} AND lease_until >= clock_timestamp()"  # noqa: S608 - constants
)
_EXTEND = text(
    f"UPDATE stat_sync SET lease_until = clock_timestamp() + CAST(:lease AS interval) WHERE {_HELD}"  # noqa: S608
)
_RELEASE = text(f"UPDATE stat_sync SET lease_until = NULL WHERE {_HELD}")  # noqa: S608 - constants
_CHECK = text(f"SELECT 1 FROM stat_sync WHERE {_HELD} FOR UPDATE")  # noqa: S608 - constants
_BEGIN = text(f"UPDATE stat_sync SET whole = false WHERE {_HELD}")  # noqa: S608 - constants
_BEGINNING = text(
    """
SELECT clock_timestamp(), qs_now(),
    coalesce((SELECT acknowledged_through FROM subscriber_cursor WHERE subscriber = :subscriber), 0)
"""
)
_FINISH = text(
    f"""
UPDATE stat_sync SET whole = true, began_at = :at, as_of = :as_of, position = :position,
    closed_through = greatest(closed_through, CAST(:closed_through AS date)), differences = :differences
WHERE {_HELD}
"""  # noqa: S608 - constants
)
_LAST = f"SELECT whole, began_at, as_of, position, closed_through FROM stat_sync WHERE {_OWN}"  # noqa: S608


class SqlEpochBook:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._own = {"tenant": tenant_id}

    async def get(self) -> Epoch | None:
        row = (await self._connection.execute(_EPOCH, self._own)).one_or_none()
        return None if row is None else Epoch(*row)

    async def is_still(self, epoch: Epoch) -> bool:
        found = await self._connection.execute(
            _IS_STILL, self._own | {"epoch": epoch.id, "live_from": epoch.live_from}
        )
        return found.one_or_none() is not None

    async def put(self, epoch: Epoch) -> bool:
        first = await self._connection.scalar(
            _PUT, self._own | {"epoch": epoch.id, "live_from": epoch.live_from}
        )
        return bool(first)


class SqlSyncBook:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID, subscriber: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._subscriber = subscriber

    async def take(self, kind: Kind, execution_id: UUID | None, lease: timedelta) -> Hold | None:
        given = {"tenant": self._tenant_id, "kind": kind.value, "lease": lease, "execution": execution_id}
        term = await self._connection.scalar(_TAKE, given)
        return None if term is None else Hold(kind, term)

    async def holder(self, kind: Kind) -> UUID | None:
        found: UUID | None = await self._connection.scalar(
            _HOLDER, {"tenant": self._tenant_id, "kind": kind.value}
        )
        return found

    async def extend(self, hold: Hold, lease: timedelta) -> bool:
        return (await self._connection.execute(_EXTEND, self._held(hold) | {"lease": lease})).rowcount == 1

    async def release(self, hold: Hold) -> None:
        await self._connection.execute(_RELEASE, self._held(hold))

    async def check(self, hold: Hold) -> None:
        if (await self._connection.execute(_CHECK, self._held(hold))).one_or_none() is None:
            raise SyncTakenOver

    async def begin(self, hold: Hold) -> Beginning:
        await self._connection.execute(_BEGIN, self._held(hold))
        await self.check(hold)
        row = (await self._connection.execute(_BEGINNING, {"subscriber": self._subscriber})).one()
        return Beginning(*row)

    async def finish(
        self,
        hold: Hold,
        beginning: Beginning,
        closed_through: date | None = None,
        *,
        differences: int = 0,
    ) -> None:
        told = {
            "at": beginning.at,
            "as_of": beginning.as_of,
            "position": beginning.position,
            "closed_through": closed_through,
            "differences": differences,
        }
        if (await self._connection.execute(_FINISH, self._held(hold) | told)).rowcount != 1:
            raise SyncTakenOver

    async def last(self, kind: Kind, *, share: bool = False) -> Pass | None:
        return await last_pass(self._connection, self._tenant_id, kind, share=share)

    def _held(self, hold: Hold) -> dict[str, object]:
        return {"tenant": self._tenant_id, "kind": hold.kind.value, "term": hold.term}


async def last_pass(
    connection: AsyncConnection, tenant_id: UUID, kind: Kind, *, share: bool = False
) -> Pass | None:
    """The last finished pass of a kind, if there ever was one."""
    query = text(_LAST + (" FOR SHARE" if share else ""))
    row = (await connection.execute(query, {"tenant": tenant_id, "kind": kind.value})).one_or_none()
    return None if row is None else Pass(*row)
