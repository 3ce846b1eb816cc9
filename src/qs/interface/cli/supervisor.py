"""One parent for several programs: starts them, starts again what dies, stops all, and leaves nothing behind."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

log = structlog.get_logger()

_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

NOT_STARTED = 127
"""The exit code a shell gives for what it could not start."""

# Resolved before any fork: the child calls it between fork and exec, where importing is not safe.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Program:
    """Something to keep running. Its output goes where the supervisor's goes."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] | None = None
    """The whole environment of the program; None for the supervisor's own."""
    descriptors: Sequence[int] = ()
    """Open files of the supervisor that the program gets under the same numbers."""
    heeds_usr1: bool = False
    """Whether SIGUSR1 has it read its jobs anew; to any other program it would be the end."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a program that died is started again; seconds, doubling up to ``longest``.

    A program that lived for ``forgiven_after`` begins at ``first`` again.
    """

    first: float = 0.5
    longest: float = 30.0
    forgiven_after: float = 60.0

    def delay(self, deaths: int) -> float:
        """The wait after so many deaths in a row, at least one."""
        return float(min(self.longest, self.first * 2 ** min(deaths - 1, 16)))


class Child:
    """One running process of a program, in a session of its own, killed by the kernel should the supervisor die.

    Making one raises OSError when it cannot be started.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.started_at = time.monotonic()
        parent = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603 - the programs are qs itself
            list(program.arguments),
            env=None if program.environment is None else dict(program.environment),
            stdin=subprocess.DEVNULL,
            pass_fds=tuple(program.descriptors),
            # A terminal's Ctrl-C is for the supervisor, which then stops its children in order.
            start_new_session=True,
            preexec_fn=lambda: _begin(program, parent),  # noqa: PLW1509 - there is one thread here
        )
        self._descriptor = self._watched()
        self._ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._descriptor, self._end)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lived(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started_at

    async def wait(self) -> int:
        """Its exit code once it has ended; negative for a signal."""
        await asyncio.shield(self._ended)
        if self._process.returncode is None:
            # Whatever it started ends with it. Its number is its own until it has been waited for.
            _kill_group(self.pid)
        return self._process.wait()

    def poke(self) -> None:
        """Sends it SIGUSR1."""
        if not self._ended.done():
            signal.pidfd_send_signal(self._descriptor, signal.SIGUSR1)

    async def stop(self, grace: float) -> int:
        """Ends it: asks by SIGTERM, and after ``grace`` seconds by SIGKILL to its whole group."""
        if not self._ended.done():
            signal.pidfd_send_signal(self._descriptor, signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), grace)
        except TimeoutError:
            log.warning("program_killed", program=self.program.name, grace_s=grace)
        if self._process.returncode is None:
            _kill_group(self.pid)
        return await self.wait()

    def _watched(self) -> int:
        try:
            return os.pidfd_open(self._process.pid)
        except OSError:
            # What cannot be watched must not run on unseen beside its successor.
            _kill_group(self.pid)
            self._process.wait()
            raise

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        if not self._ended.done():
            self._ended.set_result(None)


@dataclass(slots=True)
class Supervisor:
    """Keeps ``programs`` running until it is told to stop."""

    programs: Sequence[Program]
    backoff: Backoff = field(default_factory=Backoff)
    grace: float = 30.0
    """Seconds a program has to end by itself; API and workers allow themselves 20 and need some to give things back."""
    on_death: Callable[[Program, int], None] = lambda program, exit_code: None
    """Told of every end that nobody asked for, before the program is started again."""
    _children: set[Child] = field(default_factory=set, init=False)

    def poke(self) -> None:
        """Hands SIGUSR1 on to the programs that heed it."""
        for child in self._children:
            if child.program.heeds_usr1:
                child.poke()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs every program until ``stop`` is set, and returns when all of them have ended."""
        async with asyncio.TaskGroup() as group:
            for program in self.programs:
                group.create_task(self._keep(program, stop))

    async def _keep(self, program: Program, stop: asyncio.Event) -> None:
        deaths = 0
        while not stop.is_set():
            death = await self._live(program, stop)
            if death is None:
                return
            code, lived = death
            deaths = 1 if lived >= self.backoff.forgiven_after else deaths + 1
            delay = self.backoff.delay(deaths)
            log.warning("program_died", program=program.name, exit_code=code, restart_in_s=delay)
            self.on_death(program, code)
            await _before(asyncio.sleep(delay), stop)

    async def _live(self, program: Program, stop: asyncio.Event) -> tuple[int, float] | None:
        """The exit code of one life of the program and its length in seconds; None when it was stopped."""
        try:
            child = Child(program)
        except OSError as error:
            # Too many processes or too little memory, perhaps only now; the other programs go on meanwhile.
            log.warning("program_not_started", program=program.name, error=os.strerror(error.errno or 0))
            return NOT_STARTED, 0.0
        log.info("program_started", program=program.name, pid=child.pid)
        self._children.add(child)
        try:
            if not await self._watch(child, stop):
                return None
            return await child.wait(), child.lived
        finally:
            self._children.discard(child)

    async def _watch(self, child: Child, stop: asyncio.Event) -> bool:
        """Whether the child died by itself; else it has been stopped."""
        died = False
        try:
            died = await _before(child.wait(), stop)
        finally:
            if not died:
                code = await child.stop(self.grace)
                log.info("program_stopped", program=child.program.name, exit_code=code)
        return died


@contextmanager
def stop_on_signals(poke: Callable[[], None] | None = None) -> Iterator[asyncio.Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set while the block runs in an event loop.

    With ``poke`` SIGUSR1 calls that, and so does SIGHUP to a process without a terminal, as a service manager sends it
    to have files read anew; from a terminal it says that this is gone.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    handlers: dict[signal.Signals, Callable[[], None]] = dict.fromkeys(_STOP_SIGNALS, stop.set)
    if poke is not None:
        handlers[signal.SIGUSR1] = poke
        if not _has_terminal():
            handlers[signal.SIGHUP] = poke
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield stop
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _begin(program: Program, parent: int) -> None:
    if program.heeds_usr1:
        # Until it listens, being asked to read something anew must not be its end.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    _die_with(parent)


def _die_with(parent: int) -> None:
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have died between the fork and the line above, when nobody was told yet.
    if os.getppid() != parent:
        os._exit(1)


async def _before(work: Coroutine[Any, Any, object], stop: asyncio.Event) -> bool:
    """Whether ``work`` ended before ``stop`` was set; it is given up otherwise."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.done()
    finally:
        working.cancel()
        stopping.cancel()
