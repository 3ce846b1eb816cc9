"""Having the embedded servers: the client's side."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import qs
from qs.infra.embedded import locks
from qs.infra.embedded.errors import EmbeddedUnavailable, NotInTime, ServersNotStarted, as_raised
from qs.infra.embedded.layout import Control
from qs.infra.embedded.logs import open_log
from qs.infra.embedded.state import State, read_state

_LEAST_FREE_BYTES = 1024 * 1024


class Lease:
    """The right to the running servers of a home, until ``close`` or the end of the process, however it ends.

    A child gets it only by ``fork`` without ``exec``. While any process holds one, the servers are kept running,
    and started again when they crash.
    """

    def __init__(self, descriptor: int, state: State) -> None:
        self._descriptor = descriptor
        self.database_url = state.database_url
        """DSN of the superuser ``qs`` over the socket, for psql and asyncpg alike."""
        self.redis_url = state.redis_url
        self.ephemeral = state.ephemeral
        """Whether the servers run without any care for a loss of power, whatever this client asked for."""

    def close(self) -> None:
        """Give the servers up; calling it again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def survive_exec(self) -> None:
        """The program this process becomes by ``exec`` holds the lease on."""
        os.set_inheritable(self._descriptor, True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ensure(home: Path, *, ephemeral: bool = False, timeout: float = 120.0) -> Lease:
    """PostgreSQL and Valkey of this home run and answer for as long as the lease is held.

    Servers that already run are shared, as they are; else they are started, and their data made when there are
    none. ``ephemeral`` starts them without any care for a loss of power, which is for tests and demonstrations.
    Blocks up to ``timeout`` seconds. Raises ``EmbeddedUnavailable``, whose sentence says what to do.
    """
    if platform.system() != "Linux":
        raise EmbeddedUnavailable(
            "the embedded servers need Linux, whose kernel ends them with their keeper; "
            "set QS_DATABASE_URL and QS_REDIS_URL to servers of your own"
        )
    control = Control.of(home)
    deadline = time.monotonic() + timeout
    descriptor = _hold_lease(control, deadline)
    try:
        return Lease(descriptor, _reach_servers(control, deadline, ephemeral=ephemeral))
    except BaseException:
        os.close(descriptor)
        raise


def _hold_lease(control: Control, deadline: float) -> int:
    while True:
        # Another process may discard the home in between; then it is made anew.
        with contextlib.suppress(FileNotFoundError):
            control.create()
            return locks.wait_for(control.lease, deadline, shared=True)


def _reach_servers(control: Control, deadline: float, *, ephemeral: bool) -> State:
    started = False
    while True:
        # Looking and starting are one step for everybody, so a state that is seen is the present keeper's.
        with locks.held(control.starting, deadline):
            keeper = locks.open_lock(control.keeper)
            try:
                if not locks.take(keeper):
                    state = read_state(control.state)
                    if state is not None and state.phase == "ready":
                        return state
                elif started:
                    raise _why_it_ended(control)
                else:
                    start_keeper(control, keeper, ephemeral=ephemeral)
                    started = True
            finally:
                os.close(keeper)
        if time.monotonic() > deadline:
            raise _not_in_time(control)
        time.sleep(locks.POLL_SECONDS)


def start_keeper(control: Control, lock: int, *, ephemeral: bool) -> None:
    """A detached keeper of the home runs, to which ``lock``, the held lock of its keeper, was handed over."""
    control.stop_request.unlink(missing_ok=True)
    control.state.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "qs.infra.embedded.keeper", str(control.home), f"--lock={lock}"]
    with open_log(control.log("keeper")) as output:
        subprocess.run(  # noqa: S603
            [*command, "--ephemeral"] if ephemeral else command,
            env=_keeper_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(lock,),
            start_new_session=True,
            check=False,
        )


def _keeper_environment() -> dict[str, str]:
    """The client's environment without the settings of qs, whose secrets must not outlive the client."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("QS_")
        or name.startswith("QS_EMBEDDED_")
        or name in ("QS_PG_BIN", "QS_REDIS_BIN")
    }
    source = Path(qs.__file__ or "").resolve().parents[1]
    if source.name not in ("site-packages", "dist-packages"):
        # A source tree may be known to this process only by its working directory.
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (kept.get("PYTHONPATH"), str(source))))
    return kept


def _not_in_time(control: Control) -> NotInTime:
    state = read_state(control.state)
    why = (
        f": {state.error}" if state is not None and state.error else f"; {control.logs} says what they are at"
    )
    return NotInTime(f"the embedded servers were not ready in time{why}")


def _why_it_ended(control: Control) -> EmbeddedUnavailable:
    state = read_state(control.state)
    if state is not None and state.error:
        return as_raised(state.error_code, state.error)
    if state is not None and state.phase == "stopped":
        return ServersNotStarted("the embedded servers were stopped while they started; start again")
    if shutil.disk_usage(control.directory).free < _LEAST_FREE_BYTES:
        return ServersNotStarted(
            f"the disk of {control.home} is full, so no server can start; make room on it"
        )
    return ServersNotStarted(
        f"the keeper of the embedded servers ended before they were ready; {control.log('keeper')} says why"
    )
