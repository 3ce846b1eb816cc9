"""The live counters in Redis: one hash a place; beside them what is claimed, what changed, and which places there are.

Keys of a tenant share a hash tag, so that a cluster keeps them together. All but two of them carry the epoch: what is
left of an earlier one can neither be read nor added to.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from qs.application.statistics.ports import Figures, Made
from qs.domain.statistics.errors import CountersAway, CountersLost
from qs.domain.statistics.metrics import METRICS, Counts, Place
from qs.infra.redis.client import ANY_FAILURE

T = TypeVar("T")

_pack = msgspec.msgpack.Encoder().encode
_KNOWN = {name.encode(): name for name in METRICS}
_LOST = -1
_PER_CALL = 500

_CHECK = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {-1} end\n"

# Claims and figures in one step. ARGV: epoch, prefix, ids of 16 bytes each in a row, and the places as MessagePack, each
# with its name, then the names and increments of its figures; one document is unpacked far faster than it takes to
# send its parts as arguments. A figure that equals its increment is new, and then the place may be too.
_ADD = (
    _CHECK
    + """
local prefix, ids, packed = ARGV[2], {}, ARGV[3]
for i = 1, #packed, 16 do ids[#ids + 1] = string.sub(packed, i, i + 15) end
if #ids > 0 then
    local claims = prefix .. 'claims'
    local known, before = redis.call('SMISMEMBER', claims, unpack(ids)), {}
    for i = 1, #ids do
        if known[i] == 1 then before[#before + 1] = i end
    end
    if #before > 0 then return before end
    redis.call('SADD', claims, unpack(ids))
end
local hash, changed, n = prefix .. 'c:', {}, 0
for _, place in ipairs(cmsgpack.unpack(ARGV[4])) do
    local name, fresh = place[1], false
    local key = hash .. name
    for f = 2, #place, 2 do
        if redis.call('HINCRBY', key, place[f], place[f + 1]) == place[f + 1] then fresh = true end
    end
    if fresh then
        local day = string.sub(name, 1, 10)
        if redis.call('SADD', prefix .. 'i:' .. day, name) == 1 then redis.call('SADD', prefix .. 'days', day) end
    end
    n = n + 1
    changed[n] = name
    if n == 1000 then
        redis.call('SADD', prefix .. 'changed', unpack(changed))
        changed, n = {}, 0
    end
end
if n > 0 then redis.call('SADD', prefix .. 'changed', unpack(changed)) end
return {}
"""
)
# While counters are being made nobody can use them: the epoch is told last, and only if nothing was lost meanwhile.
_MAKE = """
local prefix, i, places = ARGV[1], 2, 0
while i <= #ARGV do
    local place, fields = ARGV[i], tonumber(ARGV[i + 1])
    local day = string.sub(place, 1, 10)
    redis.call('HSET', prefix .. 'c:' .. place, unpack(ARGV, i + 2, i + 1 + 2 * fields))
    redis.call('SADD', prefix .. 'i:' .. day, place)
    redis.call('SADD', prefix .. 'days', day)
    redis.call('SADD', prefix .. 'changed', place)
    places = places + 1
    i = i + 2 + 2 * fields
end
return redis.call('INCRBY', prefix .. 'made', places)
"""
_CLAIM = """
redis.call('SADD', ARGV[1] .. 'claims', unpack(ARGV, 2))
return redis.call('INCRBY', ARGV[1] .. 'made', #ARGV - 1)
"""
_OPEN = """
if (redis.call('GET', ARGV[2] .. 'made') or '0') ~= ARGV[3] then return {-1} end
redis.call('SET', KEYS[2], ARGV[4])
redis.call('SET', KEYS[1], ARGV[1])
return {}
"""
_TAKE_CHANGED = (
    _CHECK
    + """
local changed, taken = ARGV[2] .. 'changed', ARGV[2] .. 'taken'
redis.call('SUNIONSTORE', taken, taken, changed)
redis.call('DEL', changed)
return {redis.call('SCARD', taken)}
"""
)
_READ = (
    _CHECK
    + """
local found = {}
for i = 3, #ARGV do found[#found + 1] = redis.call('HGETALL', ARGV[2] .. 'c:' .. ARGV[i]) end
return found
"""
)
_SCAN = _CHECK + "return redis.call('SSCAN', ARGV[2] .. ARGV[3], ARGV[4], 'COUNT', ARGV[5])"
# Each member with its figures, which else would have to be asked for by name.
_SCAN_READ = (
    _CHECK
    + """
local scanned = redis.call('SSCAN', ARGV[2] .. ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local found, n = {}, 0
for _, member in ipairs(scanned[2]) do
    found[n + 1], found[n + 2] = member, redis.call('HGETALL', ARGV[2] .. 'c:' .. member)
    n = n + 2
end
return {scanned[1], found}
"""
)
_FORGET_CLAIMS = (
    _CHECK + "if #ARGV > 2 then redis.call('SREM', ARGV[2] .. 'claims', unpack(ARGV, 3)) end return {}"
)
_FINISHED = _CHECK + "redis.call('DEL', ARGV[2] .. 'taken') return {}"
_FORGET_DAY = (
    _CHECK
    + """
local index = ARGV[2] .. 'i:' .. ARGV[3]
local places = redis.call('SPOP', index, 500)
for i = 1, #places do redis.call('UNLINK', ARGV[2] .. 'c:' .. places[i]) end
if #places < 500 then redis.call('SREM', ARGV[2] .. 'days', ARGV[3]) end
return {#places}
"""
)


class RedisCounters:
    """The counters of one Redis. A restart of the server is taken for a loss, since it may have forgotten the last."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add, self._make, self._claim, self._open = map(
            redis.register_script, (_ADD, _MAKE, _CLAIM, _OPEN)
        )
        self._take_changed, self._read, self._scan, self._forget = map(
            redis.register_script, (_TAKE_CHANGED, _READ, _SCAN, _FORGET_CLAIMS)
        )
        self._finished, self._forget_day, self._scan_read = map(
            redis.register_script, (_FINISHED, _FORGET_DAY, _SCAN_READ)
        )

    async def lost(self, epochs: Mapping[UUID, UUID]) -> frozenset[UUID]:
        if not epochs:
            return frozenset()
        keys = [key for tenant_id in epochs for key in _epoch_keys(tenant_id)]
        run_id = await self._run_id()
        held = await _asked(self._redis.mget(keys))
        pairs = zip(held[::2], held[1::2], strict=True)
        good = {
            tenant_id
            for (tenant_id, epoch), pair in zip(epochs.items(), pairs, strict=True)
            if pair == (str(epoch).encode(), run_id)
        }
        return frozenset(epochs.keys() - good)

    async def add(
        self, tenant_id: UUID, epoch: UUID, event_ids: Collection[UUID], figures: Figures
    ) -> frozenset[UUID]:
        ids = list(event_ids)
        places = [
            [_member(place), *(each for pair in counts.items() for each in pair)]
            for place, counts in figures.items()
        ]
        packed = b"".join([id_.bytes for id_ in ids])
        before = await self._call(self._add, tenant_id, epoch, [packed, _pack(places)])
        return frozenset(ids[number - 1] for number in before)

    async def make(self, tenant_id: UUID, epoch: UUID, figures: AsyncIterable[Figures]) -> Made:
        prefix, server, places = _prefix(tenant_id, epoch), await self._run_id(), 0
        async for portion in figures:
            rest = iter(portion.items())
            while chunk := list(islice(rest, _PER_CALL)):
                arguments: list[Any] = [prefix]
                for place, counts in chunk:
                    _append(arguments, place, counts)
                await _asked(self._make(args=arguments))
                places += len(chunk)
        return Made(places, server)

    async def install(
        self, tenant_id: UUID, epoch: UUID, made: Made, claims: Iterable[Sequence[UUID]]
    ) -> None:
        prefix, count = _prefix(tenant_id, epoch), made.places
        for ids in claims:
            await _asked(self._claim(args=[prefix, *(id_.bytes for id_ in ids)]))
            count += len(ids)
        if await self._run_id() != made.server:
            raise CountersLost
        opened = await _asked(
            self._open(keys=_epoch_keys(tenant_id), args=[str(epoch), prefix, count, made.server])
        )
        if opened == [_LOST]:
            raise CountersLost
        await self._remove_others(tenant_id, epoch)

    async def claimed(self, tenant_id: UUID, epoch: UUID, batch: int) -> AsyncIterator[Sequence[UUID]]:
        async for found in self._members(tenant_id, epoch, "claims", batch):
            yield [UUID(bytes=each) for each in found]

    async def forget_claims(self, tenant_id: UUID, epoch: UUID, event_ids: Collection[UUID]) -> None:
        await self._call(self._forget, tenant_id, epoch, [id_.bytes for id_ in event_ids])

    async def take_changed(self, tenant_id: UUID, epoch: UUID) -> int:
        (count,) = await self._call(self._take_changed, tenant_id, epoch, [])
        return int(count)

    async def changed(self, tenant_id: UUID, epoch: UUID, batch: int) -> AsyncIterator[Sequence[Place]]:
        async for found in self._members(tenant_id, epoch, "taken", batch):
            yield [_place(each) for each in found]

    async def pass_finished(self, tenant_id: UUID, epoch: UUID) -> None:
        await self._call(self._finished, tenant_id, epoch, [])

    async def read(self, tenant_id: UUID, epoch: UUID, places: Sequence[Place]) -> list[dict[str, int]]:
        if not places:
            return []
        found = await self._call(self._read, tenant_id, epoch, [_member(place) for place in places])
        return [_counts(fields) for fields in found]

    async def figures(self, tenant_id: UUID, epoch: UUID, batch: int) -> AsyncIterator[Figures]:
        async for days in self._members(tenant_id, epoch, "days", 1000):
            for day in days:
                async for found in self._scanned(
                    self._scan_read, tenant_id, epoch, f"i:{day.decode()}", batch
                ):
                    yield {
                        _place(member): _counts(fields)
                        for member, fields in zip(found[::2], found[1::2], strict=True)
                    }

    async def changed_before(self, tenant_id: UUID, epoch: UUID, day: date) -> frozenset[date]:
        found: set[date] = set()
        async for members in self._members(tenant_id, epoch, "changed", 1000):
            found.update(place.day for place in map(_place, members) if place.day < day)
        return frozenset(found)

    async def forget_before(self, tenant_id: UUID, epoch: UUID, day: date) -> None:
        async for days in self._members(tenant_id, epoch, "days", 1000):
            for each in days:
                if date.fromisoformat(each.decode()) < day:
                    while (await self._call(self._forget_day, tenant_id, epoch, [each]))[0] == _PER_CALL:
                        pass

    async def _members(
        self, tenant_id: UUID, epoch: UUID, key: str, batch: int
    ) -> AsyncIterator[Sequence[bytes]]:
        """The members of a set; each at least once, where it changes meanwhile perhaps more often."""
        async for found in self._scanned(self._scan, tenant_id, epoch, key, batch):
            for start in range(0, len(found), batch):
                yield found[start : start + batch]

    async def _scanned(
        self, script: Any, tenant_id: UUID, epoch: UUID, key: str, batch: int
    ) -> AsyncIterator[Sequence[Any]]:
        cursor: bytes | int = 0
        while True:
            cursor, found = await self._call(script, tenant_id, epoch, [key, cursor, batch])
            yield found
            if int(cursor) == 0:
                return

    async def _call(self, script: Any, tenant_id: UUID, epoch: UUID, arguments: Sequence[Any]) -> Any:
        answer = await _asked(
            script(
                keys=_epoch_keys(tenant_id)[:1],
                args=[str(epoch), _prefix(tenant_id, epoch), *arguments],
            )
        )
        if answer == [_LOST]:
            raise CountersLost
        return answer

    async def _remove_others(self, tenant_id: UUID, epoch: UUID) -> None:
        """Removes what is left of earlier epochs, which nobody can read any more."""
        own = _prefix(tenant_id, epoch).encode()
        kept = {key.encode() for key in _epoch_keys(tenant_id)}
        try:
            others: list[bytes] = []
            async for key in self._redis.scan_iter(match=f"qs:stat:{{{tenant_id}}}:*", count=1000):
                if key not in kept and not key.startswith(own):
                    others.append(key)
                if len(others) >= _PER_CALL:
                    await self._redis.unlink(*others)
                    others.clear()
            if others:
                await self._redis.unlink(*others)
        except ANY_FAILURE as error:
            raise CountersAway from error

    async def _run_id(self) -> bytes:
        server = await _asked(self._redis.info("server"))
        return str(server.get("run_id", "")).encode()


async def _asked(question: Awaitable[T]) -> T:
    try:
        return await question
    except ANY_FAILURE as error:
        raise CountersAway from error


def _epoch_keys(tenant_id: UUID) -> list[str]:
    return [f"qs:stat:{{{tenant_id}}}:epoch", f"qs:stat:{{{tenant_id}}}:server"]


def _prefix(tenant_id: UUID, epoch: UUID) -> str:
    return f"qs:stat:{{{tenant_id}}}:{epoch}:"


def _append(arguments: list[Any], place: Place, counts: Counts) -> None:
    arguments.append(_member(place))
    arguments.append(len(counts))
    for name, count in counts.items():
        arguments.append(name)
        arguments.append(count)


def _member(place: Place) -> str:
    # The key comes last, so that it may hold any character.
    dimension, key, day = place
    return f"{day}:{dimension}:{key}"


def _place(member: bytes) -> Place:
    day, dimension, key = member.decode().split(":", 2)
    return Place(dimension, key, date.fromisoformat(day))


def _counts(fields: Sequence[bytes]) -> dict[str, int]:
    return {
        _KNOWN.get(name) or name.decode(): int(count)
        for name, count in zip(fields[::2], fields[1::2], strict=True)
    }
