"""The ``before`` of the duties: an instant as RFC 3339, or a civil date and time in the caller's zone."""

import re
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from qs.application.plan.ports import PlanUnitOfWorkFactory
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.kernel.zones import resolve_wall_time, zone

_CLAMP = timedelta(seconds=60)
_CIVIL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?: ([0-9]{2}:[0-9]{2}:[0-9]{2}))?")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_BLANKED_OFFSET = re.compile(r".*[0-9] [0-9]{2}:[0-9]{2}")


class BeforeInvalid(Invalid):
    code = "before.invalid"

    def __init__(self, detail: str) -> None:
        super().__init__([Problem("/before", detail)], f"before {detail}")


class BeforeInFuture(Invalid):
    code = "before.in_future"
    sentence = "before lies more than a minute in the future; leave it out to mean now"

    def __init__(self) -> None:
        super().__init__([Problem("/before", "must not be more than 60 s in the future")])


class BeforeReading:
    """Reads the ``before`` of a caller in the zone of their tenant; of one without a tenant in the default zone."""

    def __init__(self, uow: PlanUnitOfWorkFactory, *, default_timezone: str) -> None:
        self._uow = uow
        self._default_timezone = default_timezone

    async def read(self, tenant_id: UUID | None, before: str) -> datetime:
        """The instant (UTC) that ``before`` names, at most now. Raises BeforeInvalid, BeforeInFuture."""
        async with self._uow(tenant_id or PLATFORM_TENANT) as uow:
            own_zone = await uow.tenant_timezone() if tenant_id is not None else None
            return parse_before(before, own_zone or self._default_timezone, uow.now)


def parse_before(value: str, zone_name: str, now: datetime) -> datetime:
    """The instant (UTC) that ``value`` names; a civil one is read in the zone, gaps and folds as for plans.

    Up to 60 s ahead of ``now`` counts as ``now``, since clocks differ.

    Raises:
        BeforeInvalid: it is no such instant; a ``+`` that became a blank is told so.
        BeforeInFuture
    """
    instant = _instant(value) if "T" in value.upper() else _civil(value, zone_name)
    if instant > now + _CLAMP:
        raise BeforeInFuture
    return min(instant, now)


def _instant(value: str) -> datetime:
    if not _INSTANT.fullmatch(value):
        if _BLANKED_OFFSET.fullmatch(value):
            raise BeforeInvalid("has a blank where its offset's plus was; encode the plus as %2B")
        raise BeforeInvalid("must be RFC 3339 such as 2026-07-01T19:00:00+08:00, or YYYY-MM-DD[ HH:MM:SS]")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BeforeInvalid("names a date or time that does not exist") from None


def _civil(value: str, zone_name: str) -> datetime:
    match = _CIVIL.fullmatch(value)
    if match is None:
        raise BeforeInvalid("must be RFC 3339 such as 2026-07-01T19:00:00+08:00, or YYYY-MM-DD[ HH:MM:SS]")
    try:
        day = date.fromisoformat(match[1])
        resolved = resolve_wall_time(day, time.fromisoformat(match[2] or "00:00:00"), zone(zone_name))
    except (ValueError, OverflowError):
        raise BeforeInvalid("names a date or time that does not exist") from None
    if resolved is None:
        raise BeforeInvalid(f"names a date that the calendar of {zone_name} leaves out")
    return resolved.instant
