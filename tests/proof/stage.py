"""A hand on the processes of a world, and a caller of its API."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Self

import httpx

from tests.proof.children import Child
from tests.proof.journal import Write
from tests.proof.traps import Trap
from tests.proof.world import World

_PATIENCE_S = 30.0
_STUCK_AFTER_S = 2.5

WORKING = ("api", "relay", "notifications", "statistics")
"""Whoever acts on events. Sweeps and syncs are called over HTTP, so that they come when they are wanted."""


class Stage:
    """A world with a hand on its processes, and a caller whose calls are put down in the world's journal.

    ``patient`` says that all work must come to its end. Some bugs lose work for good, and nobody waits for that.
    """

    def __init__(self, world: World, *, patient: bool) -> None:
        self.world = world
        self.patient = patient
        self.tenants = list(world.tokens)
        self._client = httpx.AsyncClient(
            base_url=f"{world.base_url}/api/v1", timeout=_PATIENCE_S, trust_env=False, verify=False
        )
        self._numbers = itertools.count(1)
        self._plans: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def staff(self, *roles: str) -> None:
        """One process, without a trap, in each of the roles."""
        for role in roles:
            if not self.world.alive(role):
                await self.world.start(role)

    async def only(self, role: str, trap: Trap) -> Child:
        """The one process of the role, with the trap; whoever had it before was at rest."""
        for child in self.world.alive(role):
            await child.kill()
        return await self.world.start(role, trap)

    async def call(
        self, path: str, body: object = None, *, tenant: str | None = None, key: str | None = None
    ) -> tuple[int | None, Any]:
        """Status and data of a POST; None for both when there was no answer."""
        headers = {"Authorization": f"Bearer {self.world.tokens[tenant or self.tenants[0]]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            answer = await self._client.post(path, json=body, headers=headers)
        except httpx.TransportError:
            return None, None
        return answer.status_code, answer.json().get("data")

    async def wanted(self, path: str, body: object = None, **options: Any) -> Any:
        """The data of a POST that must succeed."""
        status, data = await self.call(path, body, **options)
        assert status is not None, f"{path} was not answered"
        assert 200 <= status < 300, f"{path} answered {status}"
        return data

    async def enroll(self, count: int, tenant: str | None = None) -> None:
        """New testees with six tasks each, most of which are due now."""
        where = tenant or self.tenants[0]
        if where not in self._plans:
            plan = {"name": "Daily", "scale_code": "PHQ-9", "schedule_type": "by_day", "interval": 1}
            terms = {"total_times": 6, "trigger_time": "00:00", "due_days": 1, "catch_up": "all"}
            self._plans[where] = (await self.wanted("/plans", plan | terms, tenant=where))["id"]
        start = (date.today() - timedelta(days=3)).isoformat()  # noqa: DTZ011 - any recent day will do
        rows = [{"external_id": self.name(), "start_date": start} for _ in range(count)]
        path = f"/plans/{self._plans[where]}/enrollments/bulk"
        assert (await self.wanted(path, {"rows": rows}, tenant=where))["created"] == count

    async def sweep(self, tenant: str | None = None) -> None:
        """Whatever becomes of it: the process that does it may die meanwhile."""
        await self.call("/plans/tasks/schedule", tenant=tenant)

    async def write(
        self, kind: str, path: str, body: Any, subject: Any = None, key: str | None = None
    ) -> int | None:
        """A call that the journal tells of; its status."""
        sent = time.monotonic()
        status, data = await self.call(path, body, key=key)
        found = subject if data is None or subject is not None else data["id"]
        self.world.journal.writes.append(
            Write(kind, found, key, status, sent, time.monotonic(), self.tenants[0], dict(body))
        )
        return status

    async def died(self, trapped: Child) -> bool:
        """Whether its trap killed it, for which it has three seconds."""
        if await trapped.sprung(3):
            await trapped.wait()
        return not trapped.alive

    async def outlived(self, trapped: Child) -> None:
        """It died of its trap, or dies now, and somebody else is in its place."""
        if not await self.died(trapped):
            await self.world.kill(trapped.role)
        await self.staff(*WORKING)

    async def until(self, query: str, what: str, within: float = _PATIENCE_S) -> None:
        """Returns once the query's one value is true."""
        deadline = time.monotonic() + within
        while not (await self.world.fetch(query))[0][0]:
            assert time.monotonic() < deadline, f"within {within:g} s not: {what}"
            await asyncio.sleep(0.02)

    async def rest(self, *ignored: str) -> None:
        """Returns when nothing is left to do, or, without patience, when nothing of it was done for a while.

        Executions do not count: those of the dead are found by a clock, and often there is none.
        """
        limit_s = _PATIENCE_S if self.patient else _STUCK_AFTER_S
        left, since = await self._left(ignored), time.monotonic()
        while left and time.monotonic() - since < limit_s:
            await asyncio.sleep(0.1)
            before, left = left, await self._left(ignored)
            if left != before:
                since = time.monotonic()
        assert not (left and self.patient), f"nothing was done of this for {limit_s:g} s: {left}"

    async def _left(self, ignored: Sequence[str]) -> dict[str, int]:
        left = await self.world.unfinished()
        return {what: n for what, n in left.items() if what not in (*ignored, "executions under way")}

    def name(self) -> str:
        return f"{self.world.seed}-{next(self._numbers)}"
