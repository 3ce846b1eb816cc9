"""Sessions of people in a browser: what is known of one travels in its cookie, sealed, and stands on a login's session.

Ending the login's session (logging out, a new password, a user who is disabled) ends what stands on it within 3 s.
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from qs.application.identity.authenticating import Authentication
from qs.application.identity.logging_in import Login, NoLogin
from qs.application.identity.ports import SystemClock
from qs.domain.identity.errors import RefreshTokenInvalid

_MARGIN = timedelta(seconds=60)
_NOTED_EVERY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """``form_key`` is what forms of this session carry, so that nobody else's do.

    Without ``refresh_token`` the session lasts as long as its access token, which an identity provider gave.
    """

    access_token: str = field(repr=False)
    access_until: datetime
    refresh_token: str | None = field(repr=False)
    form_key: str = field(repr=False)
    begun_at: datetime
    seen_at: datetime


class SessionSeal(Protocol):
    """Makes of a session a text that nobody can read or make but we."""

    def seal(self, session: BrowserSession) -> str: ...

    def open(self, sealed: str) -> BrowserSession | None:
        """None for what is not whole, not ours or made under a key that is gone."""
        ...


@dataclass(frozen=True, slots=True)
class BrowserTerms:
    """How long a session lasts that nobody uses, and how long one that is used."""

    idle: timedelta = timedelta(hours=1)
    longest: timedelta = timedelta(hours=12)


class BrowserSessions:
    def __init__(
        self,
        *,
        login: Login | NoLogin,
        authentication: Authentication,
        seal: SessionSeal,
        clock: SystemClock,
        terms: BrowserTerms = BrowserTerms(),
    ) -> None:
        self._login = login
        self._authentication = authentication
        self._seal = seal
        self._clock = clock
        self._terms = terms

    async def begin(self, username: str, password: str, address: str) -> BrowserSession:
        """A session of the user; raises what ``Login.log_in`` does."""
        tokens = await self._login.log_in(username, password, address)
        until = self._clock() + timedelta(seconds=tokens.expires_in_s)
        return self._new(tokens.access_token, until, tokens.refresh_token)

    async def begin_with(self, access_token: str) -> BrowserSession:
        """A session of whoever an identity provider's token stands for; it ends with the token.

        Raises:
            TokenInvalid, ProviderAway
        """
        await self._authentication.authenticate(access_token)
        return self._new(access_token, self._clock() + self._terms.longest, None)

    async def resume(self, sealed: str, *, is_used: bool) -> tuple[BrowserSession, str] | None:
        """The session of a cookie, with an access token that is still good, and what its cookie holds from now on.

        None when it is over. ``is_used`` says that a person did something, so that the session does not count as idle.
        """
        found = session = self._seal.open(sealed)
        now = self._clock()
        if session is None:
            return None
        if now - session.seen_at > self._terms.idle or now - session.begun_at > self._terms.longest:
            return None
        if is_used and now - session.seen_at > _NOTED_EVERY:
            session = replace(session, seen_at=now)
        if session.refresh_token is not None and now > session.access_until - _MARGIN:
            try:
                access = await self._login.renew_access(session.refresh_token)
            except RefreshTokenInvalid:
                return None
            session = replace(session, access_token=access.token, access_until=access.expires_at)
        return session, sealed if session is found else self._seal.seal(session)

    async def end(self, session: BrowserSession) -> None:
        """Ends the login's session, too; one that is over already stays so."""
        if session.refresh_token is not None:
            await self._login.log_out(session.refresh_token)

    def sealed(self, session: BrowserSession) -> str:
        """What its cookie holds."""
        return self._seal.seal(session)

    def _new(self, access_token: str, until: datetime, refresh_token: str | None) -> BrowserSession:
        now = self._clock()
        return BrowserSession(access_token, until, refresh_token, secrets.token_urlsafe(24), now, now)
