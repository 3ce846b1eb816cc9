"""The present state of some objects of a cluster, kept by listing once and watching from there."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import structlog

from qs.domain.kernel.errors import QsError
from qs.infra.scheduler.executors.kubernetes_client import KubernetesClient, Resource
from qs.infra.scheduler.executors.kubernetes_errors import (
    KubernetesAway,
    KubernetesRefused,
    KubernetesUnusable,
    failure,
)

_log = structlog.get_logger()

_GONE = 410
TROUBLES = (KubernetesAway, KubernetesRefused, KubernetesUnusable)
"""What a call to the API may raise; while a Job is followed, all of it is a reason to try again."""


class Backoff:
    """Pauses that grow from a fifth of a second to five, with jitter, or are as long as the server asks for."""

    def __init__(self) -> None:
        self._next = 0.2

    def reset(self) -> None:
        self._next = 0.2

    async def pause(self, trouble: QsError | None = None) -> None:
        asked = getattr(trouble, "retry_after", None) or 0.0
        length, self._next = self._next, min(self._next * 2, 5.0)
        await asyncio.sleep(max(asked, length * random.uniform(0.5, 1.0)))  # noqa: S311 - only jitter


class Watched:
    """The objects that a selector finds, by uid. ``changed`` is set whenever they may look different.

    ``complete`` says that they have been listed. ``trouble`` is what keeps the state from being fresh, None where
    nothing does.
    """

    def __init__(
        self,
        client: KubernetesClient,
        resource: Resource,
        selector: Mapping[str, str],
        changed: asyncio.Event,
    ) -> None:
        self._client = client
        self._resource = resource
        self._selector = selector
        self._changed = changed
        self._backoff = Backoff()
        self.objects: dict[str, dict[str, Any]] = {}
        self.complete = False
        self.trouble: QsError | None = None

    async def run(self) -> None:
        """Keeps the state fresh until canceled.

        A stream that ends or breaks is taken up where it was; where the server does not know that place any more
        (410), or does not let us watch, the objects are listed anew.
        """
        version: str | None = None
        while True:
            try:
                if version is None:
                    version = await self.refresh()
                version = await self._watch(version)
            except KubernetesAway as trouble:
                # The version is still good, unless what broke off was the list.
                await self._rest(trouble)
            except (KubernetesRefused, KubernetesUnusable) as trouble:
                version = None
                await self._rest(trouble)

    async def refresh(self) -> str:
        """Lists the objects; returns the version that the list shows."""
        found = await self._client.list_objects(self._resource, self._selector)
        self.objects = {item["metadata"]["uid"]: item for item in found.get("items") or ()}
        self.complete = True
        self.trouble = None
        self._changed.set()
        return str(found["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        """The version up to which the stream has told everything."""
        begun = asyncio.get_running_loop().time()
        async with aclosing(self._client.watch(self._resource, self._selector, version)) as events:
            try:
                async for event in events:
                    version = self._take(event)
                    self.trouble = None
                    self._backoff.reset()
            except KubernetesAway as trouble:
                _log.debug("kubernetes_watch_broke", resource=self._resource, cause=trouble.cause)
        if asyncio.get_running_loop().time() - begun < 1.0:
            # A server that hangs up at once would otherwise be called in a tight loop.
            await self._backoff.pause()
        return version

    def _take(self, event: Mapping[str, Any]) -> str:
        kind, found = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            raise _expired(found)
        metadata = found.get("metadata") or {}
        if kind in ("ADDED", "MODIFIED"):
            self.objects[metadata["uid"]] = found
        elif kind == "DELETED":
            self.objects.pop(metadata["uid"], None)
        if kind != "BOOKMARK":
            self._changed.set()
        return str(metadata["resourceVersion"])

    async def _rest(self, trouble: QsError) -> None:
        if not (isinstance(trouble, KubernetesRefused) and trouble.status == _GONE):
            self.trouble = trouble
            self._changed.set()
        await self._backoff.pause(trouble)


def _expired(status: Mapping[str, Any]) -> QsError:
    code = status.get("code")
    return failure(code if isinstance(code, int) else 500, None, status)
