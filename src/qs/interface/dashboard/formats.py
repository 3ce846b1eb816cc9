"""How values are written on pages: instants with their zone, rates with what they are of, names of states."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from markupsafe import Markup

from qs.interface.dashboard.reader import Reader, zone_named

DASH = "–"


def parsed(at: str | datetime) -> datetime:
    """An instant of the API (RFC 3339)."""
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)


def instant(reader: Reader, at: str | datetime | None) -> Markup:
    """On the reader's clock, to the minute, with the offset of the zone; the element holds all of it."""
    if not at:
        return Markup("–")
    local = reader.local(parsed(at))
    return Markup('<time datetime="{}">{} <small>{}</small></time>').format(
        local.isoformat(), local.strftime("%Y-%m-%d %H:%M"), _offset(local)
    )


def instant_text(reader: Reader, at: str | datetime) -> str:
    """The same as text, for the name of something that is not read but heard."""
    local = reader.local(parsed(at))
    return f"{local.strftime('%Y-%m-%d %H:%M')} {_offset(local)}"


def clock(reader: Reader, at: str | datetime | None) -> Markup:
    """The same to the second, for what happens within seconds."""
    if not at:
        return Markup("–")
    local = reader.local(parsed(at))
    return Markup('<time datetime="{}">{} <small>{}</small></time>').format(
        local.isoformat(), local.strftime("%Y-%m-%d %H:%M:%S"), _offset(local)
    )


def in_zone(reader: Reader, at: str | datetime | None, zone: str | None) -> Markup:
    """The same instant by the clocks of another zone, where it is another; nothing where it is not."""
    other = zone_named(zone or "")
    if not at or other is None or zone == reader.zone:
        return Markup("")
    local = parsed(at).astimezone(other)
    return Markup("<br><small>{} {}</small>").format(local.strftime("%Y-%m-%d %H:%M"), zone)


def pretty(value: Any) -> str:
    """A value of the API as JSON with line breaks."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def day(value: str | date | None) -> str:
    """A calendar date, which has no zone."""
    return str(value) if value else DASH


def rate(value: Any) -> Markup:
    """``{n, d, rate}`` as a percentage with its n of d; a dash where nothing could be counted."""
    if not value or not value.get("d"):
        return Markup("–")
    return Markup("{} <small>{}/{}</small>").format(percent(value["n"] / value["d"]), value["n"], value["d"])


def percent(share: float | None) -> str:
    """A share of 1 as a percentage; a dash where it cannot be told."""
    return DASH if share is None else f"{100 * share:.1f} %"


def duration(seconds: float | None) -> str:
    """Seconds in the two units that say most: ``1 d 4 h``, ``2 min 5 s``, ``340 ms``."""
    if seconds is None:
        return DASH
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    left = round(abs(seconds))
    said: list[tuple[int, str]] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or said:
            said.append((count, unit))
    written = " ".join(f"{count} {unit}" for count, unit in said[:2] if count)
    return f"-{written}" if seconds < 0 else written


def number(value: float | None) -> str:
    """A count with its thousands apart by a thin space, as ISO 31-0 has it."""
    return DASH if value is None else f"{value:,}".replace(",", "\u2009")


def short(value: str | None) -> Markup:
    """The end of an id, by which people tell ids apart, with all of it for whoever points at it."""
    if not value:
        return Markup("–")
    return Markup('<code title="{}">…{}</code>').format(value, value[-8:])


def mask(address: str | None) -> str:
    """A contact of which enough is left to tell it from another: ``a…@example.org``, ``…4567``."""
    if not address:
        return DASH
    name, at, host = address.partition("@")
    return f"{name[:1]}…@{host}" if at else f"…{address[-4:]}" if len(address) > 6 else "…"


def since(reader: Reader, at: str | datetime | None, now: datetime) -> str:
    """How long ago, or in how long."""
    return DASH if not at else duration((now - parsed(at)) / timedelta(seconds=1))


def _offset(local: datetime) -> str:
    offset = local.utcoffset() or timedelta()
    minutes = int(offset / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return "UTC" if not minutes else f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
