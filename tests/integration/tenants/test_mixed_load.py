"""Two tenants at work over three connections: whatever happens to a request, no row and no setting of one reaches the other."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import pytest
from httpx import AsyncClient, Response
from msgspec.structs import replace
from sqlalchemy import text

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres import unit_of_work
from qs.interface.grpc.starting import grpc_beside
from qs.interface.grpc.v1 import plan_duties_pb2 as messages
from qs.interface.grpc.v1.plan_duties_pb2_grpc import PlanDutiesStub
from qs.interface.rest.app import create_app
from qs.settings import Settings
from tests.integration.plan_http.steps import V1, WEEKLY, data_of, instant, soon
from tests.support.waiting import eventually

CONNECTIONS = 3
REQUESTS = 300
AT_ONCE = 16
ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# What a request becomes, and in which share of cases.
FATES = ("answered",) * 6 + ("gone",) * 3 + ("late",)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three connections for everything, and gRPC beside HTTP."""
    return replace(
        settings,
        server=replace(settings.server, grpc_port=0),
        database=replace(settings.database, pool_size=CONNECTIONS, max_overflow=0),
    )


@pytest.fixture
def app(container: Container, settings: Settings) -> Any:
    return create_app(container, beside=grpc_beside(settings))


@pytest.fixture
async def admin(database_url: str) -> Any:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


class Side:
    """One tenant: what it has, how its people ask, and what they were answered."""

    def __init__(
        self, tenant_id: UUID, name: str, headers: dict[str, str], client: AsyncClient, duties: Any
    ) -> None:
        self.tenant_id = tenant_id
        self.name = name
        self.headers = headers
        self.client = client
        self.duties = duties
        self.tasks: list[str] = []
        self.plan = self.testee = self.enrollment = ""
        self.answers: list[str] = []
        self.codes: set[str] = set()

    async def move_in(self) -> None:
        """A plan, two testees and their tasks, each with the tenant's name in it."""
        plan = await self.made("plans", WEEKLY | {"name": f"{self.name} plan"})
        self.plan = plan["id"]
        for number in range(2):
            who = {"name": f"{self.name} testee", "external_id": f"{self.name}-{number}"}
            self.testee = (await self.made("testees", who))["id"]
            body = {"plan_id": self.plan, "testee_id": self.testee, "start_date": soon(1)}
            joined = await self.made("plans/enroll", body)
            self.enrollment = joined["enrollment"]["id"]
            self.tasks += [task["id"] for task in joined["tasks"]]
        self.first_due = instant(joined["tasks"][0]["planned_at"])

    async def made(self, path: str, body: dict[str, Any]) -> Any:
        return data_of(await self.client.post(f"{V1}/{path}", json=body, headers=self.headers), 201)

    async def http(self, method: str, path: str, **options: Any) -> Response:
        answer = await self.client.request(method, f"{V1}/{path}", headers=self.headers, **options)
        self.answers.append(answer.text)
        assert answer.status_code < 500, answer.text
        return answer

    async def grpc(self, call: str, request: Any, **options: Any) -> None:
        metadata = (("authorization", self.headers["Authorization"]),)
        try:
            answer = await getattr(self.duties, call)(request, metadata=metadata, **options)
        except grpc.aio.AioRpcError as error:
            self.codes.add(error.code().name)
            self.answers.append(error.details() or "")
        else:
            self.answers.append(str(answer))


def requests_of(side: Side, other: Side, number: int) -> Sequence[Callable[[], Awaitable[Any]]]:
    """Reading, writing, failing, and asking for what is the other's."""
    own, foreign = side.tasks[number % len(side.tasks)], other.tasks[number % len(other.tasks)]

    def http(method: str, path: str, **options: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: side.http(method, path, **options)

    def duty(call: str, request: Any, **options: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: side.grpc(call, request, **options)

    return (
        http("GET", "plans"),
        http("GET", "testees"),
        http("GET", "plans/tasks?page_size=100"),
        http("GET", f"plans/{side.plan}"),
        http("GET", f"plans/tasks/{own}"),
        http("GET", f"plans/tasks/{own}/explain"),
        http("GET", f"plans/{side.plan}/enrollments"),
        http("GET", f"testees/{side.testee}/tasks"),
        http("GET", "events?page_size=100"),
        http("GET", "audit"),
        http("GET", "scheduler/executions"),
        http("GET", "statistics/system"),
        http("POST", "testees", json={"name": f"{side.name} newcomer"}),
        http("POST", f"plans/tasks/{own}/reissue"),
        http("POST", f"plans/tasks/{own}/complete", json={"assessment_id": f"{side.name}-a"}),
        http("POST", f"plans/{side.plan}/pause"),
        http("POST", f"plans/{side.plan}/resume"),
        http("POST", "plans/tasks/schedule?limit=1"),
        http("POST", "plans/tasks/expire"),
        # Errors
        http("POST", "testees", json={"name": 1}),
        http("POST", "testees", content=b"{"),
        http("POST", f"plans/tasks/{own}/reschedule", json={"planned_at": "2020-01-01T00:00:00Z"}),
        http("GET", "plans?page_size=0"),
        # What is the other's
        http("GET", f"plans/{other.plan}"),
        http("GET", f"plans/tasks/{foreign}"),
        http("GET", f"testees/{other.testee}"),
        http("GET", f"plans/tasks?plan_id={other.plan}"),
        http("GET", f"testees/ext:{other.name}-0"),
        http("POST", f"plans/tasks/{foreign}/cancel", json={"reason": "mine"}),
        http("POST", f"enrollments/{other.enrollment}/pause"),
        duty("SchedulePendingTasks", messages.SchedulePendingTasksRequest(limit=1)),
        duty("SchedulePendingTasks", messages.SchedulePendingTasksRequest(), timeout=0.02),
        duty("ExpireTask", messages.ExpireTaskRequest(task_id=own)),
        duty("ExpireTask", messages.ExpireTaskRequest(task_id=foreign)),
        duty("ExpireTask", messages.ExpireTaskRequest(task_id=own), timeout=0.005),
    )


async def suffered(request: Callable[[], Awaitable[Any]], chance: random.Random) -> str:
    """Sends it; its caller may go away in the middle, or have a limit that runs out."""
    fate, moment = chance.choice(FATES), chance.random() * 0.03
    sent = asyncio.ensure_future(request())
    if fate == "gone":
        await asyncio.wait({sent}, timeout=moment)
        sent.cancel()
        await asyncio.wait({sent})
        if not sent.cancelled():
            sent.result()
    elif fate == "late":
        try:
            async with asyncio.timeout(moment):
                await sent
        except TimeoutError:
            pass
    else:
        await sent
    return fate if sent.cancelled() else "answered"


async def left_behind(container: Container) -> list[tuple[Any, ...]]:
    """Of every connection of the pool: as whom it acts and for which tenant, before anybody sets that."""
    asked = text("SELECT current_user::text, coalesce(current_setting('qs.tenant_id', true), '')")
    async with AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(container.engine().connect()) for _ in range(CONNECTIONS)]
        return [tuple((await connection.execute(asked)).one()) for connection in taken]


@pytest.fixture
async def sides(stranger, app, container, caller, admin):
    """The default tenant and another one, with something due in both."""
    north = await container.tenant_administration().create("north", "North", "Asia/Shanghai", actor="test")
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{app.state.grpc_port}")
    made = [
        Side(tenant, name, await caller("admin", tenant_id=tenant), stranger, PlanDutiesStub(channel))
        for tenant, name in ((DEFAULT_TENANT, "southern"), (north.id, "northern"))
    ]
    for side in made:
        await side.move_in()
    await container.clock_advancing().advance_to(max(side.first_due for side in made), actor="test")
    yield made
    await channel.close()


async def ids_of(admin: asyncpg.Connection, tenant_id: UUID) -> set[str]:
    """Every id that any row of the tenant has, of the row itself or of another."""
    columns = await admin.fetch(
        "SELECT c.table_name, c.column_name FROM information_schema.columns c WHERE c.table_schema = 'public'"
        " AND c.data_type = 'uuid' AND EXISTS (SELECT FROM information_schema.columns t"
        " WHERE t.table_schema = 'public' AND t.table_name = c.table_name AND t.column_name = 'tenant_id')"
    )
    found: set[str] = set()
    for table, column in columns:
        rows = await admin.fetch(
            f"SELECT DISTINCT {column}::text AS id FROM {table} WHERE tenant_id = $1", tenant_id
        )
        found |= {row["id"] for row in rows if row["id"] is not None}
    return found


async def test_two_tenants_at_work_over_three_connections_see_nothing_of_one_another(sides, container, admin):
    seed = random.SystemRandom().randrange(1_000_000)
    chance = random.Random(seed)
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int) -> str:
        side, other = sides if number % 2 else reversed(sides)
        async with places:
            return await suffered(chance.choice(requests_of(side, other, number)), chance)

    fates = await asyncio.gather(*(ask(number) for number in range(REQUESTS)))

    assert fates.count("answered") > REQUESTS / 3, seed
    assert fates.count("gone") + fates.count("late") > REQUESTS / 20, seed
    owned = {side.name: await ids_of(admin, side.tenant_id) for side in sides}
    for side, other in (sides, sides[::-1]):
        told = "\n".join(side.answers)
        shown = set(ID.findall(told))
        assert len(shown & owned[side.name]) > 10, seed
        assert shown & (owned[other.name] - owned[side.name]) == set(), seed
        assert side.name in told, seed
        assert other.name not in told, seed
        assert "INTERNAL" not in side.codes, seed
    assert await left_behind(container) == [("qs_app", "")] * CONNECTIONS, seed
    # Who went away may be the last to be told that it is over.
    await eventually(lambda: asyncio.sleep(0, container.engine().pool.checkedout() == 0))


async def test_a_setting_that_outlived_its_transaction_would_be_seen(sides, container, monkeypatch):
    # Otherwise the test before it would prove nothing.
    lasting = text("SELECT set_config('qs.tenant_id', :tenant, false), qs_now()")
    monkeypatch.setattr(unit_of_work, "_ENTER", lasting)

    await sides[0].http("POST", "testees", json={"name": "somebody"})

    assert ("qs_app", str(DEFAULT_TENANT)) in await left_behind(container)
