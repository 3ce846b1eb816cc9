"""Everything that is encrypted goes over to the current key, beside whoever writes, and nothing is lost on the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from qs.application.identity.administering_tenants import TenantChange
from qs.application.kernel import crash
from qs.application.kernel.idempotency import Answer, Claim, KeyOwner
from qs.application.kernel.key_rotation import Rotated
from qs.application.plan.keeping import Profile
from qs.container import Container, build_container, close
from qs.domain.identity.tenant import StaffContact
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.cli.key_findings import key_findings
from qs.making_keys import CIPHERTEXTS, make_key_rotation
from qs.settings import Settings
from tests.support.command_line import called
from tests.support.waiting import eventually

OLD, NEW = f"old:{'o' * 16}{'0123456789abcdef'}", f"new:{'n' * 16}{'0123456789abcdef'}"
OWNER = KeyOwner(DEFAULT_TENANT, "user:anna", "a key")
CONTACT = StaffContact("email", "nurse@example.org")
# The digests of secrets, which nobody opens, and what a chain is made of.
NO_CIPHERTEXTS = {
    "api_key.secret_hash",
    "audit_seal.hash",
    "broker_request.digest",
    "idempotency_key.fingerprint",
    "refresh_token.token_hash",
    "service_account.secret_hash",
    "job_output.data",
}

Ring = Callable[[str], Container]


class Killed(Exception):
    """The process died here."""


@pytest.fixture
async def ring(settings: Settings) -> AsyncIterator[Ring]:
    """A container whose processes were given these keys."""
    made = []

    def make(secret_key: str) -> Container:
        made.append(build_container(replace(settings, secret_key=secret_key)))
        return made[-1]

    yield make
    for container in made:
        await close(container)


async def people(container: Container, count: int) -> list[UUID]:
    keeping = container.testee_keeping()
    made = [
        await keeping.create(DEFAULT_TENANT, Profile(name=f"somebody {n}"), actor="test")
        for n in range(count)
    ]
    return [testee.id for testee in made]


async def name_of(container: Container, testee_id: UUID) -> tuple[str | None, int]:
    async with container.plan_uow()(DEFAULT_TENANT) as uow:
        testee = await uow.testees.get(testee_id)
    assert testee is not None
    return testee.name, testee.version


async def rotate(container: Container, batch: int = 500) -> Rotated:
    rotation = make_key_rotation(
        container.engine(), container.keyring(), container.account_directory(), batch=batch
    )
    return await rotation.rotate(actor="test", progress=lambda name, count: None)


async def test_every_column_of_bytes_is_known_as_a_ciphertext_or_as_none(truth: asyncpg.Connection) -> None:
    rows = await truth.fetch(
        "SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE a.atttypid = 'bytea'::regtype AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped"
    )

    assert {row[0] for row in rows} == {each.name for each in CIPHERTEXTS} | NO_CIPHERTEXTS


async def test_afterwards_the_old_key_may_go_and_everything_is_what_it_was(
    ring: Ring, truth: asyncpg.Connection
) -> None:
    before = ring(OLD)
    testees = await people(before, 5)
    await before.secret_keeping().put(DEFAULT_TENANT, "token", "hunter22", actor="test")
    change = TenantChange(staff_contacts=[CONTACT])
    await before.tenant_administration().change("default", change, actor="test")
    webhook = await before.webhook_keeping().create(
        DEFAULT_TENANT, "x", "https://x.invalid/", ["*"], actor="test"
    )
    claim = await before.idempotency_keys().claim(OWNER, b"same")
    assert isinstance(claim, Claim)
    await before.idempotency_keys().keep(claim, Answer(201, {}, b"kept"))
    rows = "SELECT to_jsonb(t) - 'personal' FROM testee t ORDER BY id"
    as_they_were = await truth.fetch(rows)

    rotated = await rotate(ring(f"{NEW},{OLD}"), batch=2)

    after = ring(NEW)
    assert rotated.is_complete
    assert rotated.unreadable == {}
    assert dict(+rotated.renewed) == {
        "testee.personal": 5,
        "tenant.staff_contacts": 1,
        "secret.ciphertext": 1,
        "idempotency_key.body": 1,
        "webhook_endpoint.secrets": 1,
    }
    assert rotated.standing.rows["testee.personal"] == {"new": 5}
    assert [await name_of(after, testee) for testee in testees] == [(f"somebody {n}", 1) for n in range(5)]
    assert await truth.fetch(rows) == as_they_were
    async with after.secret_uow()(DEFAULT_TENANT) as uow:
        assert await uow.secrets.value("token") == "hunter22"
        secret = await uow.secrets.get("token")
    assert secret is not None
    assert secret.version == 1
    async with after.webhook_uow()(DEFAULT_TENANT) as uow:
        assert (await uow.endpoints.secrets(webhook.endpoint.id)).current == webhook.secret
    assert (await after.tenant_administration().show("default")).staff_contacts == (CONTACT,)
    answer = await after.idempotency_keys().claim(OWNER, b"same")
    assert isinstance(answer, Answer)
    assert answer.body == b"kept"
    (record,) = await truth.fetch("SELECT detail FROM audit WHERE action = 'keys.rotated'")
    assert json.loads(record["detail"]) == {"key": "new", "rows": 9, "unreadable": 0}


async def test_a_second_rotation_finds_nothing_to_do(ring: Ring) -> None:
    await people(ring(OLD), 3)
    container = ring(f"{NEW},{OLD}")

    first, second = await rotate(container), await rotate(container)

    assert (first.renewed.total(), second.renewed.total()) == (3, 0)


@pytest.mark.parametrize("point", ["after_read", "batch.before_commit", "batch.after_commit"])
async def test_a_rotation_that_died_is_begun_again_and_goes_on(ring: Ring, point: str) -> None:
    testees = await people(ring(OLD), 6)
    container = ring(f"{NEW},{OLD}")
    passed = 0

    async def die(at: str) -> None:
        nonlocal passed
        passed += at == f"key_rotation.{point}"
        if passed == 2:
            raise Killed

    with pytest.raises(Killed), crash.armed(die):
        await rotate(container, batch=2)
    left = await rotate(container, batch=2)

    assert left.renewed.total() == (2 if point.endswith("after_commit") else 4)
    assert left.is_complete
    assert [await name_of(ring(NEW), testee) for testee in testees] == [
        (f"somebody {n}", 1) for n in range(6)
    ]


async def test_who_writes_meanwhile_is_not_overwritten(ring: Ring, truth: asyncpg.Connection) -> None:
    """1. The rotation has read the row; 2. somebody writes it, and has to wait; 3. the rotation writes; 4. so do they."""
    (testee,) = await people(ring(OLD), 1)
    container, serving = ring(f"{NEW},{OLD}"), ring(f"{OLD},{NEW}")
    writing: list[asyncio.Task[Any]] = []

    async def write(at: str) -> None:
        if at != "key_rotation.after_read" or writing:
            return
        profile = Profile(name="somebody else")
        replacing = serving.testee_keeping().replace(DEFAULT_TENANT, testee, profile, actor="test", version=1)
        writing.append(asyncio.create_task(replacing))
        await eventually(waits)

    async def waits() -> bool:
        assert not writing[0].done(), "nobody made it wait"
        return bool(
            await truth.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
        )

    with crash.armed(write):
        await rotate(container)
    await writing[0]

    assert await name_of(container, testee) == ("somebody else", 2)


async def test_rows_that_no_key_opens_are_told_by_their_ids_and_left_as_they_are(
    ring: Ring, truth: asyncpg.Connection
) -> None:
    lost, *others = await people(ring(OLD), 4)
    for_ever = await people(ring(f"gone:{'g' * 32}"), 1)
    await truth.execute("UPDATE testee SET personal = '\\x00' WHERE id = $1", lost)
    sealed = await truth.fetch(
        "SELECT personal FROM testee WHERE id = ANY($1) ORDER BY id", [lost, *for_ever]
    )

    rotated = await rotate(ring(f"{NEW},{OLD}"), batch=1)

    assert sorted(rotated.unreadable["testee.personal"]) == sorted(map(str, [lost, *for_ever]))
    assert not rotated.is_complete
    assert rotated.standing.left("testee.personal") == {"gone": 1, "?": 1}
    assert [(await name_of(ring(NEW), testee))[1] for testee in others] == [1, 1, 1]
    left = await truth.fetch("SELECT personal FROM testee WHERE id = ANY($1) ORDER BY id", [lost, *for_ever])
    assert left == sealed


async def found(container: Container) -> dict[str, tuple[str, str]]:
    settings: Settings = container.settings()
    return {each.subject: (each.code, each.what) async for each in key_findings(settings)}


async def test_the_doctor_says_what_stands_under_an_older_or_a_missing_key(ring: Ring) -> None:
    await people(ring(OLD), 2)

    everything, older, missing = [await found(ring(keys)) for keys in (OLD, f"{NEW},{OLD}", NEW)]

    assert everything["secret keys"][0] == "ok"
    assert older["secret keys"] == ("keys.old", "under an older key: testee.personal: 2 under old")
    assert missing["secret keys"][0] == "keys.lost"
    assert "testee.personal: 2 under old" in missing["secret keys"][1]


async def test_the_doctor_says_how_many_links_hang_on_an_older_or_a_missing_key(
    ring: Ring, truth: asyncpg.Connection
) -> None:
    container = ring(OLD)
    (testee,) = await people(container, 1)
    ids = [uuid4() for _ in range(3)]
    await truth.execute("SET session_replication_role = replica")
    for task, status in zip(ids, ("opened", "opened", "expired"), strict=True):
        await truth.execute(
            "INSERT INTO task (id, tenant_id, plan_id, enrollment_id, testee_id, scale_code, seq, planned_at, timezone,"
            " due_at, status, entry_keys, created_at) VALUES ($1, $2, $1, $1, $3, 'PHQ-9', 1, now(), 'UTC', now(), $4,"
            " $5, now())",
            task,
            DEFAULT_TENANT,
            testee,
            status,
            ["older", "old"] if task == ids[0] else ["old"],
        )

    everything, older, missing = [await found(ring(keys)) for keys in (OLD, f"{NEW},{OLD}", NEW)]

    assert everything["entry links"][0] == "ok"
    assert older["entry links"][0] == "links.old"
    assert missing["entry links"][0] == "links.lost"
    assert all("2 under old" in each["entry links"][1] for each in (older, missing))


async def test_the_verb_shows_its_work_and_exits_1_while_something_is_left(
    ring: Ring, settings: Settings, truth: asyncpg.Connection
) -> None:
    testees = await people(ring(OLD), 2)
    environment = {
        "QS_ENV": "test",
        "QS_HOME": str(settings.home),
        "QS_SECRET_KEY": f"{NEW},{OLD}",
        "QS_DATABASE_URL": settings.database.url or "",
        "QS_REDIS_URL": settings.redis.url or "",
    }

    rotated = called(environment, "keys", "rotate", "--json")
    await truth.execute("UPDATE testee SET personal = '\\x00' WHERE id = $1", testees[0])
    failed = called(environment, "keys", "rotate", "--json")
    listed = called(environment, "keys", "list", "--json")

    assert rotated.returncode == 0, rotated.stderr
    assert "2 rows were encrypted anew" in rotated.stderr
    assert json.loads(rotated.stdout)["renewed"]["testee.personal"] == 2
    assert failed.returncode == 1
    assert f"1 rows of testee.personal could not be read with any key: {testees[0]}" in failed.stderr
    told = {
        (each["what"], each["key"], each["state"]): each["rows"]
        for each in json.loads(listed.stdout)["items"]
    }
    assert told == {("testee.personal", "new", "current"): 1, ("testee.personal", "?", "missing"): 1}
