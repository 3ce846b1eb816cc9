"""Starting the command: from a copy of the supervisor to a program that has nothing of it."""

import contextlib
import errno
import os
import resource
import signal
from typing import NoReturn

from qs.infra.scheduler.executors.supervisor import descendants, linux
from qs.infra.scheduler.executors.supervisor.order import Limits, Order

_MIB = 1024 * 1024

# Time for a program that handles SIGXCPU, then it is killed.
_CPU_GRACE_S = 5

# When memory runs out the kernel is to end the command, not the worker.
_OOM_SCORE = b"500"


class NotStarted(Exception):
    """The command did not become a program: at which step, and the error's number."""

    def __init__(self, step: str, number: int) -> None:
        super().__init__(f"{step}: {os.strerror(number)}")
        self.step = step
        self.number = number


def launch(order: Order, cwd: str, out: int, err: int) -> int:
    """The process id of the command, which leads a session of its own and writes to the two pipes.

    Raises:
        NotStarted: it could not be made or become the program.
    """
    ready, told = os.pipe()
    supervisor = os.getpid()
    pid, most_tasks = _fork(order.limits.tasks)
    if pid == 0:
        _become(order, cwd, out, err, told, most_tasks, supervisor)
    os.close(told)
    with open(ready, "rb") as pipe:
        failure = pipe.read().decode()
    if failure:
        os.waitpid(pid, 0)
        step, _, number = failure.partition(":")
        raise NotStarted(step, int(number))
    return pid


def _fork(tasks: int) -> tuple[int, int | None]:
    """The fork, and what RLIMIT_NPROC leaves room for so many tasks; None for root, whom it does not bind.

    The kernel counts all tasks of a user, also those in containers that we do not see. So the fork itself shows how
    many there are: it fails while the guess is too low.
    """
    if os.geteuid() == 0:
        return os.fork(), None
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    highest = most if most != resource.RLIM_INFINITY else 1 << 22
    base = descendants.threads_of_user()
    while True:
        resource.setrlimit(resource.RLIMIT_NPROC, (min(base + tasks // 2 + 1, highest), most))
        try:
            return os.fork(), min(base + tasks, highest)
        except BlockingIOError:
            if base > highest:
                raise NotStarted("fork", errno.EAGAIN) from None
            base += max(base, tasks)


def _become(
    order: Order, cwd: str, out: int, err: int, told: int, most_tasks: int | None, supervisor: int
) -> NoReturn:
    step = "session"
    try:
        os.setsid()
        linux.signal_when_parent_dies(signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
        step = "input and output"
        _plug(out, err, told)
        step = "directory"
        os.chdir(cwd)
        os.umask(0o077)
        step = "limits"
        linux.show_memory()
        _be_first_to_die()
        linux.gain_nothing()
        if order.isolated:
            linux.isolate()
        _as_if_new()
        _limit(order.limits, most_tasks)
        step = "program"
        os.execve(order.argv[0], order.argv, order.env)  # noqa: S606 - without a shell is what is meant
    except OSError as error:
        os.write(_TOLD, f"{step}:{error.errno}".encode())
    except BaseException:  # noqa: BLE001 - nothing may return into the supervisor's code
        os.write(_TOLD, f"{step}:{errno.EINVAL}".encode())
    os._exit(127)


_TOLD = 3


def _plug(out: int, err: int, told: int) -> None:
    """Nothing for input, the pipes for output, and of all else only where a failure is told, until the exec."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    # Out of the way of the numbers that are about to be taken.
    pipes = [os.dup(fd) for fd in (nothing, out, err, told)]
    while min(pipes) <= _TOLD:
        pipes = [os.dup(fd) for fd in pipes]
    for number, fd in enumerate(pipes):
        os.dup2(fd, number, inheritable=number != _TOLD)
    os.closerange(_TOLD + 1, os.sysconf("SC_OPEN_MAX"))


def _as_if_new() -> None:
    """Python ignores some signals, and what is ignored stays so for the program."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _be_first_to_die() -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
        file.write(_OOM_SCORE)


def _limit(limits: Limits, most_tasks: int | None) -> None:
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_NOFILE, limits.files)
    if most_tasks is not None:
        _set(resource.RLIMIT_NPROC, most_tasks)
    if limits.cpu_s is not None:
        _set(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + _CPU_GRACE_S)
    if limits.file_size_mb is not None:
        _set(resource.RLIMIT_FSIZE, limits.file_size_mb * _MIB)
    if limits.memory_mb is not None:
        # Last: what comes between this and the program must still find room.
        _set(resource.RLIMIT_AS, limits.memory_mb * _MIB)


def _set(kind: int, soft: int, hard: int | None = None) -> None:
    """Never more than the supervisor itself may have."""
    _, most = resource.getrlimit(kind)
    bounds = (soft, soft if hard is None else hard)
    if most != resource.RLIM_INFINITY:
        bounds = (min(bounds[0], most), min(bounds[1], most))
    resource.setrlimit(kind, bounds)
