"""The supervisor starts again what dies, stops what it started, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from qs.interface.cli.supervisor import NOT_STARTED, Backoff, Child, Program, Supervisor
from tests.support.processes import clean_environment, ending, marked, wait_until

QUICK = Backoff(first=0.01, longest=0.05)

# Writes its number on a line of its own each time it starts, and ends when asked to.
POLITE = "import os, signal, sys; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); signal.pause()"
STUBBORN = (
    "import os, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n');"
    "exec('while True: signal.pause()')"
)
PARENT = (
    "import os, signal, subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
    "open(sys.argv[1], 'a').write(f'{child.pid}\\n'); signal.pause()"
)


@pytest.fixture
def mark() -> Iterator[str]:
    """A mark in the environment of every process of the test; whatever still has it at the end is ended."""
    mark = f"mark-{uuid.uuid4()}"
    yield mark
    left = marked(mark)
    for process in left:
        process.kill()
    assert left == []


def program(name: str, code: str, file: Path, mark: str) -> Program:
    return Program(name, (sys.executable, "-c", code, str(file)), clean_environment(MARK=mark))


def numbers(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


async def until(file: Path, count: int) -> list[int]:
    async with asyncio.timeout(60):
        while len(numbers(file)) < count:
            await asyncio.sleep(0.01)
    return numbers(file)


@asynccontextmanager
async def supervising(programs: Sequence[Program], grace: float = 20.0) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    running = asyncio.create_task(Supervisor(programs, backoff=QUICK, grace=grace).run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(running, 60)


async def test_a_program_that_was_killed_is_started_again(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "pids"

    async with supervising([program("polite", POLITE, file, mark)]):
        for count in (1, 2, 3):
            pids = await until(file, count)
            os.kill(pids[-1], signal.SIGKILL)
        await until(file, 4)

    assert len(set(numbers(file))) == 4


async def test_a_program_that_ends_by_itself_is_started_again(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "pids"
    ends = "import sys; open(sys.argv[1], 'a').write('0\\n')"

    async with supervising([program("ends", ends, file, mark)]):
        await until(file, 3)


async def test_one_death_leaves_the_other_programs_alone(tmp_path: Path, mark: str) -> None:
    dying, living = tmp_path / "dying", tmp_path / "living"

    async with supervising([program("a", POLITE, dying, mark), program("b", POLITE, living, mark)]):
        (survivor,) = await until(living, 1)
        os.kill((await until(dying, 1))[0], signal.SIGKILL)
        await until(dying, 2)

        assert numbers(living) == [survivor]


async def test_a_program_that_cannot_be_started_is_tried_again(mark: str) -> None:
    deaths: list[int] = []
    enough = asyncio.Event()

    def died(program: Program, exit_code: int) -> None:
        deaths.append(exit_code)
        if len(deaths) == 3:
            enough.set()

    absent = Program("absent", (sys.executable, "-c", "raise SystemExit(7)"), clean_environment(MARK=mark))

    await asyncio.wait_for(Supervisor([absent], backoff=QUICK, on_death=died).run(enough), 60)

    assert deaths == [7, 7, 7]


async def test_a_program_that_does_not_exist_is_tried_again_and_leaves_the_others_alone(
    tmp_path: Path, mark: str
) -> None:
    file = tmp_path / "pids"
    absent = Program("absent", (str(tmp_path / "nowhere" / "python"),), clean_environment(MARK=mark))
    deaths: list[tuple[str, int]] = []
    stop, enough = asyncio.Event(), asyncio.Event()

    def died(program: Program, exit_code: int) -> None:
        deaths.append((program.name, exit_code))
        if len(deaths) == 3:
            enough.set()

    supervisor = Supervisor([absent, program("polite", POLITE, file, mark)], backoff=QUICK, on_death=died)
    running = asyncio.create_task(supervisor.run(stop))
    try:
        await asyncio.wait_for(enough.wait(), 60)
        (survivor,) = await until(file, 1)
        assert survivor in [each.pid for each in marked(mark)]
        assert not running.done()
    finally:
        stop.set()
        await asyncio.wait_for(running, 60)

    assert deaths[:3] == [("absent", NOT_STARTED)] * 3


async def test_a_program_that_ignores_the_request_is_killed_after_the_grace_period(
    tmp_path: Path, mark: str
) -> None:
    file = tmp_path / "pids"
    child = Child(program("stubborn", STUBBORN, file, mark))
    await until(file, 1)

    code = await child.stop(grace=0.2)

    assert code == -signal.SIGKILL


async def test_a_program_that_ends_when_asked_is_not_killed(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "pids"
    child = Child(program("polite", POLITE, file, mark))
    await until(file, 1)

    code = await child.stop(grace=20)

    assert code == -signal.SIGTERM


async def test_what_a_dead_program_had_started_ends_with_it(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "pids"

    child = Child(program("parent", PARENT, file, mark))
    (grandchild,) = await until(file, 1)
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()

    wait_until(lambda: grandchild not in [each.pid for each in marked(mark)], "the grandchild has ended")


async def test_a_cancelled_supervisor_stops_its_programs(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "pids"
    running = asyncio.create_task(
        Supervisor([program("polite", POLITE, file, mark)], backoff=QUICK).run(asyncio.Event())
    )
    await until(file, 1)

    running.cancel()
    await asyncio.wait([running])

    assert marked(mark) == []


SUPERVISOR = """
import asyncio, sys
from qs.interface.cli.supervisor import Backoff, Program, Supervisor, stop_on_signals

async def main():
    programs = [Program(str(n), (sys.executable, "-c", sys.argv[1], sys.argv[2])) for n in range(3)]
    with stop_on_signals() as stop:
        await Supervisor(programs, backoff=Backoff(0.01, 0.05)).run(stop)

asyncio.run(main())
"""


@pytest.fixture
def supervisor(tmp_path: Path, mark: str) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor of three programs as a process of its own, when all three run."""
    file = tmp_path / "pids"
    command = [sys.executable, "-c", SUPERVISOR, POLITE, str(file)]
    with ending(subprocess.Popen(command, env=clean_environment(MARK=mark))) as process:
        wait_until(lambda: len(numbers(file)) == 3, "three programs run")
        yield process


def test_nothing_survives_a_supervisor_that_was_killed(
    supervisor: subprocess.Popen[bytes], mark: str
) -> None:
    supervisor.kill()

    wait_until(lambda: marked(mark) == [], "all programs have ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_supervisor_that_is_asked_to_ends_all_and_exits_with_0(
    supervisor: subprocess.Popen[bytes], mark: str, number: signal.Signals
) -> None:
    supervisor.send_signal(number)

    assert supervisor.wait(60) == 0
    assert marked(mark) == []


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=30)

    assert [backoff.delay(deaths) for deaths in (1, 2, 3, 7, 8, 10_000)] == [0.5, 1, 2, 30, 30, 30]


async def test_a_program_that_lived_long_is_started_again_without_a_long_wait(
    tmp_path: Path, mark: str
) -> None:
    file = tmp_path / "pids"
    stop = asyncio.Event()
    forgiving = Backoff(first=0.01, longest=3600, forgiven_after=0.0)
    ends = "import sys; open(sys.argv[1], 'a').write('0\\n')"
    started = time.monotonic()

    running = asyncio.create_task(
        Supervisor([program("ends", ends, file, mark)], backoff=forgiving).run(stop)
    )
    await until(file, 14)
    stop.set()
    await running

    # Doubling would have added over 80 s by now.
    assert time.monotonic() - started < 60
