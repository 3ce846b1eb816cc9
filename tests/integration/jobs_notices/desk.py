"""A process with jobs, whose ends are told to receivers on loopback."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook
from uuid_utils.compat import uuid7

from qs.application.scheduler.executors import AttemptOutcome
from qs.application.scheduler.notice_writing import NoticeWriting
from qs.application.scheduler.noticing import NoticeSending
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.job import Job
from qs.domain.scheduler.job_execution import JobExecution
from tests.integration.jobs.nodes import ACTOR, JobBooks, Node, failed
from tests.support.receivers import MailReceiver, Received, WebReceiver

SECRET = "whsec_" + "bmV3" * 8
LONG_ENOUGH = timedelta(hours=1, minutes=1)


class Desk:
    """Runs jobs over a scripted executor and sends what is told of them."""

    def __init__(
        self,
        container: Container,
        engine: AsyncEngine,
        truth: asyncpg.Connection,
        mail: MailReceiver,
        web: WebReceiver,
    ) -> None:
        self.container = container
        self.truth = truth
        self.mail = mail
        self.web = web
        self.node = Node(engine)
        self.books = JobBooks(engine)
        self.sending: NoticeSending = container.notice_sending()

    async def job(self, name: str = "tidy", *, default_webhook: bool = False, **fields: Any) -> Job:
        """A job of one attempt whose ends go to the web receiver; to that of the settings with ``default_webhook``."""
        notify = fields.pop("notify", {} if default_webhook else {"webhook": self.web.url})
        # Where nothing is said there is no webhook, whatever the settings of this test have.
        writing = NoticeWriting(uuid7, default_webhook=default_webhook)
        self.node.ends._ending._notices = writing
        self.node.rescue._ending._notices = writing
        self.node.firing._notices = writing
        return await self.node.job(name, notify=notify, **{"retry": {"max_attempts": 1}, **fields})

    async def run(self, job: Job, *outcomes: AttemptOutcome, **options: Any) -> JobExecution:
        """One execution from its beginning to its end."""
        self.node.executor.outcomes = list(outcomes)
        run = await self.node.operating.run(DEFAULT_TENANT, job.id, actor=ACTOR, **options)
        await self.node.work_off()
        return run

    async def fail(self, job: Job, times: int = 1, code: str = "error") -> None:
        for _ in range(times):
            await self.run(job, failed(code))

    async def send(self) -> None:
        """Sends what is due now."""
        while await self.sending.send_due():
            await self.sending.idle()

    async def settle(self) -> None:
        """Lets time pass until nothing is to be sent any more."""
        async with asyncio.timeout(30):
            while await self.truth.fetchval("SELECT count(*) FROM job_notice WHERE status = 'pending'"):
                await self.let_pass(timedelta(days=2))
                await self.send()

    async def let_pass(self, time: timedelta) -> None:
        """Whatever was to be sent later within that time is due."""
        await self.truth.execute(
            "UPDATE job_notice SET next_attempt_at = next_attempt_at - $1::interval", time
        )

    async def an_hour_later(self) -> None:
        await self.truth.execute("UPDATE job_notice SET created_at = created_at - $1::interval", LONG_ENOUGH)

    async def notices(self, **which: str) -> list[asyncpg.Record]:
        rows = await self.truth.fetch("SELECT * FROM job_notice ORDER BY id")
        return [row for row in rows if all(row[name] == value for name, value in which.items())]

    @property
    def told(self) -> list[tuple[str, int]]:
        """What the web receiver was told, in order: the kind, and how many were kept back before."""
        return [(received.json["kind"], received.json["suppressed"]) for received in self.web.received]

    async def close(self) -> None:
        await self.sending.drain(timedelta(0))
        await self.node.close()


def verified(received: Received) -> Any:
    """The body, if the official library finds its signature good."""
    return Webhook(SECRET).verify(received.body, dict(received.headers))
