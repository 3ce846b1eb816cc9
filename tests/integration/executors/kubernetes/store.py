"""The objects of a cluster with their history, as etcd and the watch cache of an API server keep them."""

import asyncio
import copy
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str, str]


class Problem(Exception):
    """An answer other than success, as a Status."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        self.code = code
        self.details = details
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
            "code": code,
        }
        super().__init__(message)


@dataclass
class Store:
    """``kind`` is the plural, ``jobs`` or ``pods``. Every change has a version, and watchers are told of it."""

    objects: dict[Key, Object] = field(default_factory=dict)
    history: list[tuple[int, str, str, Object]] = field(default_factory=list)
    compacted: int = 0
    _versions: Any = field(default_factory=lambda: itertools.count(1))
    version: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def create(self, kind: str, found: Object) -> Object:
        metadata = found["metadata"]
        key = (kind, metadata["namespace"], metadata["name"])
        if key in self.objects:
            raise Problem(
                409, "AlreadyExists", f'{kind} "{metadata["name"]}" already exists', name=metadata["name"]
            )
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        await self._record("ADDED", key, found)
        return self.get(*key)

    def get(self, kind: str, namespace: str, name: str) -> Object:
        try:
            return copy.deepcopy(self.objects[kind, namespace, name])
        except KeyError:
            raise Problem(404, "NotFound", f'{kind} "{name}" not found', name=name, kind=kind) from None

    async def update(
        self,
        kind: str,
        namespace: str,
        name: str,
        change: Callable[[Object], None],
        version: str | None = None,
    ) -> Object:
        found = self.get(kind, namespace, name)
        if version is not None and found["metadata"]["resourceVersion"] != version:
            raise Problem(409, "Conflict", f'operation cannot be fulfilled on {kind} "{name}"', name=name)
        change(found)
        await self._record("MODIFIED", (kind, namespace, name), found)
        return found

    async def remove(self, kind: str, namespace: str, name: str) -> None:
        key = (kind, namespace, name)
        if key in self.objects:
            await self._record("DELETED", key, copy.deepcopy(self.objects[key]))

    async def _record(self, event: str, key: Key, found: Object) -> None:
        async with self.changed:
            self.version = next(self._versions)
            found["metadata"]["resourceVersion"] = str(self.version)
            if event == "DELETED":
                del self.objects[key]
            else:
                self.objects[key] = copy.deepcopy(found)
            self.history.append((self.version, event, key[0], copy.deepcopy(found)))
            self.changed.notify_all()

    def compact(self) -> None:
        """Forgets all history, so that a watch from an old version is answered with 410."""
        self.compacted = self.version
        self.history.clear()

    def select(self, kind: str, namespace: str, selects: Callable[[Object], bool]) -> list[Object]:
        return [
            copy.deepcopy(found)
            for (of_kind, where, _), found in self.objects.items()
            if of_kind == kind and where == namespace and selects(found)
        ]

    async def watch(
        self, kind: str, namespace: str, selects: Callable[[Object], bool], since: int, idle: float
    ) -> AsyncIterator[Object]:
        """Events after that version; a bookmark whenever there was none for ``idle`` seconds."""
        if since < self.compacted:
            yield {"type": "ERROR", "object": expired(since, self.compacted).status}
            return
        while True:
            news = [entry for entry in self.history if entry[0] > since]
            for version, event, of_kind, found in news:
                since = version
                if of_kind == kind and found["metadata"]["namespace"] == namespace and selects(found):
                    yield {"type": event, "object": found}
            if news:
                continue
            # Who was listening when history was forgotten has heard it.
            since = max(since, self.compacted)
            try:
                async with asyncio.timeout(idle), self.changed:
                    await self.changed.wait_for(lambda: self.version > since)  # noqa: B023
            except TimeoutError:
                bookmark = {"metadata": {"resourceVersion": str(since)}}
                yield {"type": "BOOKMARK", "object": bookmark}


def expired(asked: int, oldest: int) -> Problem:
    return Problem(410, "Expired", f"too old resource version: {asked} ({oldest})")


def selector(field_selector: str | None, label_selector: str | None) -> Callable[[Object], bool]:
    """What ``metadata.name=x`` and ``a=b,c=d`` select."""

    def selects(found: Object) -> bool:
        metadata = found["metadata"]
        labels = metadata.get("labels") or {}
        return all(
            metadata["name"] == value
            for key, value in _pairs(field_selector)
            if key == "metadata.name" or _unsupported(key)
        ) and all(labels.get(key) == value for key, value in _pairs(label_selector))

    return selects


def _pairs(text: str | None) -> list[tuple[str, str]]:
    return [
        (key, value) for key, _, value in (part.partition("=") for part in (text or "").split(",") if part)
    ]


def _unsupported(key: str) -> bool:
    raise Problem(400, "BadRequest", f"field label not supported: {key}")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
