"""Running the kit's scripts as cron does, in an environment that holds nothing, and a server that answers as it is told."""

import base64
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.processes import ending

KIT = Path(__file__).parents[3] / "deploy" / "crontab"
SWEEP = "/api/v1/plans/tasks/schedule"
LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] .+")

_NEEDED = (
    *("bash", "base64", "cat", "chmod", "curl", "date", "dirname", "env", "flock", "head", "id", "mkdir"),
    *("mktemp", "mv", "readlink", "rm", "sed", "sleep", "stat", "timeout", "tr", "uname"),
)


def a_token(expires_in: float = 3600, **claims: Any) -> str:
    """A token of the right form that nobody has signed."""
    parts = {"alg": "none"}, {"exp": int(time.time() + expires_in), **claims}, {"?>~": "ÿ"}
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join(encoded)


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    processes: str
    """The argument lists of every process while the request was answered."""


Answer = tuple[int, Any]


class StubServer:
    """Notes every request; ``answer`` says by path and number how it is answered. JSON unless it is bytes."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answer: Callable[[str, int], Answer] = lambda path, number: (200, {"code": 200, "data": {}})
        self._lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                seen = Seen(self.command, self.path, dict(self.headers), body, argument_lists())
                with stub._lock:
                    stub.seen.append(seen)
                    number = sum(each.path == self.path for each in stub.seen)
                status, content = stub.answer(self.path, number)
                sent = content if isinstance(content, bytes) else json.dumps(content).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(sent)))
                    if status == 302:
                        self.send_header("Location", "/elsewhere")
                    self.end_headers()
                    self.wfile.write(sent)
                except OSError:
                    # Whoever asked has given up.
                    self.close_connection = True

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def paths(self) -> list[str]:
        return [each.path for each in self.seen]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def argument_lists() -> str:
    lists = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                lists.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return "\n".join(lists)


class Kit:
    """The scripts with a settings file, a token file and a log of their own."""

    def __init__(self, directory: Path, *, jq: bool = True) -> None:
        self.directory = directory
        self.token_file = directory / "qs-server" / "internal-token"
        self.settings_file = directory / "qs-server" / "scheduler.env"
        self.log_file = directory / "log" / "duty.log"
        self.programs = directory / "bin"
        self.calls: list[Call] = []
        self.token_file.parent.mkdir(mode=0o700)
        self.programs.mkdir()
        for program in (*_NEEDED, *(("jq",) if jq else ())):
            if found := shutil.which(program):
                (self.programs / program).symlink_to(found)
        self.settings: dict[str, str] = {
            "TOKEN_FILE": str(self.token_file),
            "LOCK_DIR": str(directory / "locks"),
            "TIMEOUT": "60",
            "RETRIES": "0",
            "BACKOFF": "0",
        }

    def put_token(self, text: str) -> None:
        self.token_file.write_bytes(text.encode())
        self.token_file.chmod(0o600)

    def write_settings(self, **settings: str) -> None:
        quoted = {name: value.replace("'", "'\\''") for name, value in (self.settings | settings).items()}
        self.settings_file.write_text("".join(f"{name}='{value}'\n" for name, value in quoted.items()))
        self.settings_file.chmod(0o600)

    def shim(self, program: str, script: str) -> None:
        """Puts a script in the place of a program."""
        (self.programs / program).unlink(missing_ok=True)
        (self.programs / program).write_text(f"#!/bin/bash\n{script}\n")
        (self.programs / program).chmod(0o755)

    def start(self, *arguments: str, script: str = "qs-api-call.sh", **environment: str) -> "Call":
        if not self.settings_file.exists():
            self.write_settings()
        process = subprocess.Popen(
            [str(KIT / script), *arguments],
            env={
                "PATH": str(self.programs),
                "SCHEDULER_ENV_FILE": str(self.settings_file),
                "TMPDIR": str(self.directory),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
        )
        self.calls.append(Call(process))
        return self.calls[-1]

    def close(self) -> None:
        """Nothing that was called is at work any more."""
        for call in self.calls:
            with ending(call.process):
                pass

    def call(self, endpoint: str = SWEEP, **environment: str) -> "Call":
        """The call as a crontab line makes it, ended."""
        return self.start(endpoint, str(self.log_file), **environment).wait()

    def refresh(self, **environment: str) -> "Call":
        return self.start(script="qs-refresh-token.sh", **environment).wait()

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""


class Call:
    """One script at work; its exit code and what it said once it has ended."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.code, self.out, self.err = -1, "", ""

    def wait(self) -> "Call":
        try:
            self.out, self.err = self.process.communicate(timeout=100)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        self.code = self.process.returncode
        return self


def left_behind(directory: Path) -> list[str]:
    """Temporary files and directories that a script has forgotten."""
    return [entry.name for entry in os.scandir(directory) if entry.name.startswith("tmp.")]
