"""Calls routes by their paths in the schema, and counts what each call left in the audit log."""

from dataclasses import dataclass, field
from typing import Any

import asyncpg
from httpx import AsyncClient, Response

from qs.container import Container


@dataclass
class Recorder:
    """``records`` are the actions that the one call of each route left, by ``METHOD /path``."""

    api: AsyncClient
    container: Container
    truth: asyncpg.Connection
    records: dict[str, list[str]] = field(default_factory=dict)

    async def call(self, route: str, json: Any = None, *, query: str = "", **request: Any) -> Response:
        """A call of ``POST /api/v1/plans/{id}`` with ``id=…`` among the arguments; it must succeed."""
        method, template = route.split(" ")
        names = {name: request.pop(name) for name in list(request) if f"{{{name}}}" in template}
        if json is not None:
            request["json"] = json
        mark = f"call-{len(self.records)}"
        path = template.format(**names) + query
        answer = await self.api.request(method, path, headers={"X-Request-Id": mark}, **request)
        assert answer.is_success, f"{route}: {answer.status_code} {answer.text}"
        assert route not in self.records, f"{route} is called twice"
        rows = await self.truth.fetch(
            "SELECT action, actor FROM audit WHERE request_id = $1 ORDER BY id", mark
        )
        self.records[route] = [row["action"] for row in rows]
        return answer
