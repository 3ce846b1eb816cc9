"""One server process: started so that it cannot outlive the keeper, started again when it ends by itself."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from qs.infra.embedded import locks
from qs.infra.embedded.errors import ServersNotStarted
from qs.infra.embedded.logs import last_words, open_log
from qs.infra.embedded.place import Place
from qs.infra.embedded.privileges import ServerUser, server_environment

Command = Sequence[str | Path]

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

# Nobody but those who look for a moment can hold a lock that was just found free.
_LOOKED_AT_SECONDS = 5.0
_STEADY_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 5.0


class Server(ABC):
    """A server the keeper owns: it ends with the keeper, whatever happens to that, and is restarted by it."""

    name: str
    stop_signals: Sequence[tuple[signal.Signals, float]]
    """What is sent to stop it, from the mildest to the hardest, and the seconds each is given to work."""

    def __init__(self, place: Place, user: ServerUser, log_file: Path, *, ephemeral: bool) -> None:
        self.place = place
        self.user = user
        self.ephemeral = ephemeral
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = place.lock(self.name)
        self._log_file = log_file
        self._log_start = 0
        self._started_at = 0.0
        self._not_before = 0.0
        self._failures = 0
        self._trouble = ""
        self._stop_step = 0
        self._stop_by = 0.0

    @abstractmethod
    def command(self) -> Command:
        """The program and its arguments."""

    @abstractmethod
    def directory(self) -> Path:
        """Where the server's own files are, and where it runs."""

    @abstractmethod
    def forget_past(self) -> None:
        """Remove what an earlier process left and a new one would stumble over; called when none is alive."""

    @abstractmethod
    def answers(self, pid: int) -> bool:
        """Whether the server process of this number is ready for clients."""

    @property
    def pid(self) -> int | None:
        """The process number while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def is_ready(self) -> bool:
        """Whether the server runs and is ready for clients."""
        pid = self.pid
        return pid is not None and self.answers(pid)

    @property
    def trouble(self) -> str | None:
        """Why the server does not stay up, once it has ended more than once within a minute."""
        return self._trouble if self._failures > 1 else None

    def tend(self) -> None:
        """Start the server when it does not run; after it ended by itself, with a pause that grows to seconds."""
        now = time.monotonic()
        if self._process is not None:
            if self.pid is not None:
                if now - self._started_at > _STEADY_SECONDS:
                    self._failures = 0
                return
            ended = f"{self.name} ended with status {self._process.returncode}"
            self._count_failure(self._sentence(ended), now)
        # The lock is free once the last of the processes has ended, those the server itself started included.
        if now < self._not_before or not locks.is_free(self._lock):
            return
        self.forget_past()
        try:
            self._process = self._spawn(self.command(), self.directory())
        except ServersNotStarted as error:
            if self._failures == 0:
                raise
            self._count_failure(error.sentence, now)
        self._started_at = now

    def check_start(self) -> None:
        """Raises ``ServersNotStarted`` when the first start has already ended."""
        if self._process is not None and self.pid is None:
            raise ServersNotStarted(self._sentence(f"{self.name} ended while it started"))

    def run_to_end(self, command: Command, *, given: bytes = b"", tick: Callable[[], None]) -> None:
        """Run a preparing program, calling ``tick`` meanwhile; raises ``ServersNotStarted`` if it fails."""
        while not locks.is_free(self._lock):
            tick()
        process = self._spawn(command, Path("/"), given=given)
        try:
            while process.poll() is None:
                tick()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.returncode != 0:
            raise ServersNotStarted(self._sentence(f"{Path(command[0]).name} failed"))

    def begin_stop(self, *, at_once: bool) -> None:
        """The stop begins with the mildest signal, or with the next one, which gives the server no time."""
        self._stop_step = 1 if at_once else 0
        self._stop_by = 0.0

    def is_stopping(self) -> bool:
        """Whether the process is still there; the next harder signal is sent when the last had its time."""
        if self._process is None or self.pid is None:
            return False
        now = time.monotonic()
        if now >= self._stop_by and self._stop_step < len(self.stop_signals):
            number, seconds = self.stop_signals[self._stop_step]
            self._process.send_signal(number)
            self._stop_step += 1
            self._stop_by = now + seconds
        return True

    def _spawn(self, command: Command, directory: Path, *, given: bytes = b"") -> subprocess.Popen[bytes]:
        """Start a process that shares the server's lock with all its descendants and dies with the keeper."""
        lock = locks.wait_for(self._lock, time.monotonic() + _LOOKED_AT_SECONDS)
        try:
            with open_log(self._log_file) as output:
                self._log_start = output.tell()
                process = subprocess.Popen(  # noqa: S603
                    command,
                    cwd=directory,
                    env=server_environment(),
                    stdin=subprocess.PIPE if given else subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(lock,),
                    # The keeper has one thread, so nothing can be half done in the copy.
                    preexec_fn=_die_with_keeper(self.stop_signals[0][0]),  # noqa: PLW1509
                    **self.user.run_as(),
                )
        except OSError as error:
            raise ServersNotStarted(
                f"{command[0]} cannot be started ({error.strerror}); reinstall 'qs[embedded]', or set "
                "QS_DATABASE_URL and QS_REDIS_URL"
            ) from error
        finally:
            os.close(lock)
        if process.stdin is not None:
            # One that ended before it read says why by its status and its log.
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(given)
        log.info("process_started server=%s program=%s pid=%d", self.name, command[0], process.pid)
        return process

    def _count_failure(self, why: str, now: float) -> None:
        log.warning("server_failed server=%s failures=%d reason=%s", self.name, self._failures, why)
        self._failures += 1
        self._trouble = why
        self._process = None
        self._not_before = now + min(0.1 * 2**self._failures, _LONGEST_PAUSE_SECONDS)

    def _sentence(self, what: str) -> str:
        return f"{what}: {last_words(self._log_file, self._log_start)}; the rest is in {self._log_file}"


def _die_with_keeper(number: signal.Signals) -> Callable[[], None]:
    keeper = os.getpid()

    def before_exec() -> None:
        # This runs after the change of user, which would have cleared the wish again.
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != keeper:
            os._exit(1)

    return before_exec
