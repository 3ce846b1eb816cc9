"""What somebody could have forgotten about slots, leases, statistics and messages."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import Update, update
from sqlalchemy.dialects.postgresql import Insert
from uuid_utils.compat import uuid7

from qs.application.kernel import crash
from qs.application.notification.ports import ChannelFailure
from qs.application.notification.sending import Sending
from qs.application.notification.taking import Parcel, Taken, Taking
from qs.application.statistics import daily_sync
from qs.application.statistics.ports import Epoch, Figures
from qs.domain.notification.delivery import DeliveryStatus, Outcome
from qs.domain.scheduler.execution import Execution
from qs.domain.statistics.metrics import METRICS, Place
from qs.infra.notification import claiming
from qs.infra.scheduler import executions
from qs.infra.scheduler.executions import SqlExecutions
from qs.infra.scheduler.slots import SqlSlots
from qs.infra.scheduler.tables import execution as table
from qs.infra.statistics import counters, daily
from qs.infra.statistics.counters import RedisCounters
from tests.proof.bugs_of_events import drop_constraint
from tests.proof.patching import Stale, reached, replace, replace_call, rewrite, without


def no_unique_slot() -> None:
    """Nothing in the database keeps a slot from being claimed twice.

    That the clock has one open execution of a duty would stop the second firing of most, so it goes as well.
    """

    class Anyhow(Insert):
        inherit_cache = True

        def on_conflict_do_nothing(self, *_: Any, **__: Any) -> Any:
            # What it names was dropped, and naming it would be an error.
            return super().on_conflict_do_nothing()

    async def claim(*arguments: Any) -> bool:
        return bool(await original(*arguments))

    replace(executions, "insert", Anyhow)
    original = replace_call(SqlSlots, "claim", claim)


async def without_slot_key(connection: asyncpg.Connection) -> None:
    await drop_constraint(connection, "slot", "PRIMARY KEY (tenant_id, name, scheduled_at)")
    await connection.execute("DROP INDEX execution_of_clock")


def no_epoch() -> None:
    """A holder writes to its execution without naming the epoch it holds, and whatever became of it."""

    def held(self: SqlExecutions, execution: Execution) -> Update:
        reached()
        return update(table).where(self._is(execution.id))

    replace(SqlExecutions, "_held", held)


_ADDED = "proof:added"


def delta_sync() -> None:
    """A sync adds what was counted since the last pass, and marks it as added afterwards.

    What a pass cut off in between has added is added again by the next.
    """
    _rewrite_metrics(daily, "_UPSERT", r"greatest\(o\.{0}, excluded\.{0}\)", "o.{0} + excluded.{0}")
    _rewrite_metrics(daily, "_UPSERT", r"excluded\.{0} > coalesce\(o\.{0}, 0\)", "excluded.{0} <> 0")

    async def read_new(self: Any, epoch: Epoch, places: Sequence[Place]) -> Figures:
        rows = await read(self, epoch, places)
        redis, fresh = self._counters._redis, {}
        for place, counts in rows.items():
            known = await redis.hget(_ADDED, repr(place))
            before = msgspec.json.decode(known, type=dict[str, int]) if known else {}
            fresh[place] = {
                name: count - (before.get(name, 0) if name in METRICS else 0)
                for name, count in counts.items()
            }
        passing.update({repr(place): msgspec.json.encode(dict(counts)) for place, counts in rows.items()})
        return fresh

    async def finish(self: RedisCounters, tenant_id: UUID, epoch: UUID) -> None:
        redis: Any = self._redis
        if passing:
            await redis.hset(_ADDED, mapping=passing)
            passing.clear()
        await finished(self, tenant_id, epoch)

    passing: dict[str, bytes] = {}
    read = replace_call(daily_sync._Pass, "_read", read_new)
    finished = replace_call(RedisCounters, "pass_finished", finish)


def sync_from_a_wiped_redis() -> None:
    """Nobody looks whether the counters are those of the epoch, so an emptied Redis counts on from nothing.

    That a sync never lowers a figure would hide it for a while, so a figure becomes what was read.
    """
    for script in ("_ADD", "_TAKE_CHANGED", "_READ", "_SCAN", "_FORGET_CLAIMS", "_FINISHED", "_FORGET_DAY"):
        without(counters, script, counters._CHECK)

    async def nothing_lost(self: RedisCounters, epochs: Any) -> frozenset[UUID]:
        return frozenset()

    replace_call(RedisCounters, "lost", nothing_lost)
    _rewrite_metrics(daily, "_UPSERT", r"greatest\(o\.{0}, excluded\.{0}\)", "excluded.{0}")
    _rewrite_metrics(
        daily, "_UPSERT", r"excluded\.{0} > coalesce\(o\.{0}, 0\)", "excluded.{0} <> coalesce(o.{0}, 0)"
    )


def no_claims() -> None:
    """An event is counted without claiming it, so that one delivered again counts again."""
    start, end = "if #ids > 0 then\n", "local hash, changed, n"
    if start not in counters._ADD or end not in counters._ADD:
        raise Stale("the script that adds has changed; the bug must follow what became of it")
    before, rest = counters._ADD.split(start)
    replace(counters, "_ADD", before + end + rest.split(end)[1])

    async def add(*arguments: Any) -> Any:
        return await original(*arguments)

    original = replace_call(RedisCounters, "add", add)


def sent_before_the_send() -> None:
    """A delivery is recorded as sent before it is sent, so that it is not sent twice."""

    async def send(self: Sending, parcel: Parcel) -> None:
        await self._settle(parcel, DeliveryStatus.SENT, None, outcome=Outcome.SENT)
        await crash.hit("notification.before_send")
        try:
            await self._channel.send(parcel.message)
        except ChannelFailure as failure:
            await self._failed(parcel, failure)

    replace_call(Sending, "_send", send)


def new_id_per_attempt() -> None:
    """Each attempt to send makes an id of its own, so that the receiver cannot tell a repetition."""

    async def take(*arguments: Any) -> Taken:
        taken: Taken = await original(*arguments)
        parcels = [
            each
            if each.deliveries[0].attempts == 1
            else Parcel(each.deliveries, dataclasses.replace(each.message, notification_id=uuid7()))
            for each in taken.parcels
        ]
        return dataclasses.replace(taken, parcels=parcels)

    original = replace_call(Taking, "take", take)


def claims_in_common() -> None:
    """Two senders may claim the same deliveries, since neither locks what it reads."""
    without(claiming, "_DUE", " FOR UPDATE SKIP LOCKED")


def _rewrite_metrics(owner: Any, name: str, old: str, new: str) -> None:
    """Changes what the statement says of every metric."""
    changes = []
    for metric in METRICS:
        found = re.search(old.format(metric), getattr(owner, name).text)
        if found is None:
            raise Stale(f"{name} no longer says {old} of {metric}; the bug must follow what became of it")
        changes.append((found.group(), new.format(metric)))
    rewrite(owner, name, *changes)
