"""What goes through an installation in secret is found nowhere afterwards: in no log, no table and no key of Redis."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from qs.settings import Settings
from tests.integration.traces.installation import Installation, installed
from tests.integration.traces.playing import PLAN, SPANS, ask_a_provider, erase, opened, play
from tests.support.traces import forms_of, found_in

MANY = 30


@pytest.fixture
async def at(settings: Settings, tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(settings, tmp_path) as installation:
        yield installation


@pytest.mark.timeout(300)
async def test_no_secret_is_found_after_a_full_run_and_nothing_of_a_person_who_was_erased(
    at: Installation,
) -> None:
    async with opened(at) as api:
        testee = await play(at, api)
        before, ciphertexts = await at.everything(), await at.deciphered()
        await erase(api, testee)
    await ask_a_provider(at)
    after = await at.everything()

    _is_looked_through(before)
    assert len(at.secrets) >= MANY
    assert found_in(before, at.secrets) == []
    assert found_in(after, at.secrets) == []
    # What a clinic calls somebody is how it asks for them, and stands beside the ciphertext until they are erased.
    assert found_in(before, at.person) == ["table testee holds external id"]
    for kind in ("testee.personal", "idempotency_key.body"):
        assert f"ciphertexts of {kind} holds name" in found_in(ciphertexts, at.person)
    assert found_in(after | await at.deciphered(), at.person) == []

    await _leak(at)
    told = found_in(await at.everything(), {"it": at.secrets["SMTP password"]})
    assert set(told) == {
        f"{place} holds it"
        for place in ("table audit", "table tenant", "redis", "redis, saved", "log qs.log")
    }


def _is_looked_through(everything: dict[str, bytes]) -> None:
    """What is no secret is found where it belongs, so that nothing was looked for in the wrong place."""
    assert "table plan holds it" in found_in(everything, {"it": PLAN})
    assert b"TaskOpened" in everything["redis"]
    assert b"TaskOpened" in everything["redis, saved"]
    assert any(b"****" in rows for name, rows in everything.items() if name.startswith("table job_output"))
    assert b"request_served" in everything["log qs.log"]
    assert b"SELECT" in everything["log qs.log"]
    for name in SPANS:
        assert name in everything["spans"], name
    assert {"log of PostgreSQL", "log of Redis", "table secret", "log worker.err"} <= everything.keys()


async def _leak(at: Installation) -> None:
    """A secret where none may be: as text, as bytes, encoded in Redis, and in a log."""
    secret = at.secrets["SMTP password"]
    connection = await asyncpg.connect(at.database_url)
    try:
        await connection.execute(
            "INSERT INTO audit (id, tenant_id, business_at, actor, action, object_kind, detail)"
            " SELECT gen_random_uuid(), id, now(), 'x', 'x', 'x', jsonb_build_object('x', $1::text) FROM tenant LIMIT 1",
            secret,
        )
        await connection.execute("UPDATE tenant SET staff_contacts = $1", secret.encode())
    finally:
        await connection.close()
    client = Redis.from_url(at.redis_url)
    await client.xadd("leak", {"x": sorted(forms_of(secret))[0]})
    await client.aclose()
    with (at.home / "qs.log").open("ab") as log:
        log.write(secret.encode())


@pytest.mark.parametrize(
    "written",
    [
        b"x=a%20b%2Fc%3D%C3%BC%22%2B&",
        b"x=a+b%2fc%3d%c3%bc%22%2b&",
        b'{"x": "a b/c=\\u00fc\\"+"}',
        b"Basic dXNlcjphIGIvYz3DvCIr",
        b"6120622f633dc3bc222b",
        'a b/c=ü"+'.encode(),
    ],
)
def test_a_secret_is_found_in_whatever_form_it_was_written(written: bytes) -> None:
    assert found_in({"log": b"before " + written}, {"it": 'a b/c=ü"+'}) == ["log holds it"]
