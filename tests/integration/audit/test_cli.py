"""``qs audit`` in a terminal, and the check that others can make without qs."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from qs.application.kernel.audit_sealing import AuditSealing
from qs.settings import Settings
from tests.support.command_line import called

from .conftest import Write

MANUAL = Path(__file__).parents[3] / "docs" / "operations" / "audit.md"


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    assert settings.database.url is not None
    assert settings.redis.url is not None
    assert settings.secret_key is not None
    return {
        "QS_ENV": "test",
        "QS_HOME": str(settings.home),
        "QS_SECRET_KEY": settings.secret_key,
        "QS_DATABASE_URL": settings.database.url,
        "QS_REDIS_URL": settings.redis.url,
    }


async def call(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(called, environment, "audit", *arguments)
    return done.returncode, done.stdout, done.stderr


async def test_verifying_tells_the_heads_and_exits_0_or_1_with_the_first_broken_place(
    environment: dict[str, str], chain: None, truth: asyncpg.Connection
) -> None:
    code, out, _ = await call(environment, "verify", "--json")
    told = {item["tenant"]: item for item in json.loads(out)["items"]}
    kept = await call(environment, "verify", "--expect", told["default"]["head"])
    await truth.execute("UPDATE audit SET actor = 'user:eve' WHERE action = 'c'")
    broken, why, _ = await call(environment, "verify", "--json", "--tenant", "default")
    (item,) = json.loads(why)["items"]

    assert (code, kept[0], broken) == (0, 0, 1)
    assert set(told) == {"default", "platform"}
    assert (told["default"]["records"], told["platform"]["head"]) == (5, None)
    assert re.fullmatch("default:5:[0-9a-f]{64}", told["default"]["head"])
    assert item["flaw"]["position"] == 3
    assert item["flaw"]["why"] == "the record, or its seal, is not what was sealed"
    assert item["head"].startswith("default:2:")


async def test_a_head_that_does_not_fit_is_a_failure_and_one_that_is_none_is_misuse(
    environment: dict[str, str], chain: None
) -> None:
    wrong = await call(environment, "verify", "--expect", f"default:5:{64 * '0'}")
    longer = await call(environment, "verify", "--expect", f"default:6:{64 * '0'}")
    nobody = await call(environment, "verify", "--expect", f"nobody:1:{64 * '0'}")
    none = await call(environment, "verify", "--expect", "default:5")
    other = await call(environment, "verify", "--tenant", "platform", "--expect", f"default:5:{64 * '0'}")

    assert [wrong[0], longer[0], nobody[0], none[0], other[0]] == [1, 1, 1, 2, 2]
    assert "made anew" in wrong[1]
    assert "cut off" in longer[1]


async def test_the_log_is_listed(environment: dict[str, str], chain: None) -> None:
    code, out, _ = await call(environment, "list", "--action", "b", "--json")
    (item,) = json.loads(out)["items"]
    misused = await call(environment, "list", "--from", "yesterday")

    assert (code, item["position"], item["action"], misused[0]) == (0, 2, "b", 2)


async def test_the_check_in_the_manual_needs_no_qs_and_finds_the_same(
    environment: dict[str, str], chain: None, write: Write, sealing: AuditSealing, tmp_path: Path
) -> None:
    await write("量表", count=1, nested={"b": [True, None], "a": 'x\u2028"\\\n'})
    await sealing.round()
    _, out, _ = await call(environment, "list", "--json", "--limit", "100000")
    script = re.search(r"^```python\n(.*?)^```", MANUAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert script is not None

    def check(text: str) -> Any:
        return subprocess.run(
            [sys.executable, "-I", "-c", script[1]],
            input=text,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )

    sound, forged = check(out), check(out.replace("user:anna", "user:eve", 1))

    assert sound.returncode == 0, sound.stderr
    assert sound.stdout.startswith("6 records as sealed; the head is ")
    assert forged.returncode == 1
    assert "is not what was sealed" in forged.stderr
