"""One line for each request: never its query string, body, headers or cookies, which carry links and secrets."""

import re
from typing import Any

import structlog

log = structlog.get_logger("qs.access")

_QUIET = ("/health", "/metrics")

# A link that stops messages ends with what makes it one. What a clinic calls somebody identifies them as their name does.
# It may hold slashes; the route says what came after.
_CONFIDENTIAL = re.compile(r"(?<=/ext:).+|(?<=^/unsubscribe/).+", re.DOTALL)


def record(scope: Any, method: str, path: str, status: int, duration_s: float) -> None:
    """Writes the line of an answered request; probes and scrapes are told of only when they fail."""
    if status < 400 and path.startswith(_QUIET):
        return
    user = scope.get("user")
    client = scope.get("client")
    log.info(
        "request_served",
        method=method,
        path=_CONFIDENTIAL.sub("…", path),
        route=scope.get("path_template"),
        status=status,
        duration_ms=round(duration_s * 1000, 1),
        client=client[0] if client else None,
        principal=f"{user.kind}:{user.id}" if user is not None else None,
    )
