"""The play: due instant by due instant, as patients, staff and an external scheduler would act."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.cli.demo.client import Client
from qs.interface.cli.demo.mailbox import Mailbox
from qs.interface.cli.demo.outcome import Outcome
from qs.interface.cli.demo.service import Service
from qs.interface.cli.demo.statistics import sync_and_validate
from qs.interface.cli.demo.trial import ANSWERED, Trial, load

_MAIL_S = 60
_DRAIN_S = 60
_SIDE_BY_SIDE = 8
_ACTOR = "cli:demo"
Telling = Callable[[str], None]


class Play:
    """Plays the trial once against a running service."""

    def __init__(self, container: Container, service: Service, mailbox: Mailbox, tell: Telling) -> None:
        self._container = container
        self._service = service
        self._mailbox = mailbox
        self._tell = tell

    async def run(self, address: str) -> Outcome:
        """From login to the last expiry; returns what the service itself says about it afterwards."""
        started = time.monotonic()
        now = (await self._container.clock_advancing().read()).now
        trial = load(now.astimezone(UTC).date())
        async with Client(address) as staff, Client(address) as scheduler, Client(address) as patient:
            await staff.log_in(self._service.admin_username, self._service.admin_password)
            await self._log_in_scheduler(scheduler)
            plan_id = await self._enroll(staff, trial)
            for seq, planned_at in enumerate(await self._planned(staff, plan_id), start=1):
                await self._occasion(scheduler, patient, seq, planned_at)
            await self._drained(staff)
            return await self._outcome(scheduler, staff, plan_id, trial, started)

    async def _log_in_scheduler(self, scheduler: Client) -> None:
        accounts = self._container.service_account_administration()
        scopes = ["tasks:schedule", "statistics:sync"]
        made = await accounts.create(DEFAULT_TENANT, "demo-scheduler", scopes, actor=_ACTOR)
        await scheduler.grant(made.account.client_id, made.client_secret)

    async def _enroll(self, staff: Client, trial: Trial) -> str:
        plan = await staff.post("/plans", trial.plan)
        result = await staff.post_csv(f"/plans/{plan['id']}/enrollments/bulk", trial.testees_csv)
        self._tell(f"plan created, {result['created']} testees enrolled from {trial.start_date}")
        plan_id: str = plan["id"]
        return plan_id

    async def _planned(self, staff: Client, plan_id: str) -> list[datetime]:
        """The due instants of all tasks in order."""
        found: set[str] = set()
        cursor: dict[str, Any] = {}
        while True:
            page = await staff.get(f"/plans/{plan_id}/tasks", page_size=100, **cursor)
            found |= {task["planned_at"] for task in page["items"]}
            if page["next_cursor"] is None:
                return sorted(datetime.fromisoformat(instant) for instant in found)
            cursor = {"cursor": page["next_cursor"]}

    async def _occasion(self, scheduler: Client, patient: Client, seq: int, planned_at: datetime) -> None:
        await self._advance(planned_at)
        opened = await scheduler.post("/plans/tasks/schedule")
        links = await self._mailbox.links(opened["opened"], _MAIL_S)
        answering = sorted(links.items())[: ANSWERED[seq - 1]]
        await _side_by_side([self._answer(patient, *link) for _, link in answering])
        await self._advance(planned_at + timedelta(days=8))
        expired = await scheduler.post("/plans/tasks/schedule")
        self._tell(
            f"{planned_at:%Y-%m-%d %H:%M}Z  opened {opened['opened']}, answered {len(answering)}, "
            f"expired {expired['expired']}"
        )

    async def _answer(self, patient: Client, token: str, task_id: str) -> None:
        entry = await patient.get("/entries", token=token, task_id=task_id)
        body = {"token": token, "task_id": entry["task_id"], "assessment_id": f"demo-{task_id}"}
        await patient.post("/entries/submit", body)

    async def _advance(self, instant: datetime) -> None:
        await self._container.clock_advancing().advance_to(instant, actor=_ACTOR)

    async def _drained(self, staff: Client) -> None:
        """Waits until every subscriber has acted on every event and every delivery has ended."""
        async with asyncio.timeout(_DRAIN_S):
            while (await self._container.event_backlog().measure()).unacknowledged or await _queued(staff):
                await asyncio.sleep(0.1)

    async def _outcome(
        self, scheduler: Client, staff: Client, plan_id: str, trial: Trial, started: float
    ) -> Outcome:
        statistics = await sync_and_validate(scheduler, staff, plan_id)
        self._tell(f"statistics synced and validated, {statistics.differences} differences")
        backlog = await self._container.event_backlog().measure()
        deliveries = await _deliveries(staff)
        return Outcome(
            statistics,
            await _events(staff),
            deliveries,
            backlog.unacknowledged,
            trial,
            time.monotonic() - started,
        )


async def _queued(staff: Client) -> bool:
    for status in ("queued", "sending"):
        if (await staff.get("/notifications", status=status, page_size=1))["items"]:
            return True
    return False


async def _deliveries(staff: Client) -> Counter[str]:
    """Every delivery of the ledger, counted by status."""
    statuses: Counter[str] = Counter()
    cursor: dict[str, Any] = {}
    while True:
        page = await staff.get("/notifications", page_size=100, **cursor)
        statuses.update(delivery["status"] for delivery in page["items"])
        if page["next_cursor"] is None:
            return statuses
        cursor = {"cursor": page["next_cursor"]}


async def _events(staff: Client) -> Counter[str]:
    """Every event of the feed, counted by name."""
    names: Counter[str] = Counter()
    after = 0
    while True:
        page = await staff.get("/events", after=after, page_size=100)
        for event in page["items"]:
            names[event["type"].split(".")[2]] += 1
        if not page["items"]:
            return names
        after = page["next_after"]


async def _side_by_side(calls: list[Awaitable[None]]) -> None:
    places = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def one(call: Awaitable[None]) -> None:
        async with places:
            await call

    await asyncio.gather(*(one(call) for call in calls))
