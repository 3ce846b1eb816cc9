"""The API of one cluster, as far as qs needs it: Jobs and their pods in one namespace. Documents go in and out as they are."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from qs.infra.scheduler.executors.kubernetes_connecting import Connections
from qs.infra.scheduler.executors.kubernetes_errors import (
    KubernetesAway,
    KubernetesUnusable,
    failure,
)

Resource = Literal["jobs", "pods"]

_GROUPS: dict[Resource, str] = {"jobs": "/apis/batch/v1", "pods": "/api/v1"}
_ANSWERED_WITHIN_S = 15.0
_CONNECTED_WITHIN_S = 5.0
# A connection that died without a word is noticed by its silence.
_SILENT_LOG_S = 60.0
_WATCH_S = 60
_MOST_BYTES = 16 * 1024 * 1024
_UNAUTHORIZED = 401
_UNTRUSTED = "its certificate is not signed by the authority that the kubeconfig names; correct certificate-authority there"


@dataclass(frozen=True, slots=True)
class _Request:
    """One call. It is given up when it has not been answered in time or, with ``silence``, when nothing comes so long."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: str = "application/json"
    silence: float | None = None

    async def send(self, api: Any) -> Any:
        import aiohttp

        return await api.call_api(
            self.path,
            self.method,
            query_params=list(self.query.items()),
            header_params={"Accept": "application/json", "Content-Type": self.content},
            body=self.body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=aiohttp.ClientTimeout(
                total=_ANSWERED_WITHIN_S if self.silence is None else None,
                sock_connect=_CONNECTED_WITHIN_S,
                sock_read=self.silence,
            ),
        )


class KubernetesClient:
    """Speaks to the cluster of a kubeconfig, or of the pod that qs itself runs in when that is None.

    Every method raises KubernetesAway, KubernetesRefused or KubernetesUnusable.
    """

    def __init__(self, namespace: str, *, kubeconfig: Path | None, context: str | None = None) -> None:
        self.namespace = namespace
        self._connections = Connections(kubeconfig, context)

    async def create_job(self, job: Mapping[str, Any]) -> dict[str, Any]:
        return await self._call(_Request("POST", self._path("jobs"), {"fieldValidation": "Strict"}, job))

    async def job(self, name: str) -> dict[str, Any]:
        return await self._call(_Request("GET", self._path("jobs", name)))

    async def list_objects(self, resource: Resource, selector: Mapping[str, str]) -> dict[str, Any]:
        """The list with its ``items`` and, in its metadata, the version it shows."""
        return await self._call(_Request("GET", self._path(resource), selector))

    async def annotate_job(
        self, name: str, annotations: Mapping[str, str], *, version: str
    ) -> dict[str, Any]:
        """The Job with the annotations; refused with 409 where it is not of that version any more."""
        body = {"metadata": {"annotations": annotations, "resourceVersion": version}}
        content = "application/merge-patch+json"
        return await self._call(_Request("PATCH", self._path("jobs", name), body=body, content=content))

    async def delete_job(self, name: str, *, uid: str, version: str) -> None:
        """Begins to remove exactly this Job; it is gone when its pods are."""
        options = {
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid, "resourceVersion": version},
        }
        await self._call(_Request("DELETE", self._path("jobs", name), body=options))

    async def watch(
        self, resource: Resource, selector: Mapping[str, str], version: str
    ) -> AsyncGenerator[dict[str, Any], None]:
        """What happens to the objects after that version, until the server has enough of it."""
        query = {
            **selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_S),
        }
        request = _Request("GET", self._path(resource), query, silence=_WATCH_S + 5.0)
        async with self._open(request) as answer:
            async for line in _lines(answer):
                yield _decoded(line)

    async def log(self, pod: str, container: str, *, since: str | None) -> AsyncGenerator[bytes, None]:
        """What the container writes, each line after the time of it, as it is written until the container ends."""
        query = {"container": container, "follow": "true", "timestamps": "true"}
        if since is not None:
            query["sinceTime"] = since
        path = self._path("pods", pod) + "/log"
        async with self._open(_Request("GET", path, query, silence=_SILENT_LOG_S)) as answer:
            async for chunk in answer.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        await self._connections.aclose()

    def _path(self, resource: Resource, name: str | None = None) -> str:
        path = f"{_GROUPS[resource]}/namespaces/{self.namespace}/{resource}"
        return path if name is None else f"{path}/{name}"

    async def _call(self, request: _Request) -> dict[str, Any]:
        async with self._open(request) as answer:
            return _decoded(await _body(answer))

    @asynccontextmanager
    async def _open(self, request: _Request) -> AsyncIterator[Any]:
        """The successful answer, to be read inside the block."""
        connection = await self._connections.take()
        import aiohttp

        answer: Any = None
        try:
            answer = await request.send(connection.api)
            if answer.status == _UNAUTHORIZED:
                # Tokens are rotated; what was read when qs started may be out of date.
                _leave(answer)
                connection = await self._connections.exchange(connection)
                answer = await request.send(connection.api)
            if answer.status >= 300:
                raise failure(answer.status, answer.headers.get("Retry-After"), _status(await _body(answer)))
            yield answer
        except (ssl.SSLCertVerificationError, aiohttp.ClientConnectorCertificateError) as error:
            raise KubernetesUnusable(_UNTRUSTED) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubernetesAway(type(error).__name__) from error
        finally:
            if answer is not None:
                _leave(answer)
            await self._connections.give_back(connection)


def _leave(answer: Any) -> None:
    """Gives the connection back, or up, where something is left unread."""
    connection = answer.connection
    if connection is not None and connection.transport is not None:
        # A farewell by the rules of TLS would go on for half a minute where the other side is silent.
        connection.transport.abort()
    answer.close()


async def _body(answer: Any) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise KubernetesAway("its answer is larger than 16 MiB")
    return bytes(body)


async def _lines(answer: Any) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in answer.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _MOST_BYTES:
            raise KubernetesAway("its answer is larger than 16 MiB")
        for line in filter(None, lines):
            yield line


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KubernetesAway("its answer is no JSON object") from error


def _status(data: bytes) -> dict[str, Any]:
    try:
        return _decoded(data)
    except KubernetesAway:
        return {}
