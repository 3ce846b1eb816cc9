"""Two APIs and two nodes of workers restarted one after the other, again and again, while a long sweep runs and clients call.

Half-way the schema is brought from the revision before to this one. Until then every process is of the release before: the
code is today's, since no other is at hand, but it knows no later revision and judges the schema by that.
"""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta

from msgspec.structs import replace

from qs.domain.plan.plan import AssessmentPlan
from qs.infra.postgres.migrate import downgrade
from qs.infra.postgres.revisions import head_revision
from qs.infra.postgres.upgrading import Phase, upgrade_in_phase
from qs.settings import Settings
from tests.integration.plan.clinic import Clinic
from tests.proof.aftermath import aftermath
from tests.proof.children import Child
from tests.proof.figures import Figures, Progress
from tests.proof.journal import Read, Write
from tests.proof.roles import WORKERS
from tests.proof.servers import Servers
from tests.proof.working import working
from tests.proof.world import World
from tests.support.balancer import Balancer, balancing
from tests.support.ports import lasting_port
from tests.support.releases import previous

ROUNDS = 20
RATE_PER_S = 40.0
_DUE, _DUE_EACH_ROUND = 5000, 50
_NODES = 2
_EXIT_WITHIN_S = 25.0


@dataclass
class _Cluster:
    """The APIs, each at its own port, and the nodes, each with one process in every role of a worker."""

    world: World
    balancer: Balancer
    head: str | None
    """What new processes know of the schema; None for all there is."""
    apis: dict[int, Child] = field(default_factory=dict)
    nodes: list[list[Child]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    """How processes ended that were asked to."""
    longest_exit_s: float = 0.0
    upgrade_s: float = 0.0

    async def start(self) -> None:
        for port in self.balancer.ready:
            await self._start_api(port)
        self.nodes = [await self._start_node() for _ in range(_NODES)]

    async def restart(self) -> None:
        """Every process once, one API or node at a time; the next goes when the one before is back."""
        for port, api in self.apis.items():
            await self._end([api])
            await self._start_api(port)
        for number, node in enumerate(self.nodes):
            await self._end(node)
            self.nodes[number] = await self._start_node()

    async def upgrade(self) -> None:
        """Brings the schema to this release's beside everything else; who starts from then on is of it."""
        began = time.monotonic()
        await upgrade_in_phase(self.world.database_url, Phase.EXPAND, tell=lambda line: None)
        self.upgrade_s, self.head = time.monotonic() - began, None

    async def _start_api(self, port: int) -> None:
        self.apis[port] = await self.world.start("api", port=port, head=self.head)
        await self.balancer.is_ready(port)

    async def _start_node(self) -> list[Child]:
        node = [await self.world.start(role, head=self.head) for role in WORKERS]
        for child in node:
            await child.ready()
        return node

    async def _end(self, children: list[Child]) -> None:
        await asyncio.sleep(self.world.rng.uniform(0, 0.2))
        began = time.monotonic()
        for child in children:
            child.signal(signal.SIGTERM)
        self.codes += await asyncio.gather(*(child.wait() for child in children))
        self.longest_exit_s = max(self.longest_exit_s, time.monotonic() - began)

    async def releases(self) -> set[str]:
        """Which releases are connected, as a migration sees them."""
        rows = await self.world.fetch(
            "SELECT DISTINCT application_name AS name FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'qs%'"
        )
        return {str(row["name"]) for row in rows}


@dataclass
class _Sweeping:
    """So many tasks are due at once, and some more in each round."""

    clinic: Clinic
    due: int
    plan: AssessmentPlan | None = None

    async def begin(self) -> None:
        self.plan = await self.clinic.plan(
            schedule_type="by_day", interval=1, total_times=1, trigger_time="00:00:00"
        )
        await self._enroll(self.due)

    async def go_on(self) -> None:
        await self._enroll(_DUE_EACH_ROUND)
        self.due += _DUE_EACH_ROUND

    async def unopened(self) -> int:
        assert self.plan is not None, "nothing was begun"
        tasks = await self.clinic.tasks(self.plan)
        return self.due - sum(task.opened_at is not None for task in tasks)

    async def _enroll(self, count: int) -> None:
        assert self.plan is not None, "nothing was begun"
        yesterday = str(date.today() - timedelta(days=1))  # noqa: DTZ011
        await self.clinic.enroll_many(self.plan, count, yesterday)


def _draining(settings: Settings) -> Settings:
    # The balancer asks so often that it has heard of an end by then, even from a process that has much to do.
    return replace(settings, server=replace(settings.server, drain_s=2.0))


async def rolling(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """20 rolling restarts at scale 1, in a sweep of 5,000 tasks and what becomes due meanwhile; with the leases of production."""
    rounds = max(2, round(ROUNDS * rounds_scale))
    async with (
        World(servers, seed, scaled=False, change=_draining) as world,
        balancing([lasting_port(), lasting_port()]) as balancer,
    ):
        await downgrade(world.database_url, previous())
        world.base_url = balancer.url
        cluster = _Cluster(world, balancer, previous())
        await cluster.start()
        async with AsyncExitStack() as stack:
            container = await stack.enter_async_context(world.container())
            sweeping = _Sweeping(Clinic(container), max(200, round(_DUE * rounds_scale)))
            await sweeping.begin()
            load = await stack.enter_async_context(working(world, rate_per_s=RATE_PER_S))
            before = await cluster.releases()
            for number in range(1, rounds + 1):
                upgrading = number == rounds // 2
                await asyncio.gather(cluster.restart(), *([cluster.upgrade()] if upgrading else []))
                await sweeping.go_on()
                progress(f"{number} of {rounds} rolling restarts")
            _, violations = await aftermath(world, load)
            after = await cluster.releases()
            unopened = await sweeping.unopened()
        sent: list[Write | Read] = [*world.journal.writes, *world.journal.reads]
        lost = [f"{each.kind} was not answered" for each in sent if each.status is None]
        failed = [f"{each.kind} was answered with {each.status}" for each in world.journal.server_errors()]
    ours = f"qs {head_revision()}"
    figures = Figures(seed)
    figures.add("rolling restarts", rounds)
    figures.add("processes restarted", len(cluster.codes))
    figures.add(
        "ended well when asked", cluster.codes.count(0), f"{len(cluster.codes)}", set(cluster.codes) == {0}
    )
    figures.at_most("the longest from SIGTERM to the exit, s", cluster.longest_exit_s, _EXIT_WITHIN_S)
    figures.add("tasks due", sweeping.due)
    figures.add("of them never opened", unopened, "0", unopened == 0)
    figures.add("requests", len(sent))
    figures.none_of("requests that failed", [*lost, *failed])
    figures.add("sent to the other API, as one took no connection", balancer.refused)
    figures.add("found no API that was ready", balancer.unserved, "0", balancer.unserved == 0)
    figures.add("answers that broke off", balancer.cut, "0", balancer.cut == 0)
    figures.add("the longest request, s", balancer.longest_s)
    figures.add(
        "releases at work before the upgrade", ", ".join(sorted(before)), "", f"qs {previous()}" in before
    )
    figures.add("and at the end", ", ".join(sorted(after)), ours, after == {ours})
    figures.add("the upgrade took, s", cluster.upgrade_s)
    figures.none_of("violations, statistics among them", violations)
    return figures
