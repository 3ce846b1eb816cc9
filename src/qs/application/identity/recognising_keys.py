"""Machines come in with an API key."""

from collections.abc import Callable
from hashlib import sha256

import structlog

from qs.application.identity.ports import (
    AccountDirectory,
    IdentityUnitOfWorkFactory,
    KnownApiKey,
    Secrets,
    SystemClock,
)
from qs.application.identity.remembering import BELIEVED_FOR_S, Remembered
from qs.domain.identity.api_keys import id_in
from qs.domain.identity.errors import TokenInvalid
from qs.domain.identity.principal import Kind, Principal

log = structlog.get_logger()

# Compared against when there is no such key, so that its absence takes no less time to tell.
_NO_DIGEST = bytes(32)


class KeyRecognition:
    """Knows a key again by its digest, for 3 s without asking, and never past its end."""

    def __init__(
        self,
        *,
        directory: AccountDirectory,
        unit_of_work: IdentityUnitOfWorkFactory,
        secrets: Secrets,
        clock: SystemClock,
        monotonic: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._secrets = secrets
        self._clock = clock
        self._known: Remembered[Principal] = Remembered(monotonic)

    async def recognise(self, key: str) -> Principal:
        """The principal that the key stands for.

        Raises:
            TokenInvalid: it is malformed, unknown, expired, revoked, or its tenant is suspended.
        """
        key_id = id_in(key)
        if key_id is None:
            raise TokenInvalid
        fingerprint = sha256(key.encode("ascii")).digest()
        if (remembered := self._known.get(fingerprint)) is not None:
            return remembered
        # Asked before the answer is dated, so that a slow database never stretches how long it is believed.
        asked_at, now = self._known.now(), self._clock()
        known = await self._directory.api_key(key_id)
        matches = self._secrets.matches(key, known.secret_digest if known else _NO_DIGEST)
        if known is None or not matches or not known.may_enter or not known.key.is_active(now):
            log.info("api_key_refused", api_key_id=known.key.id if known else None)
            raise TokenInvalid
        await self._keep_up(known, key)
        principal = _principal(known)
        left = (known.key.expires_at - now).total_seconds()
        self._known.keep(fingerprint, principal, asked_at + min(BELIEVED_FOR_S, left))
        return principal

    async def _keep_up(self, known: KnownApiKey, key: str) -> None:
        # The hour of its use, and a digest made with a key that is on its way out is made anew: at most one write each
        # hour, and the database keeps the later of two.
        used_at = known.key.use_to_note(self._clock())
        current = self._secrets.digest(key)
        if used_at is None and known.secret_digest == current:
            return
        async with self._unit_of_work(known.key.tenant_id) as uow:
            await uow.api_keys.note_use(known.key.id, used_at, current)
            await uow.commit("api_key.note_use")


def _principal(known: KnownApiKey) -> Principal:
    key = known.key
    return Principal(Kind.API_KEY, str(key.id), key.tenant_id, key.scopes, key.name)
