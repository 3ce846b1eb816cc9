"""Looking at, stopping and discarding the embedded servers of a home."""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from qs.infra.embedded import locks, place
from qs.infra.embedded.errors import NotInTime
from qs.infra.embedded.layout import Control
from qs.infra.embedded.state import State, read_state

_LOOK_SECONDS = 30.0
_LOGS = ("keeper", *place.SERVERS)


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of the embedded servers of a home; process numbers and URLs are None unless they run."""

    running: bool
    """Whether a keeper lives; ``phase`` says whether the servers are ready."""
    phase: str
    """``starting``, ``ready``, ``restarting``, ``stopping``, ``stopped`` or ``failed``."""
    home: str
    directory: str | None
    """Where the data are, which may be outside the home; None before the first start."""
    keeper_pid: int | None
    postgres_pid: int | None
    redis_pid: int | None
    database_url: str | None
    redis_url: str | None
    ephemeral: bool
    error: str | None
    """Why the last start failed, or why a server does not stay up."""
    logs: dict[str, str]


def status(home: Path) -> Status:
    """The present state of a home's servers; nothing is made or started."""
    control = Control.of(home)
    if not control.exists():
        return _status(control, State(phase="stopped"), alive=False)
    alive = _keeper_lives(control)
    return _status(control, read_state(control.state) or State(), alive=alive)


def stop(home: Path, *, timeout: float = 60.0) -> bool:
    """The servers of a home have ended, even if clients still hold a lease; true if there was something to stop.

    A client that asks for servers from now on gets new ones.
    Only the home's own keeper is asked, and it ends only its own children. Blocks up to ``timeout`` seconds,
    then raises ``NotInTime``.
    """
    control = Control.of(home)
    if not control.exists():
        return False
    deadline = time.monotonic() + timeout
    if not _anything_runs(control):
        return False
    control.stop_request.touch(mode=0o600)
    # Whoever starts a new keeper takes the request away: then the one that was asked has ended.
    while control.stop_request.exists() and _anything_runs(control):
        if time.monotonic() > deadline:
            raise NotInTime(
                f"the embedded servers of {control.home} did not stop in time; see {control.logs}"
            )
        time.sleep(locks.POLL_SECONDS)
    return True


def discard(home: Path, *, timeout: float = 60.0) -> None:
    """The servers of a home have ended and all their data are deleted, outside the home as well.

    Raises ``NotInTime`` when another process holds a lease for longer than ``timeout`` seconds.
    """
    control = Control.of(home)
    if not control.exists():
        return
    with locks.held(control.lease, time.monotonic() + timeout):
        stop(home, timeout=timeout)
        place.leave(control)
        place.remove_outside(control)
        # Renamed at once, so that a client that comes now makes its own and is not caught in the deletion.
        scrap = Path(tempfile.mkdtemp(prefix="discarded-", dir=control.home))
        control.directory.rename(scrap)
    shutil.rmtree(scrap)


def _anything_runs(control: Control) -> bool:
    return _keeper_lives(control) or not _servers_ended(control)


def _keeper_lives(control: Control) -> bool:
    with locks.held(control.starting, time.monotonic() + _LOOK_SECONDS):
        return not locks.is_free(control.keeper)


def _servers_ended(control: Control) -> bool:
    where = place.recorded(control)
    return where is None or all(locks.is_free(where.lock(name)) for name in place.SERVERS)


def _status(control: Control, state: State, *, alive: bool) -> Status:
    where = place.recorded(control)
    usable = alive and state.phase in ("ready", "restarting")
    ended = "failed" if state.error else "stopped"
    return Status(
        running=alive,
        phase=state.phase if alive else ended,
        home=str(control.home),
        directory=str(where.directory) if where else None,
        keeper_pid=state.keeper if alive else None,
        postgres_pid=state.servers.get("postgres") if alive else None,
        redis_pid=state.servers.get("redis") if alive else None,
        database_url=state.database_url if usable else None,
        redis_url=state.redis_url if usable else None,
        ephemeral=state.ephemeral,
        error=state.error or None,
        logs={name: str(control.log(name)) for name in _LOGS},
    )
