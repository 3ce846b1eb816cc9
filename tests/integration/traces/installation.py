"""An installation of real processes that say as much as they can, and the secrets that go through it."""

import asyncio
import base64
import json
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from redis.asyncio import Redis

from qs.container import Container, build_container, close
from qs.infra.auth.cipher import Cipher
from qs.making_keys import CIPHERTEXTS
from qs.settings import Settings, load_settings
from tests.support.collector import Collector
from tests.support.command_line import called
from tests.support.processes import clean_environment, running
from tests.support.receivers import MailReceiver, WebReceiver
from tests.support.traces import database_dump, redis_dump
from tests.support.waiting import eventually

_LOGS = (".log", ".out", ".err")


class Secrets(dict[str, str]):
    """What is looked for, by what it is."""

    def plant(self, name: str, form: str = "{}") -> str:
        """A secret that is used nowhere else; ``form`` says what is written around what cannot be guessed."""
        return self.know(name, form.format(secrets.token_hex(12)))

    def know(self, name: str, secret: str) -> str:
        """One that qs itself has made up."""
        assert name not in self
        self[name] = secret
        return secret


class Installation:
    """``secrets`` may be found nowhere; ``person`` only in ciphertexts, and nowhere once erased."""

    def __init__(self, settings: Settings, home: Path) -> None:
        assert settings.database.url is not None
        assert settings.redis.url is not None
        self.database_url, self.redis_url = settings.database.url, settings.redis.url
        self.home = home
        self.secrets, self.person = Secrets(), Secrets()
        self.web, self.mail, self.target = WebReceiver(), MailReceiver(), WebReceiver()
        self.collector = Collector()
        self.environment: dict[str, str] = {}
        self._said: dict[str, bytes] = {}

    def verb(self, *words: str, stdin: str = "", **more: str) -> str:
        """What a verb wrote for its caller, who may be shown a secret once; what it said besides is kept."""
        done = called({**self.environment, **more}, *words, stdin=stdin)
        self._said[f"qs {' '.join(words[:2])} ({len(self._said)})"] = done.stderr.encode()
        return done.stdout

    def keep(self, what: str, said: str) -> None:
        """What was shown and must hold no secret."""
        self._said[what] = said.encode()

    @asynccontextmanager
    async def process(self, name: str, *words: str, **more: str) -> AsyncIterator[Any]:
        """``qs`` with these words, which must end well when asked to."""
        environment = clean_environment(**self.environment, **more)
        command = (sys.executable, "-P", "-m", "qs", *words)
        with (self.home / f"{name}.out").open("wb") as out, (self.home / f"{name}.err").open("wb") as err:
            async with running(*command, env=environment, stdout=out, stderr=err) as process:
                yield process
                process.terminate()
                assert await asyncio.wait_for(process.wait(), 60) == 0, f"{name} did not end well"

    @asynccontextmanager
    async def api(self, name: str = "api", **more: str) -> AsyncIterator[str]:
        """The address of an API."""
        file = self.home / f"{name}-port"
        async with self.process(name, "api", "--port", "0", "--port-file", str(file), **more) as process:

            async def listens() -> bool:
                assert process.returncode is None, (self.home / f"{name}.err").read_text()
                return file.exists()

            await eventually(listens)
            yield f"http://127.0.0.1:{file.read_text().strip()}"

    @asynccontextmanager
    async def container(self) -> AsyncIterator[Container]:
        """The use cases, in this process."""
        container = build_container(load_settings(None, dict(self.environment)))
        try:
            yield container
        finally:
            await close(container)

    def logs(self) -> dict[str, bytes]:
        """All that was said, by whom."""
        files = (path for path in self.home.rglob("*") if path.suffix in _LOGS and path.is_file())
        return self._said | {f"log {path.name}": path.read_bytes() for path in files}

    async def everything(self) -> dict[str, bytes]:
        """The logs of qs and of its servers, its spans, all tables and all that Redis has, by name."""
        servers = await _server_logs(self.database_url, self.redis_url)
        spans = {"spans": b"\n".join(self.collector.raw)}
        stored = await database_dump(self.database_url) | await redis_dump(self.redis_url)
        return self.logs() | spans | servers | stored

    async def deciphered(self) -> dict[str, bytes]:
        """What stands in every ciphertext."""
        found: dict[str, bytes] = {}

        def named(row: asyncpg.Record) -> Any:
            # The product's own rows have their columns as attributes.
            return SimpleNamespace(**row)

        connection = await asyncpg.connect(self.database_url)
        try:
            async with self.container() as container:
                for each in CIPHERTEXTS:
                    cipher = Cipher(container.keyring(), each.purpose)
                    rows = await connection.fetch(
                        f"SELECT *, {each.tenant} AS tenant FROM {each.table} WHERE {each.column} IS NOT NULL"
                    )
                    opened = [
                        cipher.decrypt(row[each.column], each.bound_to(row["tenant"], named(row)))
                        for row in rows
                    ]
                    found[f"ciphertexts of {each.name}"] = b"\n".join(opened)
        finally:
            await connection.close()
        return found


@asynccontextmanager
async def installed(settings: Settings, home: Path) -> AsyncIterator[Installation]:
    """Set up with a secret wherever one can be, and not started."""
    made = Installation(settings, home)
    planted = made.secrets.plant
    async with AsyncExitStack() as stack:
        for receiver in (made.web, made.mail, made.target):
            await receiver.start()
            stack.push_async_callback(receiver.close)
        made.collector.start()
        stack.callback(made.collector.stop)
        password = planted("password of Redis")
        await _let_in(stack, made.redis_url, password)
        (home / "a-secret").write_text(planted("secret:// in a file") + "\n")
        keys = [planted(name, "{}-of-the-installation") for name in ("current key", "older key")]
        made.environment = {
            "QS_ENV": "test",
            "QS_HOME": str(home),
            "QS_SECRET_KEY": f"k2:{keys[0]},k1:{keys[1]}",
            "QS_DATABASE_URL": _with_password(made.database_url, "qs", planted("password of PostgreSQL")),
            "QS_REDIS_URL": made.redis_url.replace("unix://", f"unix://planted:{password}@"),
            "QS_LOG_LEVEL": "debug",
            "QS_LOG_FORMAT": "json",
            "QS_LOG__PATH": str(home / "qs.log"),
            "QS_DATABASE__LOG_SQL": "true",
            "QS_ADMIN_USERNAME": "admin",
            "QS_ADMIN_PASSWORD": planted("administrator's password"),
            "QS_SMTP__HOST": "127.0.0.1",
            "QS_SMTP__PORT": str(made.mail.port),
            "QS_SMTP__TLS": "none",
            "QS_SMTP__FROM": "qs@example.org",
            "QS_SMTP__USERNAME": "mailer",
            "QS_SMTP__PASSWORD": planted("SMTP password"),
            "QS_NOTIFICATION__WEBHOOK__URL": f"{made.web.url}?token={planted('token of the webhook')}",
            "QS_NOTIFICATION__WEBHOOK__SECRETS": json.dumps(
                [made.secrets.know(f"webhook secret {n}", _signing_secret()) for n in (1, 2)]
            ),
            "QS_NOTIFICATION__MAX_ATTEMPTS": "2",
            "QS_NOTIFICATION__BACKOFF_S": "0.05",
            "QS_OUTBOUND__ALLOW_NETWORKS": "127.0.0.0/8",
            "QS_CLOCK__SWEEP_EVERY": "1s",
            "QS_TRACING__ENDPOINT": made.collector.url,
            "QS_SCHEDULER__DEFAULTS__WEBHOOK": f"{made.web.url}?token={planted('token of the webhook of jobs')}",
            "QS_SECRET_FROM_ENV": planted("secret:// in the environment"),
            "QS_SECRET_ON_DISK_FILE": str(home / "a-secret"),
        }
        yield made


async def _let_in(stack: AsyncExitStack, url: str, password: str) -> None:
    """Redis knows a user of that password beside the one that everybody else here comes in as."""
    client = Redis.from_url(url)
    stack.push_async_callback(client.aclose)
    await client.execute_command("ACL", "SETUSER", "planted", "on", f">{password}", "~*", "&*", "+@all")
    stack.push_async_callback(client.execute_command, "ACL", "DELUSER", "planted")


def _with_password(address: str, user: str, password: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f"{user}@", f"{user}:{password}@")))


def _signing_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


async def _server_logs(database_url: str, redis_url: str) -> dict[str, bytes]:
    """What the servers that the tests brought wrote, as far as this process may read it."""
    connection = await asyncpg.connect(database_url)
    try:
        postgres = await connection.fetchval("SELECT pg_backend_pid()")
        written = _written_by(postgres)
    finally:
        await connection.close()
    client = Redis.from_url(redis_url)
    try:
        redis = (await client.info("server"))["process_id"]
    finally:
        await client.aclose()
    return {"log of PostgreSQL": written, "log of Redis": _written_by(redis)}


def _written_by(pid: int) -> bytes:
    return Path(f"/proc/{pid}/fd/2").resolve().read_bytes()
