"""The service that the demonstration plays against: `qs up` as its own process in a home of its own."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_KEPT = ("QS_PG_BIN", "QS_REDIS_BIN")
# The supervisor kills after 30 s what does not end, and stops the servers then.
_STOP_S = 60


class ServiceFailed(Exception):
    """The service did not come up or did not end well; its log says why."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"the service {what}; its last words: {_tail(log)}")


class Service:
    """Runs from ``start`` to ``stop``; nothing of it survives this process."""

    def __init__(self, home: Path, smtp_port: int) -> None:
        self.home = home
        self.admin_username = "demo"
        self.admin_password = secrets.token_urlsafe(18)
        self.log = home / "service.log"
        self._config = home / "qs.yaml"
        self._port_file = home / "port"
        self._process: asyncio.subprocess.Process | None = None
        self._config.touch(mode=0o600)
        self._config.write_text(yaml.safe_dump(self._settings(smtp_port)), encoding="utf-8")

    @property
    def config(self) -> Path:
        return self._config

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without any setting of qs, so that the home alone decides."""
        return {
            name: value for name, value in os.environ.items() if not name.startswith("QS_") or name in _KEPT
        }

    async def start(self, within: float) -> str:
        """Starts everything; returns the address once it answers.

        Raises:
            ServiceFailed: it ended or did not answer in time.
        """
        self._port_file.unlink(missing_ok=True)
        arguments = ("up", "--ephemeral", "--port-file", str(self._port_file))
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "qs", "-c", str(self._config), *arguments),
                env=self.environment,
                cwd=self.home,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(within):
                while not self._port_file.exists():
                    if self._process.returncode is not None:
                        raise ServiceFailed(f"ended with {self._process.returncode}", self.log)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ServiceFailed(f"did not answer within {within:g} s", self.log) from None
        return f"http://127.0.0.1:{self._port_file.read_text('ascii').strip()}"

    async def stop(self) -> None:
        """Ends it as an operator would and waits for that.

        Raises:
            ServiceFailed: it ended with an error or had to be killed.
        """
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise ServiceFailed(f"did not end within {_STOP_S} s of SIGTERM", self.log) from None
        if code != 0:
            raise ServiceFailed(f"ended with {code}", self.log)

    async def wait(self) -> None:
        """Returns when the service ends by itself."""
        assert self._process is not None
        await self._process.wait()

    def _settings(self, smtp_port: int) -> Mapping[str, Any]:
        return {
            "env": "demo",
            "home": str(self.home),
            "server": {"host": "127.0.0.1", "port": 0},
            # The demonstration is the external scheduler: it sweeps over HTTP at every due instant.
            "clock": {"internal": False},
            "auth": {"admin_username": self.admin_username, "admin_password": self.admin_password},
            "smtp": {
                "host": "127.0.0.1",
                "port": smtp_port,
                "tls": "none",
                "from": "assessments@example.org",
            },
            "notification": {"channels": ["log", "email"]},
        }


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
    return " | ".join(lines[-5:]) or "none"
