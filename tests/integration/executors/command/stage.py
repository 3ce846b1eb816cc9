"""Where commands try to escape: a list of them, a worker that runs them as some user, and who is still alive."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
ESCAPES = HERE / "escapes.py"
WORKER = HERE / "worker.py"
NOBODY = 65534

# Of the real interpreter, not of an environment: what runs in a command is nobody's business.
PYTHON = os.path.realpath(sys.executable)

# The interpreter may stand where only root can read, and so may this directory.
AS_NOBODY = [
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *(f"--{kind}=-all,+dac_read_search" for kind in ("inh-caps", "ambient-caps", "bounding-set")),
]

USERS = ["root", "nobody"] if os.geteuid() == 0 else ["self"]

# What single commands need beside the usual.
KEYS: dict[str, str] = {
    "memory": "rlimits: {memory_mb: 256}",
    "processor": "rlimits: {cpu_s: 1}",
    "big_file": "rlimits: {file_size_mb: 2}",
    "many_files": "rlimits: {files: 64}",
    "fork_bomb": "rlimits: {processes: 64}",
    "patient_fork_bomb": "rlimits: {processes: 64}",
    "thread_bomb": "rlimits: {processes: 64}",
    "gigabyte": "output_kb: 64",
    "both_gigabytes": "output_kb: 64",
    "endless": "output_kb: 64\n  flood_mb: 200",
    "kill_supervisor_and_stay": "isolated: false",
    "surroundings": "env: {DECLARED: 'yes', PASSWORD: 'secret://password'}",
    "answer_term": "grace_s: 20",
}


class Stage:
    """Directories and a list that both root and an ordinary user can use."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="qs-stage-"))
        self.path.chmod(0o755)
        self.scratch = self.path / "scratch"
        self.work_root = self.path / "work"
        for directory in (self.scratch, self.work_root):
            directory.mkdir()
            directory.chmod(0o1777)
        self.kept = self.path / "kept"
        self.kept.mkdir()
        self.kept.chmod(0o777)
        self.list = self.path / "commands.yaml"
        self.list.write_text("".join(self._entries()))
        self.list.chmod(0o644)

    def _entries(self) -> Iterator[str]:
        source = ESCAPES.read_text()
        names = [line.split()[1].partition("(")[0] for line in source.splitlines() if line.startswith("def ")]
        for name in names:
            yield (
                f"{name}:\n  argv: [{PYTHON}, -I, -S, {ESCAPES}, {name}, {self.scratch}, '{{mark}}', '{{value}}']\n"
                "  params:\n    mark: {pattern: '[a-z0-9-]+', required: true}\n    value: {max_length: 4096}\n"
            )
            extra = KEYS.get(name, "")
            yield f"  {extra}\n" if extra else ""
            yield "" if "grace_s" in extra else "  grace_s: 0.3\n"
        yield f"in_kept:\n  argv: [{PYTHON}, -I, -S, {ESCAPES}, leave_in_cwd, {self.scratch}, '{{mark}}']\n"
        yield f"  params: {{mark: {{pattern: '[a-z0-9-]+', required: true}}}}\n  cwd: {self.kept}\n"
        yield "signals:\n  argv: [/bin/grep, Sig, /proc/self/status]\n"
        yield f"elevated:\n  argv: [{self.path / 'elevated'}, -u]\n"

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def begun(self, mark: str) -> list[int]:
        """The numbers of all processes of that run that had begun."""
        return [pid for pid, _ in self._begun(mark)]

    def _begun(self, mark: str) -> list[tuple[int, str]]:
        words = (path.name.split(".") for path in self.scratch.glob(f"{mark}.*"))
        return [(int(pid), started) for *_, pid, started in words]

    def survivors(self, mark: str) -> list[int]:
        """Those of them that live, and whoever else has the mark in its command line."""
        found = {pid for pid, started in self._begun(mark) if _lives(pid, started)}
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                with suppress(OSError):
                    line = Path(f"/proc/{name}/cmdline").read_bytes()
                    if mark.encode() in line and str(WORKER).encode() not in line and _lives(int(name)):
                        found.add(int(name))
        return sorted(found)

    def kill_all(self, mark: str) -> None:
        """Ends what a test let live."""
        until = time.monotonic() + 10
        while (survivors := self.survivors(mark)) and time.monotonic() < until:
            for pid in survivors:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def left_behind(self) -> list[str]:
        return [path.name for path in self.work_root.iterdir()]


def _lives(pid: int, started: str | None = None) -> bool:
    """Whether the process, and not another of its number, has a thread that runs; the first one may be a zombie."""
    with suppress(OSError):
        if started not in (None, _fields(f"/proc/{pid}/stat")[19]):
            return False
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                if _fields(f"/proc/{pid}/task/{task}/stat")[0] not in "ZX":
                    return True
    return False


def _fields(path: str) -> list[str]:
    return Path(path).read_text().rpartition(")")[2].split()


class Ran:
    """How an attempt ended, for the one who wrote the test."""

    def __init__(self, told: dict[str, Any], mark: str) -> None:
        self.mark = mark
        self.status: str = told["status"]
        self.code: str | None = told.get("code")
        self.error: str | None = told.get("error")
        self.permanent: bool | None = told.get("permanent")
        self.result: dict[str, Any] = told.get("result", {})
        self.out, self.err, self.log = (
            base64.b64decode(told[name]).decode() for name in ("stdout", "stderr", "log")
        )

    def __repr__(self) -> str:
        return (
            f"<{self.status} {self.code} {self.error} {self.result} {self.out!r} {self.err!r} {self.log!r}>"
        )


class Worker:
    """A worker process; what is sent to it is answered in order."""

    def __init__(self, stage: Stage, user: str, **environ: str) -> None:
        self.stage = stage
        self.is_root = user == "root"
        self._marks: list[str] = []
        self.process = subprocess.Popen(
            [
                *(AS_NOBODY if user == "nobody" else ()),
                sys.executable,
                str(WORKER),
                str(stage.list),
                str(stage.work_root),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=stage.path,
            env={
                "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
                "HOME": "/nowhere",
                "QS_SECRET_OF_WORKER": "hunter22",
                **environ,
            },
        )

    def send(self, command: str, timeout: float = 30, cancel_on: str | None = None, **params: Any) -> str:
        """The mark of an attempt that has been asked for."""
        mark = f"mark-{uuid4()}"
        self._marks.append(mark)
        given = {"mark": mark, **params} if command not in ("signals", "elevated") else params
        request = {
            "target": {"name": command, "params": given},
            "execution_id": str(uuid4()),
            "timeout": timeout,
            "cancel_on": cancel_on,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return mark

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker is gone"
        found: dict[str, Any] = json.loads(line)
        return found

    def run(self, command: str, **options: Any) -> Ran:
        """An attempt from its beginning to its end."""
        mark = self.send(command, **options)
        return Ran(self.read(), mark)

    def close(self) -> None:
        with self.process:
            if self.process.stdin is not None:
                self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        # Nothing is left of it unless a test has failed.
        for pid in self.supervisors():
            os.kill(pid, signal.SIGKILL)
        for mark in self._marks:
            self.stage.kill_all(mark)

    def supervisors(self) -> list[int]:
        """The supervisors that it started and that live."""
        found = []
        for name in os.listdir("/proc"):
            with suppress(OSError):
                if name.isdigit():
                    line = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
                    if any(b"supervisor.main" in word for word in line):
                        found += [int(name)] if str(self.process.pid).encode() in line else []
        return found


def until(check: Any, within: float = 30.0) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not true within {within} s"
        time.sleep(0.005)
    return answer
