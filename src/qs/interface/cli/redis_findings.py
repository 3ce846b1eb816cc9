"""What the doctor looks at in Redis: reachable, new enough, its clock, its memory, and whose it is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from sqlalchemy import text

from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.roles import RELAY
from qs.infra.redis.client import create_redis
from qs.infra.redis.streams import STREAM_PREFIX
from qs.interface.cli.findings import Finding, clock_gap, complaint, found, well
from qs.settings import Settings
from qs.settings.masking import mask_address

_OLDEST_REDIS = (6, 2)
_NEARLY_FULL = 0.9
_LATEST = 20
_WITHIN_S = 10
_DAY_S, _HOUR_S = 86400, 3600

_KNOWN = text(
    "SELECT id FROM unnest(CAST(:ids AS uuid[])) AS i(id) WHERE EXISTS (SELECT FROM outbox o WHERE o.id = i.id)"
)


class _Header(msgspec.Struct):
    id: UUID


async def redis_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings about Redis. That it keeps nothing on disk is none: all of it can be made again."""
    assert settings.redis.url is not None
    shown = mask_address(settings.redis.url)
    client = create_redis(settings.redis.url)
    try:
        async with asyncio.timeout(_WITHIN_S):
            facts: dict[str, Any] = await client.info("everything")
            seconds, microseconds = await client.time()
        yield redis_version_finding(facts, shown)
        yield clock_gap(
            "redis.clock", "redis clock", datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
        )
        for finding in _condition(facts):
            yield finding
        # Until then each of ours stands in the outbox, whatever retention has removed.
        since = (seconds - settings.retention.outbox_days * _DAY_S + _HOUR_S) * 1000
        strangers = await _strangers(client, settings, since)
        if strangers:
            what = f"{strangers} of its latest events are of no tenant here"
            yield found("redis.shared", "redis streams", what)
    except Exception as error:  # noqa: BLE001 - whatever the server says is the finding
        todo = f"start it, or correct redis.url (now {shown})"
        yield found("redis.away", "redis", complaint(error), todo)
    finally:
        await client.aclose()


def redis_version_finding(facts: dict[str, Any], shown: str) -> Finding:
    """Whether the server is new enough, by what INFO says; ``shown`` is the address, masked."""
    version = str(facts.get("valkey_version") or facts["redis_version"])
    name = "Valkey" if "valkey_version" in facts else "Redis"
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_REDIS:
        return found("redis.too_old", "redis", f"{name} {version} at {shown}")
    return well("redis", f"{name} {version} at {shown}")


def _condition(facts: dict[str, Any]) -> Iterator[Finding]:
    if facts.get("role") in ("slave", "replica"):
        yield found("redis.replica", "redis role", f"a replica of {facts.get('master_host')}")
    most, used = int(facts.get("maxmemory", 0)), int(facts.get("used_memory", 0))
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if most and policy != "noeviction":
        yield found(
            "redis.evicts", "redis memory", f"maxmemory-policy is {policy}, at {most / 2**20:.0f} MiB"
        )
    elif most and used > _NEARLY_FULL * most:
        yield found("redis.full", "redis memory", f"{used / 2**20:.1f} of {most / 2**20:.1f} MiB are used")
    else:
        limit = f", of {most / 2**20:.0f} at most" if most else ""
        yield well("redis memory", f"{used / 2**20:.1f} MiB are used{limit}; nothing there need be kept")


async def _strangers(client: Redis, settings: Settings, since_ms: int) -> int:
    """How many of the latest events in the streams, of after ``since_ms``, stand in no outbox here."""
    ids: list[UUID] = []
    async for key in client.scan_iter(match=STREAM_PREFIX + "*", _type="stream"):
        for _, fields in await client.xrevrange(key, min=str(since_ms), count=_LATEST):
            if b"event" in fields:
                ids.append(msgspec.json.decode(fields[b"event"], type=_Header).id)
    if not ids or settings.database.url is None:
        return 0
    engine = create_engine(settings.database.url, role=RELAY, pooled=False, application_name="qs-doctor")
    try:
        async with engine.connect() as connection:
            ours = set(await connection.scalars(_KNOWN, {"ids": ids}))
    except Exception:  # noqa: BLE001 - whatever the server says is told with the database
        return 0
    finally:
        await engine.dispose()
    return len(set(ids) - ours)
