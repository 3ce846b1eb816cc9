"""Which other sites' pages may call (the Fetch standard's CORS): none, unless the settings name their origins."""

from collections.abc import Sequence

Header = tuple[bytes, bytes]

_ALLOW_METHODS = b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
_ALLOW_HEADERS = (
    b"Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
)
_EXPOSE_HEADERS = (
    b"ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
)
_PREFLIGHT_SECONDS = b"600"


class CorsPolicy:
    """Answers for a list of origins, ``*`` standing for all; credentials are never allowed, tokens go in a header."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._everyone = "*" in origins
        self._origins = frozenset(origin.rstrip("/").encode("latin-1") for origin in origins)

    def __bool__(self) -> bool:
        return bool(self._origins)

    def headers(self, origin: bytes | None) -> list[Header]:
        """What every answer adds; empty for an origin that is not allowed."""
        if self._everyone:
            return [
                (b"access-control-allow-origin", b"*"),
                (b"access-control-expose-headers", _EXPOSE_HEADERS),
            ]
        vary = (b"vary", b"Origin")
        if origin is None or origin not in self._origins:
            return [vary]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSE_HEADERS),
            vary,
        ]

    def preflight(self, origin: bytes | None) -> list[Header] | None:
        """What the answer to a preflight adds to that; None when the origin is not allowed to ask."""
        if origin is None or not (self._everyone or origin in self._origins):
            return None
        return [
            (b"access-control-allow-methods", _ALLOW_METHODS),
            (b"access-control-allow-headers", _ALLOW_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
