"""Command jobs: what an attempt gives back, as it happens."""

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus, OutputStream
from qs.infra.scheduler.executors import process
from qs.infra.scheduler.executors.command import CommandExecutor
from qs.infra.scheduler.executors.secrets import SettingsSecrets
from tests.conformance.rigs.rig import KeptOutput, an_attempt, output_of
from tests.support.waiting import eventually


async def run(executor: CommandExecutor, **fields: Any) -> tuple[AttemptOutcome, Attempt]:
    attempt = an_attempt({"name": "a"}, **fields)
    return await executor.execute(attempt), attempt


def script(text: str, keys: str = "") -> str:
    return f"a:\n  argv: [/bin/sh, -c, '{text}']\n" + (f"  {keys}\n" if keys else "")


async def test_without_a_list_no_command_runs():
    executor = CommandExecutor(None, SettingsSecrets({}, {}))

    [problem] = executor.check({"name": "a"})
    outcome = await executor.execute(an_attempt({"name": "a"}))

    assert (problem.pointer, "scheduler.commands_file" in problem.detail) == ("/name", True)
    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)


async def test_a_name_that_is_almost_right_is_suggested(make_executor):
    executor = make_executor("backup:\n  argv: [/bin/true]\n")

    [problem] = executor.check({"name": "bakcup"})

    assert "did you mean backup?" in problem.detail


async def test_a_command_whose_program_is_elsewhere_can_be_saved_here_and_not_run(make_executor):
    executor = make_executor("a:\n  argv: [/nowhere/program]\n")

    assert executor.check({"name": "a"}) == []
    outcome, _ = await run(executor)
    assert outcome.permanent
    assert "this worker" in (outcome.error or "")


async def test_a_refused_entry_says_why(make_executor):
    executor = make_executor("a:\n  argv: [sh]\n")

    [problem] = executor.check({"name": "a"})

    assert "line 2" in problem.detail


@pytest.mark.parametrize(
    ("text", "keys", "status", "code"),
    [
        ("exit 0", "", "succeeded", None),
        ("exit 3", "", "failed", "exit:3"),
        ("exit 255", "", "failed", "exit:255"),
        ("exit 3", "success_exit: [0, 3]", "succeeded", None),
        ("exit 0", "success_exit: [3]", "failed", "exit:0"),
        ("kill -KILL $$", "", "failed", "signal:9"),
        ("kill -SEGV $$", "", "failed", "signal:11"),
        ("kill -34 $$", "", "failed", "signal:34"),
    ],
)
async def test_how_a_command_ends_is_the_code(make_executor, text, keys, status, code):
    outcome, _ = await run(make_executor(script(text, keys)))

    assert (outcome.status, outcome.code, outcome.permanent) == (status, code, False)
    assert (outcome.error is None) == (status == "succeeded")


async def test_both_outputs_are_kept_apart_and_in_order(make_executor):
    _, attempt = await run(make_executor(script("for n in 1 2 3; do echo out$n; echo err$n >&2; done")))

    output = output_of(attempt)
    assert output.of(OutputStream.STDOUT) == b"out1\nout2\nout3\n"
    assert output.of(OutputStream.STDERR) == b"err1\nerr2\nerr3\n"


async def test_output_comes_as_it_is_written(make_executor, tmp_path):
    flag = tmp_path / "go"
    executor = make_executor(script(f"echo first; while [ ! -e {flag} ]; do sleep 0.01; done; echo second"))
    attempt = an_attempt({"name": "a"})
    running = asyncio.create_task(executor.execute(attempt))

    async def has_come():
        return output_of(attempt).data == b"first\n"

    await eventually(has_come)
    flag.touch()
    await running
    assert output_of(attempt).data == b"first\nsecond\n"
    flag.unlink()


async def test_output_without_an_end_of_line_and_of_any_bytes_is_kept(make_executor):
    _, attempt = await run(make_executor("a:\n  argv: [/usr/bin/printf, '\\377\\000\\001x']\n"))

    assert output_of(attempt).data == b"\xff\x00\x01x"


async def test_an_output_over_the_cap_is_dropped_and_that_is_said_once(make_executor):
    outcome, attempt = await run(
        make_executor(script("yes | head -c 100000; yes | head -c 100000 >&2", "output_kb: 8"))
    )

    output = output_of(attempt)
    assert outcome.status is AttemptStatus.SUCCEEDED
    assert len(output.of(OutputStream.STDOUT) + output.of(OutputStream.STDERR)) == 8 * 1024
    assert output.of(OutputStream.LOG).decode().count("beyond 8 KiB is dropped") == 1
    assert outcome.result["output_dropped"] == 200_000 - 8 * 1024


async def test_a_slow_reader_slows_the_command_and_loses_nothing(make_executor):
    class Slow(KeptOutput):
        async def write(self, data, stream=OutputStream.LOG):
            await asyncio.sleep(0.01)
            await super().write(data, stream)

    outcome, attempt = await run(make_executor(script("seq 1 100000")), output=Slow())

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert output_of(attempt).data.split() == [b"%d" % number for number in range(1, 100_001)]


@pytest.mark.parametrize("failure", [ConnectionError, TimeoutError])
async def test_an_output_that_fails_ends_the_command_and_is_not_hidden(make_executor, failure):
    class Broken(KeptOutput):
        async def write(self, data, stream=OutputStream.LOG):
            raise failure("the database is away")

    async with asyncio.timeout(30):
        with pytest.raises(failure, match="away"):
            await run(make_executor(script("echo x; exec sleep 3600")), output=Broken())


async def test_secrets_of_the_list_reach_the_command_and_no_reader(make_executor):
    text = script(
        'echo "$A $B"; echo "$A" | base64; exit 1', "env: {A: secret://password, B: x-secret://other}"
    )

    outcome, attempt = await run(make_executor(text))

    written = output_of(attempt).data.decode()
    assert written.startswith("**** x-****\n")
    assert "hunter22" not in written + repr(outcome)
    assert "aHVudGVyMj" not in written


async def test_the_shorter_of_both_limits_counts(make_executor):
    for keys, timeout in (("timeout: 300ms", 60), ("timeout: 60s", 0.3)):
        outcome, _ = await run(
            make_executor(script("exec sleep 3600", keys)), timeout=timedelta(seconds=timeout)
        )

        assert (outcome.status, outcome.code) == (AttemptStatus.TIMED_OUT, "timeout")


async def test_a_program_that_cannot_be_executed_after_all_may_be_tried_again(make_executor, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/nowhere/interpreter\n")
    program.chmod(0o755)

    outcome, _ = await run(make_executor(f"a:\n  argv: [{program}]\n"))
    program.unlink()

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.FAILED, "exec", False)
    assert "program: No such file" in (outcome.error or "")


async def test_who_cancels_twice_does_not_wait_for_the_grace_period(make_executor):
    executor = make_executor(script("trap : TERM; echo ready; while :; do sleep 0.05; done", "grace_s: 300"))
    attempt = an_attempt({"name": "a"})
    running = asyncio.create_task(executor.execute(attempt))

    async def is_ready():
        return b"ready" in output_of(attempt).data

    await eventually(is_ready)
    running.cancel()
    await asyncio.sleep(0.3)
    assert not running.done()
    running.cancel()

    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_where_nothing_can_be_started_that_is_told(make_executor, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    outcome, _ = await run(make_executor(script("exit 0")))

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.FAILED, "error", False)


async def test_where_no_directory_can_be_made_that_is_told(make_executor):
    executor = make_executor(script("exit 0"))
    executor._work_root = "/nowhere"

    outcome, _ = await run(executor)

    assert (outcome.status, outcome.code) == (AttemptStatus.FAILED, "exec")
    assert "directory" in (outcome.error or "")


def test_a_supervisor_needs_nothing_but_the_standard_library():
    source = Path(process.__file__).parents[4]
    told = subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-c"),
            "import sys; before = set(sys.modules); sys.path.append(sys.argv[1]);"
            "import qs.infra.scheduler.executors.supervisor.main;"
            "print(*{name.partition('.')[0] for name in set(sys.modules) - before})",
            source,
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(told.stdout.split()) - set(sys.stdlib_module_names) == {"qs"}
