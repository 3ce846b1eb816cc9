"""What the doctor looks at in the settings and in Redis; each finding says what is, and what to do about it."""

import asyncio
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from qs.infra.redis.client import create_redis
from qs.interface.grpc.starting import require_grpc
from qs.provisioning import is_embedded, secret_key_file
from qs.settings import Settings, SettingsError
from qs.settings.checks import is_loopback
from qs.settings.masking import mask_address

Level = Literal["ok", "note", "wrong"]

_OLDEST_REDIS = (6, 2)
_LARGEST_CLOCK_GAP = timedelta(seconds=2)


class Finding(msgspec.Struct, frozen=True):
    """``wrong`` keeps qs from working as promised; a ``note`` is something to know. ``todo`` is empty when all is well."""

    subject: str
    level: Level
    what: str
    todo: str = ""


async def settings_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings that need no server."""
    yield Finding("settings", "ok", f"{settings.env}, home {settings.home}")
    if settings.events.entry_url:
        todo = "set QS_EVENTS_ENTRY_URL=false unless everybody who can read this Redis may hold the links"
        yield Finding("events.entry_url", "note", "true: links are put into the event stream", todo)
    else:
        yield Finding("events.entry_url", "ok", "false: no link is put into the event stream")
    if settings.entry.base_url is None and not is_loopback(settings.server.host):
        what = f"not set, and {settings.server.host} is no address testees can open"
        yield Finding(
            "entry.base_url", "wrong", what, "set QS_ENTRY_BASE_URL to the page that links should open"
        )
    yield _secret_key(settings)
    if settings.server.grpc_port is not None:
        yield _grpc(settings)


def _grpc(settings: Settings) -> Finding:
    try:
        require_grpc(settings)
    except SettingsError as error:
        return Finding("server.grpc_port", "wrong", error.problems[0].detail, "pip install 'qs[grpc]'")
    return Finding(
        "server.grpc_port", "ok", f"the duties are served over gRPC on port {settings.server.grpc_port}"
    )


def _secret_key(settings: Settings) -> Finding:
    file = secret_key_file(settings)
    if settings.secret_key is not None:
        return Finding("secret_key", "ok", "set")
    if not is_embedded(settings):
        return Finding("secret_key", "wrong", "missing", "set QS_SECRET_KEY or QS_SECRET_KEY_FILE to id:key")
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        return Finding("secret_key", "wrong", f"{file} can be read by others", f"chmod 600 {file}")
    what = f"kept in {file}" if file.exists() else f"will be made in {file} at the first start"
    return Finding("secret_key", "ok", what)


async def redis_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings about Redis: reachable, new enough, clock."""
    assert settings.redis.url is not None
    shown = mask_address(settings.redis.url)
    client = create_redis(settings.redis.url)
    try:
        async with asyncio.timeout(10):
            facts: dict[str, Any] = await client.info("server")
            seconds, microseconds = await client.time()
        version = str(facts.get("valkey_version") or facts["redis_version"])
        name = "Valkey" if "valkey_version" in facts else "Redis"
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_REDIS:
            yield Finding(
                "redis", "wrong", f"{name} {version} at {shown}", "use Redis 6.2 or later, or Valkey"
            )
        else:
            yield Finding("redis", "ok", f"{name} {version} at {shown}")
        yield clock_gap("redis clock", datetime.fromtimestamp(seconds + microseconds / 1e6, UTC))
    except Exception as error:  # noqa: BLE001 - whatever the server says is the finding
        yield Finding("redis", "wrong", complaint(error), f"start it, or correct redis.url (now {shown})")
    finally:
        await client.aclose()


def complaint(error: Exception) -> str:
    """What the server or the way to it said, in its own words."""
    cause = getattr(error, "orig", None) or error
    return (str(cause) or type(cause).__name__).splitlines()[0][:300]


def clock_gap(subject: str, there: datetime | None) -> Finding:
    """Whether another machine's clock agrees with ours."""
    assert there is not None
    gap = there - datetime.now(UTC)
    if abs(gap) > _LARGEST_CLOCK_GAP:
        what = f"{gap.total_seconds():+.1f} s against this machine's"
        return Finding(subject, "wrong", what, "let both machines keep their time by NTP")
    return Finding(subject, "ok", "agrees with this machine's")
