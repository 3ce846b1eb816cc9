"""HTTP to an API that may die at any moment: a write happens once, however often it must be sent for that."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.proof.journal import RETURNED, Journal, Settled, Write

V1 = "/api/v1"
_PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.5)
# What a process was doing when it died may still be committed by the database a moment later.
_LAST_COMMIT_S = 0.2


class Interrupted(Exception):
    """The load is to stop while the API is away."""


@dataclass(frozen=True)
class Answer:
    """What came back; ``data`` of a success, ``error`` is the code of a problem."""

    status: int
    data: Any
    error: str | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass
class Intent:
    """One write that is to happen once.

    ``key`` finds it again. With ``by_key`` the call may be repeated as it is: it carries the key itself (an
    Idempotency-Key, an answer's id). ``find`` reads whether it has happened and gives what came of it. ``natural`` says
    that what it makes is unique by itself, so that it may go out under a new key. A ``duty`` is never repeated.
    """

    kind: str
    tenant: str
    path: str
    body: Any = None
    key: str | None = None
    subject: UUID | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] | None = None
    find: Callable[[], Awaitable[Any]] | None = None
    by_key: bool = False
    idempotency_key: str | None = None
    natural: bool = False
    public: bool = False
    duty: bool = False
    told: Callable[["Intent", list[Write], Any], None] | None = None
    """Notes in the writes what was answered or found."""
    writes: list[Write] = field(default_factory=list)
    """All that was sent for it so far; of a bulk enrollment one for each row."""
    found: Any = None

    def settle(self, how: Settled) -> None:
        """The outcome of all that was sent is known now."""
        for write in self.writes:
            if write.was_unknown and write.settled is None:
                write.settled = how


class Pace:
    """Lets so many through per second, evenly; what was missed in a long wait is not made up for."""

    def __init__(self, rate_per_s: float) -> None:
        self._step = 1 / rate_per_s
        self._next = 0.0

    async def turn(self) -> None:
        now = time.monotonic()
        self._next = max(self._next + self._step, now - 5 * self._step)
        if self._next > now:
            await asyncio.sleep(self._next - now)


class Calls:
    """Keeps connections open, journals every write before it goes out, and finds out what became of the lost ones."""

    def __init__(
        self,
        base_url: str,
        tokens: Mapping[str, str],
        journal: Journal,
        *,
        pace: Pace,
        clients: int,
        answered_within_s: float,
    ) -> None:
        self.journal = journal
        self.lost: Counter[str] = Counter()
        """Why calls came back without an answer, and how often."""
        self.answered = 0
        self.open_ended: list[Intent] = []
        """Those nobody could find out about yet."""
        self.patient_until = math.inf
        """When calls give up that an API would have to come back for, by ``time.monotonic``."""
        self._headers = {tenant: {"Authorization": f"Bearer {token}"} for tenant, token in tokens.items()}
        self._pace = pace
        self._probing = asyncio.Lock()
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=answered_within_s,
            limits=httpx.Limits(max_connections=clients + 4, max_keepalive_connections=clients + 4),
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def read(
        self, kind: str, tenant: str, path: str, *, public: bool = False, **params: Any
    ) -> Answer | None:
        """The answer to a GET, None if there was none."""
        await self._pace.turn()
        return await self._read(kind, tenant, path, public=public, settling=False, params=params)

    async def look(self, kind: str, tenant: str, path: str, **params: Any) -> Answer:
        """The answer to a GET, asked for until there is one that is not a failure of the server's. Raises Interrupted."""
        for pause in _pauses():
            answer = await self._read(kind, tenant, path, public=False, settling=True, params=params)
            if answer is not None and answer.status < 500:
                return answer
            await self._wait(pause)
        raise AssertionError("unreachable")

    async def carry_out(self, intent: Intent) -> Any:
        """What came of it, as answered or as found; None if it was refused or is a duty that nobody answered.

        Raises:
            Interrupted: the load is stopping and nobody can say yet; the intent is in ``open_ended``.
        """
        with self._kept_if_open_ended(intent):
            return await self._carry_out(intent)

    async def find_out(self, intent: Intent) -> None:
        """Settles what was sent for an open-ended intent; what is found undone is left undone. Raises Interrupted."""
        with self._kept_if_open_ended(intent):
            if intent.by_key:
                await self._carry_out(intent)
            elif not await self._is_found(intent):
                intent.settle("absent")

    async def _carry_out(self, intent: Intent) -> Any:
        for pause in _pauses():
            sent_before = len(intent.writes)
            answer = await self._send(intent)
            is_known = answer is not None and answer.status < 500 and answer.error not in RETURNED
            if is_known and answer is not None and answer.is_success:
                self._note(intent, intent.writes[sent_before:], answer.data)
                intent.settle("repeated")
                return answer.data
            if intent.duty or (is_known and not sent_before):
                intent.settle("let go")
                return None
            if not is_known and (answer is None or answer.status >= 500):
                await self._wait(pause)
                if intent.by_key:
                    continue
            if await self._is_found(intent):
                return intent.found
            if is_known or not intent.by_key:
                intent.settle("absent")
            if is_known:
                return None
            if intent.by_key and intent.natural:
                intent.idempotency_key = f"{intent.key}/{uuid4()}"
            elif intent.by_key:
                await self._wait(pause)
        raise AssertionError("unreachable")

    @contextmanager
    def _kept_if_open_ended(self, intent: Intent) -> Iterator[None]:
        try:
            yield
        except (Interrupted, asyncio.CancelledError):
            if any(write.was_unknown and write.settled is None for write in intent.writes):
                self.open_ended.append(intent)
            raise

    async def _is_found(self, intent: Intent) -> bool:
        """Whether it was done; that it was not is believed only when it is still so a moment later."""
        if intent.find is None:
            return False
        intent.found = await intent.find()
        if intent.found is None:
            await asyncio.sleep(_LAST_COMMIT_S)
            intent.found = await intent.find()
        if intent.found is None:
            return False
        unknown = [write for write in intent.writes if write.was_unknown]
        self._note(intent, unknown, intent.found)
        intent.settle("found")
        return True

    def _note(self, intent: Intent, writes: list[Write], data: Any) -> None:
        if intent.told is not None:
            intent.told(intent, writes, data)

    async def _send(self, intent: Intent) -> Answer | None:
        await self._pace.turn()
        now = time.monotonic()
        details = intent.rows if intent.rows is not None else [intent.detail]
        writes = [
            self.journal.sent(
                Write(
                    intent.kind,
                    intent.subject,
                    detail.get("key", intent.key),
                    None,
                    now,
                    None,
                    intent.tenant,
                    dict(detail),
                )
            )
            for detail in details
        ]
        intent.writes += writes
        headers = {} if intent.public else dict(self._headers[intent.tenant])
        if intent.idempotency_key is not None:
            headers["Idempotency-Key"] = intent.idempotency_key
        answer = await self._ask("POST", intent.path, headers, json=intent.body)
        if answer is not None:
            for write in writes:
                write.status, write.error, write.answered_at = answer.status, answer.error, time.monotonic()
        return answer

    async def _read(
        self, kind: str, tenant: str, path: str, *, public: bool, settling: bool, params: Mapping[str, Any]
    ) -> Answer | None:
        read = self.journal.asked(kind, tenant, settling=settling)
        headers = {} if public else self._headers[tenant]
        answer = await self._ask("GET", path, headers, params=params)
        if answer is not None:
            read.status, read.error, read.answered_at = answer.status, answer.error, time.monotonic()
        return answer

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], **more: Any) -> Answer | None:
        try:
            response = await self._client.request(method, V1 + path, headers=dict(headers), **more)
            body = response.json()
        except (httpx.TransportError, ValueError) as error:
            # A body that breaks off is no answer either.
            self.lost[type(error).__name__] += 1
            return None
        self.answered += 1
        if response.status_code < 300:
            return Answer(response.status_code, body["data"], None)
        return Answer(response.status_code, None, body.get("error"))

    async def _wait(self, pause: float) -> None:
        """Returns when the API answers again, and not before the pause is over. Raises Interrupted."""
        await asyncio.sleep(pause)
        async with self._probing:
            while time.monotonic() < self.patient_until:
                if await self._is_alive():
                    return
                await asyncio.sleep(_PAUSES_S[0])
        raise Interrupted

    async def _is_alive(self) -> bool:
        try:
            return (await self._client.get("/health/alive")).status_code == 200
        except httpx.TransportError:
            return False


def _pauses() -> Iterator[float]:
    """Ever longer ones, without end."""
    yield from _PAUSES_S
    while True:
        yield _PAUSES_S[-1]
