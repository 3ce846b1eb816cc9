"""Sending what is due: each endpoint by itself, so that one that is slow or broken keeps no other waiting."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog

from qs.application.kernel import crash, tracing
from qs.application.kernel.cloud_events import traceparent_of
from qs.application.webhook.ports import (
    Claim,
    Due,
    DueEndpoints,
    OutcomeCounter,
    Receiver,
    Refusal,
    WebhookUnitOfWorkFactory,
)
from qs.application.webhook.recording import Recorder
from qs.domain.webhook.retrying import BROKEN_AFTER, RetryPolicy

Key = tuple[UUID, UUID]

# What cannot be begun within that time of its claim is given back. The lease outlives it by one call and its record.
_BEGUN_WITHIN_S = 20.0
_RECORDED_WITHIN = timedelta(seconds=10)
_LARGEST_CLAIM = 128
# A claim that was over so soon may be twice as large the next time.
_QUICK_S = 1.0
# An endpoint whose turn broke, by a bug or because the database went away, is not tried again at once.
_SPARED_S = 5.0
_WAIT_FOR_ROOM_S = 0.5
# Connections of the pool that sending may use at a time: the same process acts on events.
_WRITERS = 4

_log = structlog.get_logger()


class WebhookSending:
    """Any number of processes may send; what one claims the others leave alone.

    1. Every endpoint with something due gets a turn of its own: a claim counts the attempts and commits with a lease.
    2. A turn sends a few at a time, and fewer where many endpoints have turns, under the event's id.
    3. What became of them is recorded, if the lease is still ours. A crash between 2 and 3 sends again, under the same
       id, when the lease is over.
    4. After failures in a row the rest of the claim is given back, and the endpoint gets one delivery at a time, ever
       more rarely, until it accepts one.
    """

    def __init__(
        self,
        unit_of_work: WebhookUnitOfWorkFactory,
        due: DueEndpoints,
        receiver: Receiver,
        policy: RetryPolicy,
        counter: OutcomeCounter,
        *,
        concurrency: int = 100,
        per_endpoint: int = 10,
        limit: timedelta = timedelta(seconds=17),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``limit`` is the longest that one call may take; ``concurrency`` how many calls there may be at a time."""
        self._unit_of_work = unit_of_work
        self._due = due
        self._receiver = receiver
        self._policy = policy
        self._counter = counter
        self._concurrency = concurrency
        self._per_endpoint = per_endpoint
        self._limit = limit
        self._jitter = jitter
        self._turns: dict[Key, asyncio.Task[None]] = {}
        self._spared: dict[Key, float] = {}
        self._others_wait = False
        self._draining = False
        self._writers = asyncio.Semaphore(_WRITERS)

    async def send_due(self) -> bool:
        """Begins a turn for each endpoint that something is due for, as far as there is room; whether any was begun."""
        if self._draining:
            return False
        now = time.monotonic()
        self._spared = {key: until for key, until in self._spared.items() if until > now}
        found = [key for key in await self._due.find() if key not in self._turns and key not in self._spared]
        random.shuffle(found)
        room = self._concurrency - len(self._turns)
        self._others_wait = len(found) > room
        for key in found[:room]:
            turn = asyncio.create_task(self._take_turns(key), name=f"webhook-{key[1]}")
            self._turns[key] = turn
            turn.add_done_callback(lambda ended, key=key: self._over(key, ended))  # type: ignore[misc]
        if self._others_wait:
            await asyncio.wait(
                self._turns.values(), timeout=_WAIT_FOR_ROOM_S, return_when=asyncio.FIRST_COMPLETED
            )
        return bool(found)

    async def idle(self) -> None:
        """Returns when nothing is being sent."""
        while self._turns:
            await asyncio.wait(self._turns.values())

    async def drain(self, within: timedelta) -> None:
        """Begins no other call, waits for those there are, and cuts off what takes longer; that is sent again later."""
        self._draining = True
        turns = list(self._turns.values())
        if turns:
            await asyncio.wait(turns, timeout=within.total_seconds())
        for turn in turns:
            turn.cancel()
        await asyncio.gather(*turns, return_exceptions=True)

    def _over(self, key: Key, ended: asyncio.Task[None]) -> None:
        self._turns.pop(key, None)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            self._spared[key] = time.monotonic() + _SPARED_S
            _log.warning("webhook_turn_broke", webhook_id=str(key[1]), exc_info=error)

    async def _take_turns(self, key: Key) -> None:
        """One claim after the other while something is due and nobody else waits for a turn."""
        tenant_id, endpoint_id = key
        size = self._per_endpoint
        while not self._draining:
            async with self._writers, self._unit_of_work(tenant_id) as uow:
                claim = await uow.deliveries.claim(endpoint_id, size, self._lease)
                await uow.commit("webhook.claim")
            if claim is None:
                return
            began = time.monotonic()
            await self._send_all(claim)
            quick = time.monotonic() - began < _QUICK_S
            size = min(size * 2, _LARGEST_CLAIM) if quick else max(size // 2, self._per_endpoint)
            if self._others_wait:
                return

    async def _send_all(self, claim: Claim) -> None:
        recorder = Recorder(
            claim, self._unit_of_work, self._policy, self._counter, self._jitter, self._writers
        )
        turn = _Turn(claim)
        width = 1 if claim.health.is_broken else self._width()
        senders = [
            asyncio.create_task(self._send_some(claim, turn, recorder))
            for _ in range(min(width, len(claim.deliveries)))
        ]
        try:
            await asyncio.gather(*senders)
        finally:
            # Whatever ended it early, what was sent is written down and what was not begun given back.
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            for due in turn.waiting:
                recorder.untried(due)
            await recorder.close()

    async def _send_some(self, claim: Claim, turn: "_Turn", recorder: Recorder) -> None:
        while turn.goes_on and not self._draining and not recorder.has_failed:
            await self._send(claim, turn.waiting.popleft(), turn, recorder)

    async def _send(self, claim: Claim, due: Due, turn: "_Turn", recorder: Recorder) -> None:
        began = time.monotonic()
        try:
            status = await self._post(claim, due)
        except Refusal as told:
            refusal = told
        except TimeoutError:
            refusal = Refusal("no answer in time")
        except Exception as error:  # noqa: BLE001 - one delivery's bug must not end the others' sending
            _log.warning("webhook_attempt_broke", delivery_id=str(due.id), exc_info=True)
            refusal = Refusal(type(error).__name__)
        else:
            turn.accepted()
            recorder.accepted(due, status, timedelta(seconds=time.monotonic() - began))
            return
        turn.refused(refusal)
        recorder.refused(due, refusal, timedelta(seconds=time.monotonic() - began))

    async def _post(self, claim: Claim, due: Due) -> int:
        parent = traceparent_of(due.body) if tracing.is_on() else None
        told: tracing.Attributes = {"qs.event_id": str(due.event_id), "qs.attempt": due.attempts}
        with tracing.span("deliver event", told, kind="producer", parent=parent):
            async with asyncio.timeout(self._limit.total_seconds()):
                await crash.hit("webhook.before_send")
                status = await self._receiver.post(claim.url, claim.secrets, due.event_id, due.body)
                await crash.hit("webhook.after_send")
                return status

    def _width(self) -> int:
        """How many calls at a time one endpoint may have now: its share of all."""
        return max(1, min(self._per_endpoint, self._concurrency // max(len(self._turns), 1)))

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=_BEGUN_WITHIN_S) + self._limit + _RECORDED_WITHIN


class _Turn:
    """What of a claim is not begun yet, and whether there is a point in beginning it."""

    def __init__(self, claim: Claim) -> None:
        self.waiting = deque(claim.deliveries)
        self._until = time.monotonic() + _BEGUN_WITHIN_S
        self._failures = 0
        self._stopped = False

    @property
    def goes_on(self) -> bool:
        return bool(self.waiting) and not self._stopped and time.monotonic() < self._until

    def accepted(self) -> None:
        self._failures = 0

    def refused(self, refusal: Refusal) -> None:
        self._failures += 1
        self._stopped |= refusal.is_gone or refusal.retry_after is not None or self._failures >= BROKEN_AFTER
