"""An SSH server to deploy to, and what GitHub does with a workflow: for tests of the deployment."""

import os
import re
import socket
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.integration.crontab.kit import argument_lists

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "deploy-crontab.yml"
SSHD = Path("/usr/sbin/sshd")
PASSWORD = "\"quoted\" & 'single' | $HOME `id` \\ 密码"
# Of loopback as well, and in no argument list by chance.
ADDRESS = "127.9.8.7"


def a_key(path: Path) -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@dataclass
class Host:
    """An SSH server on a free port of loopback, for whoever has its key; what is installed goes below ``root``."""

    directory: Path
    port: int
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.directory / "host root"
        self.root.mkdir()
        self.scratch = self.directory / "scratch"
        self.scratch.mkdir()
        self.host_key = a_key(self.directory / "host_key")
        self.user_key = a_key(self.directory / "user_key")
        (self.directory / "sshd_config").write_text(
            f"ListenAddress {ADDRESS}:{self.port}\n"
            f"HostKey {self.host_key}\n"
            f"AuthorizedKeysFile {self.user_key}.pub\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
            f"SetEnv TMPDIR={self.scratch}\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n"
        )

    def secrets(self, api: str) -> dict[str, str]:
        """What GitHub would hold."""
        return {
            "SVRA_HOST": ADDRESS,
            "SVRA_USERNAME": _user(),
            "SVRA_SSH_KEY": self.user_key.read_text(),
            "SVRA_PORT": str(self.port),
            "SVRA_HOST_KEY": self.host_key.with_suffix(".pub").read_text(),
            "IAM_USERNAME": "caller@example.org",
            "IAM_PASSWORD": PASSWORD,
            "API_BASE_URL": api,
        }

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file with its mode and its number on the disk, which tells a file from its replacement."""
        found = (path for path in sorted(self.root.rglob("*")) if path.is_file())
        return {
            str(path.relative_to(self.root)): (path.stat().st_mode & 0o777, path.stat().st_ino)
            for path in found
        }

    @property
    def settings(self) -> Path:
        return self.root / "etc/qs-server/scheduler.env"


def _user() -> str:
    return subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def steps_with_a_script() -> list[dict[str, Any]]:
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["deploy"]["steps"]
    return [step for step in steps if "run" in step]


@dataclass
class Run:
    """A workflow run: what each step printed, the last exit code, and every argument list seen meanwhile."""

    code: int
    said: dict[str, str]
    arguments: str

    @property
    def log(self) -> str:
        return "\n".join(self.said.values())


class Runner:
    """GitHub's part: evaluates the few expressions there are, and runs the steps until one fails."""

    def __init__(self, temp: Path, root: Path) -> None:
        self.temp = temp
        self.temp.mkdir()
        self.root = root

    def run(self, secrets: Mapping[str, str], *, dry_run: bool = False, validate: bool = True) -> Run:
        steps = steps_with_a_script()
        run = Run(0, {}, "")
        seen: set[str] = set()
        done = threading.Event()
        watching = threading.Thread(target=self._watch, args=(seen, done))
        watching.start()
        try:
            for step in steps:
                if step.get("if") == "${{ !inputs.dry_run }}" and dry_run:
                    continue
                if step["name"] == "Validate" and not validate:
                    continue
                finished = self.step(step, secrets, dry_run)
                run.said[step["name"]] = finished.stdout
                run.code = finished.returncode
                if run.code:
                    break
        finally:
            done.set()
            watching.join()
        run.arguments = "\n".join(seen)
        return run

    def _watch(self, seen: set[str], done: threading.Event) -> None:
        while not done.wait(0.002):
            seen.update(argument_lists().splitlines())

    def step(
        self, step: Mapping[str, Any], secrets: Mapping[str, str], dry_run: bool
    ) -> "subprocess.CompletedProcess[str]":
        def value(match: "re.Match[str]") -> str:
            scope, name = match[1], match[2]
            return secrets.get(name, "") if scope == "secrets" else str(dry_run).lower()

        expression = re.compile(r"\$\{\{ (secrets|inputs)\.(\w+) \}\}")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.temp),
            "TMPDIR": str(self.temp),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTIONS": "true",
            "SVRA_DESTDIR": str(self.root),
            **{name: expression.sub(value, text) for name, text in step.get("env", {}).items()},
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
