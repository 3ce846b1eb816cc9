"""What somebody could have forgotten between a change and those who act on its event."""

from typing import Any

import asyncpg

from qs.application.kernel.relaying import Relay
from qs.application.kernel.republishing import Republishing
from qs.application.kernel.subscribing import Subscribing
from qs.infra.notification import ledger
from qs.infra.postgres import inbox
from qs.infra.postgres.committing import commit
from qs.infra.postgres.published_events import COLUMNS
from qs.infra.postgres.unit_of_work import Outbox, SqlUnitOfWork
from tests.proof.patching import replace_call, rewrite, without


def published_is_done() -> None:
    """What went out once is taken for done: nothing is published again, whatever becomes of the streams."""

    async def nothing(self: Republishing) -> int:
        return 0

    replace_call(Republishing, "republish_overdue", nothing)
    replace_call(Republishing, "heal", nothing)


def save_then_publish() -> None:
    """That events are in the streams is committed before they are; nor is anything published again."""

    async def cycle(self: Relay) -> bool:
        if not await self._outbox.has_work():
            return False
        async with self._outbox.turn() as turn:
            if turn is None:
                return False
            events = await turn.waiting(self._batch)
            assigned = await turn.assign(self._batch)
            if events:
                turn.published(events[-1].position)
            await turn.commit("relay.turn")
        published = await self._publish(events)
        if published.failure is not None:
            raise published.failure
        return bool(events or assigned)

    replace_call(Relay, "cycle", cycle)
    published_is_done()


def acknowledged_before_the_effect() -> None:
    """The inbox row is committed in a transaction of its own before the effect."""

    async def handle_new(self: Subscribing[Any], tenant_id: Any, event_ids: list[Any]) -> None:
        async with self._unit_of_work(tenant_id) as uow:
            events = await uow.inbox.take(self._name, event_ids)
            taken = {event.id for event in events}
            await uow.inbox.set_aside(self._name, [id_ for id_ in event_ids if id_ not in taken])
            await uow.commit("subscriber.taken")
        async with self._unit_of_work(tenant_id) as uow:
            await self._handle(uow, events)
            await uow.commit("subscriber.batch")

    replace_call(Subscribing, "_handle_new", handle_new)


_ADDRESSED_TO = "(tenant_id, event_id, occasion, recipient, channel, address_index)"
_INSERTED = "INSERT INTO inbox"


def no_inbox() -> None:
    """Whatever a stream delivers is handled, whether or not it was handled before.

    The ledger's own key on (event, recipient, channel) would hold the second message back, so it goes as well.
    """
    seen = (
        f"SELECT {COLUMNS} FROM outbox o WHERE o.id = ANY(:ids) AND o.tenant_id = :tenant"
        " AND o.position IS NOT NULL ORDER BY o.position"
    )
    for name in ("_TAKE", "_TAKE_AGAIN"):
        rewrite(inbox, name, (inbox._READ_TAKEN, seen))
    without(inbox, "_TAKE", inbox._FRESH)
    without(ledger, "_ADD", f"ON CONFLICT {_ADDRESSED_TO} DO NOTHING")


async def without_ledger_key(connection: asyncpg.Connection) -> None:
    await connection.execute("DROP INDEX delivery_addressed")


def event_apart() -> None:
    """The event is written in a transaction of its own, after that of the change."""

    async def add(self: Outbox, events: Any) -> None:
        vars(self).setdefault("later", []).extend(events)

    async def commit_both(self: SqlUnitOfWork, at: str) -> None:
        await commit_change(self, at)
        if events := vars(self.events).pop("later", None):
            async with SqlUnitOfWork(self._engine, self.tenant_id) as apart:
                await write(apart.events, events)
                await commit(apart.connection, f"{at}.event")

    write = replace_call(Outbox, "add", add)
    commit_change = replace_call(SqlUnitOfWork, "commit", commit_both)


async def drop_constraint(connection: asyncpg.Connection, table: str, definition: str) -> None:
    name = await connection.fetchval(
        "SELECT conname FROM pg_constraint WHERE conrelid = $1::text::regclass AND pg_get_constraintdef(oid) = $2",
        table,
        definition,
    )
    assert name is not None, f"{table} has no {definition}; the bug must follow what became of it"
    await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
