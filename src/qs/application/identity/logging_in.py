"""Users log in and stay logged in: an access token for an hour, a refresh token that works once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from qs.application.identity.pacing import Pacing
from qs.application.identity.ports import (
    AccessToken,
    AccessTokens,
    AccountDirectory,
    IdentityUnitOfWork,
    IdentityUnitOfWorkFactory,
    KnownUser,
    Passwords,
    Secrets,
    SystemClock,
)
from qs.domain.identity.accounts import User
from qs.domain.identity.credentials import same_username
from qs.domain.identity.errors import BadCredentials, LoginElsewhere, RefreshTokenInvalid
from qs.domain.identity.principal import Kind, Principal
from qs.domain.identity.scopes import scopes_of
from qs.domain.identity.session import RefreshToken, Standing
from qs.domain.kernel.ids import IdGenerator

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """How long an access token and an unused refresh token live."""

    access_ttl: timedelta
    refresh_ttl: timedelta


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """What a client keeps of a login. ``expires_in_s`` is the access token's."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_s: int


class Login:
    """Begins sessions by password and continues them by refresh token.

    Wrong passwords of one user from one address slow each other down; an unknown user takes as long as a known one.
    """

    def __init__(
        self,
        *,
        directory: AccountDirectory,
        unit_of_work: IdentityUnitOfWorkFactory,
        passwords: Passwords,
        access_tokens: AccessTokens,
        secrets: Secrets,
        pacing: Pacing,
        terms: SessionTerms,
        clock: SystemClock,
        ids: IdGenerator,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._passwords = passwords
        self._access_tokens = access_tokens
        self._secrets = secrets
        self._pacing = pacing
        self._terms = terms
        self._clock = clock
        self._ids = ids
        self._wait = wait

    async def log_in(self, username: str, password: str, address: str) -> SessionTokens:
        """A new session of the user.

        Raises:
            BadCredentials: unknown, disabled, of a suspended tenant, or another password.
            TooManyAttempts: many tries for this user from this address are waiting already.
        """
        username = same_username(username)
        attempt = (username, address)
        if delay := await self._pacing.reserve(attempt):
            await self._wait(delay)
        known = await self._directory.user(username)
        matches = await self._passwords.verify(password, known.password_hash if known else None)
        if known is None or not matches or not known.may_enter:
            log.info("login_refused", user_id=known.id if known else None)
            raise BadCredentials
        await self._pacing.succeeded(attempt)
        return await self._begin(known, password)

    async def refresh(self, refresh_token: str) -> SessionTokens:
        """The session goes on with new tokens; the one handed in never works again.

        A token that comes a second time is in two hands, so the whole session ends.

        Raises:
            RefreshTokenInvalid: unknown, expired, used before, ended, or of somebody who may not enter any more.
        """
        found = await self._directory.refresh_token(self._secrets.digests(refresh_token))
        if found is None:
            raise RefreshTokenInvalid
        tenant_id, token_id = found
        async with self._unit_of_work(tenant_id) as uow:
            token, user = await self._locked(uow, token_id)
            now = self._clock()
            standing = token.standing(now)
            if standing is Standing.REUSED:
                await self._end(uow, token, user, now)
            if standing is not Standing.USABLE or not user.is_enabled:
                raise RefreshTokenInvalid
            await uow.sessions.mark_used(token.id, now)
            tokens = await self._continue(uow, user, token.family, now)
            await uow.audit.add("session.refreshed", "session", token.family, actor=_principal(user).actor)
            await uow.commit("login.refresh")
        return tokens

    async def renew_access(self, refresh_token: str) -> AccessToken:
        """A new access token of the session whose refresh token is still unused; the refresh token stays as it is.

        For sessions whose refresh token never leaves us (browser_sessions.py), where several requests may need a new
        access token at once.

        Raises:
            RefreshTokenInvalid: unknown, expired, used, ended, or of somebody who may not enter any more.
        """
        found = await self._directory.refresh_token(self._secrets.digests(refresh_token))
        if found is None:
            raise RefreshTokenInvalid
        tenant_id, token_id = found
        async with self._unit_of_work(tenant_id) as uow:
            token, user = await self._locked(uow, token_id)
        now = self._clock()
        if token.standing(now) is not Standing.USABLE or not user.is_enabled:
            raise RefreshTokenInvalid
        return self._access_tokens.issue(
            _principal(user), ttl=self._terms.access_ttl, now=now, session_id=token.family
        )

    async def log_out(self, refresh_token: str) -> None:
        """The session of the token is over: its refresh tokens at once, its access tokens within 3 s.

        A token that is not valid ends nothing, and says nothing either (RFC 7009, section 2.2).
        """
        found = await self._directory.refresh_token(self._secrets.digests(refresh_token))
        if found is None:
            return
        tenant_id, token_id = found
        async with self._unit_of_work(tenant_id) as uow:
            token, user = await self._locked(uow, token_id)
            now = self._clock()
            if token.standing(now) is Standing.DEAD:
                return
            await uow.sessions.end_family(token.family, now)
            await uow.audit.add(
                "session.ended",
                "session",
                token.family,
                actor=_principal(user).actor,
                detail={"reason": "logged_out"},
            )
            await uow.commit("login.log_out")

    async def _begin(self, known: KnownUser, password: str) -> SessionTokens:
        rehashed = None
        if self._passwords.is_outdated(known.password_hash):
            rehashed = await self._passwords.hash(password)
        async with self._unit_of_work(known.tenant_id) as uow:
            user = await uow.users.lock(known.id)
            if user is None or not user.is_enabled:
                raise BadCredentials
            now = self._clock()
            if rehashed is not None:
                await uow.users.set_password_hash(user.id, rehashed)
            await uow.sessions.forget_expired_of(user.id, now)
            family = self._ids()
            tokens = await self._continue(uow, user, family, now)
            await uow.audit.add("session.begun", "session", family, actor=_principal(user).actor)
            await uow.commit("login.begin")
        return tokens

    async def _locked(self, uow: IdentityUnitOfWork, token_id: UUID) -> tuple[RefreshToken, User]:
        # 1. Find whose token it is.  2. Lock that user, behind whom every change of their sessions queues.
        # 3. Read the token again: two who hold it at once see each other, and so does a user being disabled.
        token = await uow.sessions.get(token_id)
        user = await uow.users.lock(token.user_id) if token else None
        token = await uow.sessions.get(token_id)
        if token is None or user is None:
            raise RefreshTokenInvalid
        return token, user

    async def _end(self, uow: IdentityUnitOfWork, token: RefreshToken, user: User, now: datetime) -> None:
        await uow.sessions.end_family(token.family, now)
        detail = {"reason": "refresh_token_reused"}
        actor = _principal(user).actor
        await uow.audit.add("session.ended", "session", token.family, actor=actor, detail=detail)
        await uow.commit("login.end")
        log.warning("refresh_token_reused", user_id=user.id, session_id=token.family)

    async def _continue(
        self, uow: IdentityUnitOfWork, user: User, family: UUID, now: datetime
    ) -> SessionTokens:
        secret = self._secrets.mint("qsr_")
        token = RefreshToken(self._ids(), user.id, family, expires_at=now + self._terms.refresh_ttl)
        await uow.sessions.add(token, self._secrets.digest(secret))
        access = self._access_tokens.issue(
            _principal(user), ttl=self._terms.access_ttl, now=now, session_id=family
        )
        return SessionTokens(access.token, secret, int(self._terms.access_ttl.total_seconds()))


class NoLogin:
    """Stands in for ``Login`` where people log in at an identity provider. Every method raises LoginElsewhere."""

    async def log_in(self, username: str, password: str, address: str) -> SessionTokens:
        raise LoginElsewhere

    async def refresh(self, refresh_token: str) -> SessionTokens:
        raise LoginElsewhere

    async def renew_access(self, refresh_token: str) -> AccessToken:
        raise LoginElsewhere

    async def log_out(self, refresh_token: str) -> None:
        raise LoginElsewhere


def _principal(user: User) -> Principal:
    return Principal(
        kind=Kind.USER,
        id=str(user.id),
        tenant_id=user.tenant_id,
        scopes=scopes_of(user.roles),
        name=user.username,
    )
