"""Sends notices: claimed with a lease, sent, then recorded."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from qs.application.kernel import crash, tracing
from qs.application.scheduler.job_ports import ClaimedNotice, JobUnitOfWorkFactory
from qs.application.scheduler.metering import Meter, NullMeter
from qs.domain.scheduler.notices import NOTICE_RETRY, Notice, NoticeChannel, NoticeStatus
from qs.domain.scheduler.policies import Retry

_log = structlog.get_logger()

_WAIT_FOR_ROOM_S = 0.5
# Beyond the time that a sending may take, for what is written before and after it.
_LEASE_MARGIN = timedelta(seconds=10)


class NoticeFailure(Exception):
    """A notice was not accepted, or nobody knows. Retrying reads nothing but ``permanent`` and ``retry_after``.

    ``reason`` is kept and shown; it holds no address and no secret.
    """

    def __init__(self, reason: str, *, permanent: bool, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.retry_after = retry_after


class NoticeCarrier(Protocol):
    """A way to send notices; it may send one twice after a crash, under the same id."""

    async def send(self, notice: Notice) -> None:
        """Returns when the receiver has it.

        Raises:
            NoticeFailure: it was not accepted, or nobody knows.
        """
        ...


class DueNotices(Protocol):
    async def tenants(self) -> Sequence[UUID]:
        """The tenants with notices to be sent."""
        ...


class NoticeSending:
    """Sends what is due in the background, some at a time; any number of processes may.

    1. Claiming counts the attempt, moves the next one behind the lease, and commits.
    2. The notice is sent under its id.
    3. The outcome is recorded if the attempt is still the last one.
    A crash between 2 and 3 sends again, under the same id, when the lease is over: at least once.
    """

    def __init__(
        self,
        unit_of_work: JobUnitOfWorkFactory,
        due: DueNotices,
        carriers: Mapping[NoticeChannel, NoticeCarrier],
        meter: Meter | None = None,
        *,
        concurrency: int = 10,
        limit: timedelta = timedelta(seconds=30),
        retry: Retry = NOTICE_RETRY,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``limit`` is the longest that one sending may take."""
        self._unit_of_work = unit_of_work
        self._due = due
        self._carriers = carriers
        self._meter = meter or NullMeter()
        self._concurrency = concurrency
        self._limit = limit
        self._retry = retry
        self._chance = chance
        self._sending: set[asyncio.Task[None]] = set()

    async def send_due(self) -> bool:
        """Claims what is due, as much as there is room for, and begins to send it; False when nothing was found."""
        if len(self._sending) >= self._concurrency:
            # What hangs keeps its place until its limit, and nobody else's.
            await asyncio.wait(self._sending, timeout=_WAIT_FOR_ROOM_S, return_when=asyncio.FIRST_COMPLETED)
            return True
        tenants = list(await self._due.tenants())
        random.shuffle(tenants)
        # A tenant with a long queue takes its turn like one with a short one.
        share = max(1, (self._concurrency - len(self._sending)) // max(len(tenants), 1))
        found = 0
        for tenant_id in tenants:
            room = min(share, self._concurrency - len(self._sending))
            if room <= 0:
                break
            found += await self._claim(tenant_id, room)
        return found > 0

    async def idle(self) -> None:
        """Returns when nothing is being sent."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def drain(self, within: timedelta) -> None:
        """Waits for what is being sent, and cuts off what takes longer; that is sent again later."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=within.total_seconds())
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _claim(self, tenant_id: UUID, limit: int) -> int:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            claimed = await uow.notices.claim(limit, self._limit + _LEASE_MARGIN)
            await uow.commit("notice.claim")
        for each in claimed:
            task = asyncio.create_task(self._send(each), name=f"notice-{each.notice.id}")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(claimed)

    async def _send(self, claimed: ClaimedNotice) -> None:
        failure: NoticeFailure | None = None
        if claimed.attempt > self._retry.max_attempts:
            # The last attempt was cut off, and the one before it, and so on.
            failure = NoticeFailure("every attempt was interrupted", permanent=True)
        else:
            try:
                await self._carry(claimed.notice)
            except NoticeFailure as told:
                failure = told
            except TimeoutError:
                failure = NoticeFailure("no answer in time", permanent=False)
            except Exception as error:  # noqa: BLE001 - one notice's bug must not end the others' sending
                _log.warning("notice_attempt_broke", notice_id=str(claimed.notice.id), exc_info=True)
                failure = NoticeFailure(f"internal error ({type(error).__name__})", permanent=False)
        try:
            await self._settle(claimed, failure)
        except Exception:  # noqa: BLE001 - it is sent again when its lease is over, as after a crash
            _log.warning("notice_not_settled", notice_id=str(claimed.notice.id), exc_info=True)

    async def _carry(self, notice: Notice) -> None:
        carrier = self._carriers[notice.channel]
        told: tracing.Attributes = {
            "qs.channel": notice.channel.value,
            "qs.job_id": str(notice.job_id),
            "qs.execution_id": str(notice.execution_id),
        }
        with tracing.span("send notice", told, kind="producer", trace=notice.execution_id):
            await crash.hit("notice.before_send")
            async with asyncio.timeout(self._limit.total_seconds()):
                await carrier.send(notice)
            await crash.hit("notice.after_send")

    async def _settle(self, claimed: ClaimedNotice, failure: NoticeFailure | None) -> None:
        notice = claimed.notice
        status, error, retry_in = NoticeStatus.SENT, None, None
        if failure is not None:
            status, error, retry_in = self._after(claimed.attempt, failure)
        async with self._unit_of_work(notice.tenant_id) as uow:
            await uow.hurry()
            ours = await uow.notices.settle(claimed, status, error, retry_in)
            await uow.commit("notice.settle")
        outcome = "retried" if status is NoticeStatus.PENDING else status.value
        if ours:
            self._meter.noticed(notice.channel.value, outcome)
        tell = _log.warning if status is NoticeStatus.DEAD else _log.info
        tell(
            "notice_settled" if ours else "notice_lease_lost",
            notice_id=str(notice.id),
            job_id=str(notice.job_id),
            execution_id=str(notice.execution_id),
            kind=notice.kind.value,
            channel=notice.channel.value,
            outcome=outcome,
            attempt=claimed.attempt,
            reason=error,
        )

    def _after(self, attempt: int, failure: NoticeFailure) -> tuple[NoticeStatus, str, timedelta | None]:
        delay = self._retry.next_delay(attempt, None, permanent=failure.permanent, chance=self._chance())
        if delay is None:
            told = (
                failure.reason
                if failure.permanent
                else f"given up after {attempt} attempts: {failure.reason}"
            )
            return NoticeStatus.DEAD, told, None
        if failure.retry_after is not None:
            delay = max(delay, min(failure.retry_after, self._retry.max_delay))
        return NoticeStatus.PENDING, failure.reason, delay
