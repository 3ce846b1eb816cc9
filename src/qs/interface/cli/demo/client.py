"""The API as an outsider calls it."""

from types import TracebackType
from typing import Any, Self

import httpx


class CallRefused(Exception):
    """A call of the demonstration was answered with a problem."""

    def __init__(self, method: str, path: str, response: httpx.Response) -> None:
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        detail = problem.get("detail", response.reason_phrase)
        super().__init__(f"{method} {path} answered {response.status_code}: {detail}")


class Client:
    """Speaks JSON to one address with one bearer token."""

    def __init__(self, address: str) -> None:
        self._http = httpx.AsyncClient(base_url=address, timeout=60, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def log_in(self, username: str, password: str) -> None:
        """Works as that user from now on."""
        body = {"username": username, "password": password}
        answer = await self._call("POST", "/api/v1/auth/login", json=body)
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    async def grant(self, client_id: str, client_secret: str) -> None:
        """Works as that service account from now on (RFC 6749, client credentials)."""
        answer = await self._call(
            "POST",
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=httpx.BasicAuth(client_id, client_secret),
        )
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    async def get(self, path: str, **query: Any) -> Any:
        """The ``data`` of the answer."""
        return (await self._call("GET", f"/api/v1{path}", params=query))["data"]

    async def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """The ``data`` of the answer."""
        options: dict[str, Any] = {} if body is None else {"json": body}
        return (await self._call("POST", f"/api/v1{path}", params=query, **options))["data"]

    async def post_csv(self, path: str, content: bytes) -> Any:
        """The ``data`` of the answer."""
        headers = {"Content-Type": "text/csv"}
        return (await self._call("POST", f"/api/v1{path}", content=content, headers=headers))["data"]

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        response = await self._http.request(method, path, **options)
        if response.is_error:
            raise CallRefused(method, path, response)
        return response.json()
