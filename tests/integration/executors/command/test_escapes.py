"""What commands try in order to outlive, outgrow or outreach their attempt: 0 orphans, 0 effects.

Every test runs as root and as an ordinary user. That a process which was to survive had begun is checked each time,
and controls show that it would have survived.
"""

import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

from qs.infra.scheduler.executors.supervisor.linux import landlock_abi
from tests.integration.executors.command.stage import ESCAPES, NOBODY, PYTHON, Ran

LEAVING = [
    *("background", "own_group", "own_session", "double_fork", "daemon", "daemon_of_another_name"),
    *("empty_environment", "deaf_daemon", "reaper_below", "many_daemons", "stopped_daemon", "chain", "hydra"),
    *("headless", "namespaces"),
]

needs_landlock = pytest.mark.skipif(landlock_abi() < 6, reason="needs Linux 6.12 with Landlock")


def nothing_is_left(worker, ran: Ran, begun: int = 1) -> None:
    """At the very moment of the outcome, not some time later."""
    survivors = worker.stage.survivors(ran.mark)
    if survivors:
        worker.stage.kill_all(ran.mark)
    assert survivors == []
    assert len(worker.stage.begun(ran.mark)) >= begun, ran
    assert worker.stage.left_behind() == []


@pytest.mark.parametrize("name", LEAVING)
def test_no_process_gets_away(worker, name):
    ran = worker.run(name)

    nothing_is_left(worker, ran, begun=20 if name == "many_daemons" else 1)
    assert (ran.status, ran.result["exit_code"]) == ("succeeded", 0), ran
    assert ran.result["left_behind"] >= 1
    assert "were killed" in ran.log


@pytest.mark.parametrize(
    "name", [name for name in LEAVING if name not in ("chain", "hydra", "many_daemons", "reaper_below")]
)
def test_without_a_supervisor_it_would_get_away(stage, name):
    mark = f"mark-control-{name.replace('_', '-')}"

    subprocess.run(
        [PYTHON, "-I", "-S", ESCAPES, name, stage.scratch, mark], check=True, start_new_session=True, cwd="/"
    )

    survivors = stage.survivors(mark)
    stage.kill_all(mark)
    assert survivors != []


@pytest.mark.parametrize("name", ["ignore_term", "ignore_all", "closed_output", "stopped"])
def test_who_does_not_end_in_time_is_ended(worker, name):
    started = time.monotonic()

    ran = worker.run(name, timeout=2)

    nothing_is_left(worker, ran)
    assert (ran.status, ran.code, ran.permanent) == ("timed_out", "timeout", False)
    assert time.monotonic() - started < 20


def test_who_answers_to_term_has_its_grace_period(worker):
    ran = worker.run("answer_term", timeout=2)

    nothing_is_left(worker, ran)
    assert (ran.status, ran.code, ran.result) == ("timed_out", "timeout", {"exit_code": 7})


def test_a_canceled_attempt_lets_the_command_end_itself(worker):
    ran = worker.run("answer_term", cancel_on="ready")

    nothing_is_left(worker, ran)
    assert ran.status == "let through"


def test_a_canceled_attempt_ends_who_does_not_end_itself(worker):
    ran = worker.run("stubborn", cancel_on="ready")

    nothing_is_left(worker, ran, begun=2)
    assert ran.status == "let through"


# Too much


def test_a_fork_bomb_is_bounded_and_put_out(worker):
    started = time.monotonic()

    ran = worker.run("fork_bomb", timeout=4)

    nothing_is_left(worker, ran)
    # The kernel holds an ordinary user back before the supervisor has to.
    assert ran.code in (("processes",) if worker.is_root else ("processes", "timeout")), ran
    assert time.monotonic() - started < 30


def test_no_more_processes_than_declared_can_be_started(worker):
    ran = worker.run("patient_fork_bomb", timeout=20)

    nothing_is_left(worker, ran)
    if worker.is_root:
        assert ran.code == "processes", ran
    else:
        assert ran.status == "succeeded", ran
        assert 16 <= json.loads(ran.out)["count"] <= 64


def test_threads_count_as_processes(worker):
    ran = worker.run("thread_bomb", timeout=20)

    nothing_is_left(worker, ran)
    if worker.is_root:
        assert ran.code == "processes", ran
    else:
        assert int(ran.out) <= 65


def test_memory_is_bounded(worker):
    ran = worker.run("memory")

    nothing_is_left(worker, ran)
    assert ran.code == "exit:9"
    assert int(ran.out) < 256


def test_processor_time_is_bounded(worker):
    ran = worker.run("processor", timeout=60)

    nothing_is_left(worker, ran)
    assert ran.code == "signal:24", ran


def test_files_are_bounded_in_size_and_number(worker):
    big, many = worker.run("big_file"), worker.run("many_files")

    for ran in (big, many):
        nothing_is_left(worker, ran)
    assert int(big.out) == 2 << 20
    assert int(many.out) <= 61


@pytest.mark.parametrize("name", ["gigabyte", "both_gigabytes"])
def test_a_gigabyte_of_output_costs_64_kib(worker, name):
    ran = worker.run(name, timeout=100)

    nothing_is_left(worker, ran)
    assert ran.status == "succeeded", ran
    assert len(ran.out) + len(ran.err) == 64 * 1024
    assert ran.log.count("is dropped") == 1
    assert ran.result["output_dropped"] >= (512 << 20) - 64 * 1024


def test_a_flood_ends_the_command(worker):
    ran = worker.run("endless", timeout=100)

    nothing_is_left(worker, ran)
    assert (ran.status, ran.code) == ("failed", "output")


def test_an_output_that_somebody_else_holds_delays_nothing(worker):
    with socket.socket(socket.AF_UNIX) as listening:
        path = worker.stage.scratch / "lend"
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        path.chmod(0o777)
        listening.listen()
        held: list[int] = []
        ended = threading.Event()

        def hold():
            connection, _ = listening.accept()
            with connection:
                held.extend(socket.recv_fds(connection, 1, 2)[1])
                connection.send(b"x")
                ended.wait()

        holding = threading.Thread(target=hold)
        holding.start()
        started = time.monotonic()

        ran = worker.run("lent_output")

        ended.set()
        holding.join()
        assert len(held) == 2
        assert ran.status == "succeeded"
        assert time.monotonic() - started < 20
        for fd in held:
            os.close(fd)


# What is left on disk


@pytest.mark.parametrize("name", ["deep_directory", "nasty_directory"])
def test_the_directory_goes_whatever_is_in_it(worker, name):
    ran = worker.run(name)

    nothing_is_left(worker, ran)
    assert ran.status == "succeeded", ran
    assert worker.stage.scratch.is_dir()


def test_a_declared_directory_stays(worker):
    ran = worker.run("in_kept")

    nothing_is_left(worker, ran)
    assert (worker.stage.kept / f"{ran.mark}.left").exists()


# Reaching out


@needs_landlock
@pytest.mark.parametrize("name", ["kill_supervisor", "stop_supervisor", "kill_worker"])
def test_neither_supervisor_nor_worker_can_be_signaled(worker, name):
    ran = worker.run(name)

    nothing_is_left(worker, ran)
    assert (ran.status, ran.out.split()) == ("succeeded", ["EPERM"]), ran
    assert worker.process.poll() is None


@needs_landlock
def test_a_command_can_signal_itself_and_its_own_and_nobody_else(worker):
    ran = worker.run("probe_all")

    nothing_is_left(worker, ran)
    assert ran.status == "succeeded", ran
    # Itself, and the daemon that it made.
    assert 1 <= len(ran.out.split()) <= 2
    assert set(worker.stage.begun(ran.mark)) <= {int(pid) for pid in ran.out.split()}
    assert os.getpid() not in map(int, ran.out.split())


@needs_landlock
def test_nobody_elses_memory_and_files_can_be_read(worker):
    ran = worker.run("read_worker")

    nothing_is_left(worker, ran)
    assert len(ran.out.split()) == 12
    if worker.is_root:
        # Root may read environments in spite of all, which is why workers should not be root.
        assert ran.out.split().count("done") <= 4
    else:
        assert set(ran.out.split()) <= {"EACCES", "EPERM"}


@needs_landlock
@pytest.mark.parametrize("name", ["trace_supervisor", "forge_report"])
def test_nobody_else_can_be_traced_or_spoken_for(worker, name):
    ran = worker.run(name)

    nothing_is_left(worker, ran)
    assert ran.status == "succeeded", ran
    assert set(ran.out.partition("r\0")[0].split()) <= {"EACCES", "EPERM"}


def test_a_command_that_may_signal_others_and_kills_its_supervisor_leaves_nothing(worker):
    ran = worker.run("kill_supervisor_and_stay")

    nothing_is_left(worker, ran)
    assert (ran.status, ran.code, ran.permanent) == ("failed", "error", False)


def test_there_is_no_terminal(worker):
    ran = worker.run("terminal")

    assert ran.out.split() == ["ENXIO"]


def test_an_ordinary_user_cannot_raise_its_limits(worker):
    ran = worker.run("raise_limits")

    if not worker.is_root:
        assert set(ran.out.split()) == {"EPERM"}
        assert len(ran.out.split()) >= 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make such a program")
def test_a_program_of_root_gives_no_rights(worker):
    program = worker.stage.path / "elevated"
    shutil.copy("/usr/bin/id", program)
    program.chmod(0o4755)

    control = subprocess.run(
        [program, "-u"], user=NOBODY, group=NOBODY, capture_output=True, text=True, check=True
    )
    ran = worker.run("elevated")

    # A file system may be mounted so that such programs give no rights anyway.
    assert control.stdout.strip() in ("0", str(NOBODY))
    assert ran.out.strip() == ("0" if worker.is_root else str(NOBODY))


# What it is given


def test_it_is_given_what_is_declared_and_nothing_else(worker):
    ran = worker.run("surroundings", value="$(id) ; 'x")

    nothing_is_left(worker, ran)
    found = json.loads(ran.out)
    assert found["argv"] == ["$(id) ; 'x"]
    ours = {"EXECUTION_ID", "JOB_ID", "JOB_NAME", "SCHEDULED_AT", "ATTEMPT", "IDEMPOTENCY_KEY", "PAYLOAD"}
    assert found["environment"].keys() - {"LC_CTYPE"} == {
        *("DECLARED", "PASSWORD", "TRACEPARENT"),
        *(f"QS_{name}" for name in ours),
    }
    assert found["environment"]["PASSWORD"] == "****"
    assert (found["entries"], found["mode"], found["umask"]) == ([], 0o700, 0o600)
    assert found["fds"].keys() == {"0", "1", "2"}
    assert found["fds"]["0"] == "/dev/null"
    assert found["input"] == ""
    assert found["session"]
    assert found["status"]["NoNewPrivs"] == "1"
    assert found["core"] == [0, 0]
    assert found["oom"] == "500"
    assert found["cwd"].startswith(str(worker.stage.work_root))


def test_signals_do_what_they_do_by_default(worker):
    ran = worker.run("signals")

    masks = dict(line.split() for line in ran.out.splitlines())
    # 32 and 33 are the C library's own, which lets nobody set them (signal(7)); they are as the worker inherited them.
    others = ~(0b11 << 31)
    assert {int(masks[name], 16) & others for name in ("SigBlk:", "SigIgn:")} == {0}
