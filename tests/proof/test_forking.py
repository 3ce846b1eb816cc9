"""The fork server: what becomes of the processes it makes."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.world import World
from tests.support.processes import marked, wait_until

ROOT = Path(__file__).parents[2]
WATCH = Trap("")

# A run that has a world with processes in it, says so, and then waits to be killed.
_RUN = """
import asyncio, sys
from tests.proof.servers import Servers
from tests.proof.world import World

async def live(servers):
    async with World(servers, 1) as world:
        for role in ("api", "cron", "relay"):
            await (await world.start(role)).ready()
        print(servers.forks.pid, flush=True)
        await asyncio.sleep(600)

with Servers() as servers:
    asyncio.run(live(servers))
"""


async def test_a_killed_process_is_reported_with_its_signal(world: World):
    child = await world.start("relay")

    os.kill(child.pid, signal.SIGKILL)

    assert await child.wait() == -signal.SIGKILL
    assert world.alive("relay") == []


async def test_a_process_ends_with_0_when_asked_to(world: World):
    children = [await world.start(role) for role in ("api", "cron", "relay", "notifications", "statistics")]
    for child in children:
        await child.ready()
    # The roles stop by their own handler, which is there once they work.
    await working(world)

    codes = [await child.stop() for child in children]

    assert codes == [0, 0, 0, 0, 0]


async def test_every_process_has_a_session_of_its_own_and_ids_that_no_other_makes(world: World):
    api = [await world.start("api") for _ in range(3)]
    async with httpx.AsyncClient(base_url=world.base_url) as client:
        await asyncio.gather(*(client.get("/health/alive") for _ in range(3)))
    workers = [await world.start("cron") for _ in range(3)]
    await working(world)
    found = await world.fetch("SELECT worker FROM worker_heartbeat WHERE role = 'cron'")

    assert {os.getsid(child.pid) for child in (*api, *workers)} == {child.pid for child in (*api, *workers)}
    assert len({row["worker"] for row in found}) == 3


async def test_a_trap_kills_the_process_at_the_passing_it_names(world: World):
    child = await world.start("relay", Trap("republish.over*.before_commit", nth=3))

    assert await child.wait() == -signal.SIGKILL
    assert child.sprung_at == "republish.overdue.before_commit"
    assert "republish.overdue.after_commit" in world.family.passed["relay"]


async def test_a_raising_trap_fails_one_step_of_the_role_and_the_next_succeeds(world: World):
    child = await world.start("relay", Trap("republish.overdue.before_commit", action="raise"))

    assert await child.sprung(30)
    await passing(world, "relay", "republish.overdue.after_commit")

    assert child.alive
    assert "Fault" in world.last_words()


async def test_a_frozen_process_goes_on_when_it_is_thawed(world: World):
    child = await world.start("relay", Trap("republish.overdue.before_commit", action="freeze"))
    assert await child.sprung(30)

    wait_until(lambda: state_of(child.pid) == "T", "it is stopped")
    world.thaw("relay")
    await passing(world, "relay", "republish.overdue.after_commit")


async def test_calls_wait_while_no_process_has_the_role_of_the_api(world: World):
    async with httpx.AsyncClient(base_url=world.base_url, timeout=30) as client:
        await world.start("api")
        assert (await client.get("/health/alive")).status_code == 200
        await world.kill("api")
        call = asyncio.create_task(client.get("/health/alive"))
        done, _ = await asyncio.wait({call}, timeout=0.2)
        assert not done

        await world.start("api")

        assert (await call).status_code == 200


async def test_a_world_leaves_no_process(proof_servers: Servers, seed: int):
    async with World(proof_servers, seed) as world:
        children = [await world.start(role) for role in ("api", "cron")]
        frozen = await world.start("relay")
        world.freeze("relay")

    assert not [child.pid for child in (*children, frozen) if exists(child.pid)]


@pytest.fixture
def passable() -> Iterator[Path]:
    """A directory that the user of the servers can pass through, as a test's own cannot be."""
    directory = Path(tempfile.mkdtemp(prefix="qs-forks-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.parametrize("victim", ["run", "fork server"])
def test_nothing_is_left_running_when_the_run_or_its_fork_server_is_killed(victim: str, passable: Path):
    mark = f"PROOF_MARK={passable.name}"
    environment = os.environ | dict([mark.split("=")]) | {"TMPDIR": str(passable)}
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert run.stdout is not None
    fork_server = int(run.stdout.readline())
    made = [process.pid for process in marked(mark) if process.pid != run.pid]
    # The fork server, the stem and three roles; the servers' environment is empty.
    assert len(made) == 5

    os.kill(run.pid if victim == "run" else fork_server, signal.SIGKILL)

    wait_until(lambda: not [pid for pid in made if exists(pid)], "all have ended")
    assert served_from(passable) or victim == "run"
    run.kill()
    run.wait()
    run.stdout.close()
    wait_until(lambda: not served_from(passable), "the servers have ended")


async def working(world: World) -> None:
    """Waits until every process that is alive has given a sign of life."""
    workers = sum(len(world.alive(role)) for role in world.children if role != "api")
    deadline = time.monotonic() + 30
    while len(await world.fetch("SELECT FROM worker_heartbeat")) < workers:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def passing(world: World, role: str, point: str) -> None:
    deadline = time.monotonic() + 30
    while point not in world.family.passed.get(role, ()):
        assert time.monotonic() < deadline, f"{role} does not pass {point}: {world.family.passed}"
        await asyncio.sleep(0.02)


def exists(pid: int) -> bool:
    return state_of(pid) not in ("", "Z")


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def served_from(directory: Path) -> list[str]:
    """Processes that name the directory in their command."""
    commands = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    return [command.decode() for command in commands if str(directory).encode() in command]
