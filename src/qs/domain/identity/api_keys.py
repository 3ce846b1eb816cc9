"""API keys: secrets that a tenant gives its own machines, each with scopes and an end."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from qs.domain.identity.errors import ApiKeyInvalid, TwoKeysActive
from qs.domain.kernel.errors import Problem

KEY_PREFIX = "qsk_"
MOST_ACTIVE = 2
"""Of one name: the present key, and its successor while machines change over."""
LONGEST_LIFE = timedelta(days=366)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEY = re.compile(r"qsk_([0-9a-f]{32})_[A-Za-z0-9_-]{43}")
_LAST_USE_KEPT_TO = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. ``last_used_at`` is cut down to the hour; None while it was never used."""

    id: UUID
    tenant_id: UUID
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def use_to_note(self, now: datetime) -> datetime | None:
        """The hour that a use now is noted under; None where that hour is noted already."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self.last_used_at is not None and hour < self.last_used_at + _LAST_USE_KEPT_TO:
            return None
        return hour


def written_key(key_id: UUID, secret: str) -> str:
    """What a machine sends. It names its row, so that one look-up finds it, and scanners know the prefix."""
    return f"{KEY_PREFIX}{key_id.hex}_{secret}"


def id_in(key: str) -> UUID | None:
    """The id that a written key names; None where it is not written like one."""
    found = _KEY.fullmatch(key)
    return UUID(found[1]) if found else None


def new_key_name(name: str) -> str:
    """The same name, fit for a key. Raises ApiKeyInvalid."""
    if not _NAME.fullmatch(name):
        detail = "must be 1 to 63 letters, digits and . _ -, and begin with a letter or digit"
        raise ApiKeyInvalid([Problem("/name", detail)])
    return name


def new_key_life(life: timedelta) -> timedelta:
    """The same length of time, fit for a key. Raises ApiKeyInvalid."""
    if not timedelta() < life <= LONGEST_LIFE:
        raise ApiKeyInvalid([Problem("/expires_in_days", f"must be 1 to {LONGEST_LIFE.days} days")])
    return life


def check_successor(name: str, keys: Iterable[ApiKey], now: datetime) -> None:
    """Whether one more key may be added to those of the same name.

    Raises:
        TwoKeysActive: two of them still work.
    """
    if sum(key.is_active(now) for key in keys) >= MOST_ACTIVE:
        raise TwoKeysActive(name)
