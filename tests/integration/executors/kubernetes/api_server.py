"""An API server as a process of its own: TLS on loopback, bearer tokens, batch/v1 Jobs, core/v1 pods and their logs.

Run as ``python -m tests.integration.executors.kubernetes.api_server CERT KEY``; prints its port. What a test wants of
it, such as faults, it takes under ``/control``.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from aiohttp import web

from tests.integration.executors.kubernetes.machinery import Machinery, written
from tests.integration.executors.kubernetes.orders import Fault, Namespace, Orders, cut, merge
from tests.integration.executors.kubernetes.store import Object, Problem, Store, expired, selector
from tests.integration.executors.kubernetes.strict import (
    decoding_errors,
    invalid_fields,
    pod_security_violations,
)

_BOOKMARK_S = 0.25


class ApiServer:
    def __init__(self) -> None:
        self.store = Store()
        self.machinery = Machinery(self.store)
        self.namespaces: dict[str, Namespace] = {}
        self.orders = Orders(self.store, self.machinery, self.namespaces)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=3 * 1024 * 1024)
        jobs = "/apis/batch/v1/namespaces/{namespace}/{kind:jobs}"
        pods = "/api/v1/namespaces/{namespace}/{kind:pods}"
        app.add_routes(
            [
                web.get(jobs, self._guarded("list", self._list)),
                web.post(jobs, self._guarded("create", self._create)),
                web.get(jobs + "/{name}", self._guarded("get", self._get)),
                web.patch(jobs + "/{name}", self._guarded("patch", self._patch)),
                web.delete(jobs + "/{name}", self._guarded("delete", self._delete)),
                web.get(pods, self._guarded("list", self._list)),
                web.get(pods + "/{name}/log", self._guarded("log", self._log)),
                web.post("/control/{namespace}/{order}", self.orders.obey),
                web.get("/control/{namespace}", self.orders.tell),
            ]
        )
        return app

    def _guarded(
        self, verb: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            kind = request.match_info["kind"]
            does = "watch" if verb == "list" and request.query.get("watch") == "true" else verb
            try:
                space = self._authorised(request, does, kind)
                fault = next(
                    (fault for fault in space.faults if (fault.verb, fault.kind) == (does, kind)), None
                )
                if fault is not None and not fault.late:
                    await self._befall(space, fault, request)
                answer = await handler(request)
                if fault is not None and fault.late:
                    await self._befall(space, fault, request)
            except Problem as problem:
                headers = {}
                if seconds := problem.details.get("retryAfterSeconds"):
                    headers["Retry-After"] = str(seconds)
                return web.json_response(problem.status, status=problem.code, headers=headers)
            return answer

        return guarded

    def _authorised(self, request: web.Request, verb: str, kind: str) -> Namespace:
        space = self.namespaces.get(request.match_info["namespace"])
        given = request.headers.get("Authorization", "")
        known = space or next(
            (one for one in self.namespaces.values() if given == f"Bearer {one.token}"), None
        )
        if known is None or given != f"Bearer {known.token}":
            raise Problem(401, "Unauthorized", "Unauthorized")
        if space is None:
            raise Problem(404, "NotFound", "namespaces not found", kind="namespaces")
        space.calls[f"{verb} {kind}"] = space.calls.get(f"{verb} {kind}", 0) + 1
        if (verb, kind) in space.forbidden:
            raise Problem(403, "Forbidden", f"cannot {verb} resource {kind}", kind=kind)
        return space

    async def _befall(self, space: Namespace, fault: Fault, request: web.Request) -> None:
        fault.count -= 1
        if fault.count <= 0:
            space.faults.remove(fault)
        await asyncio.sleep(fault.delay)
        if fault.cut:
            cut(request)
            raise ConnectionResetError
        if fault.status is not None:
            more = {} if fault.retry_after is None else {"retryAfterSeconds": fault.retry_after}
            raise Problem(fault.status, fault.reason, fault.message, **more)

    async def _create(self, request: web.Request) -> web.Response:
        job = await request.json()
        if request.query.get("fieldValidation") == "Strict":
            errors = decoding_errors(job, "V1Job")
            if errors:
                raise Problem(400, "BadRequest", f"strict decoding error: {', '.join(errors)}")
        if fields := invalid_fields(job):
            causes = [
                {"reason": "FieldValueInvalid", "message": "Invalid value", "field": name} for name in fields
            ]
            raise Problem(422, "Invalid", "Job is invalid", causes=causes, kind="Job")
        if violations := pod_security_violations(job["spec"]["template"]["spec"]):
            raise Problem(403, "Forbidden", f"violates PodSecurity restricted: {violations}", kind="jobs")
        job["metadata"]["namespace"] = request.match_info["namespace"]
        made = await self.store.create("jobs", job)
        labels = made["spec"]["template"].setdefault("metadata", {}).setdefault("labels", {})
        labels |= {"controller-uid": made["metadata"]["uid"], "job-name": made["metadata"]["name"]}
        self.machinery.adopt(made)
        return web.json_response(made, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self.store.get(*_key(request)))

    async def _patch(self, request: web.Request) -> web.Response:
        if request.content_type != "application/merge-patch+json":
            raise Problem(415, "UnsupportedMediaType", "only merge patches are known here")
        patch = await request.json()
        version = (patch.get("metadata") or {}).pop("resourceVersion", None)
        return web.json_response(
            await self.store.update(*_key(request), lambda found: merge(found, patch), version)
        )

    async def _delete(self, request: web.Request) -> web.Response:
        options = await request.json()
        found = self.store.get(*_key(request))
        metadata = found["metadata"]
        for name, value in (options.get("preconditions") or {}).items():
            if metadata[name] != value:
                raise Problem(409, "Conflict", f"the {name} in the precondition does not match")
        if options.get("propagationPolicy") != "Foreground":
            raise Problem(422, "Invalid", "the tests want pods gone before their Job")
        await self.machinery.delete_job(found)
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        kind, namespace = request.match_info["kind"], request.match_info["namespace"]
        selects = selector(request.query.get("fieldSelector"), request.query.get("labelSelector"))
        if request.query.get("watch") == "true":
            return await self._watch(request, kind, namespace, selects)
        items = self.store.select(kind, namespace, selects)
        metadata = {"resourceVersion": str(self.store.version)}
        return web.json_response({"kind": "List", "metadata": metadata, "items": items})

    async def _watch(
        self, request: web.Request, kind: str, namespace: str, selects: Callable[[Object], bool]
    ) -> web.StreamResponse:
        space = self.namespaces[namespace]
        since = int(request.query["resourceVersion"])
        if space.gone_as_status and since < self.store.compacted:
            raise expired(since, self.store.compacted)
        events = self.store.watch(kind, namespace, selects, since, _BOOKMARK_S)
        length = float(request.query.get("timeoutSeconds", "1800"))

        async def lines() -> AsyncIterator[bytes]:
            with suppress(TimeoutError):
                async with asyncio.timeout(length):
                    async for event in events:
                        yield json.dumps(event).encode() + b"\n"

        return await self._stream(request, space, lines())

    async def _log(self, request: web.Request) -> web.StreamResponse:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        pod = self.store.get("pods", namespace, name)
        space = self.namespaces[namespace]
        if "containerStatuses" not in pod["status"]:
            raise Problem(400, "BadRequest", "container is waiting to start: ContainerCreating")
        state = pod["status"]["containerStatuses"][0]["state"]
        if "waiting" in state:
            raise Problem(
                400, "BadRequest", "container is waiting to start: trying and failing to pull image"
            )
        log = self.machinery.logs[namespace, name]
        since = datetime.fromisoformat(request.query.get("sinceTime", "1970-01-01T00:00:00Z"))
        zone = timedelta(minutes=space.zone_minutes)

        async def lines() -> AsyncIterator[bytes]:
            position = 0
            while True:
                async with log.bell:
                    await log.bell.wait_for(lambda: len(log.lines) > position or log.over)  # noqa: B023
                    news = log.lines[position:]
                    over = log.over
                position += len(news)
                told = b"".join(
                    written(when, zone).encode() + b" " + text for when, text in news if when >= since
                )
                for start in range(0, len(told), 8192):
                    yield told[start : start + 8192]
                if over and position == len(log.lines):
                    return

        return await self._stream(request, space, lines(), cut_after=space.log_cut_bytes)

    async def _stream(
        self,
        request: web.Request,
        space: Namespace,
        chunks: AsyncIterator[bytes],
        cut_after: int | None = None,
    ) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.content_type = "application/json"
        answer.enable_chunked_encoding()
        space.streams[id(request)] = request
        sent = 0
        try:
            await answer.prepare(request)
            async for chunk in chunks:
                if cut_after is not None and sent + len(chunk) > cut_after:
                    await answer.write(chunk[: cut_after - sent])
                    await asyncio.sleep(0.01)
                    cut(request)
                    break
                await answer.write(chunk)
                sent += len(chunk)
        except ConnectionResetError:
            # Who listened has gone, or was cut off by a test.
            pass
        finally:
            space.streams.pop(id(request), None)
        return answer


def _key(request: web.Request) -> tuple[str, str, str]:
    info = request.match_info
    return info["kind"], info["namespace"], info["name"]


async def main(cert: str, key: str) -> None:
    runner = web.AppRunner(ApiServer().app(), shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    # Whoever started it holds the other end, and is gone when that closes.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
