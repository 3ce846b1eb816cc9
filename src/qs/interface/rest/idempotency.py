"""``Idempotency-Key`` on routes with ``opt={"idempotent": True}``: repeating a creation creates nothing more.

The answer of the first success is kept for 24 hours and given again with ``Idempotency-Replayed: true``; a failure
frees the key. Of the request only a keyed digest is kept, because a body may hold a password. A route whose answer holds
a secret adds ``"secret": True``: nothing of it is kept, a repetition is 409.
"""

import re
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from qs.application.kernel.idempotency import (
    Answer,
    Claim,
    IdempotencyKeys,
    IdempotencyMismatch,
    KeyOwner,
    joins_commit,
)
from qs.domain.kernel.errors import Invalid, Problem
from qs.interface.rest.guards import require_scope
from qs.interface.rest.inputs import JsonRequest

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = frozenset({"content-type", "location", "etag"})

log = structlog.get_logger()


class KeyInvalid(Invalid):
    """The header is no key."""

    code = "idempotency.key_invalid"
    sentence = "the Idempotency-Key cannot be used, so nothing was done; send one of 1 to 255 visible ASCII characters"

    def __init__(self) -> None:
        super().__init__(
            [Problem("/Idempotency-Key", "must be 1 to 255 visible ASCII characters, given once")]
        )


class IdempotencyMiddleware:
    """Inside authentication, around everything else of the route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = scope["route_handler"]
        if scope["type"] != ScopeType.HTTP or not handler.opt.get("idempotent"):
            await self.app(scope, receive, send)
            return
        request = JsonRequest(scope, receive, send)
        key = _key(request)
        if key is None or scope.get("user") is None:
            await self.app(scope, receive, send)
            return
        # A caller who may not create must not leave keys behind.
        await require_scope(request, handler)
        keys: IdempotencyKeys = request.app.state.container.idempotency_keys()
        owner = KeyOwner(request.user.home_tenant, f"{request.user.kind}:{request.user.id}", key)
        claimed = await _claim(keys, owner, await _fingerprints(request))
        if isinstance(claimed, Answer):
            await _give(claimed, send)
        else:
            await self._carry_out(claimed, keys, scope, receive, send)

    async def _carry_out(
        self, claim: Claim, keys: IdempotencyKeys, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """1. do the work, holding its answer back; 2. keep the answer; 3. let it out.

        A crash before 2 leaves the mark the work's transaction made, a crash after it leaves the answer.
        """
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        token = joins_commit.set(partial(keys.mark, claim))
        try:
            await self.app(scope, receive, hold)
        finally:
            joins_commit.reset(token)
        status: int = held[0]["status"]  # type: ignore[typeddict-item]
        try:
            if 200 <= status < 300:
                is_secret = scope["route_handler"].opt.get("secret")
                await keys.keep(claim, None if is_secret else _answer(held))
            else:
                await keys.release(claim)
        except Exception as error:  # noqa: BLE001 - the work is done; its caller must hear of it even so
            log.warning("idempotency_answer_not_kept", error=type(error).__name__)
        for message in held:
            await send(message)


def _key(request: Request[Any, Any, Any]) -> str | None:
    keys = request.headers.getall("idempotency-key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise KeyInvalid
    return str(keys[0])


async def _claim(keys: IdempotencyKeys, owner: KeyOwner, fingerprints: Sequence[bytes]) -> Claim | Answer:
    """The key of a request that may have come first while another secret key was the current one."""
    *others, last = fingerprints
    for fingerprint in others:
        try:
            return await keys.claim(owner, fingerprint)
        except IdempotencyMismatch:
            continue
    return await keys.claim(owner, last)


async def _fingerprints(request: Request[Any, Any, Any]) -> Sequence[bytes]:
    """By which the request is known again, the current secret key's first."""
    scope = request.scope
    digest = sha256(
        f"{scope['method']} {scope['path']}\n{request.headers.get('content-type', '')}\n".encode()
    )
    digest.update(scope["query_string"] + b"\n")
    digest.update(await request.body())
    found: Sequence[bytes] = request.app.state.container.request_digests().digests(digest.hexdigest())
    return found


def _answer(messages: list[Message]) -> Answer:
    start: Any = messages[0]
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    body: list[bytes] = [message.get("body", b"") for message in messages[1:]]  # type: ignore[misc]
    kept = {name: value for name, value in headers.items() if name in _KEPT_HEADERS}
    return Answer(start["status"], kept, b"".join(body))


async def _give(answer: Answer, send: Send) -> None:
    headers = {**answer.headers, "content-length": str(len(answer.body)), "idempotency-replayed": "true"}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
