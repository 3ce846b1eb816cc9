"""What a command may try: `escapes.py NAME SCRATCH MARK`. Standard library only; each function is one attempt.

A process that is meant to survive writes its number below SCRATCH, so that a test knows that it had begun.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

NAME, SCRATCH, MARK = sys.argv[1:4]
LIBC = ctypes.CDLL(None, use_errno=True)


def alive(note: str = "alive") -> None:
    """Says that this process has begun, by its number and its start, which together are nobody else's."""
    # Not `getpid`, which in a namespace of its own is a number that outside is somebody else's.
    with open("/proc/self/stat") as file:
        fields = file.read()
    pid, started = fields.split()[0], fields.rpartition(")")[2].split()[19]
    with open(f"{SCRATCH}/{MARK}.{note}.{pid}.{started}", "w"):
        pass


def linger(note: str = "alive") -> None:
    alive(note)
    while True:
        time.sleep(0.05)


def begun(count: int = 1, note: str = "alive") -> None:
    until = time.monotonic() + 30
    while sum(name.startswith(f"{MARK}.{note}.") for name in os.listdir(SCRATCH)) < count:
        if time.monotonic() > until:
            sys.exit(99)
        time.sleep(0.005)


def detached(body: Callable[[], None] = linger) -> None:
    """Double fork with a session of its own: what daemon(3) does."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            body()
        os._exit(0)
    os.wait()


def deaf() -> None:
    for number in signal.valid_signals() - {signal.SIGCHLD}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)


# Leaving


def background() -> None:
    if os.fork() == 0:
        linger()
    begun()


def own_group() -> None:
    if os.fork() == 0:
        os.setpgid(0, 0)
        linger()
    begun()


def own_session() -> None:
    if os.fork() == 0:
        os.setsid()
        linger()
    begun()


def double_fork() -> None:
    detached()
    begun()


def daemon() -> None:
    def body() -> None:
        os.chdir("/")
        os.closerange(0, 1024)
        linger()

    detached(body)
    begun()


def daemon_of_another_name() -> None:
    def body() -> None:
        alive()
        os.execv("/bin/sleep", ["[kworker/0:1]", "3600"])

    detached(body)
    begun()


def empty_environment() -> None:
    def body() -> None:
        alive()
        os.execve("/bin/sleep", ["sleep", "3600"], {})

    detached(body)
    begun()


def deaf_daemon() -> None:
    def body() -> None:
        deaf()
        linger()

    detached(body)
    begun()


def reaper_below() -> None:
    def body() -> None:
        LIBC.prctl(36, 1, 0, 0, 0)
        detached()
        linger("reaper")

    detached(body)
    begun()
    begun(note="reaper")


def many_daemons() -> None:
    for _ in range(20):
        detached()
    begun(20)


def stopped_daemon() -> None:
    def body() -> None:
        alive()
        os.kill(os.getpid(), signal.SIGSTOP)
        linger("went-on")

    detached(body)
    begun()


def chain() -> None:
    """Each process lives for a moment and is followed by its child: whoever looks at a list is late."""

    def body() -> None:
        alive()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if os.fork() != 0:
                os._exit(0)

    detached(body)
    begun()


def hydra() -> None:
    """Two processes, each of which starts the other anew when that dies."""

    def body() -> None:
        deaf()
        alive()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if os.fork() == 0:
                os.setsid()
                continue
            os.wait()

    detached(body)
    begun()


def headless() -> None:
    """A process whose first thread has ended: a zombie in every list, and yet it runs."""

    def body() -> None:
        threading.Thread(target=linger).start()
        begun()
        LIBC.syscall(60, 0)

    detached(body)
    begun()


def namespaces() -> None:
    def body() -> None:
        # Where the kernel or a policy allows it; else it is one more daemon.
        LIBC.unshare(0x10000000 | 0x20000000)
        if os.fork() == 0:
            linger()
        os.wait()

    detached(body)
    begun()


def closed_output() -> None:
    os.closerange(0, 3)
    linger()


def lent_output() -> None:
    """Its output is held by somebody else when it ends."""
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(f"{SCRATCH}/lend")
        socket.send_fds(to, [b"x"], [1, 2])
        to.recv(1)


# Not ending


def ignore_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    linger()


def ignore_all() -> None:
    deaf()
    detached()
    linger("main")


def answer_term() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    alive()
    print("ready", flush=True)
    while True:
        signal.pause()


def stubborn() -> None:
    deaf()
    detached()
    begun()
    print("ready", flush=True)
    linger("main")


def stopped() -> None:
    alive()
    os.kill(os.getpid(), signal.SIGSTOP)
    linger()


# Too much


def fork_bomb() -> None:
    # One that goes off in spite of all must not take the machine along: so many in all, and so long.
    tokens, given = os.pipe()
    os.write(given, b"x" * 1500)
    os.set_blocking(tokens, False)
    until = time.monotonic() + 20
    alive()
    while time.monotonic() < until:
        try:
            os.read(tokens, 1)
            os.fork()
        except OSError:
            time.sleep(0.001)


def patient_fork_bomb() -> None:
    """Counts how many it may start, and ends in order."""
    count = 0
    alive()
    try:
        while count < 1000:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            count += 1
    except OSError as error:
        print(json.dumps({"count": count, "errno": error.errno}), flush=True)
        return
    print(json.dumps({"count": count, "errno": 0}), flush=True)


def thread_bomb() -> None:
    alive()
    threads: list[threading.Thread] = []
    try:
        for _ in range(2000):
            threads.append(threading.Thread(target=time.sleep, args=(3600,), daemon=True))
            threads[-1].start()
    except RuntimeError:
        pass
    print(len(threads), flush=True)
    if len(threads) < 2000:
        os._exit(0)
    time.sleep(3600)


def memory() -> None:
    alive()
    kept: list[bytearray] = []
    try:
        while len(kept) < 4096:
            kept.append(bytearray(1 << 20))
    except MemoryError:
        print(len(kept), flush=True)
        sys.exit(9)


def processor() -> None:
    alive()
    while True:
        pass


def big_file() -> None:
    alive()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("big", "wb", buffering=0) as file:
        written = 0
        try:
            while written < 64 << 20:
                written += file.write(b"x" * (1 << 20))
        except OSError:
            pass
    print(written, flush=True)


def many_files() -> None:
    alive()
    opened: list[int] = []
    try:
        while len(opened) < 5000:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    print(len(opened), flush=True)


def gigabyte() -> None:
    alive()
    block = b"x" * (1 << 20)
    for _ in range(1024):
        os.write(1, block)


def both_gigabytes() -> None:
    alive()
    block = b"x" * (1 << 18)
    for _ in range(1024):
        os.write(1, block)
        os.write(2, block)


def endless() -> None:
    alive()
    block = b"x" * (1 << 20)
    while True:
        os.write(1, block)


def deep_directory() -> None:
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    open("file", "w").close()
    alive()


def nasty_directory() -> None:
    os.makedirs("a/b/c")
    os.symlink(SCRATCH, "a/link")
    os.symlink("/etc/passwd", "passwd")
    os.mkfifo("fifo")
    socket.socket(socket.AF_UNIX).bind("socket")
    with open(b"\xff\xfe name \n", "w"):
        pass
    os.link("fifo", "a/hard")
    os.chmod("a/b/c", 0)
    os.chmod("a/b", 0)
    os.chmod("a", 0)
    os.chmod(".", 0o500)
    alive()


# Reaching out


def kill_supervisor() -> None:
    detached()
    begun()
    tried(partial(os.kill, supervisor(), signal.SIGKILL))


def kill_supervisor_and_stay() -> None:
    detached()
    begun()
    os.kill(supervisor(), signal.SIGKILL)
    linger("main")


def stop_supervisor() -> None:
    alive()
    tried(partial(os.kill, supervisor(), signal.SIGSTOP))


def kill_worker() -> None:
    alive()
    tried(partial(os.kill, worker(), signal.SIGKILL))


def probe_all() -> None:
    """Whom it could signal. Never more than a probe: where this is not refused it must harm nobody."""
    detached()
    begun()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                os.kill(int(name), 0)
                print(name, flush=True)


def read_worker() -> None:
    """The worker's environment and memory, where every secret is."""
    alive()
    for pid in (supervisor(), worker()):
        for name in ("environ", "mem", "maps", "fd/0", "cwd/x", "root/etc/hostname"):
            tried(partial(touch, f"/proc/{pid}/{name}"))


def trace_supervisor() -> None:
    alive()
    for pid in (supervisor(), worker()):
        tried(partial(call, LIBC.ptrace, 16, pid, 0, 0))


def forge_report() -> None:
    """A frame of our own into the pipe between supervisor and worker."""
    alive()
    tried(lambda: touch(f"/proc/{os.getppid()}/fd/1", "wb"))
    tried(lambda: touch(f"/proc/{os.getppid()}/fd/0", "wb"))
    for fd in range(3, 64):
        try:
            os.write(fd, b'r\0\0\0\x0f{"event":"x"}')
            print("forged", flush=True)
        except OSError:
            pass
    # Looks like a report, and is output.
    os.write(1, b'r\0\0\0\x0f{"event":"ended"}')


def terminal() -> None:
    alive()
    tried(lambda: touch("/dev/tty"))


def raise_limits() -> None:
    alive()
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_AS):
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            tried(partial(resource.setrlimit, kind, (hard + 1, hard + 1)))


def supervisor() -> int:
    """Our parent, if that is a supervisor: whatever a test has broken, nobody else may be hit."""
    pid = os.getppid()
    assert b"supervisor.main" in command_line(pid)
    return pid


def command_line(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def worker() -> int:
    with open(f"/proc/{supervisor()}/stat") as file:
        pid = int(file.read().rpartition(")")[2].split()[1])
    assert b"worker.py" in command_line(pid)
    return pid


def call(function: Any, *arguments: int) -> None:
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def touch(path: str, mode: str = "rb") -> None:
    with open(path, mode) as file:
        if mode == "rb":
            file.read(1)


def tried(act: Callable[[], object]) -> None:
    try:
        act()
        print("done", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno or 0], flush=True)
    except ValueError:
        # How `resource` says it.
        print("EPERM", flush=True)


# What it is given


def surroundings() -> None:
    alive()
    status = dict(line.split(":\t", 1) for line in read("/proc/self/status").splitlines() if ":\t" in line)
    with open("made", "w"):
        pass
    print(
        json.dumps(
            {
                "argv": sys.argv[4:],
                "environment": dict(os.environ),
                "cwd": os.getcwd(),
                "entries": [name for name in os.listdir() if name != "made"],
                "mode": os.stat(".").st_mode & 0o7777,
                "umask": os.stat("made").st_mode & 0o777,
                "fds": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in opened()},
                "input": sys.stdin.read(),
                "session": os.getsid(0) == os.getpid() == os.getpgid(0),
                "status": {key: status[key].strip() for key in ("NoNewPrivs", "Uid")},
                "core": resource.getrlimit(resource.RLIMIT_CORE),
                "oom": read("/proc/self/oom_score_adj").strip(),
            }
        ),
        flush=True,
    )


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def opened() -> list[int]:
    found = []
    for fd in range(4096):
        try:
            os.fstat(fd)
            found.append(fd)
        except OSError:
            pass
    return found


def leave_in_cwd() -> None:
    alive()
    with open(f"{MARK}.left", "w"):
        pass


globals()[NAME]()
