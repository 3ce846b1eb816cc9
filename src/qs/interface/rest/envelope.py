"""The one shape of success: ``{"code": 200, "message": "success", "data": …}``."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from litestar import Response
from msgspec import Struct

T = TypeVar("T")


class Success(Struct, Generic[T]):
    """What every successful answer holds; ``code`` repeats the HTTP status."""

    code: int
    message: str
    data: T


def success(data: T, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[Success[T]]:
    """The answer that carries ``data``: 200, or 201 for a creation, or 202 (with ``Location``) for what is only accepted."""
    return Response(Success(status, "success", data), status_code=status, headers=dict(headers or {}))
