"""`qs sweep`: one pass from the terminal."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import called
from tests.support.settings import SECRET_KEY

from .clinic import Clinic

Installation = dict[str, str]
START = "2060-07-01"


@pytest.fixture
def installation(database_url: str, redis_url: str, tmp_path: Path) -> Installation:
    return {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path),
        "QS_SECRET_KEY": SECRET_KEY,
        "QS_DATABASE_URL": database_url,
        "QS_REDIS_URL": redis_url,
    }


def qs_sweep(given: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    return called(given, "sweep", *arguments)


def answer(given: Installation, *arguments: str) -> Any:
    found = qs_sweep(given, *arguments, "--json")
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


async def test_a_wall_time_is_read_in_the_zone_of_the_tenant_that_is_swept(
    installation: Installation, clinic: Clinic, neighbour: Clinic
):
    await neighbour.enroll(await neighbour.plan(total_times=1), START)
    await clinic.advance("2060-07-03")

    early = answer(installation, "--tenant", "north", "--before", "2060-07-01 18:59:59")
    due = answer(installation, "--tenant", "north", "--before", "2060-07-01 19:00:00")

    assert [(each["opened"], each["before"]) for each in (early, due)] == [
        (0, "2060-07-01T17:59:59Z"),
        (1, "2060-07-01T18:00:00Z"),
    ]
    kept = await neighbour.rows("SELECT parameters->>'before' AS before FROM execution ORDER BY id")
    assert [row.before for row in kept] == ["2060-07-01T17:59:59+00:00", "2060-07-01T18:00:00+00:00"]
    (audited,) = await neighbour.rows("SELECT actor, detail FROM audit WHERE action = 'tasks.open'")
    assert (audited.actor.startswith("cli:"), audited.detail) == (True, {"count": 1})


async def test_without_a_tenant_it_is_read_in_the_zone_of_the_installation(
    installation: Installation, clinic: Clinic
):
    await clinic.enroll(await clinic.plan(total_times=1), START)
    await clinic.advance("2060-07-03")
    berlin = installation | {"QS_TIMEZONE": "Europe/Berlin"}

    assert answer(berlin, "--before", "2060-07-01 12:59:59")["opened"] == 0
    assert answer(berlin, "--before", "2060-07-01 13:00:00")["opened"] == 1


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("soon", "must be RFC 3339"),
        ("2060-07-01 25:00:00", "does not exist"),
        ("2199-01-01", "in the future"),
    ],
)
async def test_a_before_that_says_nothing_is_refused_before_there_is_an_execution(
    installation: Installation, clinic: Clinic, before: str, said: str
):
    found = qs_sweep(installation, "--tenant", "default", "--before", before)

    assert (found.returncode, found.stdout) == (1, "")
    assert said in found.stderr
    assert await clinic.rows("SELECT id FROM execution") == []
