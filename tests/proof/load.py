"""People and testees at work over HTTP, two tenants or more, whatever happens to the API meanwhile."""

import asyncio
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from qs.container import build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.settings import Settings
from tests.proof.admissions import KINDS_OF_PLAN
from tests.proof.calls import Calls, Interrupted, Pace
from tests.proof.journal import Journal
from tests.proof.moves import CARDS, Moves
from tests.proof.wards import Ward

_ACTOR = "tests:proof"
_TOKEN_TTL = timedelta(hours=12)
_FINISHES_WITHIN_S = 2.0
_A_MOMENT_S = 0.001
_ROWS_AT_ONCE = 500


class Load:
    """Client tasks that play a shuffled deck of moves, at so many calls per second between them.

    They play from ``seed`` or ``start`` to ``stop`` or the end of the block, where it is found out what became of the
    writes nobody answered. The deck and what is in the calls follow from ``rng``; how the clients take turns does not.
    With ``settings`` it can move business time.
    """

    def __init__(
        self,
        base_url: str,
        tokens: Mapping[str, str],
        journal: Journal,
        rng: random.Random,
        *,
        rate_per_s: float = 50,
        clients: int = 12,
        settings: Settings | None = None,
        answered_within_s: float = 20,
    ) -> None:
        """``tokens`` by tenant id; each may do everything in its tenant."""
        self.journal = journal
        self.wards = {tenant: Ward(tenant) for tenant in tokens}
        self.calls = Calls(
            base_url,
            tokens,
            journal,
            pace=Pace(rate_per_s),
            clients=clients,
            answered_within_s=answered_within_s,
        )
        self._rng = rng
        self._clients = clients
        self._settings = settings
        self._ahead = timedelta(0)
        self._deck: list[tuple[str, str]] = []
        # Those there was nothing to do for; their turn comes again.
        self._unplayed: set[tuple[str, str]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._ends = asyncio.Event()

    async def __aenter__(self) -> Self:
        if self._settings is not None:
            await self.advance(timedelta(0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
            if error is None:
                # What nobody can find out now is still unsettled in the journal.
                with suppress(Interrupted):
                    await self.settle()
        finally:
            await self.calls.aclose()

    @property
    def feed(self) -> dict[str, list[Mapping[str, Any]]]:
        """By tenant id, the events its feed gave, as the API shows them and in that order."""
        return {tenant: ward.feed for tenant, ward in self.wards.items()}

    async def seed(self, testees: int = 20, *, start: bool = True) -> None:
        """Makes plans of every kind and so many enrollments in each tenant, with something due at once; then starts."""
        for ward in self.wards.values():
            moves = self._moves(ward)
            for kind in KINDS_OF_PLAN:
                await moves.create_plan(kind)
            assert len(ward.plans) >= len(KINDS_OF_PLAN), f"tenant {ward.tenant} has no plans to begin with"
            for number, plan in enumerate(ward.plans):
                # The first plans take those that cannot be shared evenly.
                share = (testees + len(ward.plans) - 1 - number) // len(ward.plans)
                for taken in range(0, share, _ROWS_AT_ONCE):
                    await moves.enroll_many(plan, min(share - taken, _ROWS_AT_ONCE))
            for _ in range(3):
                await moves.create_testee()
                await moves.enroll()
        if start:
            self.start()

    def start(self) -> None:
        """From now on the clients call."""
        if self._running:
            return
        self._ends.clear()
        self.calls.patient_until = float("inf")
        for number in range(self._clients):
            client = self._client(random.Random(self._rng.getrandbits(64)))
            self._running.add(asyncio.create_task(client, name=f"load client {number}"))

    async def stop(self) -> None:
        """What was begun is finished or, if the API does not let it, left open-ended. Raises what a client raised."""
        self._ends.set()
        self.calls.patient_until = time.monotonic() + _FINISHES_WITHIN_S
        running, self._running = self._running, set()
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=2 * _FINISHES_WITHIN_S)
        for client in late:
            client.cancel()
        for ended in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def settle(self, within_s: float = 30) -> None:
        """Every write that was sent has a known outcome. Raises Interrupted if that takes longer.

        A creation whose process died holds its key until the key's lease ends.
        """
        self.calls.patient_until = time.monotonic() + within_s
        open_ended, self.calls.open_ended = self.calls.open_ended, []
        ended = await asyncio.gather(*map(self.calls.find_out, open_ended), return_exceptions=True)
        for each in ended:
            if isinstance(each, BaseException):
                raise each

    async def drain_feeds(self) -> None:
        """Reads every tenant's feed to its end."""
        for ward in self.wards.values():
            before = -1
            while before < len(ward.feed):
                before = len(ward.feed)
                await self._moves(ward).read_feed()

    async def advance(self, step: timedelta) -> datetime:
        """Business time is that much later from now on; so the links of yesterday run out and new tasks are due."""
        assert self._settings is not None, "a load that moves business time needs the settings"
        container = build_container(self._settings)
        try:
            clock = container.clock_advancing()
            reading = await (clock.advance_by(step, actor=_ACTOR) if step else clock.read())
        finally:
            await close(container)
        self._ahead = reading.offset
        return reading.now

    async def _client(self, rng: random.Random) -> None:
        try:
            while not self._ends.is_set():
                tenant, card = self._draw()
                if not await self._moves(self.wards[tenant], rng).play(card):
                    self._unplayed.add((tenant, card))
                    await asyncio.sleep(_A_MOMENT_S)
        except Interrupted:
            return

    def _draw(self) -> tuple[str, str]:
        if not self._deck:
            cards = [card for card, count in CARDS.items() for _ in range(count)]
            self._deck = [(tenant, card) for tenant in self.wards for card in cards]
            self._deck += sorted(self._unplayed)
            self._unplayed.clear()
            self._rng.shuffle(self._deck)
        return self._deck.pop()

    def _moves(self, ward: Ward, rng: random.Random | None = None) -> Moves:
        return Moves(self.calls, ward, rng or self._rng, self._business_now)

    def _business_now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


async def admit(settings: Settings, tenants: int = 2) -> dict[str, str]:
    """Access tokens that may do everything, by tenant id: of the default tenant and of new ones beside it."""
    container = build_container(settings)
    try:
        ids = [DEFAULT_TENANT]
        for number in range(2, tenants + 1):
            tenant = await container.tenant_administration().create(
                f"load-{number}", f"Load {number}", "Europe/London", actor=_ACTOR
            )
            ids.append(tenant.id)
        issuing = container.token_issuing()
        return {
            str(tenant_id): (await issuing.issue(tenant_id, ["admin"], _TOKEN_TTL, actor=_ACTOR)).token
            for tenant_id in ids
        }
    finally:
        await close(container)
