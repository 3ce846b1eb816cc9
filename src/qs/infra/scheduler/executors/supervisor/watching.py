"""The life of one command, from its start to the end of its last descendant."""

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass

from qs.infra.scheduler.executors.supervisor import descendants
from qs.infra.scheduler.executors.supervisor.launching import NotStarted, launch
from qs.infra.scheduler.executors.supervisor.order import ERR, OUT, STOP, Order
from qs.infra.scheduler.executors.supervisor.outlet import Outlet
from qs.infra.scheduler.executors.supervisor.workplace import Workplace

# How often root's commands are counted, whom the kernel does not bound, and all others.
_TICK_S = 0.05 if os.geteuid() == 0 else 0.5
# Between two looks at what was killed and has not ended.
_PAUSE_S = 0.01
_KILLED_WITHIN_S = 10.0
# A worker that takes nothing for so long will not take the rest either.
_TAKEN_WITHIN_S = 30.0

WORKER_GONE = signal.SIGUSR1
"""What the kernel sends us when the worker dies."""


@dataclass
class _Doom:
    """Why the command is to end, and when it is killed if it has not ended by then."""

    why: str
    kill_at: float


class Watch:
    """One command with its descendants, its output and its time.

    ``control`` is where the worker's bytes come from, ``wake`` where the numbers of signals do.
    """

    def __init__(self, order: Order, control: int, wake: int, outlet: Outlet) -> None:
        self._order = order
        self._outlet = outlet
        self._control: int | None = control
        self._wake = wake
        self._main = 0
        self._status: int | None = None
        self._childless = False
        self._doom: _Doom | None = None
        self._deadline = time.monotonic() + order.timeout_s
        self._threads_before = 0

    def run(self) -> None:
        """Starts the command and returns when nothing of it is left and the worker knows how it ended."""
        try:
            place = Workplace(self._order.work_root) if self._order.cwd is None else None
        except OSError as error:
            self._tell_failure("directory", error.errno)
            return
        try:
            self._start(place)
            self._attend()
            left, unkillable = self._end_all()
            self._drain()
            self._tell_end(left, unkillable)
        except NotStarted as error:
            self._tell_failure(error.step, error.number)
        finally:
            # What could not be killed at once may still be killed, and then the directory is free.
            while not self._childless:
                self._kill_for(_KILLED_WITHIN_S)
            if place is not None:
                place.remove()

    def _start(self, place: Workplace | None) -> None:
        cwd = place.path if place is not None else str(self._order.cwd)
        self._threads_before = descendants.all_threads()
        try:
            self._main = launch(self._order, cwd, self._outlet.pipes[OUT], self._outlet.pipes[ERR])
        except NotStarted:
            self._childless = True
            raise
        finally:
            self._outlet.close_pipes()
        self._outlet.report(event="started", pid=self._main, place=place.path if place else None)

    def _attend(self) -> None:
        """Until the command itself has ended or is to be killed."""
        while True:
            now = time.monotonic()
            self._reap()
            if self._status is not None:
                return
            if self._doom is None:
                self._judge(now)
            if self._doom is not None and now >= self._doom.kill_at:
                return
            until = self._doom.kill_at if self._doom is not None else self._deadline
            self._wait(min(_TICK_S, max(until - now, 0)))

    def _judge(self, now: float) -> None:
        if now >= self._deadline:
            self._condemn("timeout")
        elif self._order.flood_bytes is not None and self._outlet.written > self._order.flood_bytes:
            self._condemn("flood")
        elif self._are_too_many():
            self._condemn("tasks", at_once=True)

    def _condemn(self, why: str, *, at_once: bool = False) -> None:
        """TERM to the whole group, unless it is to be killed at once. The first reason stays the reason."""
        now = time.monotonic()
        if self._doom is None:
            self._doom = _Doom(why, now + self._order.grace_s)
            # Once it has been waited for, its number may be somebody else's.
            if not at_once and self._status is None:
                for number in (signal.SIGTERM, signal.SIGCONT):
                    with contextlib.suppress(OSError):
                        os.killpg(self._main, number)
        if at_once:
            self._doom.kill_at = now

    def _are_too_many(self) -> bool:
        """Looks closely only when the whole machine has that many more than before."""
        most = self._order.limits.tasks
        threads = descendants.all_threads()
        if threads - self._threads_before <= most:
            return False
        own = sum(one.threads for one in descendants.descendants())
        self._threads_before = threads - own
        return own > most

    def _wait(self, seconds: float) -> None:
        """For something to happen, and deals with it."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._control is not None:
            poll.register(self._control, select.POLLIN)
        if self._outlet.is_waiting:
            poll.register(1, select.POLLOUT)
        for source in self._outlet.readable:
            poll.register(source, select.POLLIN)
        for fd, _ in poll.poll(seconds * 1000):
            if fd == self._wake:
                self._heed(os.read(self._wake, 4096))
            elif fd == self._control:
                self._obey(os.read(fd, 4096))
            elif fd == 1:
                self._give()
            else:
                self._outlet.take(fd)
                self._give()

    def _heed(self, numbers: bytes) -> None:
        if WORKER_GONE in numbers:
            self._lose_worker()
        elif signal.SIGTERM in numbers:
            self._condemn("stopped")

    def _obey(self, said: bytes) -> None:
        if not said:
            self._lose_worker()
        elif STOP in said:
            self._condemn("stopped")

    def _lose_worker(self) -> None:
        """Somebody else will soon try again, so everything ends at once."""
        self._control = None
        self._outlet.abandon()
        self._condemn("worker", at_once=True)

    def _give(self) -> None:
        try:
            self._outlet.give()
        except OSError:
            self._lose_worker()

    def _reap(self) -> None:
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._main:
                    self._status = status
        except ChildProcessError:
            self._childless = True

    def _end_all(self) -> tuple[int, int]:
        """How many outlived the command, and how many of these even KILL does not end."""
        self._reap()
        if self._childless:
            return 0, 0
        if os.geteuid() == 0:
            descendants.hurry()
        had_ended = self._status is not None
        killed = self._kill_for(_KILLED_WITHIN_S)
        return killed if had_ended else 0, len(descendants.descendants())

    def _kill_for(self, seconds: float) -> int:
        """Kills until nothing is left, which only the kernel's word is believed for; how many there were at first."""
        until = time.monotonic() + seconds
        at_first = descendants.freeze_and_kill()
        while True:
            self._wait(_PAUSE_S)
            self._reap()
            if self._childless or time.monotonic() >= until:
                return at_first
            descendants.freeze_and_kill()

    def _drain(self) -> None:
        """Passes on what is still in the pipes; whoever got hold of one of them elsewhere is not waited for."""
        until = time.monotonic() + _TAKEN_WITHIN_S
        while not self._outlet.is_done and time.monotonic() < until:
            for source in self._outlet.readable:
                self._outlet.take(source, is_last=True)
            self._wait(_TICK_S if self._outlet.is_waiting else 0)

    def _tell_end(self, left: int, unkillable: int) -> None:
        status = self._status or 0
        self._outlet.report(
            event="ended",
            why=self._doom.why if self._doom is not None else "exit",
            exit=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            dropped=self._outlet.dropped,
            left=left,
            unkillable=unkillable,
        )
        self._drain()

    def _tell_failure(self, step: str, number: int | None) -> None:
        self._outlet.abandon()
        self._outlet.report(event="failed", step=step, errno=number)
        self._drain()
