"""Jobs that run a command of the operator's list: never a command line, a shell, a user or an environment of theirs."""

import asyncio
import difflib
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from pathlib import Path
from signal import Signals
from typing import Any

from qs.application.scheduler.executors import (
    Attempt,
    AttemptOutcome,
    AttemptStatus,
    OutputStream,
    SecretAbsent,
)
from qs.domain.kernel.errors import Problem
from qs.infra.scheduler.executors.command_list import LONGEST_GRACE, MOST_PARAMS, Command, CommandList
from qs.infra.scheduler.executors.process import SupervisedCommand, SupervisorGone, Written
from qs.infra.scheduler.executors.redacting import RedactingOutput, RedactingSecrets
from qs.infra.scheduler.executors.secrets import SecretUnusable
from qs.infra.scheduler.executors.supervisor.order import Order
from qs.infra.scheduler.executors.targets import MOST_BYTES, Findings, compact

_OFF = "commands are off here; the operator can list some in the file that scheduler.commands_file names"

# The supervisor keeps the time; only if it does not is it kept here.
_BACKSTOP = timedelta(seconds=30)


class CommandExecutor:
    """Runs ``{name, params}``. Without a list every command is refused.

    The command has a session and an environment of its own, bounded resources and output, and nothing of it is left
    when the attempt ends, is canceled, or the worker dies.
    """

    kind = "command"
    scope: str | None = "jobs:command"
    grace = LONGEST_GRACE + _BACKSTOP

    def __init__(
        self, allow_list: CommandList | None, secrets: RedactingSecrets, *, work_root: Path | None = None
    ) -> None:
        self._list = allow_list
        self._secrets = secrets
        self._work_root = str(work_root or tempfile.gettempdir())

    def check(self, target: Mapping[str, Any]) -> Sequence[Problem]:
        """All that is wrong with a target; a command whose program is only elsewhere may be saved here."""
        findings = Findings()
        findings.unknown(target, {"name", "params"})
        name = findings.text(target.get("name"), 64, "name")
        given = findings.mapping(target.get("params", {}), MOST_PARAMS, "params")
        if self._list is None:
            findings.add(_OFF, "name")
        elif name is not None:
            command = self._list.find(name)
            if command is None:
                findings.add(self._unlisted(self._list, name), "name")
            else:
                command.check(given, findings)
        return findings.problems

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        """Runs the command; ``exit:N`` and ``signal:N`` are the codes of those that failed by themselves."""
        if problems := self.check(attempt.target):
            told = "; ".join(f"{problem.pointer[1:]} {problem.detail}" for problem in problems[:3])
            return _refused(f"the command is refused: {told}")
        assert self._list is not None
        command = self._list.find(attempt.target["name"])
        assert command is not None
        if (obstacle := command.obstacle) is not None:
            return _refused(f"the command {command.name} is listed but cannot run on this worker: {obstacle}")
        try:
            order = await self._order(command, attempt)
        except (SecretAbsent, SecretUnusable) as error:
            return _refused(error.sentence, "secret")
        except ValueError as error:
            return _refused(f"the command is refused: {error}")
        output = RedactingOutput(attempt.output, self._secrets.redactions)
        return await _Run(command, order, output).outcome()

    async def aclose(self) -> None:
        """Nothing is kept between attempts."""

    def _unlisted(self, allow_list: CommandList, name: str) -> str:
        if name in allow_list.refused:
            return f"is on the list in an entry that is refused ({allow_list.refused[name]})"
        near = difflib.get_close_matches(name, allow_list.names, n=1)
        return "is not on the list of commands" + (f"; did you mean {near[0]}?" if near else "")

    async def _order(self, command: Command, attempt: Attempt) -> Order:
        environment = {
            name: await self._secrets.reveal(attempt.tenant_id, value) for name, value in command.env.items()
        }
        timeout = min(attempt.timeout, command.timeout or attempt.timeout)
        return Order(
            argv=command.arguments(attempt.target.get("params", {})),
            env=environment | _told(attempt),
            cwd=command.cwd,
            work_root=self._work_root,
            timeout_s=timeout.total_seconds(),
            grace_s=command.grace.total_seconds(),
            output_bytes=command.output_kb * 1024,
            flood_bytes=None if command.flood_mb is None else command.flood_mb * 1024 * 1024,
            isolated=command.isolated,
            limits=command.limits,
        )


class _Run:
    """One command on its way from the order to the outcome."""

    def __init__(self, command: Command, order: Order, output: RedactingOutput) -> None:
        self._command = command
        self._order = order
        self._output = output

    async def outcome(self) -> AttemptOutcome:
        try:
            process = await SupervisedCommand.start(self._order)
        except OSError as error:
            return _failed("error", f"nothing can be started on this worker ({error.strerror})")
        reading = asyncio.create_task(self._read(process))
        try:
            longest = self._order.timeout_s + self._order.grace_s + _BACKSTOP.total_seconds()
            async with asyncio.timeout(longest):
                return await asyncio.shield(reading)
        except TimeoutError:
            if reading.done():
                # It is the output's, not ours.
                raise
            process.abandon()
            await _ended(reading)
            return AttemptOutcome(status=AttemptStatus.TIMED_OUT, code="timeout", error="the time ran out")
        except asyncio.CancelledError:
            process.stop()
            try:
                await _ended(reading)
            except asyncio.CancelledError:
                # Whoever cancels twice does not want to wait for a grace period.
                process.abandon()
                await _ended(reading)
            raise

    async def _read(self, process: SupervisedCommand) -> AttemptOutcome:
        trouble: Exception | None = None
        end: Mapping[str, Any] = {}
        try:
            async for event in process.events():
                try:
                    if trouble is None:
                        await self._heed(event)
                except Exception as error:  # noqa: BLE001 - nobody may stop reading before the command has ended
                    trouble = error
                    process.abandon()
                if not isinstance(event, Written):
                    end = event
        except SupervisorGone:
            await self._output.flush()
            return _failed("error", "what watches over the command was killed, so the command was ended")
        if trouble is not None:
            raise trouble
        await self._output.flush()
        return _judged(self._command, end)

    async def _heed(self, event: Written | Mapping[str, Any]) -> None:
        if isinstance(event, Written):
            stream = OutputStream.STDERR if event.is_error else OutputStream.STDOUT
            await self._output.write(event.data, stream)
        elif event["event"] == "capped":
            await self._say(f"what the command writes beyond {self._command.output_kb} KiB is dropped")
        elif event["event"] == "ended" and event["left"]:
            await self._say(f"{event['left']} processes that the command left behind were killed")
        elif event["event"] == "ended" and event["unkillable"]:
            await self._say(f"{event['unkillable']} processes of the command cannot be killed yet")

    async def _say(self, sentence: str) -> None:
        await self._output.write(f"[qs] {sentence}\n".encode(), OutputStream.LOG)


async def _ended(reading: "asyncio.Task[AttemptOutcome]") -> None:
    """Waits for the end; what went wrong on the way no longer matters."""
    await asyncio.wait([reading])
    if not reading.cancelled():
        reading.exception()


def _told(attempt: Attempt) -> dict[str, str]:
    payload = compact(attempt.payload)
    if len(payload) > MOST_BYTES:
        raise ValueError("its payload is larger than 64 KiB")
    told = {
        "QS_EXECUTION_ID": str(attempt.execution_id),
        "QS_JOB_ID": str(attempt.job_id),
        "QS_JOB_NAME": attempt.job_name,
        "QS_ATTEMPT": str(attempt.number),
        "QS_IDEMPOTENCY_KEY": attempt.idempotency_key,
        "QS_PAYLOAD": payload.decode(),
    }
    if attempt.scheduled_at is not None:
        told["QS_SCHEDULED_AT"] = attempt.scheduled_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if attempt.traceparent is not None:
        told["TRACEPARENT"] = attempt.traceparent
    return told


def _judged(command: Command, end: Mapping[str, Any]) -> AttemptOutcome:
    if end["event"] == "failed":
        # The program may be there again in a moment, as when it is being replaced.
        return _failed(
            "exec", f"the command could not be started ({end['step']}: {os.strerror(end['errno'])})"
        )
    code, number = end["exit"], end["signal"]
    result = {
        key: value
        for key, value in (
            ("exit_code", code),
            ("signal", number),
            ("output_dropped", end["dropped"]),
            ("left_behind", end["left"]),
        )
        if value
    }
    match end["why"]:
        case "timeout":
            return AttemptOutcome(
                status=AttemptStatus.TIMED_OUT, code="timeout", error="the time ran out", result=result
            )
        case "flood":
            return _failed("output", f"the command wrote more than {command.flood_mb} MiB", result)
        case "tasks":
            return _failed("processes", f"the command had more than {command.limits.tasks} processes", result)
        case "exit" if number is None:
            result = {"exit_code": code, **result}
            if code in command.success_exit:
                return AttemptOutcome(status=AttemptStatus.SUCCEEDED, result=result)
            return _failed(f"exit:{code}", f"the command ended with exit code {code}", result)
        case "exit":
            return _failed(f"signal:{number}", f"the command was ended by {_signal(number)}", result)
    return _failed("error", "the command was stopped from outside", result)


def _refused(error: str, code: str = "refused") -> AttemptOutcome:
    return AttemptOutcome(status=AttemptStatus.FAILED, code=code, error=error, permanent=True)


def _failed(code: str, error: str, result: Mapping[str, Any] | None = None) -> AttemptOutcome:
    return AttemptOutcome(status=AttemptStatus.FAILED, code=code, error=error, result=result or {})


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({Signals(number).name})"
    except ValueError:
        return f"signal {number}"
