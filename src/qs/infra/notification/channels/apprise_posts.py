"""Addresses of the apprise library: which are allowed here, and messages to them."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec

from qs.infra.notification.channels.apprise_process import FAILED, REFUSED, SENT, UNFIT

_URL = re.compile(r"([a-z][a-z0-9+.-]{0,31})://[!-~]{1,2000}", re.IGNORECASE)
_MODULE = "qs.infra.notification.channels.apprise_process"
# Each is a Python with apprise in it, some 60 MB.
_AT_ONCE = 4
# No proxy, no certificates, no credentials of whoever runs qs.
_ENVIRONMENT: Mapping[str, str] = {"HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "PATH": "/nonexistent"}


class _Said(msgspec.Struct):
    outcome: str = FAILED
    why: str = ""
    problems: list[str | None] = []


class AppriseFailed(Exception):
    """A message was not accepted, or nobody knows. ``told`` names no address."""

    def __init__(self, told: str, *, permanent: bool) -> None:
        super().__init__(told)
        self.told = told
        self.permanent = permanent


class ApprisePosts:
    """``schemas`` are the kinds of address that are allowed, such as ``slack``; the rest is refused unasked.

    An address whose talk is encrypted may lead to any public address; every other one, as ``json://host``, only into
    ``networks``.
    """

    def __init__(self, schemas: Collection[str], networks: Collection[str], *, deadline: timedelta) -> None:
        self._schemas = frozenset(schema.lower() for schema in schemas)
        self._networks = tuple(networks)
        self._deadline = deadline
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def problems(self, addresses: Sequence[str]) -> Sequence[str | None]:
        """Of each address why nothing can be sent there, or None; nothing is sent."""
        found = [self._at_first_sight(address) for address in addresses]
        fit = [address for address, problem in zip(addresses, found, strict=True) if problem is None]
        if not fit:
            return found
        try:
            said = (await self._ask({"look_at": fit})).problems
        except AppriseFailed as failure:
            said = [f"cannot be looked at: {failure.told}"] * len(fit)
        looked_at = iter(said)
        return [next(looked_at) if problem is None else problem for problem in found]

    async def send(self, url: str, title: str, body: str) -> str:
        """What to note of a message that was accepted.

        Raises:
            AppriseFailed: it was not, or nobody knows.
        """
        if (problem := self._at_first_sight(url)) is not None:
            raise AppriseFailed(problem, permanent=True)
        said = await self._ask({"url": url, "title": title, "body": body})
        if said.outcome != SENT:
            raise AppriseFailed(said.why, permanent=said.outcome in (UNFIT, REFUSED))
        return f"accepted by {_schema(url)}"

    def _at_first_sight(self, url: str) -> str | None:
        if not _URL.fullmatch(url):
            return "it is not an address such as slack://…"
        if _schema(url) not in self._schemas:
            return "its kind is not allowed here (notification.apprise.schemas)"
        return None

    async def _ask(self, question: Mapping[str, Any]) -> _Said:
        timeout_s = self._deadline.total_seconds()
        order = msgspec.json.encode({**question, "networks": self._networks, "timeout_s": timeout_s})
        async with self._room:
            process = await asyncio.create_subprocess_exec(
                # Isolated from the environment, and leaving no files behind.
                *(sys.executable, "-I", "-B", "-m", _MODULE),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(_ENVIRONMENT),
                cwd="/",
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(timeout_s):
                    out, _ = await process.communicate(order)
            except TimeoutError as error:
                raise AppriseFailed("no answer in time", permanent=False) from error
            finally:
                await _end(process)
        try:
            return msgspec.json.decode(out, type=_Said)
        except msgspec.DecodeError as error:
            raise AppriseFailed(f"apprise ended with {process.returncode}", permanent=False) from error


def _schema(url: str) -> str:
    return url.partition("://")[0].lower()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
