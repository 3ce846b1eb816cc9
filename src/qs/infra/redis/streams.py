"""Publishing to Redis Streams, `qs:events:{context}`, one entry per event with the fields `name` and `event`."""

from collections.abc import Iterator, Sequence

import msgspec
from redis.asyncio import Redis

from qs.application.kernel.streams import Envelope, StreamsUnavailable
from qs.infra.redis.client import ANY_FAILURE

STREAM_PREFIX = "qs:events:"
VOUCHED_KEY = "qs:events:vouched"
_PER_CALL = 1000

# Entries older than the age are trimmed in whole nodes, which costs next to nothing. Redis' clock decides, as
# it also makes the ids.
_APPEND = """
for i = 2, #ARGV, 2 do
    redis.call('XADD', KEYS[1], '*', 'name', ARGV[i], 'event', ARGV[i + 1])
end
local now = redis.call('TIME')
redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', now[1] * 1000 - ARGV[1]))
return (#ARGV - 1) / 2
"""


def stream_key(context: str) -> str:
    return STREAM_PREFIX + context


class RedisEventStreams:
    """The streams of one Redis; entries older than ``keep_hours`` go."""

    def __init__(self, redis: Redis, *, keep_hours: float) -> None:
        self._redis = redis
        self._keep_ms = int(keep_hours * 3_600_000)
        self._append = redis.register_script(_APPEND)
        self._encode = msgspec.json.Encoder().encode
        self._seen_run_id: str | None = None

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        try:
            for context, chunk in _chunks(envelopes):
                arguments: list[str | bytes | int] = [self._keep_ms]
                for envelope in chunk:
                    arguments.append(envelope.name)
                    arguments.append(self._encode(envelope.event))
                await self._append(keys=[stream_key(context)], args=arguments)
        except ANY_FAILURE as error:
            raise StreamsUnavailable from error

    async def trim(self) -> int:
        """Removes what is older than the streams' age where nothing is published any more.

        Redis being away is no failure here: what it no longer has need not be removed.
        """
        try:
            seconds, _ = await self._redis.time()
            oldest = seconds * 1000 - self._keep_ms
            keys = [key async for key in self._redis.scan_iter(match=STREAM_PREFIX + "*", _type="stream")]
            return sum([await self._redis.xtrim(key, minid=oldest, approximate=False) for key in keys])
        except ANY_FAILURE:
            return 0

    async def intact(self) -> bool:
        try:
            vouched = await self._redis.get(VOUCHED_KEY)
            self._seen_run_id = await self._run_id()
            return vouched is not None and vouched.decode() == self._seen_run_id
        except ANY_FAILURE as error:
            raise StreamsUnavailable from error

    async def vouch(self) -> None:
        try:
            # That of the server everything was published to again: another one that started since lacks it.
            await self._redis.set(VOUCHED_KEY, self._seen_run_id or await self._run_id())
        except ANY_FAILURE as error:
            raise StreamsUnavailable from error

    async def _run_id(self) -> str:
        # A new one at every start of the server: with it a restart that lost only the last writes is seen too.
        server = await self._redis.info("server")
        return str(server.get("run_id", ""))


def _chunks(envelopes: Sequence[Envelope]) -> Iterator[tuple[str, list[Envelope]]]:
    contexts = sorted({envelope.context for envelope in envelopes})
    for context in contexts:
        own = [envelope for envelope in envelopes if envelope.context == context]
        for start in range(0, len(own), _PER_CALL):
            yield context, own[start : start + _PER_CALL]
