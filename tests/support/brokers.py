"""Brokers of a test's own: a double, the real servers of Debian, librdkafka's mock, and NSQ's protocol."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from qs.application.kernel.brokers import BrokerUnavailable, OutgoingEvent
from qs.domain.kernel.errors import QsError
from qs.infra.brokers.addressing import BrokerAddress
from tests.support.ports import lasting_port
from tests.support.processes import end

HERE = Path(__file__).parent
_PATIENCE_S = 60.0


class FakeBroker:
    """Keeps what it is sent. ``outcomes`` are told for the next events, one each, instead of confirming them."""

    def __init__(self) -> None:
        self.stored: list[OutgoingEvent] = []
        self.outcomes: dict[str, QsError] = {}
        self.away = False

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.stored]

    async def connect(self) -> None:
        if self.away:
            raise BrokerUnavailable

    async def publish(self, events: Sequence[OutgoingEvent]) -> Sequence[QsError | None]:
        told: list[QsError | None] = []
        for event in events:
            outcome = BrokerUnavailable() if self.away else self.outcomes.get(event.id)
            if outcome is None:
                self.stored.append(event)
            told.append(outcome)
        return told

    async def aclose(self) -> None: ...


class BrokerProcess:
    """A server on loopback that keeps what it stored over a restart. Its port stays the same."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="qs-broker-"))
        self.port = lasting_port()
        self._processes: list[asyncio.subprocess.Process] = []

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self.port)

    async def start(self) -> None:
        raise NotImplementedError

    async def kill(self) -> None:
        """Ends it as a crash would, with all it started."""
        for process in reversed(self._processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await end(process)
        self._processes.clear()

    async def close(self) -> None:
        await self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    async def _begin(self, *command: object, **environment: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            env={**os.environ, **environment},
            cwd=self.home,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    async def _listening(self, port: int) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)


class NatsServer(BrokerProcess):
    options: Sequence[object] = ()

    async def start(self) -> None:
        where = ("-a", "127.0.0.1", "-p", self.port, "-js", "-sd", self.home)
        await self._begin("/usr/sbin/nats-server", *where, *self.options)
        await self._listening(self.port)


class RabbitServer(BrokerProcess):
    def __init__(self) -> None:
        super().__init__()
        self._names_port, self._nodes_port = lasting_port(), lasting_port()

    async def start(self) -> None:
        environment = {
            "HOME": str(self.home),
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "qs@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._nodes_port),
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq"),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
        }
        # Started here, so that RabbitMQ starts none of its own that outlives it.
        await self._begin("/usr/bin/epmd", "-port", self._names_port, "-address", "127.0.0.1")
        await self._listening(self._names_port)
        # Debian's own command would change to the account of the system's broker.
        await self._begin("/usr/lib/rabbitmq/bin/rabbitmq-server", **environment)
        await self._answering()

    async def _answering(self) -> None:
        """It listens a while before it speaks AMQP, and resets who comes meanwhile."""
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    try:
                        writer.write(b"AMQP\x00\x00\x09\x01")
                        await reader.readexactly(1)
                        return
                    finally:
                        writer.close()
                await asyncio.sleep(0.05)


class KafkaMock(BrokerProcess):
    """Keeps everything in memory; it is frozen for a while, not restarted."""

    async def start(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "kafka_mock.py"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._processes.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(_PATIENCE_S):
            address = await process.stdout.readline()
        self.port = int(address.decode().rpartition(":")[2])

    def freeze(self) -> None:
        os.kill(self._processes[0].pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._processes[0].pid, signal.SIGCONT)
