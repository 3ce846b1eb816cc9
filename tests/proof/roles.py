"""The roles as production runs them, with the waits of production made short enough to watch what comes after."""

import asyncio
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from socket import socket
from typing import Any

import time_machine
import uvloop
from dependency_injector import providers

import qs.asgi
import workers.__main__
from qs.application.kernel import crash
from qs.application.kernel.subscribing import Subscribing
from qs.application.notification.sending import Sending
from qs.application.scheduler.executing import DutyExecutions
from qs.application.scheduler.job_running import JobRunning
from qs.application.statistics import holding
from qs.container import Container, build_container
from qs.domain.scheduler.duty import Duty, Every
from qs.domain.scheduler.execution import Lease
from qs.infra.postgres import idempotency_keys
from qs.interface.cli import api
from qs.logs import configure_logging
from qs.settings import Settings
from tests.proof import rotating
from tests.proof.forking import Hello
from tests.proof.patching import Stale, replace
from tests.proof.traps import Trap, springing

WORKERS = ("cron", "relay", "notifications", "statistics")
ROLES = ("api", *WORKERS)
OF_JOBS = ("ticker", "executions")

# How often is no setting: hourly or daily.
_A_LITTLE = timedelta(seconds=0.5)
_SELDOM = ("expiry", "sync-daily", "sync-accumulated", "sync-plan", "validate", "retention")


def load() -> None:
    """Everything that a role imports is imported."""
    for name in (
        *(f"workers.{role}" for role in (*WORKERS, *OF_JOBS)),
        "uvicorn.lifespan.on",
        "qs.interface.cli.protocol",
    ):
        import_module(name)
    # The application imports its routes when it is made.
    import_module("qs.interface.rest.app").documented_handlers()


def prepare(hello: Hello) -> None:
    """What all processes of one world share, made before the first is forked; nothing here may make an id or connect."""
    if hello.scaled:
        _scale_down(hello.duties_every)
    if hello.bug is not None:
        import_module("tests.proof.bugs").apply(hello.bug)
    application = qs.asgi.make_app(hello.settings)
    qs.asgi._app = lambda: application  # type: ignore[assignment]


def live(role: str, hello: Hello, listener: socket, trap: Trap | None, report: Callable[[str], None]) -> int:
    """The exit code of one life in the role. A trap with an empty point only watches."""
    configure_logging(hello.settings.log, f"{role}:{os.getpid()}")
    armed = nullcontext() if trap is None else crash.armed(springing(trap, report))
    with armed, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if role == "api":
            server = api._server(hello.settings, lambda: report("ready"))
            runner.run(server.serve(sockets=[listener]))
            return 0 if server.was_started else 1
        listener.close()
        report("ready")
        if role.startswith(rotating.ROLE):
            return 0 if runner.run(rotating.rotate(hello.settings, role)) else 1
        return 0 if runner.run(workers.__main__.work(role, hello.settings)) else 1


@contextmanager
def clock_wrong_by(shift: timedelta) -> Iterator[None]:
    """What this process takes for the time is so much later than it is."""
    if not shift:
        yield
        return
    with time_machine.travel(datetime.now(UTC) + shift, tick=True):
        yield


def _scale_down(duties_every: timedelta) -> None:
    """Leases and pauses of a second or less; the settings say the rest. Fails where the product has no such wait."""
    cron, notifications, statistics = (
        import_module(f"workers.{role}") for role in ("cron", "notifications", "statistics")
    )
    replace(cron, "TICK_EVERY_S", 1)
    replace(cron, "_LISTEN_S", 0.1)
    replace(notifications, "_GONE_AFTER", timedelta(seconds=1))
    replace(statistics, "_GONE_AFTER", timedelta(seconds=1))
    replace(statistics, "_FORGET_EVERY_S", 1.0)
    replace(holding, "_HEARTBEAT_S", 0.4)
    replace(idempotency_keys, "LEASE", timedelta(seconds=2))
    _default(holding.SyncHolding, "lease", timedelta(seconds=1.5))
    _default(DutyExecutions, "lease", Lease(timedelta(seconds=1.5), timedelta(seconds=0.4)))
    _default(JobRunning, "lease", Lease(timedelta(seconds=1.5), timedelta(seconds=0.4)))
    replace(import_module("workers.ticker"), "RESCUE_EVERY_S", 0.2)
    replace(import_module("workers.executions"), "LOOK_EVERY_S", 0.2)
    _default(Subscribing, "handling_limit", timedelta(seconds=1))
    _default(Subscribing, "first_delay", timedelta(milliseconds=100))
    _default(Subscribing, "longest_delay", timedelta(seconds=1))
    replace(Subscribing, "_lease", property(lambda self: self._handling_limit + _A_LITTLE))
    calls = import_module("qs.application.webhook.sending")
    replace(calls, "_BEGUN_WITHIN_S", 1.0)
    replace(calls, "_RECORDED_WITHIN", timedelta(seconds=0.5))
    replace(calls, "_SPARED_S", 0.2)
    replace(Sending, "_lease", property(lambda self: self._limit + _A_LITTLE))
    _shorten_limit()
    for module in (workers.__main__, qs.asgi):
        replace(module, "build_container", partial(_quick_container, duties_every))


def _default(made: type[Any], name: str, value: object) -> None:
    """What the argument of the constructor is unless given."""
    init = made.__init__
    parameters = list(inspect.signature(init).parameters.values())
    if name not in {each.name for each in parameters if each.default is not each.empty}:
        raise Stale(f"{made.__name__} has no default for {name}")
    if name in (init.__kwdefaults__ or {}):
        init.__kwdefaults__[name] = value
        return
    by_position = [
        each for each in parameters if each.default is not each.empty and each.kind is not each.KEYWORD_ONLY
    ]
    init.__defaults__ = tuple(value if each.name == name else each.default for each in by_position)


def _quick_container(duties_every: timedelta, settings: Settings) -> Container:
    container = build_container(settings)
    duties = tuple(
        Duty(duty.name, Every(duties_every)) if duty.name in _SELDOM else duty for duty in container.duties()
    )
    container.duties.override(providers.Object(duties))
    return container


def _shorten_limit() -> None:
    def init(self: Sending, *arguments: Any, limit: timedelta, **others: Any) -> None:
        # Two seconds more than the channel's own deadline become a fifth of one.
        original(self, *arguments, limit=limit - timedelta(seconds=1.8), **others)

    original = replace(Sending, "__init__", init)
