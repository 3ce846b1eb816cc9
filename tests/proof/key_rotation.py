"""The rotation of keys killed again and again beside clients that change what is encrypted."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from qs.application.identity.administering_tenants import TenantChange
from qs.container import build_container, close
from qs.domain.identity.tenant import StaffContact
from tests.proof.figures import Figures, Progress
from tests.proof.rotating import NO_LOCK, RING, ROLE, with_current
from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.world import World

ROUNDS = 50
MOST_ROUNDS = 20
_PEOPLE = 240
_SECRETS = 6
_WRITERS = 6
# So many that hardly anybody is renamed twice: a later name hides that an earlier one was lost.
_SELDOM_RENAMED = 60
_AT_A_POINT, _HANGING = 0.5, 0.2
_LONGEST_LIFE_S = 0.4
_HANG_S = 0.2
_ENDS_WITHIN_S = 60.0
_POINTS = ("key_rotation.after_read", "key_rotation.batch.*", "key_rotation.end.*")
_V1 = "/api/v1"


@dataclass
class Told:
    """What clients were answered last: by testee the version and the name, by secret the version and the value.

    ``kept`` holds the answers to creations by their Idempotency-Key, ``refused`` what no client may be told.
    """

    people: dict[tuple[UUID, UUID], tuple[int, str]] = field(default_factory=dict)
    secrets: dict[tuple[UUID, str], tuple[int, str]] = field(default_factory=dict)
    kept: dict[tuple[UUID, str], tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    writes: int = 0


async def key_rotation(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """50 rounds at scale 1: each begins a rotation to one of two keys and kills it at a point, or anywhere."""
    figures = Figures(seed)
    rounds = max(5, round(ROUNDS * rounds_scale))
    async with World(servers, seed, change=lambda settings: with_current(settings, "a")) as world:
        await world.start("api")
        points: Counter[str] = Counter()
        async with _clients(world, _PEOPLE) as told:
            for number in range(rounds):
                await _round(world, "ba"[number % 2], points)
                if (number + 1) % 10 == 0:
                    progress(f"{number + 1} of {rounds} rounds, {told.writes} writes")
        left = {key_id: await _left(world, key_id) for key_id in RING}
        # To the key that has less, so that there is something to do.
        last = max(left, key=lambda key_id: left[key_id])
        await _rotate(world, last)
        figures.add("rounds", rounds)
        figures.add("rotations killed", world.kills)
        figures.add("of them at a crash point", points.total())
        figures.add("different crash points", len(points))
        figures.add("writes acknowledged beside them", told.writes, "> 0", told.writes > 0)
        figures.add("rows under the other key before the last rotation", left[last])
        figures.at_most("rows under the other key after it", await _left(world, last), 0)
        figures.none_of("not as acknowledged", [*told.refused, *await _not_as_told(world, told)])
        figures.none_of("processes that broke", world.family.broken)
    return figures


async def rounds_until_lost(servers: Servers, seed: int) -> int | None:
    """How many rounds it takes a rotation without its lock to lose somebody's write; None if it never does."""
    async with World(
        servers, seed, bug=NO_LOCK, change=lambda settings: with_current(settings, "a")
    ) as world:
        await world.start("api")
        for number in range(MOST_ROUNDS):
            async with _clients(world, _SELDOM_RENAMED) as told:
                hanging = Trap("key_rotation.after_read", action="hang", hang_s=_HANG_S, every=True)
                await _rotate(world, "ab"[number % 2 - 1], hanging)
            if await _not_as_told(world, told):
                return number + 1
    return None


async def _round(world: World, key_id: str, points: Counter[str]) -> None:
    rng = world.rng
    trap, dice = None, rng.random()
    if dice < _AT_A_POINT:
        trap = Trap(rng.choice(_POINTS), rng.randint(1, 6))
    elif dice < _AT_A_POINT + _HANGING:
        trap = Trap("key_rotation.after_read", rng.randint(1, 4), action="hang", hang_s=_HANG_S)
    child = await world.start(ROLE + key_id, trap)
    if trap is not None and trap.action == "kill":
        if await child.sprung(_ENDS_WITHIN_S) and child.sprung_at is not None:
            points[child.sprung_at] += 1
        await child.wait()
        return
    await asyncio.sleep(rng.uniform(0, _LONGEST_LIFE_S))
    if child.alive:
        await child.kill()


async def _rotate(world: World, key_id: str, trap: Trap | None = None) -> None:
    child = await world.start(ROLE + key_id, trap)
    assert await child.wait() == 0, world.last_words()


@asynccontextmanager
async def _clients(world: World, people: int) -> AsyncIterator[Told]:
    """Testees, secrets and staff contacts in every tenant, all but the last changed as long as the block lasts."""
    told = Told()
    tenants = [UUID(tenant) for tenant in world.tokens]
    async with httpx.AsyncClient(base_url=world.base_url, timeout=60, trust_env=False) as client:
        for number in range(people):
            await _create(client, world, told, tenants[number % len(tenants)])
        for number in range(_SECRETS):
            told.secrets[tenants[number % len(tenants)], f"s{number}"] = (0, "")
        async with world.container() as container:
            administration = container.tenant_administration()
            for tenant in await administration.list():
                contacts = [StaffContact("email", f"{tenant.id}@example.org")]
                await administration.change(
                    tenant.slug, TenantChange(staff_contacts=contacts), actor="tests:proof"
                )
        enough = asyncio.Event()
        writing = [
            asyncio.create_task(
                _write(client, world, told, number, random.Random(world.rng.random()), enough)
            )
            for number in range(_WRITERS)
        ]
        try:
            yield told
        finally:
            enough.set()
            await asyncio.gather(*writing)


async def _write(
    client: httpx.AsyncClient,
    world: World,
    told: Told,
    number: int,
    rng: random.Random,
    enough: asyncio.Event,
) -> None:
    """One client after the other: what one changes nobody else does."""
    people = list(told.people)[number::_WRITERS]
    secrets = list(told.secrets)[number::_WRITERS]
    while not enough.is_set():
        dice = rng.random()
        if dice < 0.1:
            await _create(client, world, told, people[0][0])
        elif dice < 0.2:
            await _repeat(client, world, told, rng)
        elif dice < 0.4:
            await _store(client, world, told, rng.choice(secrets))
        else:
            await _rename(client, world, told, rng.choice(people))


async def _create(client: httpx.AsyncClient, world: World, told: Told, tenant_id: UUID) -> None:
    key, body = str(uuid4()), {"name": f"somebody {uuid4()}"}
    headers = _headers(world, tenant_id) | {"Idempotency-Key": key}
    answer = await client.post(f"{_V1}/testees", json=body, headers=headers)
    if not _is(answer, told, 201, "created"):
        return
    data = answer.json()["data"]
    told.kept[tenant_id, key] = (body, answer.content)
    told.people[tenant_id, UUID(data["id"])] = (data["version"], data["name"])


async def _repeat(client: httpx.AsyncClient, world: World, told: Told, rng: random.Random) -> None:
    (tenant_id, key), (body, kept) = rng.choice(list(told.kept.items()))
    headers = _headers(world, tenant_id) | {"Idempotency-Key": key}
    answer = await client.post(f"{_V1}/testees", json=body, headers=headers)
    if _is(answer, told, 201, "repeated") and answer.content != kept:
        told.refused.append(f"the answer under key {key} is another one than it was")


async def _rename(client: httpx.AsyncClient, world: World, told: Told, whom: tuple[UUID, UUID]) -> None:
    version, _ = told.people[whom]
    name = f"somebody {uuid4()}"
    # A rotation is no change of the testee, so that the version a client knows still holds.
    headers = _headers(world, whom[0]) | {"If-Match": f'"v{version}"'}
    answer = await client.put(f"{_V1}/testees/{whom[1]}", json={"name": name}, headers=headers)
    if _is(answer, told, 200, "renamed"):
        told.people[whom] = (version + 1, name)


async def _store(client: httpx.AsyncClient, world: World, told: Told, which: tuple[UUID, str]) -> None:
    version, value = told.secrets[which][0], str(uuid4())
    answer = await client.put(
        f"{_V1}/secrets/{which[1]}", json={"value": value}, headers=_headers(world, which[0])
    )
    if _is(answer, told, 201 if answer.status_code == 201 else 200, "stored"):
        told.secrets[which] = (answer.json()["data"]["version"], value)
        if told.secrets[which][0] <= version:
            told.refused.append(
                f"the secret {which[1]} went from version {version} to {told.secrets[which][0]}"
            )


def _is(answer: httpx.Response, told: Told, status: int, what: str) -> bool:
    told.writes += 1
    if answer.status_code != status:
        told.refused.append(f"{what}: answered {answer.status_code} {answer.text[:200]}")
    return answer.status_code == status


def _headers(world: World, tenant_id: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.tokens[str(tenant_id)]}"}


async def _left(world: World, key_id: str) -> int:
    """How many rows are not under that key."""
    container = build_container(with_current(world.settings, key_id))
    try:
        standing = await container.key_rotation().standing()
    finally:
        await close(container)
    return sum(sum(standing.left(name).values()) for name in standing.rows)


async def _not_as_told(world: World, told: Told) -> list[str]:
    """Every row is opened; what does not open raises."""
    found: list[str] = []
    async with world.container() as container:
        for (tenant_id, testee_id), said in told.people.items():
            async with container.plan_uow()(tenant_id) as uow:
                testee = await uow.testees.get(testee_id)
            if testee is None or (testee.version, testee.name) != said:
                found.append(f"testee {testee_id} is not as its client was told: {said}")
        for (tenant_id, name), (version, value) in told.secrets.items():
            async with container.secret_uow()(tenant_id) as secrets:
                if version and await secrets.secrets.value(name) != value:
                    found.append(f"the secret {name} is not what was stored last")
        for tenant in world.tokens:
            async with container.identity_uow()(UUID(tenant)) as accounts:
                known = await accounts.tenants.get()
            if known is None or [each.address for each in known.staff_contacts] != [f"{tenant}@example.org"]:
                found.append(f"the staff contacts of tenant {tenant} are not what was stored")
    return found
