"""The subscriber of docs/howto/subscribe.md, run as it is printed there."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from qs.application.plan.keeping import Profile
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.settings import Settings
from tests.support.processes import clean_environment, running
from tests.support.waiting import eventually

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "subscribe.md"


async def test_the_printed_subscriber_tells_who_may_answer_until_when(
    container: Container, settings: Settings, tmp_path: Path
) -> None:
    code = re.search(r"```python\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    lines = [line for line in code[1].splitlines() if line and not line.startswith("import")]
    testee_id = await _open_one_task(container)
    await eventually(lambda: _published(container))

    async with _api(settings, tmp_path) as address:
        issued = await container.token_issuing().issue(
            DEFAULT_TENANT, ["entry:read"], timedelta(hours=1), actor="test"
        )
        environment = clean_environment(
            QS_REDIS_URL=settings.redis.url or "",
            QS_URL=address,
            QS_TOKEN=issued.token,
            PYTHONUNBUFFERED="1",
        )
        async with running(
            sys.executable, "-c", code[1], env=environment, stdout=asyncio.subprocess.PIPE
        ) as subscriber:
            assert subscriber.stdout is not None
            async with asyncio.timeout(60):
                told = (await subscriber.stdout.readline()).decode().split()

    assert len(lines) <= 15
    assert told[0] == str(testee_id)
    assert datetime.fromisoformat(told[1]) > datetime.now(UTC) + timedelta(days=6)


async def _open_one_task(container: Container) -> object:
    fields = {"name": "x", "scale_code": "PHQ-9", "schedule_type": "by_week", "interval": 1, "total_times": 2}
    plan = await container.plan_authoring().create(
        DEFAULT_TENANT, fields | {"trigger_time": "00:00"}, actor="test"
    )
    testee = await container.testee_keeping().create(DEFAULT_TENANT, Profile(), actor="test")
    start = datetime.now(UTC).date() - timedelta(days=1)
    await container.enrolling().enroll(DEFAULT_TENANT, plan.id, testee.id, start, actor="test")
    assert (await container.task_scheduling().sweep(DEFAULT_TENANT)).opened == 1
    return testee.id


@asynccontextmanager
async def _api(settings: Settings, directory: Path) -> AsyncIterator[str]:
    port_file = directory / "port"
    environment = clean_environment(
        QS_ENV="test",
        QS_HOME=str(directory),
        QS_DATABASE_URL=settings.database.url or "",
        QS_REDIS_URL=settings.redis.url or "",
        QS_SECRET_KEY=settings.secret_key or "",
    )
    command = sys.executable, "-m", "qs", "api", "--port", "0", "--port-file", port_file
    async with running(*command, env=environment, stdout=asyncio.subprocess.DEVNULL):
        await eventually(lambda: _exists(port_file))
        yield f"http://127.0.0.1:{port_file.read_text(encoding='ascii').strip()}"


async def _exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)


async def _published(container: Container) -> bool:
    await container.publishing().round()
    return (await container.event_backlog().measure()).unpublished == 0
