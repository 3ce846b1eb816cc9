"""Reading Redis Streams as one consumer of a subscriber's group."""

import os
import secrets
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from qs.application.kernel.streams import StreamsUnavailable
from qs.application.kernel.subscriptions import StreamEntry, Subscription
from qs.infra.redis.client import ANY_FAILURE
from qs.infra.redis.streams import stream_key

T = TypeVar("T")

_FORGOTTEN_AFTER = timedelta(hours=1)

_log = structlog.get_logger()


class _Header(msgspec.Struct):
    """As much of a CloudEvent as it takes to find its outbox row."""

    id: UUID
    source: str


class RedisStreamReader:
    """A consumer named after this process; its group starts at the oldest entry there is."""

    def __init__(self, redis: Redis, subscription: Subscription) -> None:
        self._redis = redis
        self._group = subscription.subscriber
        self._streams = [stream_key(context) for context in subscription.contexts]
        self._names = frozenset(name.encode() for name in subscription.names)
        self._consumer = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._decode = msgspec.json.Decoder(_Header).decode

    async def read(self, limit: int, wait: timedelta) -> Sequence[StreamEntry]:
        return await self._ask(lambda: self._read(limit, max(1, int(wait.total_seconds() * 1000)))) or []

    async def reclaim(self, limit: int, idle: timedelta) -> Sequence[StreamEntry]:
        return await self._ask(lambda: self._reclaim(limit, int(idle.total_seconds() * 1000))) or []

    async def acknowledge(self, entries: Collection[StreamEntry]) -> None:
        await self._ask(lambda: self._acknowledge(entries))

    async def _read(self, limit: int, wait_ms: int) -> list[StreamEntry]:
        answer = await self._redis.xreadgroup(
            self._group, self._consumer, dict.fromkeys(self._streams, ">"), count=limit, block=wait_ms
        )
        return [entry for stream, found in answer for entry in await self._entries(stream.decode(), found)]

    async def _reclaim(self, limit: int, idle_ms: int) -> list[StreamEntry]:
        entries: list[StreamEntry] = []
        for stream in self._streams:
            _, found, *_ = await self._redis.xautoclaim(
                stream, self._group, self._consumer, idle_ms, count=limit
            )
            entries += await self._entries(stream, found)
            await self._forget_consumers(stream)
        return entries

    async def _acknowledge(self, entries: Collection[StreamEntry]) -> None:
        ids = defaultdict(list)
        for entry in entries:
            ids[entry.stream].append(entry.entry_id)
        for stream, own in ids.items():
            await self._redis.xack(stream, self._group, *own)

    async def _entries(self, stream: str, found: Any) -> list[StreamEntry]:
        wanted: list[StreamEntry] = []
        unwanted: list[bytes] = []
        for entry_id, fields in found:
            entry = self._entry(stream, entry_id, fields) if fields else None
            if entry is None:
                unwanted.append(entry_id)
            else:
                wanted.append(entry)
        if unwanted:
            await self._redis.xack(stream, self._group, *unwanted)
        return wanted

    def _entry(self, stream: str, entry_id: bytes, fields: dict[bytes, bytes]) -> StreamEntry | None:
        """The entry, or None if this subscriber has nothing to do with it or it is none of ours."""
        if fields.get(b"name") not in self._names:
            return None
        try:
            header = self._decode(fields[b"event"])
            return StreamEntry(stream, entry_id.decode(), header.id, UUID(header.source.split("/")[2]))
        except (msgspec.DecodeError, KeyError, ValueError, IndexError):
            # Were it an event of ours, it would be missed in the inbox and published again as it should be.
            _log.warning("stream_entry_unreadable", stream=stream, entry_id=entry_id.decode())
            return None

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """The answer; None where the group was lost, which is made again instead of failing."""
        try:
            return await question()
        except ResponseError as error:
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                raise StreamsUnavailable from error
        except ANY_FAILURE as error:
            raise StreamsUnavailable from error
        await self._create_groups()
        return None

    async def _create_groups(self) -> None:
        try:
            for stream in self._streams:
                try:
                    await self._redis.xgroup_create(stream, self._group, id="0", mkstream=True)
                except ResponseError as error:
                    if not str(error).startswith("BUSYGROUP"):
                        raise
        except ANY_FAILURE as error:
            raise StreamsUnavailable from error

    async def _forget_consumers(self, stream: str) -> None:
        """Removes consumers of processes that are long gone, so that restarts do not pile them up."""
        for consumer in await self._redis.xinfo_consumers(stream, self._group):
            idle = timedelta(milliseconds=consumer["idle"])
            if consumer["pending"] == 0 and idle > _FORGOTTEN_AFTER:
                await self._redis.xgroup_delconsumer(stream, self._group, consumer["name"])
