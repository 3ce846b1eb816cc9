"""`qs job run --local`: one execution in this very process, where a debugger can stand in it.

The process claims the execution in the transaction that makes it, so that no worker can, and holds it by a lease like any
other. The lease is extended by a thread of its own as well: while somebody looks at a breakpoint, the event loop stands.
"""

import asyncio
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from qs.application.scheduler.executors import Attempt, AttemptOutcome, Executor, Output, OutputStream
from qs.application.scheduler.job_ports import ClaimedRun, Held
from qs.application.scheduler.job_running import JobRunning
from qs.application.scheduler.local_running import LocalRunning, stay_alive
from qs.domain.kernel.errors import Problem
from qs.domain.scheduler.execution import Lease
from qs.domain.scheduler.job_execution import JOB_LEASE, JobExecution
from qs.infra.scheduler.across_jobs import SqlAcrossTenants
from qs.infra.scheduler.run_taking import SqlRunTaking
from qs.infra.scheduler.unit_of_work import JobUnitsOfWork
from qs.interface.cli.job_asking import busy_plainly, job_named
from qs.interface.cli.job_progress import ending
from qs.interface.cli.output import note, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import actor, tenant_of
from qs.logs import configure_logging
from qs.making import make_engine, worker_name
from qs.settings import Settings
from qs.settings.sections import LogSettings

if TYPE_CHECKING:
    from qs.container import Container

LEASE: Lease = JOB_LEASE
_LOOK_EVERY_S = 1.0
_STOP_HEEDED_EVERY_S = 0.1


def run_here(
    tenant: str, name: str, payload: Mapping[str, Any] | None, *, force: bool, json_mode: bool
) -> JobExecution:
    """The execution as it ended in this process; its log is on stderr, its output on stdout, or stderr with --json."""

    async def work() -> JobExecution:
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant)
            job = await job_named(container, tenant_id, name)
            # From here on there is work to follow; before, a verb says only what goes wrong.
            configure_logging(LogSettings(level="info"), "cli")
            return await _Here(container, tenant_id).run(job.id, payload, force)

    # What a builtin prints, and what its debugger does, is no data of this verb.
    with redirect_stdout(sys.stderr) if json_mode else nullcontext():
        ended = run_async(work())
    note(ending(ended))
    return ended


class _Here:
    """What a worker does, for one execution of one tenant."""

    def __init__(self, container: "Container", tenant_id: UUID) -> None:
        self._container = container
        self._tenant_id = tenant_id
        self._executors: dict[str, Executor] = {
            kind: _Echoing(executor) for kind, executor in container.job_executors().items()
        }
        unit_of_work: Any = container.job_uow()
        self._unit_of_work = unit_of_work
        self._running = JobRunning(
            unit_of_work,
            SqlAcrossTenants(container.engine()),
            self._executors,
            container.run_ends(),
            f"local:{worker_name()}",
            concurrency=1,
            lease=LEASE,
        )

    async def run(self, job_id: UUID, payload: Mapping[str, Any] | None, force: bool) -> JobExecution:
        container = self._container
        local = LocalRunning(
            self._unit_of_work,
            container.job_compiling(),
            container.job_ending(),
            container.new_id(),
            SqlRunTaking(),
        )
        with busy_plainly():
            run = await local.begin(
                self._tenant_id,
                job_id,
                worker=self._running.worker,
                lease=self._running.lease.length,
                actor=actor(),
                payload=payload,
                force=force,
            )
        with _Heart(container.settings(), run):
            await self._work_on(run)
        found, _ = await container.job_reading().execution(self._tenant_id, run.execution.id)
        return found

    async def _work_on(self, run: ClaimedRun) -> None:
        note(f"execution {run.execution.id} of {run.execution.job_name} runs in this process")
        helpers = [
            asyncio.create_task(self._container.run_ends().keep_writing(), name="run-ends"),
            asyncio.create_task(self._heed_requests(), name="run-beats"),
        ]
        self._running.carry_on(run)
        over = asyncio.create_task(self._running.room(), name="run-over")
        try:
            await asyncio.shield(over)
        except asyncio.CancelledError:
            # Ctrl-C. Asked for again, Python ends the process where it stands, and the lease runs out by itself.
            await self._stop(run)
            await over
        finally:
            for helper in (*helpers, over):
                helper.cancel()
            await asyncio.gather(*helpers, over, return_exceptions=True)
            for executor in self._executors.values():
                await executor.aclose()

    async def _heed_requests(self) -> None:
        while True:
            with suppress(Exception):
                await self._running.beat()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _stop(self, run: ClaimedRun) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        note("stopping it; Ctrl-C again leaves it to a worker")
        with suppress(Exception):
            await self._container.job_operating().cancel(self._tenant_id, run.execution.id, actor=actor())
            await self._running.beat()


class _Heart(threading.Thread):
    """Extends the lease of an execution for as long as the block lasts and the process lives."""

    def __init__(self, settings: Settings, run: ClaimedRun) -> None:
        super().__init__(name="heart", daemon=True)
        # Debuggers of the pydevd family stop every thread at a breakpoint but those.
        self.pydev_do_not_trace = True
        self.is_pydev_daemon_thread = True
        self._settings = settings
        self._run = run
        self._over = threading.Event()

    def __enter__(self) -> "_Heart":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        asyncio.run(self._beat())

    async def _beat(self) -> None:
        engine = make_engine(self._settings)
        execution = self._run.execution
        held = [Held(execution.id, execution.epoch)]
        unit_of_work: Any = JobUnitsOfWork(engine)
        try:
            while not self._over.is_set():
                # A database that is away may be back before the lease is out.
                with suppress(Exception):
                    await stay_alive(unit_of_work, execution.tenant_id, held, LEASE.length)
                await self._rest(LEASE.heartbeat.total_seconds())
        finally:
            await engine.dispose()

    async def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until and not self._over.is_set():
            await asyncio.sleep(_STOP_HEEDED_EVERY_S)


class _Echoing:
    """Implements Executor: another one, whose output is shown on the terminal as well as kept."""

    def __init__(self, executor: Executor) -> None:
        self.kind = executor.kind
        self.scope = executor.scope
        self.grace = executor.grace
        self._executor = executor

    def check(self, target: Mapping[str, Any]) -> Sequence[Problem]:
        return self._executor.check(target)

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        # What a builtin logs is a line of this process's log already.
        shown = set(OutputStream) - ({OutputStream.LOG} if self.kind == "builtin" else set())
        return await self._executor.execute(replace(attempt, output=_Echo(attempt.output, shown)))

    async def aclose(self) -> None:
        await self._executor.aclose()


class _Echo:
    """Implements Output."""

    def __init__(self, kept: Output, shown: set[OutputStream]) -> None:
        self._kept = kept
        self._shown = shown

    async def write(self, data: bytes, stream: OutputStream = OutputStream.LOG) -> None:
        if stream in self._shown:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        await self._kept.write(data, stream)
