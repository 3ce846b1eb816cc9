import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.command_line import called
from tests.support.planting import Planted
from tests.support.receivers import HeldPort

SECRET_KEY = "k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa"

Findings = dict[str, list[dict[str, str]]]
Doctor = Callable[..., Awaitable[Findings]]


@pytest.fixture
def installation(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path),
        "QS_SECRET_KEY": SECRET_KEY,
        "QS_DATABASE_URL": database_url,
        "QS_REDIS_URL": redis_url,
    }


@pytest.fixture
async def planted(database_url: str) -> AsyncIterator[Planted]:
    connection: Any = await asyncpg.connect(database_url)
    yield Planted(connection)
    await connection.close()


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A port that refuses every call."""
    held = HeldPort()
    yield held.number
    held.release()


@pytest.fixture
def doctor(installation: dict[str, str]) -> Doctor:
    """What ``qs doctor`` finds, by code; it says what to do about each, and its exit code says whether one is an error."""

    async def ask(**variables: str) -> Findings:
        return await asyncio.to_thread(told_by_doctor, installation | variables)

    return ask


def told_by_doctor(given: Mapping[str, str]) -> Findings:
    """The findings of that installation by code, those that say that all is well left out."""
    done = called(given, "doctor", "--json")
    assert done.stdout, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert done.returncode == int(any(each["severity"] == "error" for each in findings)), done.stderr
    by_code: Findings = {}
    for each in findings:
        assert bool(each["todo"]) == (each["severity"] != "ok"), each
        if each["severity"] != "ok":
            by_code.setdefault(each["code"], []).append(each)
    return by_code
