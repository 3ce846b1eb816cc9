"""The API, asked in this process by the pages: the same routes, guards and answers as over the network, without it."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request

from qs.interface.dashboard.inside import call_inside
from qs.interface.rest.app import API_PREFIX


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered: ``data`` of a success, and the ``etag`` to name when it is changed."""

    status: int
    data: Any
    headers: Mapping[str, str]

    @property
    def etag(self) -> str | None:
        return self.headers.get("etag")


class ApiRefused(Exception):
    """The API answered with a problem (RFC 9457), which is told to the person as it is."""

    def __init__(self, status: int, problem: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(problem.get("detail", f"the API answered {status}"))
        self.status = status
        self.problem = problem
        self.headers = headers

    @property
    def title(self) -> str:
        return str(self.problem.get("title", HTTPStatus(self.status).phrase))

    @property
    def detail(self) -> str:
        return str(self.problem.get("detail", ""))

    @property
    def faults(self) -> Mapping[str, str]:
        """What is wrong with which field, by its pointer without the first slash."""
        return {each["pointer"][1:]: each["detail"] for each in self.problem.get("errors", ())}


class Api:
    """The API as the person of ``request`` may ask it."""

    def __init__(self, request: Request[Any, Any, Any], language: str) -> None:
        self._scope: Any = request.scope
        self._language = language

    async def get(self, path: str, /, **query: Any) -> Any:
        """The ``data`` of ``GET /api/v1{path}``; a parameter that is None is left out.

        Raises:
            ApiRefused
        """
        return (await self.ask("GET", path, query=query)).data

    async def ask(
        self,
        method: str,
        path: str,
        /,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; a ``body`` of bytes is sent as it is, any other as JSON.

        Raises:
            ApiRefused: the answer is a problem.
        """
        sent = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        given = {"accept-language": self._language, "content-length": str(len(sent)), **(headers or {})}
        if body is not None:
            given.setdefault("content-type", "application/json")
        kept = [each for each in self._scope["headers"] if each[0] == b"authorization"]
        asked = [*kept, *((k.encode(), v.encode("latin-1")) for k, v in given.items())]
        status, got, data = await call_inside(
            self._scope, method, API_PREFIX + path, _encoded(query or {}), asked, sent
        )
        is_json = got.get("content-type", "").partition(";")[0].endswith("json")
        decoded: Any = msgspec.json.decode(data) if is_json and data else data
        if status >= 400:
            raise ApiRefused(status, decoded if isinstance(decoded, dict) else {}, got)
        is_enveloped = isinstance(decoded, dict) and "data" in decoded and "code" in decoded
        return Answer(status, decoded["data"] if is_enveloped else decoded, got)

    async def together(self, *asked: Awaitable[Any]) -> list[Any]:
        """The results of several questions, each of which may be an ``ApiRefused`` that a part of the page tells of."""
        results = await asyncio.gather(*asked, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ApiRefused):
                raise result
        return results


def segment(text: str) -> str:
    """A text as one segment of a path, whatever is in it."""
    return quote(text, safe=":")


def _encoded(query: Mapping[str, Any]) -> str:
    return urlencode(
        {name: _text(value) for name, value in query.items() if value is not None and value != ""}, doseq=True
    )


def _text(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value
