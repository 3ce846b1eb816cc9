"""Entry links by a keyed function: derived when shown, stored nowhere."""

import hashlib
import hmac
from datetime import datetime
from functools import lru_cache
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from qs.domain.kernel.zones import add_civil_days, zone
from qs.domain.plan.entry import Entry
from qs.domain.plan.errors import LinkUnreadable, TaskNotOpen
from qs.domain.plan.task import AssessmentTask, TaskStatus

_NO_GENERATION = b"\0" * 16


class Subkeys(Protocol):
    """Secret keys for one purpose, by id; the current one signs."""

    @property
    def current_id(self) -> str: ...

    def subkey(self, purpose: str, key_id: str) -> bytes:
        """Raises LookupError for an id that is no longer configured."""
        ...


class KeyedEntryGenerator:
    """Tokens are UUIDv8 (RFC 9562): 122 bits of an HMAC-SHA256 over (task, generation) under a subkey.

    The key id is kept on the task for each generation, so that keys can rotate without killing links.
    """

    def __init__(self, keys: Subkeys, base_url: str) -> None:
        self._keys = keys
        self._scheme, self._host, self._path, self._query, self._fragment = urlsplit(base_url)

    def generate(self, task: AssessmentTask, now: datetime, ttl_days: int) -> Entry:
        expires_at = _expiry(now, ttl_days, task.timezone)
        return self._entry(task.id, self._keys.current_id, 1, expires_at)

    def regenerate(self, task: AssessmentTask) -> Entry:
        assert task.expires_at is not None
        return self._entry(task.id, self._keys.current_id, task.generation + 1, task.expires_at)

    def show(self, task: AssessmentTask) -> Entry:
        if task.status is not TaskStatus.OPENED or task.expires_at is None or not task.entry_keys:
            raise TaskNotOpen(task.id, task.status)
        if not self._knows(task.entry_keys[-1]):
            raise LinkUnreadable(task.id)
        return self._entry(task.id, task.entry_keys[-1], task.generation, task.expires_at)

    def generation_of(self, task: AssessmentTask, token: str) -> int | None:
        given = _token_bytes(token)
        found: int | None = None
        # Every generation is compared, so that time tells nothing about which one matched.
        for number, key_id in enumerate(task.entry_keys, start=1):
            known = self._knows(key_id)
            expected = self._token(task.id, key_id, number).bytes if known else _NO_GENERATION
            if hmac.compare_digest(given, expected) and known:
                found = number
        if not task.entry_keys:
            hmac.compare_digest(given, _NO_GENERATION)
        return found

    def _knows(self, key_id: str) -> bool:
        try:
            self._keys.subkey("entry", key_id)
        except LookupError:
            return False
        return True

    def _entry(self, task_id: UUID, key_id: str, generation: int, expires_at: datetime) -> Entry:
        return Entry(task_id, key_id, generation, expires_at, self._token_of, self._url_of)

    def _token_of(self, entry: Entry) -> UUID:
        return self._token(entry.task_id, entry.key_id, entry.generation)

    def _token(self, task_id: UUID, key_id: str, generation: int) -> UUID:
        key = self._keys.subkey("entry", key_id)
        digest = hmac.digest(key, task_id.bytes + generation.to_bytes(2, "big"), hashlib.sha256)[:16]
        number = int.from_bytes(digest, "big")
        number = number & ~(0xF << 76) | (0x8 << 76)
        number = number & ~(0x3 << 62) | (0x2 << 62)
        return UUID(int=number)

    def _url_of(self, entry: Entry, token: UUID) -> str:
        kept = parse_qsl(self._query, keep_blank_values=True)
        query = urlencode([*kept, ("token", str(token)), ("task_id", str(entry.task_id))])
        return urlunsplit((self._scheme, self._host, self._path, query, self._fragment))


# Tasks of one zone that are opened at the same instant run out at the same instant.
@lru_cache(maxsize=64)
def _expiry(opened_at: datetime, ttl_days: int, timezone: str) -> datetime:
    return add_civil_days(opened_at, ttl_days, zone(timezone))


def _token_bytes(token: str) -> bytes:
    try:
        return UUID(token).bytes if len(token) == 36 else _NO_GENERATION
    except ValueError:
        return _NO_GENERATION
